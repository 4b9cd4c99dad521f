#include "mathnas/replay/replay.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/average_network.h"
#include "mathnas/core/interaction.h"
#include "mathnas/core/sampling.h"
#include "mathnas/core/statistics.h"

namespace mathnas::replay {

using namespace core;  // tables, estimators, statistics

namespace {

constexpr std::pair<std::string_view, ReplayEstimator> kEstimators[] = {
    {"linear", ReplayEstimator::kLinear},
    {"eq5", ReplayEstimator::kEq5},
    {"eq6", ReplayEstimator::kEq6},
    {"full", ReplayEstimator::kFull},
    {"partial", ReplayEstimator::kPartial},
    {"least-squares", ReplayEstimator::kLeastSquares},
    {"interaction", ReplayEstimator::kInteraction}};
constexpr std::string_view kTruth = "truth";
constexpr int kAbsent = -1;

std::string Text(const Choice& choice) {
  std::string text;
  for (int j : choice) text += (text.empty() ? "" : ",") + std::to_string(j);
  return text;
}

Metric TruthMetric(const Benchmark& benchmark) {
  Metric metric;
  metric.unit = benchmark.unit;
  metric.goal = benchmark.goal;
  return metric;
}

// The truth, one network at a time; remembers what was asked.
class LookUps {
 public:
  explicit LookUps(const Benchmark& benchmark) : benchmark_(benchmark) {
    for (int k = 0; k < std::ssize(benchmark.networks); ++k) index_.try_emplace(benchmark.networks[k], k);
    // The first member stands for a reported network that the benchmark does not list as such.
    for (int k = 0; k < std::ssize(benchmark.networks); ++k) {
      index_.try_emplace(CanonicalChoice(benchmark.table, benchmark.networks[k]), k);
    }
  }

  int Find(const Choice& choice) const {
    const auto it = index_.find(choice);
    return it == index_.end() ? kAbsent : it->second;
  }
  double operator()(const Choice& choice) {
    const int k = Find(choice);
    if (k == kAbsent) {
      if (seen_missing_.insert(choice).second) missing.push_back(choice);
      return std::numeric_limits<double>::quiet_NaN();
    }
    return At(k);
  }
  double At(int k) {
    if (seen_.insert(k).second) evaluated.push_back(k);
    return benchmark_.truth[k];
  }

  std::vector<int> evaluated;
  std::vector<Choice> missing;

 private:
  const Benchmark& benchmark_;
  std::map<Choice, int> index_;
  std::set<int> seen_;
  std::set<Choice> seen_missing_;
};

absl::Status Check(const Benchmark& benchmark, const ReplayOptions& options) {
  const size_t n = benchmark.networks.size();
  if (n == 0) return absl::InvalidArgumentError("networks: expected at least one, found none");
  BlockTable table = benchmark.table;
  if (table.metrics.empty()) {  // the truth will be the first one
    MetricSlice& slice = table.metrics[std::string(kTruth)].slices.emplace_back();
    for (const Node& node : table.nodes) slice.values.emplace_back(node.candidates.size(), 0.0);
  }
  if (absl::Status status = Validate(table); !status.ok()) return status;
  if (benchmark.table.structure.shared) {
    return absl::InvalidArgumentError("structure: expected no shared choice, found one");
  }
  if (benchmark.truth.size() != n) {
    return absl::InvalidArgumentError(fmt::format("truth: expected {} values, found {}", n, benchmark.truth.size()));
  }
  for (size_t k = 0; k < n; ++k) {
    if (absl::Status status = CheckChoice(benchmark.table, benchmark.networks[k]); !status.ok()) {
      return absl::InvalidArgumentError(fmt::format("networks[{}]: {}", k, std::string(status.message())));
    }
    if (!std::isfinite(benchmark.truth[k])) {
      return absl::InvalidArgumentError(
          fmt::format("truth[{}]: expected a finite number, found {}", k, benchmark.truth[k]));
    }
  }
  for (const Limit& limit : options.limits) {
    const auto it = benchmark.costs.find(limit.metric);
    if (it == benchmark.costs.end()) {
      std::string known;
      for (const auto& [name, values] : benchmark.costs) known += (known.empty() ? "" : ", ") + name;
      return absl::InvalidArgumentError(
          fmt::format("limit: expected one of {}, found '{}'", known.empty() ? "no metric" : known, limit.metric));
    }
    if (it->second.size() != n) {
      return absl::InvalidArgumentError(
          fmt::format("costs.{}: expected {} values, found {}", limit.metric, n, it->second.size()));
    }
  }
  return absl::OkStatus();
}

bool WithinLimits(const Benchmark& benchmark, const ReplayOptions& options, int network) {
  return std::all_of(options.limits.begin(), options.limits.end(), [&](const Limit& limit) {
    return Holds(limit, benchmark.costs.find(limit.metric)->second[network]);
  });
}

// What a switch would give in N^avg, where the benchmark lacks it: the same switch in the context nearest to N^avg
// (fewest other nodes, then first in the benchmark) in which it is known, added to N^avg. NaN if there is none.
double SwitchElsewhere(const Benchmark& benchmark, const Choice& average, const Choice& switched, LookUps& look_up) {
  int node = kAbsent;
  for (int i = 0; i < std::ssize(average); ++i) {
    if (average[i] == switched[i]) continue;
    if (node != kAbsent) return std::numeric_limits<double>::quiet_NaN();
    node = i;
  }
  if (node == kAbsent) return std::numeric_limits<double>::quiet_NaN();
  std::pair<int, int> best = {kAbsent, kAbsent};  // with the switch and without
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int k = 0; k < std::ssize(benchmark.networks); ++k) {
    if (benchmark.networks[k][node] != switched[node]) continue;
    int64_t distance = 0;
    for (size_t i = 0; i < switched.size(); ++i) distance += benchmark.networks[k][i] != switched[i];
    if (distance >= least) continue;
    Choice without = benchmark.networks[k];
    without[node] = average[node];
    const int other = look_up.Find(without);
    if (other == kAbsent) continue;
    least = distance;
    best = {k, other};
  }
  if (best.first == kAbsent) return std::numeric_limits<double>::quiet_NaN();
  return look_up(benchmark.networks[best.first]) - look_up(benchmark.networks[best.second]) + look_up(average);
}

// The seeded sample of distinct networks, in random order.
std::vector<int> RandomNetworks(size_t n, int64_t count, uint64_t seed) {
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(seed);
  const size_t wanted = std::min<size_t>(n, static_cast<size_t>(std::max<int64_t>(count, 0)));
  for (size_t k = 0; k < wanted; ++k) std::swap(order[k], order[k + random() % (n - k)]);
  order.resize(wanted);
  return order;
}

bool Samples(ReplayEstimator estimator) {
  return estimator == ReplayEstimator::kFull || estimator == ReplayEstimator::kPartial ||
         estimator == ReplayEstimator::kLeastSquares;
}

EstimatorKind KindOf(ReplayEstimator estimator) {
  switch (estimator) {
    case ReplayEstimator::kLinear:
    case ReplayEstimator::kLeastSquares:
      return EstimatorKind::kLinear;
    case ReplayEstimator::kEq6:
    case ReplayEstimator::kInteraction:
      return EstimatorKind::kEq6;
    default:
      return EstimatorKind::kEq5;
  }
}

// The truth as a metric of `table`, from random networks.
absl::Status AddFromSample(const Benchmark& benchmark, const ReplayOptions& options, LookUps& look_up,
                           BlockTable& table) {
  const size_t n = benchmark.networks.size();
  const bool equation3 = options.estimator != ReplayEstimator::kLeastSquares;
  double base_value = std::numeric_limits<double>::quiet_NaN();
  Choice base;
  for (const Node& node : table.nodes) base.push_back(node.reference);
  // N~ is one of the evaluations that were asked for, but no random one: it is left out of the means.
  if (equation3) base_value = look_up(base);
  int64_t count = options.evaluations - (std::isnan(base_value) ? 0 : 1);
  if (options.estimator == ReplayEstimator::kFull) count = static_cast<int64_t>(n);
  std::vector<Evaluation> evaluations;
  for (const int k : RandomNetworks(n, count, options.seed)) {
    evaluations.push_back({benchmark.networks[k], look_up.At(k)});
  }
  absl::StatusOr<Metric> metric = equation3 ? MetricFromEvaluations(table, TruthMetric(benchmark), evaluations,
                                                                    std::isnan(base_value) ? 0 : base_value)
                                            : MetricByLeastSquares(table, TruthMetric(benchmark), evaluations);
  if (!metric.ok()) return metric.status();
  if (equation3 && std::isnan(base_value)) metric->slices[0].base = base_value;
  table.metrics[std::string(kTruth)] = *std::move(metric);
  return absl::OkStatus();
}

// The truth as a metric of `table`, from Algorithm 1's networks.
absl::Status AddFromSwitches(const Benchmark& benchmark, LookUps& look_up, BlockTable& table) {
  if (!table.metrics.contains(kFlopsMetric)) {
    return absl::InvalidArgumentError(
        "estimator: expected full, partial or least-squares where no FLOPs are known, from which Algorithm 1 chooses "
        "its "
        "networks");
  }
  const absl::StatusOr<Choice> average = AverageNetwork(table);
  if (!average.ok()) return average.status();
  absl::StatusOr<Metric> metric = MetricFromLookUps(table, TruthMetric(benchmark), [&](const Choice& choice) {
    const double value = look_up(choice);
    return std::isnan(value) ? SwitchElsewhere(benchmark, *average, choice, look_up) : value;
  });
  if (metric.ok()) {
    table.metrics[std::string(kTruth)] = *std::move(metric);
    return absl::OkStatus();
  }
  if (look_up.missing.empty()) return metric.status();
  return absl::FailedPreconditionError(
      fmt::format("the benchmark lacks {} networks that are needed, the first is [{}]: {}", look_up.missing.size(),
                  Text(look_up.missing[0]), std::string(metric.status().message())));
}

// Where a prediction is undefined it is NaN.
absl::StatusOr<std::vector<double>> PredictAll(const Benchmark& benchmark, const Estimator& estimator) {
  if (const auto form = estimator.FormOf(kTruth); !form.ok()) return form.status();
  std::vector<double> predicted;
  for (const Choice& choice : benchmark.networks) {
    const absl::StatusOr<double> value = estimator.Predict(kTruth, choice);
    predicted.push_back(value.ok() ? *value : std::numeric_limits<double>::quiet_NaN());
  }
  return predicted;
}

// Where the benchmark lacks N~, its value is what makes the predictions of the looked up networks right on average.
void AddMeanError(const Benchmark& benchmark, const LookUps& look_up, std::vector<double>& predicted) {
  double error = 0, count = 0;
  for (const int k : look_up.evaluated) {
    if (std::isnan(predicted[k])) continue;
    error += benchmark.truth[k] - predicted[k];
    ++count;
  }
  for (double& p : predicted) p += count > 0 ? error / count : 0;
}

absl::StatusOr<std::vector<double>> PredictFromBlocks(const Benchmark& benchmark, const ReplayOptions& options,
                                                      LookUps& look_up) {
  BlockTable table = benchmark.table;
  const absl::Status added = Samples(options.estimator) ? AddFromSample(benchmark, options, look_up, table)
                                                        : AddFromSwitches(benchmark, look_up, table);
  if (!added.ok()) return added;
  MetricSlice& slice = table.metrics[std::string(kTruth)].slices[0];
  const bool without_base = std::isnan(slice.base);
  if (without_base) slice.base = 0;
  const absl::StatusOr<Estimator> estimator =
      Estimator::Create(table, {KindOf(options.estimator), options.flops_fixed});
  if (!estimator.ok()) return estimator.status();
  absl::StatusOr<std::vector<double>> predicted = PredictAll(benchmark, *estimator);
  if (predicted.ok() && without_base) AddMeanError(benchmark, look_up, *predicted);
  return predicted;
}

absl::StatusOr<std::vector<double>> PredictFromInteraction(const Benchmark& benchmark, const ReplayOptions& options,
                                                           LookUps& look_up) {
  const absl::StatusOr<Interaction> interaction =
      Interaction::Create(benchmark.table, TruthMetric(benchmark),
                          {.evaluations = static_cast<int>(std::min<int64_t>(options.evaluations, 1'000'000)),
                           .identity = options.identity,
                           .chance = options.chance,
                           .flops_fixed = options.flops_fixed});
  if (!interaction.ok()) return interaction.status();
  if (!interaction->UsesCell()) return PredictFromBlocks(benchmark, options, look_up);  // its own are Algorithm 1's
  const auto known = [&](const Choice& choice) { return look_up.Find(choice) != kAbsent; };
  const auto wanted = [&](const Choice& choice) {
    const int k = look_up.Find(choice);
    return k != kAbsent && WithinLimits(benchmark, options, k);
  };
  std::vector<Evaluation> evaluations;
  while (true) {
    const absl::StatusOr<std::optional<Choice>> next = interaction->Next(evaluations, known, wanted);
    if (!next.ok()) return next.status();
    if (!*next) break;
    evaluations.push_back({**next, look_up(**next)});
  }
  const absl::StatusOr<InteractionPredictor> predictor = interaction->Fit(evaluations);
  if (!predictor.ok()) return predictor.status();
  std::vector<double> predicted;
  for (const Choice& choice : benchmark.networks) {
    const absl::StatusOr<double> value = predictor->Predict(choice);
    predicted.push_back(value.ok() ? *value : std::numeric_limits<double>::quiet_NaN());
  }
  return predicted;
}

// Networks without a prediction get the worst one. Returns how many there are.
int64_t FillUndefined(Goal goal, std::vector<double>& predicted) {
  double worst = std::numeric_limits<double>::quiet_NaN();
  for (double p : predicted) {
    if (!std::isnan(p)) worst = std::isnan(worst) ? p : goal == Goal::kMax ? std::min(worst, p) : std::max(worst, p);
  }
  int64_t undefined = 0;
  for (double& p : predicted) {
    if (!std::isnan(p)) continue;
    p = worst;
    ++undefined;
  }
  return undefined;
}

absl::StatusOr<Agreement> Agree(Sample predicted, Sample truth) {
  Agreement agreement{.networks = std::ssize(truth)};
  const std::pair<double*, absl::StatusOr<double>> statistics[] = {
      {&agreement.spearman, Spearman(predicted, truth)},
      {&agreement.kendall, KendallTau(predicted, truth)},
      {&agreement.rmse, RootMeanSquareError(predicted, truth)},
      {&agreement.mae, MeanAbsoluteError(predicted, truth)}};
  for (const auto& [target, value] : statistics) {
    if (!value.ok()) return value.status();
    *target = *value;
  }
  return agreement;
}

// Over the networks that were not looked up.
std::optional<Agreement> AgreeHeldOut(const Benchmark& benchmark, const std::vector<int>& evaluated,
                                      const std::vector<double>& predicted) {
  std::vector<bool> seen(predicted.size(), false);
  for (const int k : evaluated) seen[k] = true;
  std::vector<double> p, truth;
  for (size_t k = 0; k < predicted.size(); ++k) {
    if (seen[k]) continue;
    p.push_back(predicted[k]);
    truth.push_back(benchmark.truth[k]);
  }
  const absl::StatusOr<Agreement> agreement = Agree(p, truth);
  return agreement.ok() ? std::optional<Agreement>(*agreement) : std::nullopt;
}

// The best of `values` within the limits, or kAbsent.
int Best(const Benchmark& benchmark, const ReplayOptions& options, const std::vector<double>& values) {
  const double sign = benchmark.goal == Goal::kMax ? -1 : 1;
  const std::vector<double>* cost =
      options.limits.empty() ? nullptr : &benchmark.costs.find(options.limits[0].metric)->second;
  const auto before = [&](int a, int b) {
    if (values[a] != values[b]) return sign * values[a] < sign * values[b];
    if (cost != nullptr && (*cost)[a] != (*cost)[b]) return (*cost)[a] < (*cost)[b];
    return benchmark.networks[a] < benchmark.networks[b];
  };
  int best = kAbsent;
  for (int k = 0; k < std::ssize(values); ++k) {
    if (WithinLimits(benchmark, options, k) && (best == kAbsent || before(k, best))) best = k;
  }
  return best;
}

}  // namespace

std::string_view Name(ReplayEstimator estimator) {
  for (const auto& [name, value] : kEstimators) {
    if (value == estimator) return name;
  }
  return "unknown";
}

absl::StatusOr<ReplayEstimator> ParseReplayEstimator(std::string_view name) {
  std::string known;
  for (const auto& [candidate, value] : kEstimators) {
    if (candidate == name) return value;
    known += (known.empty() ? "" : ", ") + std::string(candidate);
  }
  return absl::InvalidArgumentError(
      fmt::format("estimator: expected one of {}, found '{:.100}'", known, std::string(name)));
}

absl::StatusOr<ReplayResult> Replay(const Benchmark& benchmark, const ReplayOptions& options) {
  const auto started = std::chrono::steady_clock::now();
  if (absl::Status status = Check(benchmark, options); !status.ok()) return status;
  LookUps look_up(benchmark);
  absl::StatusOr<std::vector<double>> predicted = options.estimator == ReplayEstimator::kInteraction
                                                      ? PredictFromInteraction(benchmark, options, look_up)
                                                      : PredictFromBlocks(benchmark, options, look_up);
  if (!predicted.ok()) return predicted.status();
  ReplayResult result;
  result.evaluations = std::ssize(look_up.evaluated);
  result.undefined = FillUndefined(benchmark.goal, *predicted);
  if (result.undefined == std::ssize(benchmark.networks)) {
    return absl::InvalidArgumentError("expected an estimator that predicts some network of the benchmark, found none");
  }
  const absl::StatusOr<Agreement> all = Agree(*predicted, benchmark.truth);
  if (!all.ok()) return all.status();
  result.all = *all;
  result.held_out = AgreeHeldOut(benchmark, look_up.evaluated, *predicted);
  result.chosen = Best(benchmark, options, *predicted);
  result.best = Best(benchmark, options, benchmark.truth);
  if (result.best == kAbsent) return absl::NotFoundError("limits: expected a network that holds them, found none");
  result.regret = std::abs(benchmark.truth[result.best] - benchmark.truth[result.chosen]);
  result.missing = std::move(look_up.missing);
  result.evaluated = std::move(look_up.evaluated);
  result.predicted = *std::move(predicted);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return result;
}

}  // namespace mathnas::replay
