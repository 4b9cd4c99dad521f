#include "mathnas/profile/profiler.h"

#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "fmt/format.h"
#include "kernels/status.h"
#include "mathnas/core/average_network.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/interaction.h"
#include "mathnas/core/measured_table.h"
#include "nlohmann/json.hpp"
#include "supernet/counting.h"

namespace mathnas::profile {
namespace {

using core::BlockTable;
using core::Grid;
using core::Metric;
using supernet::SearchSpace;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Grid NaNGrid(const SearchSpace& space) {
  Grid grid;
  for (const supernet::SpaceNode& n : space.nodes()) grid.emplace_back(n.candidates.size(), kNaN);
  return grid;
}

// What is known of a network for one metric.
struct Sample {
  double value = kNaN;
  double stddev = kNaN;
  int64_t samples = 0;
};

// Puts measured networks into the form of the table.
absl::StatusOr<Metric> Switched(const BlockTable& table, const Switches& switches, Metric metric,
                                const std::function<Sample(const Choice&)>& sample) {
  core::SwitchMeasurements m;
  m.average = switches.average;
  m.average_value = sample(switches.average).value;
  m.base_value = sample(switches.base).value;
  bool any_spread = false;
  for (const std::vector<Choice>& node : switches.switched) {
    std::vector<double> values, stddev;
    std::vector<int64_t> samples;
    for (const Choice& c : node) {
      const Sample s = sample(c);
      values.push_back(s.value);
      stddev.push_back(s.stddev);
      samples.push_back(s.samples);
      any_spread |= std::isfinite(s.stddev);
    }
    m.switched.push_back(std::move(values));
    m.stddev.push_back(std::move(stddev));
    m.samples.push_back(std::move(samples));
  }
  if (!any_spread) m.stddev.clear();
  return core::MetricFromSwitches(table, std::move(metric), {m});
}

Metric MakeMetric(std::string unit, core::Goal goal) {
  Metric metric;
  metric.unit = std::move(unit);
  metric.goal = goal;
  return metric;
}

Metric AccuracyMetric(std::string measured_at) {
  Metric metric = MakeMetric("%", core::Goal::kMax);
  metric.measured_at = std::move(measured_at);
  metric.convention = "weights inherited from the supernet, statistics recalibrated, validation images";
  return metric;
}

absl::StatusOr<Metric> SwitchedAccuracy(const BlockTable& table, const Switches& switches, Meter& meter,
                                        std::string measured_at) {
  if (auto s = meter.MeasureAccuracy(switches.all()); !s.ok()) return s;
  return Switched(table, switches, AccuracyMetric(std::move(measured_at)),
                  [&](const Choice& c) { return Sample{.value = *meter.of(c).accuracy, .samples = 1}; });
}

// Accuracy of the networks that core::Interaction proposes one after the other.
absl::StatusOr<Metric> EvaluatedAccuracy(const SearchSpace& space, const BlockTable& table,
                                         const core::Interaction& interaction, Meter& meter, const EvaluationPlan& plan,
                                         Metric metric) {
  const auto estimator = core::Estimator::Create(table);
  if (!estimator.ok()) return estimator.status();
  const auto within_limits = [&](const Choice& choice) {
    for (const core::Limit& limit : plan.limits) {
      if (limit.metric == "accuracy") continue;
      const absl::StatusOr<double> value = estimator->Predict(limit.metric, choice);
      if (!value.ok() || !core::Holds(limit, *value)) return false;
    }
    return true;
  };
  const auto next = [&]() -> absl::StatusOr<std::optional<Choice>> {
    // What was proposed before is measured by now.
    if (!metric.evaluations.empty()) {
      core::Evaluation& last = metric.evaluations.back();
      last.value = *meter.of(last.choice).accuracy;
    }
    auto proposed = interaction.Next(
        metric.evaluations, [](const Choice&) { return true; }, within_limits);
    if (proposed.ok() && *proposed) metric.evaluations.push_back({**proposed});
    return proposed;
  };
  if (auto s = meter.MeasureAccuracyInTurn(next, plan.evaluations); !s.ok()) return s;
  metric.form = core::Form::kSaving;
  metric.slices = {core::MetricSlice{.base = kNaN, .values = NaNGrid(space)}};
  return metric;
}

Metric Unmeasurable(const SearchSpace& space, Metric metric, std::string_view reason) {
  metric.form = core::Form::kCost;
  metric.slices = {core::MetricSlice{.base = kNaN, .values = NaNGrid(space)}};
  metric.extensions["x-reason"] = nlohmann::json(std::string(reason)).dump();
  return metric;
}

}  // namespace

const std::set<std::string, std::less<>>& KnownMetrics() {
  static const std::set<std::string, std::less<>> metrics = {"accuracy", "energy",     "flops",
                                                             "latency",  "parameters", "memory"};
  return metrics;
}

absl::StatusOr<BlockTable> CountedTable(const SearchSpace& space) {
  BlockTable table;
  table.space = space.name();
  for (const supernet::SpaceNode& n : space.nodes()) table.nodes.push_back({n.name, n.candidates, n.reference});
  if (const auto cell = space.cell()) {
    core::CellStructure& structure = table.structure.cell.emplace();
    structure.input = cell->input;
    structure.output = cell->output;
    for (const supernet::SpaceCell::Edge& e : cell->edges) structure.edges.push_back({e.node, e.from, e.to, e.none});
  }
  core::MetricSlice flops = {.base = 0, .values = NaNGrid(space)}, parameters = flops;
  for (size_t i = 0; i < space.nodes().size(); ++i) {
    for (size_t j = 0; j < space.nodes()[i].candidates.size(); ++j) {
      Choice choice = space.base();
      choice[i] = static_cast<int>(j);
      auto cost = supernet::CountNetwork(space, choice);
      if (!cost.ok()) return cost.status();
      supernet::Cost node, fixed;
      for (const supernet::BlockCost& b : cost->blocks) {
        supernet::Cost* sum = b.node == static_cast<int>(i) ? &node : b.node < 0 ? &fixed : nullptr;
        if (sum == nullptr) continue;
        sum->flops += b.cost.flops;
        sum->parameters += b.cost.parameters;
      }
      flops.values[i][j] = 1e-6 * static_cast<double>(node.flops);
      parameters.values[i][j] = 1e-6 * static_cast<double>(node.parameters);
      flops.base = 1e-6 * static_cast<double>(fixed.flops);
      parameters.base = 1e-6 * static_cast<double>(fixed.parameters);
    }
  }
  Metric& counted_flops = table.metrics["flops"] = MakeMetric("MMAC", core::Goal::kMin);
  counted_flops.slices = {flops};
  counted_flops.convention = std::string(space.flops_convention());
  Metric& counted_parameters = table.metrics["parameters"] = MakeMetric("M", core::Goal::kMin);
  counted_parameters.slices = {parameters};
  if (auto s = core::Validate(table); !s.ok()) return s;
  return table;
}

std::vector<Choice> Switches::all() const {
  std::vector<Choice> choices = {base, average};
  for (const std::vector<Choice>& node : switched) choices.insert(choices.end(), node.begin(), node.end());
  return choices;
}

absl::StatusOr<Switches> PlanSwitches(const SearchSpace& space, const BlockTable& counted) {
  auto average = core::AverageNetwork(counted);
  if (!average.ok()) return average.status();
  Switches switches = {.base = space.base(), .average = *average, .switched = {}};
  for (size_t i = 0; i < space.nodes().size(); ++i) {
    std::vector<Choice> node;
    for (size_t j = 0; j < space.nodes()[i].candidates.size(); ++j) {
      node.push_back(*average);
      node.back()[i] = static_cast<int>(j);
      node.back() = core::CanonicalChoice(counted, node.back());
    }
    switches.switched.push_back(std::move(node));
  }
  return switches;
}

absl::StatusOr<BlockTable> Profile(const SearchSpace& space, Meter& meter,
                                   const std::set<std::string, std::less<>>& metrics, const LatencyOptions& latency,
                                   std::string measured_at) {
  for (const std::string& m : metrics) {
    if (!KnownMetrics().contains(m)) {
      return absl::InvalidArgumentError(
          fmt::format("metric \"{}\": expected accuracy, latency, energy, flops, parameters or memory", m));
    }
  }
  auto counted = CountedTable(space);
  if (!counted.ok()) return counted.status();
  auto switches = PlanSwitches(space, *counted);
  if (!switches.ok()) return switches.status();
  const std::vector<Choice> all = switches->all();
  BlockTable table = *counted;
  if (!metrics.contains("parameters")) table.metrics.erase("parameters");

  const auto add = [&](const std::string& name, absl::StatusOr<Metric> metric) -> absl::Status {
    if (!metric.ok()) return kernels::Annotate(metric.status(), name);
    table.metrics[name] = *std::move(metric);
    return absl::OkStatus();
  };
  Metric run = MakeMetric("ms", core::Goal::kMin);
  run.device = "cpu";
  run.batch = latency.batch;
  run.threads = latency.threads;
  run.measured_at = measured_at;

  if (metrics.contains("accuracy")) {
    auto s = add("accuracy", SwitchedAccuracy(table, *switches, meter, measured_at));
    if (!s.ok()) return s;
  }
  if (metrics.contains("latency")) {
    if (auto s = meter.MeasureLatency(all); !s.ok()) return s;
    Metric metric = run;
    metric.convention = "median of rounds over all networks in turn, folded for inference";
    auto s = add("latency", Switched(table, *switches, std::move(metric), [&](const Choice& c) {
                   const LatencyStats stats = *Summarise(meter.of(c).latency_ms);
                   return Sample{.value = stats.median_ms, .stddev = stats.stddev_ms, .samples = stats.rounds};
                 }));
    if (!s.ok()) return s;
  }
  if (metrics.contains("memory")) {
    if (auto s = meter.MeasureMemory(all); !s.ok()) return s;
    Metric metric = run;
    metric.unit = "MB";
    metric.convention = "folded weights, activations and scratch memory of one context";
    auto s = add("memory", Switched(table, *switches, std::move(metric), [&](const Choice& c) {
                   return Sample{.value = 1e-6 * static_cast<double>(*meter.of(c).memory_bytes), .samples = 1};
                 }));
    if (!s.ok()) return s;
  }
  if (metrics.contains("energy")) {
    Metric metric = run;
    metric.unit = "mJ";
    metric.convention = "processor packages by RAPL, one run";
    const absl::Status measured = meter.MeasureEnergy(all);
    if (absl::IsUnavailable(measured)) {
      table.metrics["energy"] = Unmeasurable(space, std::move(metric), kernels::Message(measured));
    } else if (!measured.ok()) {
      return measured;
    } else {
      auto s = add("energy", Switched(table, *switches, std::move(metric), [&](const Choice& c) {
                     return Sample{.value = *meter.of(c).energy_mj, .samples = 1};
                   }));
      if (!s.ok()) return s;
    }
  }
  if (auto s = core::Validate(table); !s.ok()) return s;
  return table;
}

absl::Status AddEvaluatedAccuracy(const SearchSpace& space, Meter& meter, const EvaluationPlan& plan,
                                  std::string measured_at, BlockTable& table) {
  for (const core::Limit& limit : plan.limits) {
    if (limit.metric == "accuracy" || table.metrics.contains(limit.metric)) continue;
    return absl::InvalidArgumentError(
        fmt::format("limit on \"{:.100}\": expected a metric that is profiled", limit.metric));
  }
  auto interaction = core::Interaction::Create(table, AccuracyMetric(measured_at), {.evaluations = plan.evaluations});
  if (!interaction.ok()) return interaction.status();
  absl::StatusOr<Metric> metric;
  if (interaction->UsesCell()) {
    metric = EvaluatedAccuracy(space, table, *interaction, meter, plan, AccuracyMetric(std::move(measured_at)));
  } else {
    auto switches = PlanSwitches(space, table);
    if (!switches.ok()) return switches.status();
    metric = SwitchedAccuracy(table, *switches, meter, std::move(measured_at));
  }
  if (!metric.ok()) return kernels::Annotate(metric.status(), "accuracy");
  table.metrics["accuracy"] = *std::move(metric);
  return core::Validate(table);
}

}  // namespace mathnas::profile
