// The networks of a space one by one: counting and streaming enumeration.
#ifndef MATHNAS_CORE_NETWORKS_H_
#define MATHNAS_CORE_NETWORKS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"

namespace mathnas::core {

// Two candidates of different nodes.
struct CandidatePair {
  int node = 0, candidate = 0;
  int other_node = 0, other = 0;
};

// Which candidates may appear in a reported (canonical) choice.
struct NetworkFilter {
  std::vector<std::vector<bool>> candidates;        // by node and candidate
  std::vector<bool> shared;                         // by value of the shared choice
  std::vector<CandidatePair> forbidden_pairs = {};  // must not appear together
};

// Whether no forbidden pair appears in a canonical choice.
bool HoldsPairs(const NetworkFilter& filter, const Choice& choice);

NetworkFilter AllowAll(const BlockTable& table);

// Distinct networks that pass, forbidden pairs not regarded; exact up to 2^53, infinity where a double overflows.
double CountNetworks(const BlockTable& table, const NetworkFilter& filter);
double CountNetworks(const BlockTable& table);
// Those that ForEachNetwork would visit (or count as undefined); errors as there.
absl::StatusOr<double> CountNetworks(const Estimator& estimator, std::span<const std::string> metrics,
                                     const NetworkFilter& filter);

struct NetworkView {
  const Choice& choice;  // canonical
  int shared;
  std::span<const double> values;  // by requested metric
};

struct WalkReport {
  int64_t visited = 0;
  int64_t undefined = 0;  // left out because F(N) is not positive, or NetworkPredictors has none (estimator.h)
};

// Calls `visit` for every network that passes, in lexicographic order of choice within each shared value; `visit`
// returns false to stop. Networks in which one of `metrics` is not measured or undefined are left out. Errors: those of
// Estimator::FormOf.
absl::StatusOr<WalkReport> ForEachNetwork(const Estimator& estimator, std::span<const std::string> metrics,
                                          const NetworkFilter& filter,
                                          absl::FunctionRef<bool(const NetworkView&)> visit);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_NETWORKS_H_
