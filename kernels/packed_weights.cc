#include "kernels/packed_weights.h"

#include <algorithm>

#include "kernels/internal/large_pages.h"

namespace mathnas::kernels {

absl::StatusOr<std::shared_ptr<const Tensor>> PackedWeights::Get(const void* kernel, const void* source,
                                                                 absl::FunctionRef<absl::StatusOr<Tensor>()> pack) {
  std::lock_guard lock(mutex_);
  if (std::max(entries_.size(), fresh_.size()) >= sweep_at_) {
    std::erase_if(entries_, [](const auto& e) { return e.second.expired(); });
    std::erase_if(fresh_, [](const auto& weak) { return weak.expired(); });
    sweep_at_ = std::max(kLeastSweep, 2 * std::max(entries_.size(), fresh_.size()));
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
  fresh_.push_back(shared);
  return shared;
}

void PackedWeights::PreferLargePages() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const Tensor>> held;
  std::vector<internal::Extent> extents;
  for (const auto& weak : std::exchange(fresh_, {})) {
    if (auto tensor = weak.lock()) {
      extents.emplace_back(tensor->data(), tensor->desc().bytes());
      held.push_back(std::move(tensor));
    }
  }
  internal::PreferLargePages(extents);
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
