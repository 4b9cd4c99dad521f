// What NVML, the management library of the driver, says of a GPU: the energy it has used, its clocks.
#ifndef MATHNAS_KERNELS_CUDA_NVML_H_
#define MATHNAS_KERNELS_CUDA_NVML_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace mathnas::kernels::cuda {

// Thread-safe.
class Nvml {
 public:
  // The GPU at this place of the PCI bus ("0000:19:00.0"). Unavailable: there is no NVML, or it does not know the GPU.
  static absl::StatusOr<std::shared_ptr<const Nvml>> Open(const std::string& pci_bus_id);

  // Since the driver was loaded. Unavailable says why it cannot be read.
  absl::StatusOr<double> Joules() const;
  // For people who measure: the clock, and how to keep it from moving.
  std::string Clocks() const;

 private:
  struct Functions;
  std::shared_ptr<const Functions> functions_;
  void* device_ = nullptr;
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_NVML_H_
