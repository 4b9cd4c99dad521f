// Random networks, predicted and measured.
#ifndef MATHNAS_MATHNAS_JOB_AUDIT_H_
#define MATHNAS_MATHNAS_JOB_AUDIT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"
#include "mathnas/job/task.h"
#include "mathnas/profile/meter.h"
#include "mathnas/report/report.h"
#include "supernet/search_space.h"

namespace mathnas::job {

// So many random networks of the space, always the same; cut ones are left out.
std::vector<supernet::Choice> AuditedNetworks(const supernet::SearchSpace& space, const core::BlockTable& table,
                                              int networks);

// Of these networks, accuracy and latency by the table and by the meter.
absl::StatusOr<std::vector<report::Audit>> Audit(const supernet::SearchSpace& space, const core::BlockTable& table,
                                                 const core::EstimatorOptions& estimator,
                                                 const std::vector<supernet::Choice>& networks, profile::Meter& meter,
                                                 const profile::LatencyOptions& latency, const Wording& wording);

}  // namespace mathnas::job

#endif  // MATHNAS_MATHNAS_JOB_AUDIT_H_
