// Images of another size, by bicubic interpolation: NASViT brings its input to the active resolution itself
// (search-spaces.md 5.1).
#ifndef MATHNAS_KERNELS_OPS_RESIZE_H_
#define MATHNAS_KERNELS_OPS_RESIZE_H_

#include <array>
#include <cstdint>

#include "kernels/ops/rules.h"

namespace mathnas::kernels {

// y{N,height,width,C} from x{N,H,W,C}: each pixel is a weighted sum of 4 x 4 pixels around it (Keys, 1981, a = -0.75),
// pixel centres at 0.5, pixels outside are the nearest inside, nothing is smoothed when images shrink. No gradient.
struct Resize {
  int32_t height = 1;
  int32_t width = 1;

  static constexpr std::string_view kName = "resize";
  template <typename V>
  void Visit(V&& v) {
    v("height", height), v("width", width);
  }
  bool operator==(const Resize&) const = default;
};

// What pixel `i` of `out` along one axis is made of: four of the `in` pixels, and their weights.
struct CubicTaps {
  std::array<int64_t, 4> at;
  std::array<double, 4> weights;

  CubicTaps(int64_t i, int64_t in, int64_t out);
};

absl::StatusOr<Descs> InferOutputs(const Resize& op, DescSpan inputs);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_OPS_RESIZE_H_
