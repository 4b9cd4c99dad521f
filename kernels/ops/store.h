// Writing into a state: how decoding keeps the keys and values of the tokens so far (search-spaces.md 4.7).
#ifndef MATHNAS_KERNELS_OPS_STORE_H_
#define MATHNAS_KERNELS_OPS_STORE_H_

#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// state[:, at : at + t] = x, in place. Inputs: state{B,L,E} (of Graph::State, or a slice of one), x{B,t,E}, at{1} int64
// in 0 .. L - t. No outputs. What reads the state and was added to the graph before sees the old contents, what is
// added later the new ones. With another `at` Run answers OutOfRange and nothing is written.
struct Store {
  static constexpr std::string_view kName = "store";
  template <typename V>
  void Visit(V&&) {}
  bool operator==(const Store&) const = default;
};

absl::StatusOr<Descs> InferOutputs(const Store& op, DescSpan inputs);
// What Run answers when `at` is not in 0 .. last.
absl::Status CheckStoreAt(int64_t at, int64_t last);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_STORE_H_
