// How far a float32 kernel may be from exact arithmetic on the same inputs, element by element. These are a-priori
// bounds of rounding error (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 3.1 and 4.2), not
// fitted numbers: with u = 2^-24, a sum of n products in any order is off by at most n u times the sum of their
// absolute values.
#ifndef MATHNAS_KERNELS_TESTING_ERROR_BOUNDS_H_
#define MATHNAS_KERNELS_TESTING_ERROR_BOUNDS_H_

#include <string>
#include <vector>

#include "kernels/testing/operator_runner.h"

namespace mathnas::kernels::testing {

// For every result (outputs, then states) and every element the largest |device - exact|. `results` are the exact ones.
using Bounds = std::vector<std::vector<double>>;
using ErrorBound = Bounds (*)(const Problem& problem, const Tensors& inputs, const Tensors& results);

// No rounding at all: ReLU, copies, zeros.
Bounds Exact(const Problem& problem, const Tensors& inputs, const Tensors& results);
// One or two roundings of the result: 2 u |y|.
Bounds Rounded(const Problem& problem, const Tensors& inputs, const Tensors& results);
// Up to four roundings of the result, none of them after a subtraction that cancels: 4 u |y|.
Bounds RoundedOften(const Problem& problem, const Tensors& inputs, const Tensors& results);
// Sums of products: (terms + 2) u times what the operator makes of the absolute values of its inputs.
Bounds OfSums(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfExpandDepthwise(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfBatchNormTraining(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfBatchNormMoments(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfBatchNormBackward(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfBatchNormInference(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfNormalizedSum(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfNormalizedSumBackward(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfSwish(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfSwishBackward(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfLayerNorm(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfLayerNormBackward(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfAttention(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfAttentionBackward(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfTalkingHeads(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfTalkingHeadsBackward(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfResize(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfCrossEntropy(const Problem& problem, const Tensors& inputs, const Tensors& results);
// Computed in double and rounded once; below 2^-126 floats lose digits.
Bounds OfAdaptiveTargets(const Problem& problem, const Tensors& inputs, const Tensors& results);
Bounds OfCrossEntropyBackward(const Problem& problem, const Tensors& inputs, const Tensors& results);

// The same for a problem whose outputs have 16 bits: these are rounded once more, off by 2^-8 (bfloat16) or 2^-11
// (float16) of what is rounded, or by half of the least number below the normal ones. Others stay as they are: products
// of two such numbers are exact in float, so that their sums are those of floats.
Bounds WithRounding(const Problem& problem, Bounds bounds, const Tensors& results);

// What is outside of its bounds.
struct Deviation {
  // "result 1[17]: 0.5, expected 0.25, at most 1e-6 off (3 of 64 elements are wrong)", a line for each result with
  // such; empty when all are within.
  std::string text;
  double worst = 0;  // the largest error as a fraction of its bound, of those that have one
};
Deviation DeviationOf(const Tensors& results, const Tensors& exact, const Bounds& bounds);

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_KERNELS_TESTING_ERROR_BOUNDS_H_
