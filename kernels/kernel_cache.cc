#include "kernels/kernel_cache.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"

namespace mathnas::kernels {

size_t KernelCache::Hash::operator()(const Key& key) const {
  return absl::HashOf(HashOf(key.op), key.inputs, key.outputs);
}

std::shared_ptr<const Kernel> KernelCache::Find(const Key& key) {
  std::lock_guard lock(mutex_);
  auto it = index_.find(key);
  if (it == index_.end()) {
    ++stats_.misses;
    return nullptr;
  }
  ++stats_.hits;
  order_.splice(order_.begin(), order_, it->second);
  return it->second->second;
}

void KernelCache::Insert(Key key, std::shared_ptr<const Kernel> kernel) {
  std::lock_guard lock(mutex_);
  if (index_.contains(key)) return;  // another thread was faster
  order_.emplace_front(std::move(key), std::move(kernel));
  index_.emplace(order_.front().first, order_.begin());
  Shrink();
}

void KernelCache::SetCapacity(int64_t capacity) {
  std::lock_guard lock(mutex_);
  capacity_ = std::max<int64_t>(capacity, 1);
  Shrink();
}

void KernelCache::Clear() {
  std::lock_guard lock(mutex_);
  index_.clear();
  order_.clear();
}

KernelCache::Stats KernelCache::stats() const {
  std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.size = static_cast<int64_t>(order_.size());
  stats.capacity = capacity_;
  return stats;
}

void KernelCache::Shrink() {
  while (static_cast<int64_t>(order_.size()) > capacity_) {
    index_.erase(order_.back().first);
    order_.pop_back();
    ++stats_.evictions;
  }
}

}  // namespace mathnas::kernels
