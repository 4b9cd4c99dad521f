// What a build without the header of CUPTI answers.
#include "kernels/cuda/cupti.h"

namespace mathnas::kernels::cuda {

absl::StatusOr<Occupation> Observe(absl::FunctionRef<absl::Status()>) {
  return absl::UnavailableError("built without CUPTI");
}

}  // namespace mathnas::kernels::cuda
