// The method against a tabular benchmark: "evaluating" a network is looking it up, and every prediction can be judged.
#ifndef MATHNAS_REPLAY_REPLAY_H_
#define MATHNAS_REPLAY_REPLAY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/limit.h"

namespace mathnas::replay {

struct Benchmark {
  core::BlockTable table;  // nodes, structure, and `flops` (see core::AdditiveCost) where the estimator divides by them
  std::string unit = "%";  // of the truth
  core::Goal goal = core::Goal::kMax;
  // Need not be the whole space. The same choice again is another network that the nodes cannot tell from the first
  // (ReadSuperTransformer): it is judged and sampled for itself, and Algorithm 1 looks up the first.
  std::vector<core::Choice> networks;
  std::vector<double> truth;                              // of each network
  std::map<std::string, std::vector<double>> costs = {};  // what limits are about, of each network
};

enum class ReplayEstimator {
  kLinear,  // Algorithm 1's evaluations, estimator.h
  kEq5,
  kEq6,
  kFull,          // equation 3 over all networks, then eq5
  kPartial,       // equation 3 over random networks, then eq5
  kLeastSquares,  // core::MetricByLeastSquares of random networks, ridge 1, then linear
  kInteraction,   // interaction.h
};

// "linear", "eq5", "eq6", "full", "partial", "least-squares", "interaction". InvalidArgument lists the names that are
// known.
std::string_view Name(ReplayEstimator estimator);
absl::StatusOr<ReplayEstimator> ParseReplayEstimator(std::string_view name);

struct ReplayOptions {
  ReplayEstimator estimator = ReplayEstimator::kEq6;
  core::FlopsFixed flops_fixed = core::FlopsFixed::kExclude;
  int64_t evaluations = 31;                  // of partial, least-squares, interaction; the others need what they need
  uint64_t seed = 0;                         // of partial and least-squares
  std::optional<double> chance = {};         // interaction.h
  std::optional<std::string> identity = {};  // interaction.h
  std::vector<core::Limit> limits =
      {};  // on Benchmark::costs; for the chosen and the best network, and for interaction's search
};

// How well predictions agree with the truth (core/statistics.h).
struct Agreement {
  int64_t networks = 0;
  double spearman = 0, kendall = 0, rmse = 0, mae = 0;
};

struct ReplayResult {
  Agreement all;
  // The networks that were not looked up: what was looked up to fit the estimator flatters it. Absent where there are
  // none, or where truth or prediction is the same for all of them.
  std::optional<Agreement> held_out;
  int64_t evaluations = 0;  // different networks whose truth was looked up
  // Indices into Benchmark::networks: the best prediction and the best truth within the limits. Ties: smaller cost of
  // the first limit, then the lexicographically smallest choice.
  int chosen = 0, best = 0;
  double regret = 0;      // what the chosen network is worse than the best; never negative
  int64_t undefined = 0;  // networks without a prediction (cut cells, F(N) <= 0); counted as the worst prediction
  // Looked up, but not in the benchmark. A switch of Algorithm 1 is then taken from the nearest context that has it.
  std::vector<core::Choice> missing;
  std::vector<int> evaluated;     // indices of the networks looked up, in order
  std::vector<double> predicted;  // of each network
  double seconds = 0;
};

// InvalidArgument: wrong counts, a limit on an unknown cost, no or constant predictions. NotFound: no network within
// the limits. FailedPrecondition: Algorithm 1 needs networks that the benchmark lacks; the message names them.
absl::StatusOr<ReplayResult> Replay(const Benchmark& benchmark, const ReplayOptions& options = {});

}  // namespace mathnas::replay

#endif  // MATHNAS_REPLAY_REPLAY_H_
