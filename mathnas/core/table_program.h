// The integer program (program.h) of a search in a block table: Eq 6 and Eq 9 for one value of the shared choice.
#ifndef MATHNAS_CORE_TABLE_PROGRAM_H_
#define MATHNAS_CORE_TABLE_PROGRAM_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/networks.h"
#include "mathnas/core/program.h"

namespace mathnas::core {

// What the program is built of.
struct ProgramRequest {
  std::string objective = {};          // metric; "" = any network is as good as another
  bool maximise = false;               // the objective
  std::span<const Limit> limits = {};  // known metrics, finite values
  std::span<const std::string> fronts =
      {};  // metrics that get a row each, turned so that less is better, without a limit
  std::span<const std::string> metrics = {};  // used ones, objective and limits among them: what must be measured
};

struct TableProgram {
  Program program;
  bool empty = false;  // a node has no candidate that is allowed and measured, or a limit holds for no network at all
  // By limit of the request: its row in program.limits, or -1 if it holds for every network.
  std::vector<int> rows;
  std::vector<int> front_rows;  // by front metric of the request
  // Whether row r says exactly what its limit says. A limit on a metric that is divided (Eq 5, Eq 6) is widened by its
  // rounding: what the solver finds has to be checked with Holds.
  std::vector<bool> exact;

  // The network as the table reports it (CanonicalChoice). `x` as in program.h.
  Choice ToChoice(std::span<const int> x) const;

  // How the nodes of the program are those of the table.
  static constexpr int kNoNode = -1;         // stands before a chain that may be empty
  std::vector<int> nodes;                    // by node of the program
  std::vector<std::vector<int>> candidates;  // by node of the program
  Choice absent;                             // by node of the table: its `absent` candidate; 0 elsewhere
};

// InvalidArgument as Estimator::FormOf. FailedPrecondition: what the program cannot express: a cell (cell.h), a metric
// whose numbers differ too much in size (linear_form.h), mean FLOPs that are not positive, more limits and forbidden
// pairs than Program::kMaxLimits - 1, a depth group of more than Program::kMaxChain - 1 nodes.
absl::StatusOr<TableProgram> BuildProgram(const Estimator& estimator, const ProgramRequest& request,
                                          const NetworkFilter& filter, int shared);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_TABLE_PROGRAM_H_
