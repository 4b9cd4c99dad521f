#include "kernels/cuda/optimizer.h"

#include <algorithm>

#include "kernels/cpu/plain_adam.h"
#include "kernels/cuda/own/optimizer.h"

namespace mathnas::kernels::cuda {
namespace {

float* FloatsOf(const TensorView& view) { return static_cast<float*>(view.data); }

constexpr int64_t kThreads = 256, kPerThread = 16;
constexpr int64_t kMostBlocks = 256;  // of a pair

int64_t BlocksOf(int64_t elements) { return (elements + kThreads * kPerThread - 1) / (kThreads * kPerThread); }

// Launches the kernel for all items, tensor_of(item) being what it is told of one, without the end of its blocks.
template <typename T, typename Items, typename TensorOf>
absl::Status ForEach(Queue& queue, const OwnKernel<TensorsArgs<T>>& kernel, const Items& items,
                     const TensorOf& tensor_of) {
  constexpr size_t kMost = TensorsArgs<T>::kMost;
  for (size_t begin = 0; begin < items.size(); begin += kMost) {
    TensorsArgs<T> args;
    int64_t blocks = 0;
    for (size_t i = begin; i < std::min(begin + kMost, items.size()); ++i) {
      T& tensor = args.tensors[i - begin] = tensor_of(items[i]);
      blocks += BlocksOf(tensor.n);
      tensor.end = static_cast<int>(blocks);
    }
    auto s = queue.Launch(kernel, DType::kF32, {.blocks = static_cast<unsigned>(blocks), .threads = kThreads}, args);
    if (!s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status EnqueueSgdStep(Queue& queue, absl::Span<const SgdUpdate<TensorView>> updates) {
  return ForEach(queue, kSgd, updates, [](const SgdUpdate<TensorView>& u) {
    const SgdParameters& p = u.parameters;
    return SgdTensor{.w = FloatsOf(u.w),
                     .g = FloatsOf(u.g),
                     .b = FloatsOf(u.b),
                     .n = u.w.desc.elements(),
                     .learning_rate = static_cast<float>(p.learning_rate),
                     .momentum = static_cast<float>(p.momentum),
                     .weight_decay = static_cast<float>(p.weight_decay),
                     .gradient_scale = static_cast<float>(p.gradient_scale),
                     .nesterov = p.nesterov,
                     .first = u.first};
  });
}

absl::Status EnqueueAdamStep(Queue& queue, absl::Span<const AdamUpdate<TensorView>> updates) {
  return ForEach(queue, kAdam, updates, [](const AdamUpdate<TensorView>& u) {
    const AdamParameters& p = u.parameters;
    const cpu::AdamStepSize size(p, u.t);
    return AdamTensor{.w = FloatsOf(u.w),
                      .g = FloatsOf(u.g),
                      .m = FloatsOf(u.m),
                      .v = FloatsOf(u.v),
                      .n = u.w.desc.elements(),
                      .gradient_scale = static_cast<float>(p.gradient_scale),
                      .beta1 = static_cast<float>(p.beta1),
                      .one_minus_beta1 = static_cast<float>(1 - p.beta1),
                      .beta2 = static_cast<float>(p.beta2),
                      .one_minus_beta2 = static_cast<float>(1 - p.beta2),
                      .keep = static_cast<float>(size.keep),
                      .step = static_cast<float>(size.step),
                      .epsilon = static_cast<float>(size.epsilon)};
  });
}

absl::Status EnqueueCombineGradients(Queue& queue, absl::Span<const GradientPair<TensorView>> pairs) {
  return ForEach(queue, kCombineGradients, pairs, [](const GradientPair<TensorView>& p) {
    return PairTensor{
        .x = FloatsOf(p.g), .y = FloatsOf(p.h), .n = p.g.desc.elements(), .factor = static_cast<float>(p.factor)};
  });
}

absl::Status EnqueueMoveAverage(Queue& queue, double decay, absl::Span<const AveragedWeight<TensorView>> weights) {
  return ForEach(queue, kMoveAverage, weights, [decay](const AveragedWeight<TensorView>& a) {
    return PairTensor{.x = FloatsOf(a.w),
                      .y = FloatsOf(a.average),
                      .n = a.w.desc.elements(),
                      .factor = static_cast<float>(1 - decay)};
  });
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
      DotProductsArgs args = {{}, parts + begin * kMostBlocks, sums + begin};
      int blocks = 0;
      for (size_t i = 0; i < count; ++i) {
        const auto& [x, y] = pairs[begin + i];
        blocks += static_cast<int>(std::clamp<int64_t>(BlocksOf(x.desc.elements()), 1, kMostBlocks));
        args.tensors[i] = {FloatsOf(x), FloatsOf(y), x.desc.elements(), blocks};
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
