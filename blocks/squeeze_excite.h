// Squeeze-excite as in MobileNetV3 (spec/search-spaces.md 1.1): channels weighted by what the whole image says.
#ifndef MATHNAS_BLOCKS_SQUEEZE_EXCITE_H_
#define MATHNAS_BLOCKS_SQUEEZE_EXCITE_H_

#include <string_view>

#include "kernels/graph.h"

namespace mathnas::blocks {

struct SqueezeWidths {
  int64_t channels = 0;
  int64_t hidden = 0;
};

// x{N,H,W,C} times hard_sigmoid(expand(relu(reduce(mean of x)))){N,C}. Parameters PREFIX.fc.reduce.{weight,bias} and
// PREFIX.fc.expand.{weight,bias}, 1x1 convolutions, stored with the widths `stored`; `hidden` of them are used.
kernels::Value SqueezeExcite(kernels::Graph& g, kernels::Value x, std::string_view prefix, int64_t hidden,
                             const SqueezeWidths& stored);

}  // namespace mathnas::blocks

#endif  // MATHNAS_BLOCKS_SQUEEZE_EXCITE_H_
