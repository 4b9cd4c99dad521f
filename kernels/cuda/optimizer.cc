#include "kernels/cuda/optimizer.h"

#include <algorithm>

#include "kernels/cpu/plain_adam.h"
#include "kernels/cuda/own/optimizer.h"

namespace mathnas::kernels::cuda {
namespace {

float* FloatsOf(const TensorView& view) { return static_cast<float*>(view.data); }

constexpr int64_t kMostBlocks = 256;  // of a pair

int BlocksOf(const TensorView& view) {
  constexpr int64_t kThreads = 256, kPerThread = 16;
  return static_cast<int>(std::clamp<int64_t>(view.desc.elements() / (kThreads * kPerThread), 1, kMostBlocks));
}

}  // namespace

absl::Status EnqueueSgdStep(Queue& queue, const SgdParameters& p, const TensorView& w, const TensorView& g,
                            const TensorView& b, bool first) {
  const SgdArgs args = {.w = FloatsOf(w),
                        .g = FloatsOf(g),
                        .b = FloatsOf(b),
                        .n = w.desc.elements(),
                        .learning_rate = static_cast<float>(p.learning_rate),
                        .momentum = static_cast<float>(p.momentum),
                        .weight_decay = static_cast<float>(p.weight_decay),
                        .gradient_scale = static_cast<float>(p.gradient_scale),
                        .nesterov = p.nesterov,
                        .first = first};
  return queue.Launch(kSgd, DType::kF32, queue.Over(args.n), args);
}

absl::Status EnqueueAdamStep(Queue& queue, const AdamParameters& p, const TensorView& w, const TensorView& g,
                             const TensorView& m, const TensorView& v, int64_t t) {
  const cpu::AdamStepSize size(p, t);
  const AdamArgs args = {.w = FloatsOf(w),
                         .g = FloatsOf(g),
                         .m = FloatsOf(m),
                         .v = FloatsOf(v),
                         .n = w.desc.elements(),
                         .gradient_scale = static_cast<float>(p.gradient_scale),
                         .beta1 = static_cast<float>(p.beta1),
                         .one_minus_beta1 = static_cast<float>(1 - p.beta1),
                         .beta2 = static_cast<float>(p.beta2),
                         .one_minus_beta2 = static_cast<float>(1 - p.beta2),
                         .keep = static_cast<float>(size.keep),
                         .step = static_cast<float>(size.step),
                         .epsilon = static_cast<float>(size.epsilon)};
  return queue.Launch(kAdam, DType::kF32, queue.Over(args.n), args);
}

absl::Status EnqueueCombineGradients(Queue& queue, double factor, const TensorView& g, const TensorView& h) {
  const PairArgs args = {FloatsOf(g), FloatsOf(h), g.desc.elements(), static_cast<float>(factor)};
  return queue.Launch(kCombineGradients, DType::kF32, queue.Over(args.n), args);
}

absl::Status EnqueueMoveAverage(Queue& queue, double decay, const TensorView& w, const TensorView& average) {
  const PairArgs args = {FloatsOf(w), FloatsOf(average), w.desc.elements(), static_cast<float>(1 - decay)};
  return queue.Launch(kMoveAverage, DType::kF32, queue.Over(args.n), args);
}

absl::StatusOr<std::vector<double>> DotProductSums::Of(Pairs pairs, Gpu& gpu, Updates& updates) {
  if (pairs.empty()) return std::vector<double>();
  const std::lock_guard lock(mutex_);
  if (pairs.size() > capacity_) {
    auto parts = gpu.Allocate(Gpu::Memory::kDevice, pairs.size() * kMostBlocks * sizeof(double));
    if (!parts.ok()) return parts.status();
    auto sums = gpu.Allocate(Gpu::Memory::kHost, pairs.size() * sizeof(double));
    if (!sums.ok()) return sums.status();
    parts_ = *std::move(parts);
    sums_ = *std::move(sums);
    capacity_ = pairs.size();
  }
  auto* parts = static_cast<double*>(parts_.get());
  auto* sums = static_cast<double*>(sums_.get());
  const absl::Status enqueued = updates.Enqueue([&](Queue& queue) -> absl::Status {
    for (size_t begin = 0; begin < pairs.size(); begin += DotProductsArgs::kMost) {
      const size_t count = std::min<size_t>(DotProductsArgs::kMost, pairs.size() - begin);
      DotProductsArgs args = {.parts = parts + begin * kMostBlocks, .sums = sums + begin};
      int blocks = 0;
      for (size_t i = 0; i < count; ++i) {
        const auto& [x, y] = pairs[begin + i];
        blocks += BlocksOf(x);
        args.pairs[i] = {FloatsOf(x), FloatsOf(y), x.desc.elements(), blocks};
      }
      auto s = queue.Launch(kDotProductParts, DType::kF32, {.blocks = static_cast<unsigned>(blocks)}, args);
      if (!s.ok()) return s;
      s = queue.Launch(kDotProductSums, DType::kF32, {.blocks = static_cast<unsigned>(count)}, args);
      if (!s.ok()) return s;
    }
    return absl::OkStatus();
  });
  if (!enqueued.ok()) return enqueued;
  if (auto s = updates.Wait(); !s.ok()) return s;
  return std::vector<double>(sums, sums + pairs.size());
}

}  // namespace mathnas::kernels::cuda
