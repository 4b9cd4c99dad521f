// What GPUs do, from the activity records of CUPTI (docs.nvidia.com/cupti), the tracing library of the toolkit. Loaded
// when it is asked for the first time.
#ifndef MATHNAS_KERNELS_CUDA_CUPTI_H_
#define MATHNAS_KERNELS_CUDA_CUPTI_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"

namespace mathnas::kernels::cuda {

// Device::Observe. Kernels, copies and memsets of all streams, also those that a graph launches; between kernels of a
// graph CUPTI takes time of its own, which is in the span. Unavailable: no libcupti, or one without the entry points;
// an error of CUPTI, by its name; records that were dropped, have no times, or are none.
absl::StatusOr<Occupation> Observe(absl::FunctionRef<absl::Status()> work);

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_CUPTI_H_
