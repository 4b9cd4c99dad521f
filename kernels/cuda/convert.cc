#include "kernels/cuda/own/convert.h"

#include "fmt/format.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {
namespace {

// Tensors of one shape as rows that may lie apart.
RowsArgs RowsOf(const TensorDesc& x, const TensorDesc& y) {
  const int64_t n = x.elements();
  if (n == 0 || (x.dense() && y.dense())) return {.rows = 1, .columns = n};
  const int64_t rows = x.shape[0];
  return {.x_stride = x.row_elements(), .y_stride = y.row_elements(), .rows = rows, .columns = n / rows};
}

}  // namespace

KernelOr Make(const Convert&, const Request& r) {
  const DType from = r.inputs[0].dtype, to = r.outputs[0].dtype;
  if (IsLow(from) == IsLow(to)) {
    return absl::UnimplementedError(
        fmt::format("convert: {} to {}, expected float32 and a type of 16 bits", Name(from), Name(to)));
  }
  return MakeEnqueued("own:convert", 0,
                      [from, to, rows = RowsOf(r.inputs[0], r.outputs[0])](Queue& q, const Operands& o) {
                        RowsArgs args = rows;
                        args.x = o.inputs[0];
                        args.y = o.outputs[0];
                        const Grid grid = q.Over(args.rows * args.columns);
                        return IsLow(to) ? q.Launch(kNarrow, to, grid, args) : q.Launch(kWiden, from, grid, args);
                      });
}

KernelOr Make(const Accumulate&, const Request& r) {
  return MakeEnqueued("own:accumulate", 0, [rows = RowsOf(r.inputs[1], r.inputs[0])](Queue& q, const Operands& o) {
    RowsArgs args = rows;
    args.x = o.inputs[1];
    args.y = o.inputs[0];
    return q.Launch(kAccumulate, DType::kF32, q.Over(args.rows * args.columns), args);
  });
}

}  // namespace mathnas::kernels::cuda
