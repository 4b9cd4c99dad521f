// The main job: from data to a network that is trained, measured, chosen with proof, and ready to run.
#ifndef MATHNAS_MATHNAS_JOB_SEARCH_NETWORK_H_
#define MATHNAS_MATHNAS_JOB_SEARCH_NETWORK_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/search.h"
#include "mathnas/job/options.h"
#include "mathnas/job/task.h"
#include "mathnas/profile/latency.h"
#include "mathnas/report/report.h"

namespace mathnas::job {

struct SearchNetworkResult {
  std::vector<TrainedStage> stages;
  core::SearchResult search;  // of the limits as requested
  bool infeasible = false;    // no network meets them; nothing else below is set then
  supernet::Choice choice;    // of the space
  std::string subnet;         // JSON
  std::vector<TestValue> test;
  profile::LatencyStats latency;
  bool within_budget = true;  // in measurement, where latency is limited
  std::string network_path, table_path, report_path;
  report::Report report;
};

// Runs all stages. Errors: of the stages; Cancelled when interrupted, and then --resume goes on.
absl::StatusOr<SearchNetworkResult> SearchNetwork(Task& task, const SearchNetworkOptions& options);

}  // namespace mathnas::job

#endif  // MATHNAS_MATHNAS_JOB_SEARCH_NETWORK_H_
