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

// Threads take parts of the longer side of y.
KernelOr MakeProduct(const ProductOfFloats& shape, int threads, const auto& operands) {
  const bool by_rows = shape.rows >= shape.columns;
  constexpr int64_t kUnit = 32;  // rows or columns that are multiplied together
  const int64_t units = ((by_rows ? shape.rows : shape.columns) + kUnit - 1) / kUnit;
  const auto bytes = static_cast<int64_t>(
      MatrixUnit()->product_bytes(by_rows ? (units + threads - 1) / threads * kUnit : shape.rows, shape.inner));
  Carver books(nullptr);
  books.Take<std::byte>(threads * bytes);
  return MakeFunctionKernel(std::string(MatrixUnit()->name) + "x3", books.bytes(), [=](const Operands& o) {
    ProductOfFloats whole = shape;
    operands(o, whole);
    ParallelFor(threads, units, 1, [&](int thread, int64_t first, int64_t last) {
      ProductOfFloats part = whole;
      const int64_t begin = first * kUnit, end = std::min(last * kUnit, by_rows ? shape.rows : shape.columns);
      if (by_rows) {
        part.rows = end - begin;
        part.left.data += part.left.turned ? begin : begin * part.left.row;
        part.y += begin * part.y_row;
      } else {
        part.columns = end - begin;
        part.right.data += part.right.turned ? begin * part.right.row : begin;
        if (part.bias != nullptr) part.bias += begin;
        part.y += begin;
      }
      part.scratch = static_cast<std::byte*>(o.scratch) + thread * bytes;
      MatrixUnit()->multiply(part);
    });
  });
}

// Whether the product takes less time than oneDNN's of floats: 0.6 to 0.95 of it. With shorter sides, which are filled
// up, and fewer products for each float that is split, it takes up to 2.5 times as long.
bool Pays(int64_t rows, int64_t columns, int64_t inner) {
  return MatrixUnit() != nullptr && std::min({rows, columns, inner}) >= 64 && rows * columns * inner >= 1 << 24;
}

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

bool IsFloat32(const Request& r) { return r.inputs[0].dtype == DType::kF32 && r.inputs[1].dtype == DType::kF32; }

}  // namespace

bool IsOfMatrixUnit(const Linear&, const Request& r) {
  const Shape& weights = r.inputs[1].shape;
  return IsFloat32(r) && Pays(RowsOf(r.inputs[0].shape), weights[0], weights[1]);
}
KernelOr MakeOfMatrixUnit(const Linear& op, const Request& r) {
  const int64_t out = r.inputs[1].shape[0], in = r.inputs[1].shape[1];
  return MakeProduct({.rows = RowsOf(r.inputs[0].shape),
                      .columns = out,
                      .inner = in,
                      .left = {.row = in},
                      .right = {.row = r.inputs[1].row_elements(), .turned = true},
                      .y_row = out},
                     r.threads, [has_bias = op.has_bias](const Operands& o, ProductOfFloats& p) {
                       p.left.data = o.in<float>(0);
                       p.right.data = o.in<float>(1);
                       p.bias = has_bias ? o.in<float>(2) : nullptr;
                       p.y = o.out<float>(0);
                     });
}

bool IsOfMatrixUnit(const LinearBackwardData&, const Request& r) {
  const Shape& weights = r.inputs[1].shape;
  return IsFloat32(r) && Pays(RowsOf(r.inputs[0].shape), weights[1], weights[0]);
}
KernelOr MakeOfMatrixUnit(const LinearBackwardData&, const Request& r) {
  const int64_t out = r.inputs[1].shape[0], in = r.inputs[1].shape[1];
  return MakeProduct({.rows = RowsOf(r.inputs[0].shape),
                      .columns = in,
                      .inner = out,
                      .left = {.row = out},
                      .right = {.row = r.inputs[1].row_elements()},
                      .y_row = in},
                     r.threads, [](const Operands& o, ProductOfFloats& p) {
                       p.left.data = o.in<float>(0);
                       p.right.data = o.in<float>(1);
                       p.y = o.out<float>(0);
                     });
}

bool IsOfMatrixUnit(const LinearBackwardWeights&, const Request& r) {
  return IsFloat32(r) && Pays(r.inputs[1].shape.back(), r.inputs[0].shape.back(), RowsOf(r.inputs[0].shape));
}
KernelOr MakeOfMatrixUnit(const LinearBackwardWeights& op, const Request& r) {
  const int64_t n = RowsOf(r.inputs[0].shape), out = r.inputs[1].shape.back(), in = r.inputs[0].shape.back();
  return MakeProduct(
      {.rows = out, .columns = in, .inner = n, .left = {.row = out, .turned = true}, .right = {.row = in}, .y_row = in},
      r.threads, [=, threads = r.threads, has_bias = op.has_bias](const Operands& o, ProductOfFloats& p) {
        p.left.data = o.in<float>(1);
        p.right.data = o.in<float>(0);
        p.y = o.out<float>(0);
        if (has_bias) AddRows(o.in<float>(1), n, out, threads, o.out<float>(1));
      });
}

}  // namespace mathnas::kernels::cpu
