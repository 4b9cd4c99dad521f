// How an own kernel is declared, to those who write it and those who launch it: its name with the type of its
// arguments.
#ifndef MATHNAS_KERNELS_CUDA_OWN_KERNEL_H_
#define MATHNAS_KERNELS_CUDA_OWN_KERNEL_H_

namespace mathnas::kernels::cuda {

// `Args` is a plain struct of at most 4 KB, the kernel's only argument.
template <typename Args>
struct OwnKernel {
  const char* name;   // without the ending of the element type
  bool typed = true;  // whether there is one for each element type: _f32, _bf16, _f16
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_KERNEL_H_
