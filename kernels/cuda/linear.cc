// Linear layers as products of cuBLASLt, which take slices of weights as they lie. It wants both operands of one type:
// float32 weights of layers of 16 bits are rounded into scratch by every run, or once where they are constant.
#include "kernels/cuda/own/linear.h"

#include <list>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "fmt/format.h"
#include "kernels/cuda/carver.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/matmul.h"
#include "kernels/cuda/own/convert.h"
#include "kernels/cuda/zero_outputs.h"

namespace mathnas::kernels::cuda {
namespace {

std::string Implementation(const Product& p) {
  return p.type == DType::kBf16 ? "cublaslt:bf16" : p.type == DType::kF16 ? "cublaslt:f16" : "cublaslt:f32";
}

// One address for each layout of weights that has been rounded to a type, as PackedWeights wants it: layers share them
// whatever their batches are.
const void* LayoutId(int64_t out, int64_t in, int64_t row, DType type) {
  static std::mutex mutex;
  static std::list<std::tuple<int64_t, int64_t, int64_t, DType>> seen;
  const std::lock_guard lock(mutex);
  const std::tuple layout = {out, in, row, type};
  for (const auto& known : seen) {
    if (known == layout) return &known;
  }
  return &seen.emplace_back(layout);
}

absl::Status NoFeatures() { return absl::UnimplementedError("a layer without features: expected at least one"); }

// A layer or what flows back through it: the product of rows, input 0, with weights{out,in}, input 1.
class LinearKernel : public Kernel {
 public:
  LinearKernel(const Product& product, const TensorDesc& weights, bool has_bias)
      : product_(product),
        out_(weights.shape[0]),
        in_(weights.shape[1]),
        weights_row_(weights.row_elements()),
        rounds_(weights.dtype != product.type),
        has_bias_(has_bias),
        // The bias is float32, so it cannot be added to rows of 16 bits before these are rounded: see Product.
        sums_apart_(has_bias && IsLow(product.y_type)) {
    product_.b_row = rounds_ ? in_ : weights_row_;
    if (sums_apart_) product_.y_type = DType::kF32;
  }

  std::string implementation() const override { return Implementation(product_); }
  size_t scratch_bytes() const override { return Scratch(*this, nullptr).bytes; }

  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    Queue& queue = QueueOf(*buffers.stream);
    if (auto s = queue.gpu().Enter(); !s.ok()) return s;
    const Scratch scratch(*this, buffers.scratch);
    auto bound = std::make_unique<Bound>(queue);
    const void* weights = buffers.inputs[1].data;
    if (rounds_ && buffers.inputs[1].constant) {
      auto packed = buffers.packed->Get(LayoutId(out_, in_, weights_row_, product_.type), weights, [&] {
        return Rounded(static_cast<CudaStream&>(*buffers.stream), buffers.inputs[1].data);
      });
      if (!packed.ok()) return packed.status();
      bound->packed = *std::move(packed);
      weights = bound->packed->data();
    } else if (rounds_) {
      bound->round = Rounding(weights, scratch.weights);
      bound->rounded = product_.type;
      weights = scratch.weights;
    }

    Product product = product_;
    const float* bias = has_bias_ ? static_cast<const float*>(buffers.inputs[2].data) : nullptr;
    void* y = buffers.outputs[0];
    const bool fused = has_bias_ && !sums_apart_ && reinterpret_cast<uintptr_t>(bias) % 16 == 0;
    if (fused) {
      product.epilogue = Product::Epilogue::kBias;
    } else if (has_bias_) {
      void* sums = sums_apart_ ? scratch.sums : y;
      bound->add_bias = AddBiasArgs{static_cast<const float*>(sums), bias, y, product.m * product.n, product.n};
      bound->type = sums_apart_ ? product_.type : DType::kF32;
      y = sums;
    }
    auto matmul =
        Matmul::Create(queue, product, {buffers.inputs[0].data, weights, fused ? bias : nullptr, y, scratch.workspace});
    if (!matmul.ok()) return matmul.status();
    bound->matmul = *std::move(matmul);
    return bound;
  }

 private:
  struct Scratch {
    std::byte* workspace;
    uint16_t* weights;  // rounded
    float* sums;        // before the bias
    size_t bytes;

    Scratch(const LinearKernel& k, void* memory) {
      Carver carver(memory);
      workspace = carver.Take<std::byte>(Matmul::kWorkspaceBytes);
      weights = carver.Take<uint16_t>(k.rounds_ ? k.out_ * k.in_ : 0);
      sums = carver.Take<float>(k.sums_apart_ ? k.product_.m * k.product_.n : 0);
      bytes = carver.bytes();
    }
  };

  struct Bound : BoundKernel {
    explicit Bound(Queue& q) : queue(q) {}
    absl::Status Run() override {
      if (round) {
        if (auto s = queue.Launch(kNarrow, rounded, queue.Over(round->rows * round->columns), *round); !s.ok()) {
          return s;
        }
      }
      if (auto s = matmul->Run(); !s.ok()) return s;
      return add_bias ? queue.Launch(kAddBias, type, queue.Over(add_bias->n), *add_bias) : absl::OkStatus();
    }
    Queue& queue;
    std::shared_ptr<const Tensor> packed;
    std::optional<RowsArgs> round;
    DType rounded = DType::kBf16;
    std::optional<Matmul> matmul;
    std::optional<AddBiasArgs> add_bias;
    DType type = DType::kF32;  // of y, where the bias is added apart
  };

  RowsArgs Rounding(const void* weights, void* rounded) const {
    return {.x = weights, .y = rounded, .x_stride = weights_row_, .y_stride = in_, .rows = out_, .columns = in_};
  }

  // Constant weights, rounded. They may have been trained on the device, and any stream may read them afterwards.
  absl::StatusOr<Tensor> Rounded(CudaStream& stream, const void* weights) const {
    Queue& queue = stream.queue();
    const TensorDesc desc = {product_.type, {out_, in_}};
    auto memory = queue.gpu().Allocate(Gpu::Memory::kDevice, desc.bytes());
    if (!memory.ok()) return memory.status();
    void* rounded = memory->get();
    if (auto s = stream.updates().Precede(queue.stream()); !s.ok()) return s;
    const RowsArgs args = Rounding(weights, rounded);
    if (auto s = queue.Launch(kNarrow, product_.type, queue.Over(out_ * in_), args); !s.ok()) return s;
    if (auto s = queue.Wait(); !s.ok()) return s;
    return Tensor::Borrow({desc, rounded}, *std::move(memory));
  }

  Product product_;
  int64_t out_, in_, weights_row_;
  bool rounds_, has_bias_, sums_apart_;
};

class LinearBackwardWeightsKernel : public Kernel {
 public:
  LinearBackwardWeightsKernel(const Product& product, bool has_bias)
      : product_(product), has_bias_(has_bias), bias_(product.k, product.m) {}

  std::string implementation() const override { return Implementation(product_); }
  size_t scratch_bytes() const override { return Scratch(*this, nullptr).bytes; }

  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    Queue& queue = QueueOf(*buffers.stream);
    if (auto s = queue.gpu().Enter(); !s.ok()) return s;
    const Scratch scratch(*this, buffers.scratch);
    const void *src = buffers.inputs[0].data, *diff_dst = buffers.inputs[1].data;
    auto matmul = Matmul::Create(queue, product_, {diff_dst, src, nullptr, buffers.outputs[0], scratch.workspace});
    if (!matmul.ok()) return matmul.status();
    auto bound = std::make_unique<Bound>(queue, *std::move(matmul), bias_);
    bound->diff_dst = diff_dst;
    bound->type = product_.type;
    bound->partial = scratch.partial;
    bound->diff_bias = has_bias_ ? static_cast<float*>(buffers.outputs[1]) : nullptr;
    return bound;
  }

 private:
  struct Scratch {
    std::byte* workspace;
    float* partial;  // sums of the bias's gradient
    size_t bytes;

    Scratch(const LinearBackwardWeightsKernel& k, void* memory) {
      Carver carver(memory);
      workspace = carver.Take<std::byte>(Matmul::kWorkspaceBytes);
      partial = carver.Take<float>(k.has_bias_ ? k.bias_.scratch() : 0);
      bytes = carver.bytes();
    }
  };

  struct Bound : BoundKernel {
    Bound(Queue& q, Matmul m, const ColumnSums& b) : queue(q), matmul(std::move(m)), bias(b) {}
    absl::Status Run() override {
      if (auto s = matmul.Run(); !s.ok()) return s;
      return diff_bias == nullptr ? absl::OkStatus() : bias.Run(queue, diff_dst, type, partial, diff_bias);
    }
    Queue& queue;
    Matmul matmul;
    ColumnSums bias;
    const void* diff_dst = nullptr;
    DType type = DType::kF32;
    float *partial = nullptr, *diff_bias = nullptr;
  };

  Product product_;
  bool has_bias_;
  ColumnSums bias_;
};

}  // namespace

KernelOr Make(const Linear& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  if (r.inputs[0].elements() == 0) return NoFeatures();
  const TensorDesc& weights = r.inputs[1];
  const Product product = {.m = RowsOf(r.inputs[0].shape),
                           .n = weights.shape[0],
                           .k = weights.shape[1],
                           .transpose_b = true,
                           .type = r.inputs[0].dtype,
                           .y_type = r.outputs[0].dtype};
  return std::make_shared<LinearKernel>(product, weights, op.has_bias);
}

KernelOr Make(const LinearBackwardData&, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  if (r.inputs[0].elements() == 0) return NoFeatures();
  const TensorDesc& weights = r.inputs[1];
  const Product product = {.m = RowsOf(r.inputs[0].shape),
                           .n = weights.shape[1],
                           .k = weights.shape[0],
                           .type = r.inputs[0].dtype,
                           .y_type = r.outputs[0].dtype};
  return std::make_shared<LinearKernel>(product, weights, false);
}

KernelOr Make(const LinearBackwardWeights& op, const Request& r) {
  if (r.inputs[0].elements() == 0 || r.inputs[1].elements() == 0) return ZeroOutputs(r);
  const Product product = {.m = r.inputs[1].shape.back(),
                           .n = r.inputs[0].shape.back(),
                           .k = RowsOf(r.inputs[0].shape),
                           .transpose_a = true,
                           .type = r.inputs[0].dtype};
  return std::make_shared<LinearBackwardWeightsKernel>(product, op.has_bias);
}

}  // namespace mathnas::kernels::cuda
