// Sums of normalised tensors and their gradients (ops/normalized_sum.h) on the GPU; batch normalisation is one of a
// single term.
#ifndef MATHNAS_KERNELS_CUDA_OWN_NORMALIZED_SUM_H_
#define MATHNAS_KERNELS_CUDA_OWN_NORMALIZED_SUM_H_

#include "kernels/cuda/own/columns.h"
#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

constexpr int kMostTerms = 16;
constexpr int kMostAddends = 32;

// Activation of ops/conv2d.h, whose header is not for device code.
enum class SumActivation : int { kNone, kRelu, kHardSwish, kSwish };

struct NormalizedTerm {
  const void* x;
  const float* mean;
  const float* inv_std;
  const float* gamma;  // null, with beta, where there is none
  const float* beta;
};

struct NormalizedSumArgs {
  Columns columns;  // of one image
  NormalizedTerm terms[kMostTerms] = {};
  int term_count = 1;
  const void* addends[kMostAddends] = {};
  int addend_count = 0;
  SumActivation activation = SumActivation::kNone;
  bool of_variance = false;  // in place of inv_std is the variance, to which epsilon is added
  float epsilon = 0;
  void* y;
};
constexpr OwnKernel<NormalizedSumArgs> kNormalizedSum = {"normalized_sum"};

struct NormalizedTermBackward {
  NormalizedTerm forward;
  void* diff_x;
  float* diff_gamma;  // null, with diff_beta, where nobody asks
  float* diff_beta;
};

// Terms whose sums one launch makes: more would not fit into registers.
constexpr int kTermsPerLaunch = 3;

struct NormalizedSumBackwardArgs {
  Columns columns;
  NormalizedTermBackward terms[kMostTerms] = {};
  int term_count = 1;
  int first_term = 0;       // of those that a launch makes sums of
  const void* y = nullptr;  // of kRelu that is not known from the first term
  const void* flows[kMostAddends] = {};
  int flow_count = 0;
  SumActivation activation = SumActivation::kNone;
  void* total = nullptr;          // null where nobody asks
  double* sums = nullptr;         // {1 + terms, parts, channels}: of what flows in; of that times (x - mean)
  float* coefficients = nullptr;  // {terms, 3, channels}: scale, slope, offset
};
// In this order: sums of parts, of one term or of some at a time; sums of channels, with a row of blocks for each term;
// the gradients of x. With one term, as most have it, registers are left for more blocks.
constexpr OwnKernel<NormalizedSumBackwardArgs> kNormalizedSumBackwardSumsOfOne = {
    "normalized_sum_backward_sums_of_one"};
constexpr OwnKernel<NormalizedSumBackwardArgs> kNormalizedSumBackwardSumsOfSome = {
    "normalized_sum_backward_sums_of_some"};
constexpr OwnKernel<NormalizedSumBackwardArgs> kNormalizedSumBackwardFinish = {"normalized_sum_backward_finish", false};
constexpr OwnKernel<NormalizedSumBackwardArgs> kNormalizedSumBackward = {"normalized_sum_backward"};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_NORMALIZED_SUM_H_
