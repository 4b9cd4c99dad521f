#include "kernels/packed_weights.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/internal/large_pages.h"

namespace mathnas::kernels {
namespace {

constexpr size_t kAlignment = 64;
// Two large pages; tensors of half of it and more have large pages of their own.
constexpr size_t kSlab = size_t{4} << 20;

}  // namespace

absl::StatusOr<std::shared_ptr<const Tensor>> PackedWeights::Get(const void* kernel, const void* source,
                                                                 absl::FunctionRef<absl::StatusOr<Tensor>()> pack) {
  std::lock_guard lock(mutex_);
  if (entries_.size() >= sweep_at_) {
    std::erase_if(entries_, [](const auto& e) { return e.second.expired(); });
    sweep_at_ = std::max(kLeastSweep, 2 * entries_.size());
  }
  std::weak_ptr<const Tensor>& entry = entries_[{kernel, source}];
  if (auto held = entry.lock()) {
    ++hits_;
    return held;
  }
  ++misses_;
  auto tensor = pack();
  if (!tensor.ok()) return tensor.status();
  auto shared = std::make_shared<const Tensor>(*std::move(tensor));
  entry = shared;
  return shared;
}

absl::StatusOr<std::shared_ptr<const Tensor>> PackedWeights::Get(
    const void* kernel, const void* source, const TensorDesc& desc,
    absl::FunctionRef<absl::Status(const TensorView&)> pack) {
  return Get(kernel, source, [&]() -> absl::StatusOr<Tensor> {
    Tensor tensor = Allocate(desc);
    if (auto s = pack(tensor.view()); !s.ok()) return s;
    return tensor;
  });
}

Tensor PackedWeights::Allocate(const TensorDesc& desc) {
  const size_t bytes = (desc.bytes() + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes >= kSlab / 2) return Tensor::Uninitialized(desc);
  if (slab_ == nullptr || slab_used_ + bytes > kSlab) {
    slab_ = {static_cast<std::byte*>(internal::AllocatePreferringLargePages(kAlignment, kSlab)), std::free};
    slab_used_ = 0;
  }
  Tensor tensor = Tensor::Borrow({desc, slab_.get() + slab_used_}, slab_);
  slab_used_ += bytes;
  return tensor;
}

PackedWeights::Stats PackedWeights::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = {.hits = hits_, .misses = misses_};
  for (const auto& [key, entry] : entries_) {
    const auto tensor = entry.lock();
    if (tensor == nullptr) continue;
    ++stats.size;
    stats.bytes += tensor->desc().bytes();
  }
  return stats;
}

}  // namespace mathnas::kernels
