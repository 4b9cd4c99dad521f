// 3x3 convolutions and their gradients by Winograd's F(2x2,3x3) (vector/winograd.inc): own vector code, which
// multiplies less than half as often as the direct ones of oneDNN, the larger part of a training step of NAS-Bench-201.
#include <algorithm>
#include <list>
#include <memory>
#include <mutex>
#include <tuple>
#include <utility>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"
#include "kernels/packed_weights.h"

namespace mathnas::kernels::cpu {
namespace {

// The convolution of `src` that has this `dst`, both NHWC.
WinogradShape ShapeOf(const Shape& src, const Shape& dst) {
  return {.height = src[1], .width = src[2], .inputs = src[3], .outputs = dst[3]};
}

int64_t TilesOf(const WinogradShape& s, int64_t images) { return images * ((s.height + 1) / 2) * ((s.width + 1) / 2); }

int64_t SumFloats(const WinogradShape& s) { return 16 * s.inputs * s.outputs; }

// Threads share tiles by these, as many as the products take at once: at least about 20 us of work.
constexpr int64_t kTilesOfItem = 7;
template <typename Body>
int ParallelTiles(int threads, int64_t tiles, const WinogradShape& s, const Body& body) {
  const int64_t items = (tiles + kTilesOfItem - 1) / kTilesOfItem;
  const int64_t grain = std::max<int64_t>(1, (1 << 20) / (kTilesOfItem * SumFloats(s)));
  return ParallelFor(threads, items, grain, [&](int thread, int64_t begin, int64_t end) {
    body(thread, begin * kTilesOfItem, std::min(end * kTilesOfItem, tiles));
  });
}

// Where it is about a quarter faster than oneDNN 2.6.3 or more (up to 1.7 times as fast), weights transformed at every
// call: one core of a Xeon of the fourth generation, channels 16 to 512, images of 2x2 to 112x112, 1 to 64 of them. Few
// tiles do not pay for that transform (64 channels: 1.05 at 64 tiles, 1.35 at 256), nor tiles beyond the edges (1.15
// for 9x9), nor weights and sums larger than the second cache (256 channels: 0.8 to 1.2).
bool Pays(const WinogradShape& s, int64_t images) {
  const int64_t tiles = TilesOf(s, images), pixels = images * s.height * s.width;
  return tiles >= 256 && 7 * 4 * tiles <= 8 * pixels && s.inputs * s.outputs <= 128 * 128;
}

template <typename Op>
bool IsWinograd(const Op& op, int64_t kernel_h, int64_t kernel_w, const WinogradShape& s, int64_t images) {
  if (Vector().winograd.convolve == nullptr) return false;
  if (kernel_h != 3 || kernel_w != 3 || op.stride != 1 || op.padding != 1 || op.groups != 1) return false;
  return s.inputs % 16 == 0 && s.outputs % 16 == 0 && Pays(s, images);
}

// An address for each way in which weights have been packed, as PackedWeights wants it.
const void* WeightsId(const TensorDesc& weights, bool turned) {
  static std::mutex mutex;
  static std::list<std::tuple<int64_t, int64_t, int64_t, bool>> seen;
  std::lock_guard lock(mutex);
  const std::tuple key = {weights.shape[0], weights.shape[1], weights.row_elements(), turned};
  for (const auto& known : seen) {
    if (known == key) return &known;
  }
  return &seen.emplace_back(key);
}

// A convolution, or its gradient, which is one with the weights turned.
struct Convolution {
  WinogradShape shape;
  int64_t tiles;
  TensorDesc weights;
  bool turned, has_bias, has_addend, relu;
  int threads;

  void Pack(const float* from, float* to) const {
    const VectorKernels& v = Vector();
    ParallelFor(threads, shape.outputs / 16, GrainOf(SumFloats(shape) / shape.outputs * 16 * 4),
                [&](int, int64_t begin, int64_t end) {
                  for (int64_t o = begin; o < end; ++o) {
                    v.winograd.weights(shape, from, weights.row_elements(), turned, 16 * o, to);
                  }
                });
  }
};

class Bound : public BoundKernel {
 public:
  explicit Bound(const Convolution& convolution) : c_(convolution) {}

  absl::Status Run() override {
    if (to_pack != nullptr) c_.Pack(weights, to_pack);
    ParallelTiles(c_.threads, c_.tiles, c_.shape, [&](int thread, int64_t first, int64_t last) {
      WinogradOperands part = operands;
      part.scratch += thread * WinogradFloats(c_.shape);
      part.first = first;
      part.last = last;
      Vector().winograd.convolve(part);
    });
    return absl::OkStatus();
  }

  const float* weights;
  float* to_pack = nullptr;  // at every run, if they are not constant
  std::shared_ptr<const Tensor> kept;
  WinogradOperands operands;

 private:
  const Convolution c_;
};

class WinogradKernel : public Kernel {
 public:
  explicit WinogradKernel(Convolution convolution) : c_(std::move(convolution)) {
    Carver books(nullptr);
    books.Take<float>(c_.threads * WinogradFloats(c_.shape));
    books.Take<float>(SumFloats(c_.shape));
    scratch_bytes_ = books.bytes();
  }

  std::string implementation() const override { return std::string(Vector().name) + "_winograd"; }
  size_t scratch_bytes() const override { return scratch_bytes_; }
  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    auto bound = std::make_unique<Bound>(c_);
    Carver scratch(buffers.scratch);
    bound->weights = static_cast<const float*>(buffers.inputs[1].data);
    bound->operands = {.shape = c_.shape,
                       .src = static_cast<const float*>(buffers.inputs[0].data),
                       .bias = c_.has_bias ? static_cast<const float*>(buffers.inputs[2].data) : nullptr,
                       .accumulate = c_.has_addend,
                       .relu = c_.relu,
                       .dst = static_cast<float*>(buffers.outputs[0]),
                       .scratch = scratch.Take<float>(c_.threads * WinogradFloats(c_.shape)),
                       .first = 0,
                       .last = 0};
    if (!buffers.inputs[1].constant) {
      bound->operands.weights = bound->to_pack = scratch.Take<float>(SumFloats(c_.shape));
      return bound;
    }
    auto kept = buffers.packed->Get(WeightsId(c_.weights, c_.turned), bound->weights,
                                    {DType::kF32, {SumFloats(c_.shape)}}, [&](const TensorView& packed) {
                                      c_.Pack(bound->weights, packed.as<float>().data());
                                      return absl::OkStatus();
                                    });
    if (!kept.ok()) return kept.status();
    bound->operands.weights = (*kept)->as<float>().data();
    bound->kept = *std::move(kept);
    return bound;
  }

 private:
  Convolution c_;
  size_t scratch_bytes_;
};

// With what `op` has fused into it.
KernelOr MakeConvolution(const Conv2d& op, bool turned, const Request& r) {
  const WinogradShape shape = ShapeOf(r.inputs[0].shape, r.outputs[0].shape);
  return std::make_shared<WinogradKernel>(Convolution{.shape = shape,
                                                      .tiles = TilesOf(shape, r.inputs[0].shape[0]),
                                                      .weights = r.inputs[1],
                                                      .turned = turned,
                                                      .has_bias = op.has_bias,
                                                      .has_addend = op.has_addend,
                                                      .relu = op.activation == Activation::kRelu,
                                                      .threads = r.threads});
}

}  // namespace

bool IsWinograd(const Conv2d& op, const Request& r) {
  const Shape &src = r.inputs[0].shape, &weights = r.inputs[1].shape;
  const bool known = op.activation == Activation::kNone || op.activation == Activation::kRelu;
  return known && r.inputs[0].dtype == DType::kF32 &&
         IsWinograd(op, weights[2], weights[3], ShapeOf(src, r.outputs[0].shape), src[0]);
}

bool IsWinograd(const Conv2dBackwardData& op, const Request& r) {
  const Shape &diff_dst = r.inputs[0].shape, &weights = r.inputs[1].shape;
  return r.inputs[0].dtype == DType::kF32 &&
         IsWinograd(op, weights[2], weights[3], ShapeOf(diff_dst, r.outputs[0].shape), diff_dst[0]);
}

bool IsWinograd(const Conv2dBackwardWeights& op, const Request& r) {
  const Shape &src = r.inputs[0].shape, &diff_dst = r.inputs[1].shape;
  const bool equal = src[3] == diff_dst[3];  // of 16 and 64 channels: 1.12 to 1.18
  return equal && r.inputs[0].dtype == DType::kF32 && !op.has_bias &&
         IsWinograd(op, op.kernel_h, op.kernel_w, ShapeOf(src, diff_dst), src[0]);
}

KernelOr MakeWinograd(const Conv2d& op, const Request& r) { return MakeConvolution(op, /*turned=*/false, r); }
KernelOr MakeWinograd(const Conv2dBackwardData&, const Request& r) { return MakeConvolution({}, /*turned=*/true, r); }

KernelOr MakeWinograd(const Conv2dBackwardWeights&, const Request& r) {
  const WinogradShape shape = ShapeOf(r.inputs[0].shape, r.inputs[1].shape);
  const int64_t tiles = TilesOf(shape, r.inputs[0].shape[0]), row = r.outputs[0].row_elements();
  const int64_t floats = WinogradFloats(shape), sum_floats = SumFloats(shape);
  Carver books(nullptr);
  for (int64_t count : {r.threads * floats, r.threads * sum_floats}) books.Take<float>(count);
  return MakeFunctionKernel(
      std::string(Vector().name) + "_winograd", books.bytes(), [=, threads = r.threads](const Operands& o) {
        const WinogradKernels& v = Vector().winograd;
        Carver scratch(o.scratch);
        float* const of_threads = scratch.Take<float>(threads * floats);
        float* const sums = scratch.Take<float>(threads * sum_floats);
        const int parts = ParallelTiles(threads, tiles, shape, [&](int thread, int64_t first, int64_t last) {
          v.backward_weights({.shape = shape,
                              .src = o.in<float>(0),
                              .diff_dst = o.in<float>(1),
                              .dst = sums + thread * sum_floats,
                              .scratch = of_threads + thread * floats,
                              .first = first,
                              .last = last});
        });
        ParallelFor(threads, shape.outputs / 16, GrainOf(sum_floats / shape.outputs * 16 * (parts + 2)),
                    [&](int, int64_t begin, int64_t end) {
                      for (int64_t b = begin; b < end; ++b)
                        v.gradient(shape, sums, parts, 16 * b, o.out<float>(0), row);
                    });
      });
}

}  // namespace mathnas::kernels::cpu
