// How well predictions agree with measurements. Inputs are finite numbers; anything else is InvalidArgument with the
// index, as are empty inputs, different lengths, and quantities that are not defined (correlation of a constant).
#ifndef MATHNAS_CORE_STATISTICS_H_
#define MATHNAS_CORE_STATISTICS_H_

#include <span>

#include "absl/status/statusor.h"

namespace mathnas::core {

using Sample = std::span<const double>;

// Rank correlation, ties get their average rank; in [-1, 1].
absl::StatusOr<double> Spearman(Sample x, Sample y);
// Kendall's tau-b (adjusted for ties), in [-1, 1]; O(n log n) (Knight 1966).
absl::StatusOr<double> KendallTau(Sample x, Sample y);

// Mean |predicted - truth|; root of the mean square; in the unit of the data.
absl::StatusOr<double> MeanAbsoluteError(Sample predicted, Sample truth);
absl::StatusOr<double> RootMeanSquareError(Sample predicted, Sample truth);
// Mean |predicted - truth| / |truth| as a fraction (0.05 = 5 %); a truth of 0 is an error.
absl::StatusOr<double> MeanAbsolutePercentageError(Sample predicted, Sample truth);

absl::StatusOr<double> Median(Sample x);
// Linear interpolation between order statistics at position q * (n - 1); q in [0, 1].
absl::StatusOr<double> Quantile(Sample x, double q);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_STATISTICS_H_
