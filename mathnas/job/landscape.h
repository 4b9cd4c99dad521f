// What an estimator predicts over a whole space or, where that is too large to look at every network, over a part of
// it.
#ifndef MATHNAS_MATHNAS_JOB_LANDSCAPE_H_
#define MATHNAS_MATHNAS_JOB_LANDSCAPE_H_

#include <atomic>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"
#include "mathnas/report/report.h"
#include "supernet/search_space.h"

namespace mathnas::job {

// Whether a space has too many networks to look at each.
bool IsLarge(const core::BlockTable& table);

// The median of the predicted latency over the space, or over networks drawn from it, in ms.
absl::StatusOr<double> MedianLatency(const supernet::SearchSpace& space, const core::BlockTable& table,
                                     const core::EstimatorOptions& estimator);

// Accuracy over latency: the front, in a large space what of it is found in a limited time, and every network or drawn
// ones.
absl::StatusOr<report::Landscape> LandscapeOf(const supernet::SearchSpace& space, const core::BlockTable& table,
                                              const core::EstimatorOptions& estimator, const std::atomic<bool>* cancel);

}  // namespace mathnas::job

#endif  // MATHNAS_MATHNAS_JOB_LANDSCAPE_H_
