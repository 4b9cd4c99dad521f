// The search for the best network as a mixed-integer linear program, for solvers of others: Eq 6 in the form of Eq 11
// (Charnes-Cooper), with what Eq 11 leaves out.
//
// Objective divided by FLOPs (eq5, eq6): z = 1 / F(N), y_ij = x_ij z, and
//
//   min   -Acc(N~) + factor * (n_0 z + sum n_ij y_ij)
//   s.t.  f_0 z + sum f_ij y_ij = 1                                            normalisation: not in Eq 11
//         sum_j x_ij = 1,  sum_j y_ij = z  for every node i
//         y_ij <= zmax x_ij,  y_ij <= z,  y_ij >= z - zmax (1 - x_ij)          instead of y_ij in {0, z}
//         zmin <= z <= zmax,  x_ij in {0, 1}                                   1 / greatest F, 1 / least positive F
//         x_ij + x_kl <= 1                                                     for every forbidden pair
//         w_0 + sum w_ij x_ij <= L  and  w_0 z + sum w_ij y_ij <= L z          for every limit
//
// An objective that is not divided leaves y and z out. Limits on a divided metric are multiplied by F(N) > 0. In a
// depth group the rows of a node also count the ends before it (Eq 9). The program always minimises: its optimum is the
// value of the objective metric, with the opposite sign for a metric whose goal is max.
//
// Columns are called x_I_J, y_I_J by node and candidate, counted from 0, z, and `one`, a constant. Candidates that are
// forbidden or not measured have no column. Every row is divided by a power of two near its greatest coefficient, and z
// is measured in a power of two near zmax, so that tolerances of solvers mean the same everywhere; both are exact.
// Solvers work with tolerances all the same: predict what they return, Search is exact.
#ifndef MATHNAS_EXCHANGE_EXPORT_MILP_H_
#define MATHNAS_EXCHANGE_EXPORT_MILP_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/search.h"

namespace mathnas::exchange {

enum class MilpFormat { kLp, kMps };  // CPLEX LP; free MPS

// "lp", "mps". InvalidArgument names them.
absl::StatusOr<MilpFormat> ParseMilpFormat(std::string_view name);

// Objective, limits, fixed, forbidden, forbidden pairs and estimator of the request count, nothing else of it.
// InvalidArgument: as Search; more than one value of the shared choice is left, or the table has a cell.
// FailedPrecondition: a node is left without candidates, or some network has F(N) < 0.
absl::StatusOr<std::string> ExportMilp(const core::BlockTable& table, const core::SearchRequest& request,
                                       MilpFormat format);

}  // namespace mathnas::exchange

#endif  // MATHNAS_EXCHANGE_EXPORT_MILP_H_
