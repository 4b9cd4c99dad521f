// Prepared kernels by operator and shapes: bounded, least recently used out first, counted. A supernet meets new shapes
// at every step, so a miss is normal and an eviction no error.
#ifndef MATHNAS_KERNELS_KERNEL_CACHE_H_
#define MATHNAS_KERNELS_KERNEL_CACHE_H_

#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "kernels/ops/operator.h"

namespace mathnas::kernels {

class Kernel;

// Thread-safe.
class KernelCache {
 public:
  struct Key {
    Operator op;
    Descs inputs;
    Descs outputs;
    bool operator==(const Key&) const = default;
  };
  struct Stats {
    int64_t hits = 0;
    int64_t misses = 0;
    int64_t evictions = 0;
    int64_t size = 0;
    int64_t capacity = 0;
  };

  explicit KernelCache(int64_t capacity = 4096) : capacity_(capacity) {}

  // Null when there is none.
  std::shared_ptr<const Kernel> Find(const Key& key);
  void Insert(Key key, std::shared_ptr<const Kernel> kernel);
  // Entries kept at most, at least 1; surplus ones go at once.
  void SetCapacity(int64_t capacity);
  void Clear();
  Stats stats() const;

 private:
  struct Hash {
    size_t operator()(const Key& key) const;
  };
  using Order = std::list<std::pair<Key, std::shared_ptr<const Kernel>>>;  // most recently used first

  void Shrink();

  mutable std::mutex mutex_;
  int64_t capacity_;
  Stats stats_;
  Order order_;
  std::unordered_map<Key, Order::iterator, Hash> index_;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_KERNEL_CACHE_H_
