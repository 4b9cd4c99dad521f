#include "blocks/drop_path.h"

namespace mathnas::blocks {

using kernels::Value;

DropPath::DropPath(kernels::Graph& g, double rate, int blocks) : g_(g), rate_(rate), blocks_(blocks) {
  if (rate_ > 0) seed_ = g_.Integers("seed", {1});
}

Value DropPath::Branch(Value y) {
  if (rate_ <= 0 || !y.valid()) return y;
  const kernels::Shape& shape = g_.desc(y).shape;
  const int64_t sample = g_.desc(y).elements() / shape[0];
  const kernels::Dropout drop = {
      .rate = rate_ * block_ / blocks_, .stream = stream_++, .group = static_cast<int32_t>(sample)};
  return g_.Apply(drop, {y, seed_})[0];
}

}  // namespace mathnas::blocks
