// Constant weights in the layout that a kernel wants: packed once, shared by all contexts of a device, whatever their
// plans: networks that share weights share the packed ones too.
#ifndef MATHNAS_KERNELS_PACKED_WEIGHTS_H_
#define MATHNAS_KERNELS_PACKED_WEIGHTS_H_

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

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
  // The same in memory of the host, in large pages (internal/large_pages.h), which small tensors share: `pack` fills
  // all of the tensor, whose contents are not set.
  absl::StatusOr<std::shared_ptr<const Tensor>> Get(const void* kernel, const void* source, const TensorDesc& desc,
                                                    absl::FunctionRef<absl::Status(const TensorView&)> pack);

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

  Tensor Allocate(const TensorDesc& desc);

  mutable std::mutex mutex_;
  size_t sweep_at_ = kLeastSweep;
  int64_t hits_ = 0, misses_ = 0;
  std::map<std::pair<const void*, const void*>, std::weak_ptr<const Tensor>> entries_;
  std::shared_ptr<std::byte> slab_;  // that small tensors are put into, until it is full; each of them keeps it alive
  size_t slab_used_ = 0;             // bytes
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_PACKED_WEIGHTS_H_
