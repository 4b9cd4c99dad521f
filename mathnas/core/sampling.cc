#include "mathnas/core/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/average_network.h"
#include "mathnas/core/internal/gaussian_process.h"
#include "mathnas/core/measured_table.h"

namespace mathnas::core {
namespace {

constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

Choice References(const BlockTable& table) {
  Choice choice;
  for (const Node& node : table.nodes) choice.push_back(node.reference);
  return choice;
}

absl::Status CheckEvaluations(const BlockTable& table, std::span<const Evaluation> evaluations) {
  if (table.structure.shared) {
    return absl::InvalidArgumentError(
        "structure: expected no shared choice where block values come from many networks");
  }
  if (evaluations.empty()) return absl::InvalidArgumentError("evaluations: expected at least one, found none");
  for (size_t k = 0; k < evaluations.size(); ++k) {
    const Choice& choice = evaluations[k].choice;
    const double value = evaluations[k].value;
    if (absl::Status status = CheckChoice(table, choice); !status.ok()) {
      return absl::InvalidArgumentError(fmt::format("evaluations[{}]: {}", k, std::string(status.message())));
    }
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError(
          fmt::format("evaluations[{}].value: expected a finite number, found {}", k, value));
    }
  }
  return absl::OkStatus();
}

// What the nodes behind position `at` of the group save on average where that node has `candidate`, 0 if nothing has.
// `saving` holds the values of those nodes.
double MeanSavingBehind(const BlockTable& table, const DepthGroup& group, size_t at, int candidate,
                        std::span<const Evaluation> evaluations, const Grid& saving) {
  const int node = group.nodes[at];
  double sum = 0, count = 0;
  for (const Evaluation& e : evaluations) {
    const std::vector<bool> contributes = ContributingNodes(table, e.choice);
    if (!contributes[node] || e.choice[node] != candidate) continue;
    for (size_t p = at + 1; p < group.nodes.size(); ++p) {
      const int behind = group.nodes[p];
      if (contributes[behind]) sum += saving[behind][e.choice[behind]];
    }
    ++count;
  }
  return count > 0 ? sum / count : 0;
}

}  // namespace

absl::StatusOr<Metric> MetricFromEvaluations(const BlockTable& table, Metric metric,
                                             std::span<const Evaluation> evaluations, double base_value) {
  if (absl::Status status = CheckEvaluations(table, evaluations); !status.ok()) return status;
  MetricSlice slice;
  for (const Node& node : table.nodes) {
    slice.values.emplace_back(node.candidates.size(), 0.0);
    slice.samples.emplace_back(node.candidates.size(), 0);
  }
  double total = 0;
  for (const auto& [choice, value, extensions] : evaluations) {
    const std::vector<bool> contributes = ContributingNodes(table, choice);
    for (size_t i = 0; i < choice.size(); ++i) {
      if (!contributes[i]) continue;
      slice.values[i][choice[i]] += value;
      ++slice.samples[i][choice[i]];
    }
    total += value;
  }
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    const int reference = table.nodes[i].reference;
    if (slice.samples[i][reference] == 0) {
      return absl::InvalidArgumentError(fmt::format(
          "evaluations: expected a network with the reference of node '{}', found none", table.nodes[i].name));
    }
    const double mean = slice.values[i][reference] / static_cast<double>(slice.samples[i][reference]);
    for (size_t j = 0; j < slice.values[i].size(); ++j) {
      const auto count = static_cast<double>(slice.samples[i][j]);
      double& b = slice.values[i][j];
      b = count > 0 ? mean - b / count : kNotMeasured;
    }
  }
  for (const DepthGroup& group : table.structure.depth) {
    for (size_t at = group.nodes.size(); at-- > 0;) {  // the last node first: those behind it are then known
      const int i = group.nodes[at], absent = group.absent[at], reference = table.nodes[i].reference;
      if (absent == DepthGroup::kCannotBeCut) continue;
      const auto behind = [&](int j) { return MeanSavingBehind(table, group, at, j, evaluations, slice.values); };
      if (reference != absent) {
        slice.values[i][absent] += behind(reference);
        continue;
      }
      for (int j = 0; j < std::ssize(slice.values[i]); ++j) {  // here N~ is the one that ends
        if (j != absent) slice.values[i][j] -= behind(j);
      }
    }
  }
  double mean_saving = 0;  // of the evaluations
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    for (size_t j = 0; j < slice.values[i].size(); ++j) {
      const auto count = static_cast<double>(slice.samples[i][j]);
      if (count > 0) mean_saving += slice.values[i][j] * count / static_cast<double>(evaluations.size());
    }
  }
  slice.base = base_value;
  if (std::isnan(base_value)) {
    if (metric.goal == Goal::kMax) {
      return absl::InvalidArgumentError("base_value: expected what was measured of the base network, found none");
    }
    slice.base = total / static_cast<double>(evaluations.size()) + mean_saving;
  }
  metric.form = Form::kSaving;
  metric.slices = {std::move(slice)};
  return metric;
}

absl::StatusOr<Metric> MetricByLeastSquares(const BlockTable& table, Metric metric,
                                            std::span<const Evaluation> evaluations, double ridge) {
  if (absl::Status status = CheckEvaluations(table, evaluations); !status.ok()) return status;
  if (!(ridge > 0)) return absl::InvalidArgumentError(fmt::format("ridge: expected more than 0, found {}", ridge));
  // Unknowns: base, then v node by node. Normal equations (X'X + ridge I) v = X'y, the base without ridge.
  MetricSlice slice;
  std::vector<int> start;
  int unknowns = 1;
  for (const Node& node : table.nodes) {
    start.push_back(unknowns);
    unknowns += static_cast<int>(node.candidates.size());
    slice.samples.emplace_back(node.candidates.size(), 0);
  }
  const auto n = static_cast<size_t>(unknowns);
  std::vector<double> normal(n * n, 0.0), solution(n, 0.0);
  for (size_t u = 1; u < n; ++u) normal[u * n + u] = ridge;
  for (const auto& [choice, value, extensions] : evaluations) {
    const std::vector<bool> contributes = ContributingNodes(table, choice);
    std::vector<size_t> active = {0};
    for (size_t i = 0; i < choice.size(); ++i) {
      if (!contributes[i]) continue;
      active.push_back(static_cast<size_t>(start[i] + choice[i]));
      ++slice.samples[i][choice[i]];
    }
    for (const size_t a : active) {
      for (const size_t b : active) normal[a * n + b] += 1;
      solution[a] += value;
    }
  }
  if (!internal::Cholesky(normal, unknowns)) {
    return absl::InvalidArgumentError(fmt::format("ridge: expected more beside the evaluations, found {}", ridge));
  }
  internal::SolveLower(normal, solution);
  internal::SolveUpper(normal, solution);
  slice.base = solution[0];
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    const auto row = solution.begin() + start[i];
    slice.values.emplace_back(row, row + std::ssize(table.nodes[i].candidates));
  }
  metric.form = Form::kCost;
  metric.slices = {std::move(slice)};
  return metric;
}

absl::StatusOr<std::vector<Choice>> SwitchNetworks(const BlockTable& table) {
  const absl::StatusOr<Choice> average = AverageNetwork(table);
  if (!average.ok()) return average.status();
  std::vector<Choice> networks;
  std::set<Choice> seen;
  const auto add = [&](const Choice& choice) {
    Choice reported = CanonicalChoice(table, choice);
    if (seen.insert(reported).second) networks.push_back(std::move(reported));
  };
  add(*average);
  for (size_t i = 0; i < average->size(); ++i) {
    for (int j = 0; j < std::ssize(table.nodes[i].candidates); ++j) {
      Choice switched = *average;
      switched[i] = j;
      add(switched);
    }
  }
  add(References(table));
  return networks;
}

absl::StatusOr<Metric> MetricFromLookUps(const BlockTable& table, Metric metric,
                                         absl::FunctionRef<double(const Choice&)> value) {
  const absl::StatusOr<Choice> average = AverageNetwork(table);
  if (!average.ok()) return average.status();
  const auto look_up = [&](const Choice& choice) { return value(CanonicalChoice(table, choice)); };
  SwitchMeasurements measured{
      .average = *average, .average_value = look_up(*average), .base_value = look_up(References(table))};
  for (size_t i = 0; i < average->size(); ++i) {
    std::vector<double>& row = measured.switched.emplace_back();
    for (int j = 0; j < std::ssize(table.nodes[i].candidates); ++j) {
      Choice switched = *average;
      switched[i] = j;
      row.push_back(look_up(switched));
    }
  }
  return MetricFromSwitches(table, std::move(metric), {measured});
}

absl::StatusOr<Metric> AdditiveCost(const BlockTable& table, const std::vector<Choice>& networks,
                                    const std::vector<double>& values) {
  if (networks.empty() || networks.size() != values.size()) {
    return absl::InvalidArgumentError("values: expected one per network");
  }
  if (!table.structure.depth.empty()) {
    return absl::InvalidArgumentError("structure: expected no depth groups where values are sums over all nodes");
  }
  // Unknowns: a constant, and for every node the candidates after the first, against the first.
  std::vector<int> start;
  int unknowns = 1;
  for (const Node& node : table.nodes) {
    start.push_back(unknowns - 1);
    unknowns += static_cast<int>(node.candidates.size()) - 1;
  }
  std::vector<double> normal(static_cast<size_t>(unknowns) * unknowns, 0.0), solution(unknowns, 0.0);
  const auto terms = [&](const Choice& choice) {
    std::vector<int> active = {0};
    for (size_t i = 0; i < choice.size(); ++i) {
      if (choice[i] > 0) active.push_back(start[i] + choice[i]);
    }
    return active;
  };
  for (size_t k = 0; k < networks.size(); ++k) {
    if (absl::Status status = CheckChoice(table, networks[k]); !status.ok()) return status;
    const std::vector<int> active = terms(networks[k]);
    for (int a : active) {
      for (int b : active) normal[static_cast<size_t>(a) * unknowns + b] += 1;
      solution[a] += values[k];
    }
  }
  if (!internal::Cholesky(normal, unknowns)) {
    return absl::FailedPreconditionError("values: expected networks with every candidate of every node, found too few");
  }
  internal::SolveLower(normal, solution);
  internal::SolveUpper(normal, solution);
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  for (size_t k = 0; k < networks.size(); ++k) {
    double sum = 0;
    for (int a : terms(networks[k])) sum += solution[a];
    if (std::abs(sum - values[k]) <= 1e-6 * std::max(*greatest - *least, 1e-6)) continue;
    return absl::InvalidArgumentError(
        fmt::format("values[{}]: expected a sum over the nodes, {}, found {}", k, sum, values[k]));
  }
  MetricSlice slice{.base = solution[0]};
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    std::vector<double> row = {0};
    for (int j = 1; j < std::ssize(table.nodes[i].candidates); ++j) row.push_back(solution[start[i] + j]);
    const double shift = *std::min_element(row.begin(), row.end());
    for (double& v : row) {
      v -= shift;
      if (v < 1e-9 * (*greatest - *least)) v = 0;  // what rounding left: a free candidate is free
    }
    slice.base += shift;
    slice.values.push_back(std::move(row));
  }
  Metric metric;
  metric.goal = Goal::kMin;
  metric.form = Form::kCost;
  metric.slices = {std::move(slice)};
  return metric;
}

}  // namespace mathnas::core
