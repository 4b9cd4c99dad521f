#include "kernels/packed_weights.h"

#include <algorithm>

namespace mathnas::kernels {

absl::StatusOr<std::shared_ptr<const Tensor>> PackedWeights::Get(const void* kernel, const void* source,
                                                                 absl::FunctionRef<absl::StatusOr<Tensor>()> pack) {
  std::lock_guard lock(mutex_);
  if (entries_.size() >= sweep_at_) {
    std::erase_if(entries_, [](const auto& e) { return e.second.expired(); });
    sweep_at_ = std::max(kLeastSweep, 2 * entries_.size());
  }
  std::weak_ptr<const Tensor>& entry = entries_[{kernel, source}];
  if (auto held = entry.lock()) return held;
  auto tensor = pack();
  if (!tensor.ok()) return tensor.status();
  auto shared = std::make_shared<const Tensor>(*std::move(tensor));
  entry = shared;
  return shared;
}

size_t PackedWeights::bytes() const {
  const std::lock_guard lock(mutex_);
  size_t bytes = 0;
  for (const auto& [key, entry] : entries_) {
    if (const auto tensor = entry.lock()) bytes += tensor->desc().bytes();
  }
  return bytes;
}

}  // namespace mathnas::kernels
