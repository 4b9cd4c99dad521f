#include "kernels/packed_weights.h"

namespace mathnas::kernels {

absl::StatusOr<std::shared_ptr<const Tensor>> PackedWeights::Get(const void* kernel, const void* source,
                                                                 absl::FunctionRef<absl::StatusOr<Tensor>()> pack) {
  std::lock_guard lock(mutex_);
  std::weak_ptr<const Tensor>& entry = entries_[{kernel, source}];
  if (auto held = entry.lock()) return held;
  auto tensor = pack();
  if (!tensor.ok()) return tensor.status();
  auto shared = std::make_shared<const Tensor>(*std::move(tensor));
  entry = shared;
  return shared;
}

}  // namespace mathnas::kernels
