// Copies of rows: Concat and Part (ops/concat.h), Store (ops/store.h). By words, whatever the elements are.
#ifndef MATHNAS_KERNELS_CUDA_OWN_COPY_H_
#define MATHNAS_KERNELS_CUDA_OWN_COPY_H_

#include "kernels/cuda/own/fault.h"
#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// to[row][column] = from[row][column]. Strides, columns and steps in words.
struct CopyArgs {
  const void* from = nullptr;
  void* to = nullptr;
  long long from_stride = 0, to_stride = 0;
  long long rows = 1, columns = 0;
  // With `at`, `to` begins at `*at` times `step` words behind; nothing is copied if that is not in 0 .. last.
  const long long* at = nullptr;
  long long step = 0;
  long long last = 0;
  Fault* fault = nullptr;
};
constexpr OwnKernel<CopyArgs> kCopyWordsOf16 = {"copy_words_of_16", false};
constexpr OwnKernel<CopyArgs> kCopyWordsOf8 = {"copy_words_of_8", false};
constexpr OwnKernel<CopyArgs> kCopyWordsOf4 = {"copy_words_of_4", false};
constexpr OwnKernel<CopyArgs> kCopyWordsOf2 = {"copy_words_of_2", false};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_COPY_H_
