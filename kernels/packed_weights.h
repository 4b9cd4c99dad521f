// Constant weights in the layout that a kernel wants: packed once, shared by all contexts of a device, whatever their
// plans: networks that share weights share the packed ones too.
#ifndef MATHNAS_KERNELS_PACKED_WEIGHTS_H_
#define MATHNAS_KERNELS_PACKED_WEIGHTS_H_

#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "kernels/tensor.h"

namespace mathnas::kernels {

// Thread-safe. An entry is a tensor (or a slice: its address) for a kernel, and lives as long as a bound kernel uses
// it; while it does, the tensor does not change (PlanOptions::constant_weights). So there are never more than are in
// use.
class PackedWeights {
 public:
  // The packed form of the tensor at `source` for `kernel`, made by `pack` if nobody holds it.
  absl::StatusOr<std::shared_ptr<const Tensor>> Get(const void* kernel, const void* source,
                                                    absl::FunctionRef<absl::StatusOr<Tensor>()> pack);

  // Puts what was packed since the last time in large pages (internal/large_pages.h), for contexts that are ready to
  // run.
  void PreferLargePages();

  // Bytes of the packed tensors that are in use.
  size_t bytes() const { return stats().bytes; }
  struct Stats {
    int64_t hits = 0;    // tensors that somebody held already
    int64_t misses = 0;  // that were packed
    int64_t size = 0;    // in use
    size_t bytes = 0;    // of these
  };
  Stats stats() const;

 private:
  static constexpr size_t kLeastSweep = 64;  // entries: below, those that are not used any more are left

  mutable std::mutex mutex_;
  size_t sweep_at_ = kLeastSweep;
  int64_t hits_ = 0, misses_ = 0;
  std::map<std::pair<const void*, const void*>, std::weak_ptr<const Tensor>> entries_;
  std::vector<std::weak_ptr<const Tensor>> fresh_;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_PACKED_WEIGHTS_H_
