// The search, whose best networks are timed before one of them is taken.
#ifndef MATHNAS_MATHNAS_JOB_VERIFICATION_H_
#define MATHNAS_MATHNAS_JOB_VERIFICATION_H_

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/search.h"
#include "mathnas/profile/latency.h"
#include "mathnas/profile/meter.h"
#include "supernet/search_space.h"

namespace mathnas::job {

struct VerificationOptions {
  core::EstimatorOptions estimator;
  std::vector<core::Limit> limits;
  int networks = 12;  // best networks whose latency is measured before one is taken
  const std::atomic<bool>* cancel = nullptr;
};

struct Verified {
  core::SearchResult search;  // of the limits as requested; without networks nothing else is set
  core::FoundNetwork found;   // that is taken
  supernet::Choice choice;    // it in the space
  profile::LatencyStats latency;
  bool within_budget = true;  // in measurement, where latency is limited
  std::string note;           // why it is not the predicted optimum; "" where it is
};

// Takes the best network whose measured latency keeps the limits too. Where none of the best does, limits are tightened
// by what the measurements were over, and the search is repeated a few times; at last the network is taken that came
// nearest.
absl::StatusOr<Verified> SearchVerified(const supernet::SearchSpace& space, const core::BlockTable& table,
                                        const VerificationOptions& options, profile::Meter& meter);

}  // namespace mathnas::job

#endif  // MATHNAS_MATHNAS_JOB_VERIFICATION_H_
