// Linear layers as matrix products over plain weights, forward over packed ones where they are constant: few rows read
// the weights about once, and run 2 to 3 times as fast then; so do slices, for which oneDNN has a slow kernel
// otherwise.
#include <algorithm>
#include <atomic>
#include <mutex>

#include "fmt/format.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/primitive_kernel.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/cpu/zero_outputs.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {

using onednn::Dense;
using onednn::Md;
using onednn::Strided;
using onednn::Tag;

namespace {

using PrimitiveKernelOr = absl::StatusOr<std::shared_ptr<const PrimitiveKernel>>;

// A product of n rows with weights {out,in}, whose rows are `row` apart.
struct Product {
  int64_t n, in, out, row;
  bool has_bias;
  int threads;
  DType src_type, weights_type, dst_type;
};

PrimitiveKernelOr MakeProduct(const Product& p, bool constant_weights) {
  return onednn::Guard(p.threads, [&]() -> PrimitiveKernelOr {
    const Md src = Dense({p.n, p.in}, Tag::ab, p.src_type), dst = Dense({p.n, p.out}, Tag::ab, p.dst_type);
    const Md transposed = Strided({p.in, p.out}, {1, p.row}, p.weights_type);
    const Md bias = p.has_bias ? Dense({1, p.out}, Tag::ab) : Md();
    // Weights of another type than src, float32 masters, are converted into rows without gaps.
    const bool as_they_are = p.weights_type == p.src_type;
    const Md plain = as_they_are ? transposed : Strided({p.in, p.out}, {1, p.in}, p.src_type);
    const auto pd = onednn::Matmul(src, constant_weights ? onednn::Any({p.in, p.out}, p.src_type) : plain, bias, dst);
    auto kernel = std::make_shared<PrimitiveKernel>(p.threads);
    const PrimitiveKernel::Slot weights =
        constant_weights ? kernel->Packed(1, transposed, pd.weights_desc(), PrimitiveKernel::Changes::kConstant)
        : as_they_are    ? PrimitiveKernel::Input(1, transposed)
                         : kernel->Packed(1, transposed, plain);
    PrimitiveKernel::Arguments arguments = {{DNNL_ARG_SRC, PrimitiveKernel::Input(0, src)},
                                            {DNNL_ARG_WEIGHTS, weights},
                                            {DNNL_ARG_DST, PrimitiveKernel::Output(0, dst)}};
    if (p.has_bias) arguments.emplace_back(DNNL_ARG_BIAS, PrimitiveKernel::Input(2, bias));
    kernel->Add(pd, std::move(arguments));
    return kernel;
  });
}

class LinearKernel : public Kernel {
 public:
  LinearKernel(const Product& product, std::shared_ptr<const Kernel> plain)
      : product_(product), plain_(std::move(plain)) {}

  std::string implementation() const override { return plain_->implementation() + ", packed if constant"; }
  size_t scratch_bytes() const override { return plain_->scratch_bytes(); }
  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    if (!buffers.inputs[1].constant) return plain_->Bind(buffers);
    // Training never comes here, and need not make two kernels.
    std::call_once(made_, [this] { packed_ = MakeProduct(product_, true); });
    if (!packed_.ok()) return packed_.status();
    auto bound = std::make_unique<BoundPacked>();
    KernelBuffers with_scratch = buffers;
    if ((*packed_)->scratch_bytes() > scratch_bytes()) {
      bound->scratch = Tensor(DType::kU8, {static_cast<int64_t>((*packed_)->scratch_bytes())});
      with_scratch.scratch = bound->scratch.data();
    }
    auto product = (*packed_)->Bind(with_scratch);
    if (!product.ok()) return product.status();
    bound->product = *std::move(product);
    return bound;
  }

 private:
  struct BoundPacked : BoundKernel {
    absl::Status Run() override { return product->Run(); }
    Tensor scratch;  // some bytes, where it needs more than the plain one
    std::unique_ptr<BoundKernel> product;
  };

  Product product_;
  std::shared_ptr<const Kernel> plain_;
  mutable std::once_flag made_;
  mutable PrimitiveKernelOr packed_;
};

}  // namespace

KernelOr Make(const Linear& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  const TensorDesc& weights = r.inputs[1];
  const Product product = {RowsOf(r.inputs[0].shape), weights.shape[1], weights.shape[0],
                           weights.row_elements(),    op.has_bias,      r.threads,
                           r.inputs[0].dtype,         weights.dtype,    r.outputs[0].dtype};
  const KernelOr plain = IsOfMatrixUnit(op, r) ? MakeOfMatrixUnit(op, r) : KernelOr(MakeProduct(product, false));
  if (!plain.ok()) return plain.status();
  return std::make_shared<LinearKernel>(product, *plain);
}

KernelOr Make(const LinearBackwardData& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  if (IsOfMatrixUnit(op, r)) return MakeOfMatrixUnit(op, r);
  const int64_t n = RowsOf(r.inputs[0].shape), out = r.inputs[1].shape[0], in = r.inputs[1].shape[1];
  const DType type = r.inputs[0].dtype;
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const Md diff_dst = Dense({n, out}, Tag::ab, type), diff_src = Dense({n, in}, Tag::ab, type);
    const Md plain = Strided({out, in}, {r.inputs[1].row_elements(), 1}, r.inputs[1].dtype);
    const Md weights = r.inputs[1].dtype == type ? plain : Dense({out, in}, Tag::ab, type);
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    const auto add = [&](const auto& pd, int src, int dst) {
      kernel->Add(pd, {{src, PrimitiveKernel::Input(0, diff_dst)},
                       {DNNL_ARG_WEIGHTS, kernel->Packed(1, plain, weights)},
                       {dst, PrimitiveKernel::Output(0, diff_src)}});
    };
    // The product of matrices reads large weights where they lie, column by column: up to 10 % slower than the layer's
    // own gradient, which copies them, and half as fast with rows of 3072. Slices it copies too. Fewer than 32 rows
    // stay with the product, though the gradient is up to 40 % faster there: with its rounding the float32 training
    // golden ofa_sandwich misses its bound.
    constexpr int64_t kLargeWeights = 1 << 17, kManyRows = 32;
    const bool large = r.inputs[1].dense() && out * in >= kLargeWeights;
    if (type == DType::kF32 && large && n >= kManyRows) {
      add(onednn::LinearBackwardData(diff_src, weights, diff_dst), DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC);
    } else {
      add(onednn::Matmul(diff_dst, weights, Md(), diff_src), DNNL_ARG_SRC, DNNL_ARG_DST);
    }
    return kernel;
  });
}

namespace {

// The gradient of many weights: oneDNN reads diff_dst{n,out} column by column, which waits for memory where its rows
// are far apart. So the columns are copied in panels that stay in a core's cache; threads take panels of their own.
struct PanelsOfColumns {
  static constexpr int64_t kColumns = 256, kMostRows = 1024, kLeastColumns = 2048;

  int64_t n, in, out;
  int threads;

  bool pays() const { return n <= kMostRows && out >= kLeastColumns; }
  size_t scratch_bytes() const { return static_cast<size_t>(threads * n * kColumns) * sizeof(float); }

  absl::Status Run(const float* src, const float* diff_dst, float* scratch, float* diff_weights,
                   float* diff_bias) const {
    const VectorKernels& v = Vector();
    const onednn::ThreadScope scope(1);
    std::atomic<dnnl_status_t> status = dnnl_success;
    ParallelFor(threads, (out + kColumns - 1) / kColumns, 1, [&](int t, int64_t begin, int64_t end) {
      float* panel = scratch + t * n * kColumns;
      for (int64_t o = begin * kColumns; o < std::min(end * kColumns, out); o += kColumns) {
        const int64_t width = std::min(kColumns, out - o);
        for (int64_t i = 0; i < n; ++i) std::copy_n(diff_dst + i * out + o, width, panel + i * width);
        if (diff_bias != nullptr) {
          v.fill(0, diff_bias + o, width);
          for (int64_t i = 0; i < n; ++i) v.add_scaled(1, panel + i * width, diff_bias + o, width);
        }
        const dnnl_status_t s =
            dnnl_sgemm('T', 'N', width, in, n, 1, panel, width, src, in, 0, diff_weights + o * in, in);
        if (s != dnnl_success) status = s;
      }
    });
    if (status == dnnl_success) return absl::OkStatus();
    return absl::InternalError(
        fmt::format("oneDNN: a product of matrices (status {})", static_cast<int>(status.load())));
  }
};

}  // namespace

KernelOr Make(const LinearBackwardWeights& op, const Request& r) {
  if (r.inputs[0].elements() == 0 || r.inputs[1].elements() == 0) return ZeroOutputs(r);
  if (IsOfMatrixUnit(op, r)) return MakeOfMatrixUnit(op, r);
  const int64_t n = RowsOf(r.inputs[0].shape), in = r.inputs[0].shape.back(), out = r.inputs[1].shape.back();
  const DType type = r.inputs[0].dtype;  // of src and diff_dst: gradients of weights are float32
  if (const PanelsOfColumns panels = {n, in, out, r.threads}; type == DType::kF32 && panels.pays()) {
    return MakeFunctionKernel("gemm:panels", panels.scratch_bytes(),
                              [panels, has_bias = op.has_bias](const Operands& o) {
                                return panels.Run(o.in<float>(0), o.in<float>(1), static_cast<float*>(o.scratch),
                                                  o.out<float>(0), has_bias ? o.out<float>(1) : nullptr);
                              });
  }
  return onednn::Guard(r.threads, [&]() -> KernelOr {
    const Md src = Dense({n, in}, Tag::ab, type), diff_dst = Dense({n, out}, Tag::ab, type),
             diff_weights = Dense({out, in}, Tag::ab);
    const Md diff_bias = op.has_bias ? Dense({out}, Tag::a) : Md();
    auto kernel = std::make_shared<PrimitiveKernel>(r.threads);
    PrimitiveKernel::Arguments arguments = {{DNNL_ARG_SRC, PrimitiveKernel::Input(0, src)},
                                            {DNNL_ARG_DIFF_DST, PrimitiveKernel::Input(1, diff_dst)},
                                            {DNNL_ARG_DIFF_WEIGHTS, PrimitiveKernel::Output(0, diff_weights)}};
    if (op.has_bias) arguments.emplace_back(DNNL_ARG_DIFF_BIAS, PrimitiveKernel::Output(1, diff_bias));
    kernel->Add(onednn::LinearBackwardWeights(src, Dense({out, in}, Tag::ab, type), diff_weights, diff_bias, diff_dst),
                std::move(arguments));
    return kernel;
  });
}

}  // namespace mathnas::kernels::cpu
