// Slices for kernels that take dense operands: copied before each run, and back where the operator changes them.
#ifndef MATHNAS_KERNELS_DENSE_COPIES_H_
#define MATHNAS_KERNELS_DENSE_COPIES_H_

#include <memory>

#include "kernels/device.h"

namespace mathnas::kernels {

// `kernel` is made for `inputs` as if they were dense.
std::shared_ptr<const Kernel> OnDenseCopies(std::shared_ptr<const Kernel> kernel, DescSpan inputs, bool copy_back);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_DENSE_COPIES_H_
