// Linear layers in float32 and their gradients by the processor's unit for products of matrices of bfloat16
// (vector/amx_product.inc): nine tenths of a training step of HAT, at what a processor's floats could do.
#include <algorithm>
#include <string>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// sum{columns} of the rows of x{rows,columns}.
void AddRows(const float* x, int64_t rows, int64_t columns, int threads, float* sum) {
  constexpr int64_t kColumns = 64;
  ParallelFor(threads, (columns + kColumns - 1) / kColumns, GrainOf(kColumns * rows),
              [&](int, int64_t first, int64_t last) {
                const int64_t begin = first * kColumns, size = std::min(last * kColumns, columns) - begin;
                Vector().fill(0, sum + begin, size);
                for (int64_t i = 0; i < rows; ++i) Vector().add_scaled(1, x + i * columns + begin, sum + begin, size);
              });
}

// A product of inputs `left` and `right`, with a bias that is input 2, or whose gradient, the sum of the rows of
// `left`, is output 1. Threads take parts of the longer side of y.
struct LinearProduct {
  ProductOfFloats shape;
  size_t left, right;
  bool has_bias = false, has_diff_bias = false;
  int threads;

  static constexpr int64_t kUnit = 32;  // rows or columns that are multiplied together
  bool by_rows() const { return shape.rows >= shape.columns; }
  int64_t side() const { return by_rows() ? shape.rows : shape.columns; }
  int64_t units() const { return (side() + kUnit - 1) / kUnit; }
  // Of scratch memory of a thread.
  int64_t bytes() const {
    const int64_t rows = by_rows() ? (units() + threads - 1) / threads * kUnit : shape.rows;
    return static_cast<int64_t>(MatrixUnit()->product_bytes(rows, shape.inner));
  }

  void Run(const Operands& o) const {
    if (has_diff_bias) AddRows(o.in<float>(left), shape.inner, shape.rows, threads, o.out<float>(1));
    ParallelFor(threads, units(), 1, [&](int thread, int64_t first, int64_t last) {
      ProductOfFloats part = shape;
      part.left.data = o.in<float>(left);
      part.right.data = o.in<float>(right);
      part.bias = has_bias ? o.in<float>(2) : nullptr;
      part.y = o.out<float>(0);
      part.scratch = static_cast<std::byte*>(o.scratch) + thread * bytes();
      const int64_t begin = first * kUnit, end = std::min(last * kUnit, side());
      if (by_rows()) {
        part.rows = end - begin;
        part.left.data += part.left.turned ? begin : begin * part.left.row;
        part.y += begin * part.y_row;
      } else {
        part.columns = end - begin;
        part.right.data += part.right.turned ? begin * part.right.row : begin;
        if (has_bias) part.bias += begin;
        part.y += begin;
      }
      MatrixUnit()->multiply(part);
    });
  }
};

KernelOr MakeKernel(const LinearProduct& product) {
  Carver books(nullptr);
  books.Take<std::byte>(product.threads * product.bytes());
  return MakeFunctionKernel(std::string(MatrixUnit()->name) + "x3", books.bytes(),
                            [product](const Operands& o) { product.Run(o); });
}

// Whether the product takes less time than oneDNN's of floats: 0.6 to 1.02 of it. With shorter sides, which are filled
// up, and fewer products for each float that is split, it takes up to 2.5 times as long.
bool Pays(int64_t rows, int64_t columns, int64_t inner) {
  return MatrixUnit() != nullptr && std::min({rows, columns, inner}) >= 64 && rows * columns * inner >= 1 << 24;
}

bool IsFloat32(const Request& r) { return r.inputs[0].dtype == DType::kF32 && r.inputs[1].dtype == DType::kF32; }

}  // namespace

bool IsOfMatrixUnit(const Linear&, const Request& r) {
  const Shape& weights = r.inputs[1].shape;
  return IsFloat32(r) && Pays(RowsOf(r.inputs[0].shape), weights[0], weights[1]);
}
KernelOr MakeOfMatrixUnit(const Linear& op, const Request& r) {
  const int64_t out = r.inputs[1].shape[0], in = r.inputs[1].shape[1];
  return MakeKernel({.shape = {.rows = RowsOf(r.inputs[0].shape),
                               .columns = out,
                               .inner = in,
                               .left = {.row = in},
                               .right = {.row = r.inputs[1].row_elements(), .turned = true},
                               .y_row = out},
                     .left = 0,
                     .right = 1,
                     .has_bias = op.has_bias,
                     .threads = r.threads});
}

bool IsOfMatrixUnit(const LinearBackwardData&, const Request& r) {
  const Shape& weights = r.inputs[1].shape;
  return IsFloat32(r) && Pays(RowsOf(r.inputs[0].shape), weights[1], weights[0]);
}
KernelOr MakeOfMatrixUnit(const LinearBackwardData&, const Request& r) {
  const int64_t out = r.inputs[1].shape[0], in = r.inputs[1].shape[1];
  return MakeKernel({.shape = {.rows = RowsOf(r.inputs[0].shape),
                               .columns = in,
                               .inner = out,
                               .left = {.row = out},
                               .right = {.row = r.inputs[1].row_elements()},
                               .y_row = in},
                     .left = 0,
                     .right = 1,
                     .threads = r.threads});
}

bool IsOfMatrixUnit(const LinearBackwardWeights&, const Request& r) {
  return IsFloat32(r) && Pays(r.inputs[1].shape.back(), r.inputs[0].shape.back(), RowsOf(r.inputs[0].shape));
}
KernelOr MakeOfMatrixUnit(const LinearBackwardWeights& op, const Request& r) {
  const int64_t out = r.inputs[1].shape.back(), in = r.inputs[0].shape.back();
  return MakeKernel({.shape = {.rows = out,
                               .columns = in,
                               .inner = RowsOf(r.inputs[0].shape),
                               .left = {.row = out, .turned = true},
                               .right = {.row = in},
                               .y_row = in},
                     .left = 1,
                     .right = 0,
                     .has_diff_bias = op.has_bias,
                     .threads = r.threads});
}

}  // namespace mathnas::kernels::cpu
