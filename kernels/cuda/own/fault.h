// What a kernel found wrong with its operands: it says so here, whoever waits for its queue reads it.
#ifndef MATHNAS_KERNELS_CUDA_OWN_FAULT_H_
#define MATHNAS_KERNELS_CUDA_OWN_FAULT_H_

namespace mathnas::kernels::cuda {

// The first `at` of Store that was not in 0 .. last. In memory of the host that kernels reach.
struct Fault {
  int found;  // 0 or 1
  long long at;
  long long last;
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_FAULT_H_
