// What a build without CUDA kernels answers.
#include "absl/status/status.h"
#include "kernels/device.h"

namespace mathnas::kernels {

absl::StatusOr<std::shared_ptr<Device>> CudaDevice(const CudaOptions&) {
  return absl::UnimplementedError("this build has no CUDA kernels (MATHNAS_CUDA is off)");
}

}  // namespace mathnas::kernels
