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

}  // namespace

absl::StatusOr<Metric> MetricFromEvaluations(const BlockTable& table, Metric metric,
                                             std::span<const Evaluation> evaluations, double base_value) {
  if (table.structure.shared) {
    return absl::InvalidArgumentError(
        "structure: expected no shared choice where block values are means over networks");
  }
  if (evaluations.empty()) return absl::InvalidArgumentError("evaluations: expected at least one, found none");
  MetricSlice slice;
  for (const Node& node : table.nodes) {
    slice.values.emplace_back(node.candidates.size(), 0.0);
    slice.samples.emplace_back(node.candidates.size(), 0);
  }
  double total = 0;
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
    const std::vector<bool> contributes = ContributingNodes(table, choice);
    for (size_t i = 0; i < choice.size(); ++i) {
      if (!contributes[i]) continue;
      slice.values[i][choice[i]] += value;
      ++slice.samples[i][choice[i]];
    }
    total += value;
  }
  double mean_saving = 0;  // of the evaluations
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
      if (count > 0) mean_saving += b * count / static_cast<double>(evaluations.size());
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
