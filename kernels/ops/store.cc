#include "kernels/ops/store.h"

#include "fmt/format.h"

namespace mathnas::kernels {

absl::StatusOr<Descs> InferOutputs(const Store& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {3, 3, kIntegers}); !s.ok()) return s;
  const Shape &state = inputs[0].shape, &x = inputs[1].shape;
  if (x[0] != state[0] || x[1] > state[1] || x[2] != state[2]) {
    return OperatorError(op.kName, fmt::format("x is {}, expected {}xNx{} with N at most {}", ToString(x), state[0],
                                               state[2], state[1]));
  }
  if (auto s = CheckSame(op.kName, "at", inputs[2].shape, {1}); !s.ok()) return s;
  return Descs{};
}

absl::Status CheckStoreAt(int64_t at, int64_t last) {
  if (at >= 0 && at <= last) return absl::OkStatus();
  return absl::OutOfRangeError(fmt::format("{}: at is {}, expected 0 to {}", Store::kName, at, last));
}

}  // namespace mathnas::kernels
