// Devices that tests of a precision run on.
#ifndef MATHNAS_TESTS_KERNELS_PRECISION_DEVICE_H_
#define MATHNAS_TESTS_KERNELS_PRECISION_DEVICE_H_

#include <memory>

#include "kernels/device.h"
#include "kernels/lower_precision.h"

namespace mathnas::kernels::testing {

// The first that computes in it: the CPU, or the GPU, which is the emulated one where MATHNAS_CUDA_LIBRARIES names
// that. Null where there is none.
inline std::shared_ptr<Device> DeviceFor(Precision precision, int threads = 2) {
  for (const auto& device : {CpuDevice(threads), CudaDevice()}) {
    if (device.ok() && Check(**device, precision).ok()) return *device;
  }
  return nullptr;
}

// The most that rounding to it changes a number, relatively.
constexpr double RoundingOf(Precision precision) {
  return precision == Precision::kFloat16 ? 0x1p-11 : precision == Precision::kBfloat16 ? 0x1p-8 : 0x1p-24;
}

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_TESTS_KERNELS_PRECISION_DEVICE_H_
