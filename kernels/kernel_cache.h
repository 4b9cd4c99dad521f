// Prepared kernels by operator and shapes: bounded, least recently used out first, counted. A supernet meets new shapes
// at every step, so a miss is normal and an eviction no error.
#ifndef MATHNAS_KERNELS_KERNEL_CACHE_H_
#define MATHNAS_KERNELS_KERNEL_CACHE_H_

#include <list>
#include <memory>
#include <mutex>

#include "absl/container/flat_hash_set.h"
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
  };
  // A key that is somewhere else: a plan looks up hundreds, nearly all of which are there.
  struct KeyView {
    KeyView(const Operator& o, DescSpan from, DescSpan to) : op(o), inputs(from), outputs(to) {}
    KeyView(const Key& key) : KeyView(key.op, key.inputs, key.outputs) {}  // a key is what it stands for

    const Operator& op;
    DescSpan inputs;
    DescSpan outputs;
  };
  struct Stats {
    int64_t hits = 0;
    int64_t misses = 0;
    int64_t evictions = 0;
    int64_t size = 0;
    int64_t capacity = 0;
  };

  explicit KernelCache(int64_t capacity = 8192) : capacity_(capacity) {}

  // Null when there is none.
  std::shared_ptr<const Kernel> Find(const KeyView& key);
  void Insert(const KeyView& key, std::shared_ptr<const Kernel> kernel);
  // Entries kept at most, at least 1; surplus ones go at once.
  void SetCapacity(int64_t capacity);
  void Clear();
  Stats stats() const;

 private:
  struct Entry {
    Key key;
    size_t hash;
    std::shared_ptr<const Kernel> kernel;
  };
  using Order = std::list<Entry>;  // most recently used first
  // Of entries by their keys, and of keys that are looked up.
  struct Hash {
    using is_transparent = void;
    size_t operator()(const KeyView& key) const;
    size_t operator()(Order::const_iterator entry) const { return entry->hash; }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const KeyView& a, const KeyView& b) const;
    bool operator()(Order::const_iterator a, Order::const_iterator b) const { return (*this)(a->key, b->key); }
    bool operator()(Order::const_iterator a, const KeyView& b) const { return (*this)(a->key, b); }
    bool operator()(const KeyView& a, Order::const_iterator b) const { return (*this)(a, b->key); }
  };

  void Shrink();

  mutable std::mutex mutex_;
  int64_t capacity_;
  Stats stats_;
  Order order_;
  absl::flat_hash_set<Order::iterator, Hash, Equal> index_;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_KERNEL_CACHE_H_
