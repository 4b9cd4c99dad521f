#include "kernels/cuda/own/positions.h"

#include <cmath>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {

KernelOr Make(const SinusoidalPositions& op, const Request& r) {
  const Shape& shape = r.inputs[0].shape;
  const int32_t half = op.width / 2;
  const PositionsArgs args = {.length = shape.empty() ? 1 : shape.back(),
                              .columns = op.columns,
                              .half = half,
                              .rows = op.rows,
                              .padding = op.padding,
                              .from_tokens = op.from_tokens,
                              .log_frequency_step = -std::log(10000.0) / (half - 1)};
  return MakeEnqueued("own:positions", 0, [args, places = r.inputs[0].elements()](Queue& q, const Operands& o) {
    PositionsArgs a = args;
    a.ids = static_cast<const long long*>(o.inputs[0]);
    a.y = o.out<float>(0);
    return q.Launch(kPositions, DType::kF32, {.blocks = static_cast<unsigned>(places), .threads = 128}, a);
  });
}

}  // namespace mathnas::kernels::cuda
