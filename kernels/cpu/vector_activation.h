// The activations of operators, as vector kernels name them.
#ifndef MATHNAS_KERNELS_CPU_VECTOR_ACTIVATION_H_
#define MATHNAS_KERNELS_CPU_VECTOR_ACTIVATION_H_

#include <cstddef>

#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/ops/conv2d.h"

namespace mathnas::kernels::cpu {

inline VectorActivation OfVectors(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return VectorActivation::kRelu;
    case Activation::kHardSwish:
      return VectorActivation::kHardSwish;
    case Activation::kSwish:
      return VectorActivation::kSwish;
    case Activation::kNone:
      break;
  }
  return VectorActivation::kNone;
}

// The kernel of an activation that they have.
template <typename Function, size_t kCount>
Function* Of(Activation activation, Function* const (&kernels)[kCount]) {
  return kernels[static_cast<size_t>(OfVectors(activation))];
}

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_VECTOR_ACTIVATION_H_
