#include "mathnas/profile/profiler.h"

#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "fmt/format.h"
#include "kernels/internal/json_text.h"
#include "kernels/status.h"
#include "mathnas/core/average_network.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/interaction.h"
#include "mathnas/core/measured_table.h"
#include "mathnas/profile/space_table.h"
#include "nlohmann/json.hpp"
#include "supernet/counting.h"

namespace mathnas::profile {
namespace {

using core::BlockTable;
using core::Grid;
using core::Metric;
using supernet::SearchSpace;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Grid NaNGrid(const BlockTable& table) {
  Grid grid;
  for (const core::Node& n : table.nodes) grid.emplace_back(n.candidates.size(), kNaN);
  return grid;
}

std::vector<core::MetricSlice> NaNSlices(const BlockTable& table) {
  return std::vector<core::MetricSlice>(static_cast<size_t>(table.SharedCount()),
                                        core::MetricSlice{.base = kNaN, .values = NaNGrid(table)});
}

// What is known of a network for one metric.
struct Sample {
  double value = kNaN;
  double stddev = kNaN;
  int64_t samples = 0;
};

using Sampler = std::function<Sample(const Choice&)>;

core::SwitchMeasurements Measured(const SearchSpace& space, const Switches& switches, const Sampler& sample) {
  core::SwitchMeasurements m;
  m.average = InTable(space, switches.average).choice;
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
  return m;
}

// Puts measured networks into the form of the table.
absl::StatusOr<Metric> Switched(const SearchSpace& space, const BlockTable& table,
                                const std::vector<Switches>& switches, Metric metric, const Sampler& sample) {
  std::vector<core::SwitchMeasurements> slices;
  for (const Switches& s : switches) slices.push_back(Measured(space, s, sample));
  return core::MetricFromSwitches(table, std::move(metric), slices);
}

Metric MakeMetric(std::string unit, core::Goal goal) {
  Metric metric;
  metric.unit = std::move(unit);
  metric.goal = goal;
  return metric;
}

Metric AccuracyMetric(const Meter& meter, std::string measured_at) {
  const Conventions conventions = meter.workload().conventions();
  Metric metric = MakeMetric(conventions.accuracy_unit, core::Goal::kMax);
  metric.measured_at = std::move(measured_at);
  metric.convention = conventions.accuracy;
  return metric;
}

absl::StatusOr<Metric> SwitchedAccuracy(const SearchSpace& space, const BlockTable& table,
                                        const std::vector<Switches>& switches, Meter& meter, std::string measured_at) {
  if (auto s = meter.MeasureAccuracy(NetworksOf(switches)); !s.ok()) return s;
  return Switched(space, table, switches, AccuracyMetric(meter, std::move(measured_at)),
                  [&](const Choice& c) { return Sample{.value = *meter.of(c).accuracy, .samples = 1}; });
}

// Accuracy of the networks that core::Interaction proposes one after the other.
absl::StatusOr<Metric> EvaluatedAccuracy(const BlockTable& table, const core::Interaction& interaction, Meter& meter,
                                         const EvaluationPlan& plan, Metric metric) {
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
  metric.slices = NaNSlices(table);
  return metric;
}

Metric Unmeasurable(const BlockTable& table, Metric metric, std::string_view reason) {
  metric.form = core::Form::kCost;
  metric.slices = NaNSlices(table);
  metric.extensions["x-reason"] = kernels::internal::JsonText(std::string(reason));
  return metric;
}

// FLOPs and parameters of every candidate for one value of the shared choice. A candidate is counted in the base
// network: no block's work depends on what other nodes are.
absl::StatusOr<std::pair<core::MetricSlice, core::MetricSlice>> CountSlice(const SearchSpace& space,
                                                                           const BlockTable& table, int shared) {
  const core::Choice base = InTable(space, space.base()).choice;
  core::MetricSlice flops = {.base = 0, .values = NaNGrid(table)}, parameters = flops;
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    for (size_t j = 0; j < table.nodes[i].candidates.size(); ++j) {
      core::Choice choice = base;
      choice[i] = static_cast<int>(j);
      const auto cost = supernet::CountWork(space, InSpace(space, {choice, shared}));
      if (!cost.ok()) return cost.status();
      supernet::Cost node, fixed;
      for (const supernet::BlockCost& b : cost->blocks) {
        supernet::Cost* sum = b.node < 0 ? &fixed : NodeInTable(space, b.node) == static_cast<int>(i) ? &node : nullptr;
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
  return std::pair(std::move(flops), std::move(parameters));
}

}  // namespace

const std::set<std::string, std::less<>>& KnownMetrics() {
  static const std::set<std::string, std::less<>> metrics = {"accuracy", "energy",     "flops",
                                                             "latency",  "parameters", "memory"};
  return metrics;
}

absl::StatusOr<BlockTable> CountedTable(const SearchSpace& space) {
  absl::StatusOr<BlockTable> table = TableOf(space);
  if (!table.ok()) return table;
  Metric flops = MakeMetric(std::string(space.flops_unit()), core::Goal::kMin),
         parameters = MakeMetric("M", core::Goal::kMin);
  flops.convention = std::string(space.flops_convention());
  for (int shared = 0; shared < table->SharedCount(); ++shared) {
    auto counted = CountSlice(space, *table, shared);
    if (!counted.ok()) return counted.status();
    flops.slices.push_back(std::move(counted->first));
    parameters.slices.push_back(std::move(counted->second));
  }
  table->metrics["flops"] = std::move(flops);
  table->metrics["parameters"] = std::move(parameters);
  if (auto s = core::Validate(*table); !s.ok()) return s;
  return table;
}

absl::StatusOr<std::vector<Switches>> PlanSwitches(const SearchSpace& space, const BlockTable& counted) {
  std::vector<Switches> all;
  for (int shared = 0; shared < counted.SharedCount(); ++shared) {
    auto average = core::AverageNetwork(counted, shared);
    if (!average.ok()) return average.status();
    Switches& switches = all.emplace_back();
    switches.base = InSpace(space, {InTable(space, space.base()).choice, shared});
    switches.average = InSpace(space, {*average, shared});
    for (size_t i = 0; i < counted.nodes.size(); ++i) {
      std::vector<Choice>& node = switches.switched.emplace_back();
      for (size_t j = 0; j < counted.nodes[i].candidates.size(); ++j) {
        core::Choice choice = *average;
        choice[i] = static_cast<int>(j);
        node.push_back(InSpace(space, {core::CanonicalChoice(counted, std::move(choice)), shared}));
      }
    }
  }
  return all;
}

std::vector<Choice> NetworksOf(const std::vector<Switches>& switches) {
  std::vector<Choice> networks;
  for (const Switches& s : switches) {
    networks.insert(networks.end(), {s.base, s.average});
    for (const std::vector<Choice>& node : s.switched) networks.insert(networks.end(), node.begin(), node.end());
  }
  return networks;
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
  const std::vector<Choice> all = NetworksOf(*switches);
  BlockTable table = *counted;
  if (!metrics.contains("parameters")) table.metrics.erase("parameters");

  const auto add = [&](const std::string& name, absl::StatusOr<Metric> metric) -> absl::Status {
    if (!metric.ok()) return kernels::Annotate(metric.status(), name);
    table.metrics[name] = *std::move(metric);
    return absl::OkStatus();
  };
  const Conventions conventions = meter.workload().conventions();
  Metric run = MakeMetric("ms", core::Goal::kMin);
  run.device = meter.latency_device().name();
  run.batch = latency.batch;
  run.threads = latency.threads;
  run.measured_at = measured_at;

  if (metrics.contains("accuracy")) {
    auto s = add("accuracy", SwitchedAccuracy(space, table, *switches, meter, measured_at));
    if (!s.ok()) return s;
  }
  if (metrics.contains("latency")) {
    if (auto s = meter.MeasureLatency(all); !s.ok()) return s;
    Metric metric = run;
    metric.convention = conventions.latency;
    auto s = add("latency", Switched(space, table, *switches, std::move(metric), [&](const Choice& c) {
                   const LatencyStats stats = *Summarise(meter.of(c).latency_ms);
                   return Sample{.value = stats.median_ms, .stddev = stats.stddev_ms, .samples = stats.rounds};
                 }));
    if (!s.ok()) return s;
  }
  if (metrics.contains("memory")) {
    if (auto s = meter.MeasureMemory(all); !s.ok()) return s;
    Metric metric = run;
    metric.unit = "MB";
    metric.convention = conventions.memory;
    auto s = add("memory", Switched(space, table, *switches, std::move(metric), [&](const Choice& c) {
                   return Sample{.value = 1e-6 * static_cast<double>(*meter.of(c).memory_bytes), .samples = 1};
                 }));
    if (!s.ok()) return s;
  }
  if (metrics.contains("energy")) {
    Metric metric = run;
    metric.unit = "mJ";
    metric.convention = conventions.energy;
    const absl::Status measured = meter.MeasureEnergy(all);
    if (absl::IsUnavailable(measured)) {
      table.metrics["energy"] = Unmeasurable(table, std::move(metric), kernels::Message(measured));
    } else if (!measured.ok()) {
      return measured;
    } else {
      auto s = add("energy", Switched(space, table, *switches, std::move(metric), [&](const Choice& c) {
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
  absl::StatusOr<Metric> metric;
  if (table.structure.cell) {
    auto interaction =
        core::Interaction::Create(table, AccuracyMetric(meter, measured_at), {.evaluations = plan.evaluations});
    if (!interaction.ok()) return interaction.status();
    metric = EvaluatedAccuracy(table, *interaction, meter, plan, AccuracyMetric(meter, std::move(measured_at)));
  } else {
    auto switches = PlanSwitches(space, table);
    if (!switches.ok()) return switches.status();
    metric = SwitchedAccuracy(space, table, *switches, meter, std::move(measured_at));
  }
  if (!metric.ok()) return kernels::Annotate(metric.status(), "accuracy");
  table.metrics["accuracy"] = *std::move(metric);
  return core::Validate(table);
}

}  // namespace mathnas::profile
