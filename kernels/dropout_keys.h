// What a mask of dropout is drawn from (DropoutMask): apart, because vector code takes no header that has functions.
#ifndef MATHNAS_KERNELS_DROPOUT_KEYS_H_
#define MATHNAS_KERNELS_DROPOUT_KEYS_H_

#include <cstdint>

namespace mathnas::kernels {

struct DropoutKeys {
  uint32_t first, second;  // added before each round of the hash
  uint32_t threshold;      // what is below it is dropped
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_DROPOUT_KEYS_H_
