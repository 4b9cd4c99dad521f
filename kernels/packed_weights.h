// Constant weights in the layout that a kernel wants: packed once, shared by all contexts of a plan.
#ifndef MATHNAS_KERNELS_PACKED_WEIGHTS_H_
#define MATHNAS_KERNELS_PACKED_WEIGHTS_H_

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "kernels/tensor.h"

namespace mathnas::kernels {

// Thread-safe. An entry lives as long as a bound kernel uses it.
class PackedWeights {
 public:
  // The packed form of the tensor at `source` for `kernel`, made by `pack` if nobody holds it.
  absl::StatusOr<std::shared_ptr<const Tensor>> Get(const void* kernel, const void* source,
                                                    absl::FunctionRef<absl::StatusOr<Tensor>()> pack);

 private:
  std::mutex mutex_;
  std::map<std::pair<const void*, const void*>, std::weak_ptr<const Tensor>> entries_;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_PACKED_WEIGHTS_H_
