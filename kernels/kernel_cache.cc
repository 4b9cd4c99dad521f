#include "kernels/kernel_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/hash/hash.h"

namespace mathnas::kernels {

size_t KernelCache::Hash::operator()(const KeyView& key) const {
  return absl::HashOf(HashOf(key.op), key.inputs, key.outputs);
}

bool KernelCache::Equal::operator()(const KeyView& a, const KeyView& b) const {
  return a.op == b.op && a.inputs == b.inputs && a.outputs == b.outputs;
}

std::shared_ptr<const Kernel> KernelCache::Find(const KeyView& key) {
  std::lock_guard lock(mutex_);
  auto it = index_.find(key);
  if (it == index_.end()) {
    ++stats_.misses;
    return nullptr;
  }
  ++stats_.hits;
  order_.splice(order_.begin(), order_, *it);
  return (*it)->kernel;
}

void KernelCache::Insert(const KeyView& key, std::shared_ptr<const Kernel> kernel) {
  std::lock_guard lock(mutex_);
  if (index_.contains(key)) return;  // another thread was faster
  Key own = {key.op, Descs(key.inputs.begin(), key.inputs.end()), Descs(key.outputs.begin(), key.outputs.end())};
  order_.push_front({std::move(own), Hash()(key), std::move(kernel)});
  index_.insert(order_.begin());
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
    index_.erase(std::prev(order_.end()));
    order_.pop_back();
    ++stats_.evictions;
  }
}

}  // namespace mathnas::kernels
