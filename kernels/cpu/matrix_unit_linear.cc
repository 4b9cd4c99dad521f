// Linear layers in float32 and their gradients, and 1x1 convolutions of inference, by the processor's unit for products
// of matrices of bfloat16 (vector/amx_product.inc). The layers are nine tenths of a training step of HAT, the
// convolutions half of MobileNetV3's inference, and libraries compute both at what a processor's floats can do.
#include <algorithm>
#include <string>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/packing_id.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/cpu/vector_activation.h"
#include "kernels/function_kernel.h"
#include "kernels/packed_weights.h"

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

  void Run(const Operands& o, const Bfloat16* packed) const {
    if (has_diff_bias) AddRows(o.in<float>(left), shape.inner, shape.rows, threads, o.out<float>(1));
    ParallelFor(threads, units(), 1, [&](int thread, int64_t first, int64_t last) {
      ProductOfFloats part = shape;
      part.left.data = o.in<float>(left);
      part.right.data = o.in<float>(right);
      part.packed = packed;
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
        if (packed != nullptr) part.packed += ProductOfFloats::Packed(part.inner, begin);
        if (has_bias) part.bias += begin;
        part.y += begin;
      }
      MatrixUnit()->multiply(part);
    });
  }
};

class ProductKernel : public Kernel {
 public:
  explicit ProductKernel(const LinearProduct& product) : product_(product) {}

  std::string implementation() const override { return std::string(MatrixUnit()->name) + "x3"; }
  size_t scratch_bytes() const override {
    Carver books(nullptr);
    books.Take<std::byte>(product_.threads * product_.bytes());
    return books.bytes();
  }
  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    auto bound = std::make_unique<Bound>(product_);
    for (const KernelBuffers::Operand& o : buffers.inputs) bound->operands.inputs.push_back(o.data);
    bound->operands.outputs.assign(buffers.outputs.begin(), buffers.outputs.end());
    bound->operands.scratch = buffers.scratch;
    if (buffers.inputs[product_.right].constant) {
      ProductOfFloats p = product_.shape;
      p.right.data = bound->operands.in<float>(product_.right);
      auto kept = buffers.packed->Get(PackingId("product of floats", {p.inner, p.columns, p.right.row, p.right.turned}),
                                      p.right.data, {DType::kBf16, {ProductOfFloats::Packed(p.inner, p.columns)}},
                                      [&](const TensorView& packed) {
                                        MatrixUnit()->pack_right(p, packed.as<Bfloat16>().data());
                                        return absl::OkStatus();
                                      });
      if (!kept.ok()) return kept.status();
      bound->packed = *std::move(kept);
    }
    return bound;
  }

 private:
  struct Bound : BoundKernel {
    explicit Bound(const LinearProduct& p) : product(p) {}
    absl::Status Run() override {
      product.Run(operands, packed == nullptr ? nullptr : packed->as<Bfloat16>().data());
      return absl::OkStatus();
    }
    LinearProduct product;
    Operands operands;
    std::shared_ptr<const Tensor> packed;  // the right factor, if it is constant
  };

  LinearProduct product_;
};

// Whether the product takes less time than oneDNN's of floats: 0.6 to 1.02 of it. With shorter sides, which are filled
// up, and fewer products for each float that is split, it takes up to 2.5 times as long. A right factor that has been
// split before takes half as much memory again: few rows gain nothing in a network, whatever they do alone.
bool Pays(int64_t rows, int64_t columns, int64_t inner) {
  return MatrixUnit() != nullptr && std::min({rows, columns, inner}) >= 64 && rows * columns * inner >= 1 << 24;
}
bool IsFloat32(const Request& r) { return r.inputs[0].dtype == DType::kF32 && r.inputs[1].dtype == DType::kF32; }

// A linear layer, or a 1x1 convolution, which is one of pixels, with what `op` has fused into it.
KernelOr MakeForward(bool has_bias, const Conv2d& op, const Request& r) {
  const int64_t out = r.inputs[1].shape[0], in = r.inputs[1].shape[1];
  return std::make_shared<ProductKernel>(
      LinearProduct{.shape = {.rows = RowsOf(r.inputs[0].shape),
                              .columns = out,
                              .inner = in,
                              .left = {.row = in},
                              .right = {.row = r.inputs[1].row_elements(), .turned = true},
                              .adds = op.has_addend,
                              .activation = OfVectors(op.activation),
                              .y_row = out},
                    .left = 0,
                    .right = 1,
                    .has_bias = has_bias,
                    .threads = r.threads});
}

}  // namespace

bool IsOfMatrixUnit(const Linear&, const Request& r) {
  const Shape& weights = r.inputs[1].shape;
  return IsFloat32(r) && Pays(RowsOf(r.inputs[0].shape), weights[0], weights[1]);
}
KernelOr MakeOfMatrixUnit(const Linear& op, const Request& r) { return MakeForward(op.has_bias, {}, r); }

// Of inference, where biases are folded into convolutions: in training, other kernels gain too little.
bool IsOfMatrixUnit(const Conv2d& op, const Request& r) {
  const Shape& weights = r.inputs[1].shape;
  return op.has_bias && op.activation != Activation::kSwish && weights[2] == 1 && weights[3] == 1 && op.stride == 1 &&
         op.padding == 0 && op.groups == 1 && IsFloat32(r) && Pays(RowsOf(r.inputs[0].shape), weights[0], weights[1]);
}
KernelOr MakeOfMatrixUnit(const Conv2d& op, const Request& r) { return MakeForward(op.has_bias, op, r); }

bool IsOfMatrixUnit(const LinearBackwardData&, const Request& r) {
  const Shape& weights = r.inputs[1].shape;
  return IsFloat32(r) && Pays(RowsOf(r.inputs[0].shape), weights[1], weights[0]);
}
KernelOr MakeOfMatrixUnit(const LinearBackwardData&, const Request& r) {
  const int64_t out = r.inputs[1].shape[0], in = r.inputs[1].shape[1];
  return std::make_shared<ProductKernel>(LinearProduct{.shape = {.rows = RowsOf(r.inputs[0].shape),
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
  return std::make_shared<ProductKernel>(LinearProduct{.shape = {.rows = out,
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
