#include "mathnas/job/search_network.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/json_text.h"
#include "kernels/status.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/interaction.h"
#include "mathnas/core/networks.h"
#include "mathnas/core/result_json.h"
#include "mathnas/job/audit.h"
#include "mathnas/job/landscape.h"
#include "mathnas/job/verification.h"
#include "mathnas/profile/profiler.h"
#include "mathnas/profile/space_table.h"
#include "nlohmann/json.hpp"
#include "supernet/atomic_file.h"
#include "supernet/counting.h"

namespace mathnas::job {
namespace {

using kernels::internal::JsonText;
using kernels::internal::ParseJson;
using nlohmann::json;
using supernet::Choice;
using supernet::SearchSpace;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kJournal = "measurements.json";

report::Training Described(const supernet::Checkpoint& checkpoint, const Wording& wording) {
  report::Training training = {.quality = wording.training};
  const json recipe = ParseJson(checkpoint.recipe);
  if (recipe.is_object()) {
    for (const auto& [key, value] : recipe.items()) {
      training.settings.push_back({key, value.is_string() ? value.get<std::string>() : JsonText(value)});
    }
  }
  for (const supernet::EpochRecord& e : checkpoint.epochs) {
    training.epochs.push_back({.epoch = static_cast<int>(training.epochs.size()) + 1,
                               .loss = {e.loss},
                               .train_accuracy = {100 * e.accuracy},
                               .validation_accuracy = {.reason = "measured per block"}});
  }
  return training;
}

class Job {
 public:
  Job(Task& task, const SearchNetworkOptions& options) : task_(task), options_(options) {}

  absl::StatusOr<SearchNetworkResult> Run() {
    using Stage = absl::Status (Job::*)();
    const std::pair<const char*, Stage> stages[] = {{"train supernet", &Job::TrainSupernet},
                                                    {"profile blocks", &Job::ProfileBlocks},
                                                    {"search", &Job::Search},
                                                    {"audit predictions", &Job::AuditPredictions},
                                                    {"fine-tune", &Job::FineTune},
                                                    {"deploy", &Job::Deploy},
                                                    {"report", &Job::WriteReport}};
    if (auto s = Begin(); !s.ok()) return s;
    for (const auto& [name, stage] : stages) {
      if (options_.on_stage) options_.on_stage(name);
      const Clock::time_point start = Clock::now();
      const size_t told = result_.report.stages.size();
      if (auto s = (this->*stage)(); !s.ok()) return kernels::Annotate(s, name);
      if (result_.report.stages.size() == told) {
        AddTime(name, std::chrono::duration<double>(Clock::now() - start).count());
      }
      if (result_.infeasible) break;
    }
    return std::move(result_);
  }

 private:
  const SearchSpace& space() const { return *task_.space(); }
  void AddTime(std::string name, double seconds) { result_.report.stages.push_back({std::move(name), {seconds}, ""}); }

  // What can be known to be wrong is said before the training, not after it.
  absl::Status Begin() {
    std::error_code error;
    std::filesystem::create_directories(options_.out, error);
    if (error) {
      return absl::InvalidArgumentError(fmt::format("{}: cannot be created: {}", options_.out, error.message()));
    }
    if (auto s = CheckMetrics(); !s.ok()) return s;
    if (auto s = task_.Begin(options_); !s.ok()) return s;
    if (const auto table = profile::TableOf(space()); !table.ok()) return table.status();
    RemoveOld();
    wording_ = task_.wording();
    report::Report& r = result_.report;
    r.title = fmt::format("{} on {}", space().name(), options_.data_name);
    r.space = space().name();
    r.dataset = wording_.dataset;
    r.created_at = options_.created_at;
    r.command = options_.command;
    r.environment = options_.environment;
    const json macro = ParseJson(space().MacroJson());
    for (const auto& [key, value] : macro.items()) {
      const bool named = value.is_object() && value.contains("name");
      r.macro.push_back({key, named               ? value["name"].get<std::string>()
                              : value.is_string() ? value.get<std::string>()
                                                  : JsonText(value)});
    }
    return absl::OkStatus();
  }

  // What was made of the supernet of another run must not be gone on with, should this one be interrupted.
  void RemoveOld() const {
    if (options_.resume) return;
    std::error_code ignored;
    for (std::string_view file : {kFineTunedFile, kJournal}) std::filesystem::remove(options_.Path(file), ignored);
  }

  absl::Status CheckMetrics() const {
    for (const std::string& metric : options_.metrics) {
      if (profile::KnownMetrics().contains(metric)) continue;
      return absl::InvalidArgumentError(
          fmt::format("metric \"{:.100}\": expected one of {}", metric, fmt::join(profile::KnownMetrics(), ", ")));
    }
    for (const char* needed : {"accuracy", "latency"}) {
      if (options_.metrics.contains(needed)) continue;
      return absl::InvalidArgumentError(fmt::format(
          "metrics: {} is missing, expected accuracy and latency among them, which networks are chosen by", needed));
    }
    for (const core::Limit& l : options_.limits) {
      if (options_.metrics.contains(l.metric) || l.metric == "flops") continue;
      return absl::InvalidArgumentError(fmt::format("limit on \"{:.100}\": expected a metric that is profiled: {}",
                                                    l.metric, fmt::join(options_.metrics, ", ")));
    }
    return absl::OkStatus();
  }

  absl::Status TrainSupernet() {
    if (options_.checkpoint) {
      auto trained = supernet::LoadTrained(*options_.checkpoint);
      if (!trained.ok()) return trained.status();
      if (trained->subnet || trained->space != space().name()) {
        return absl::InvalidArgumentError(fmt::format("{}: expected a supernet of {}, found {}{}", *options_.checkpoint,
                                                      space().name(), trained->subnet ? "one network of " : "",
                                                      trained->space));
      }
      // Other candidates of the same layers, or another resolution, may be searched than were trained.
      if (auto s = supernet::CheckWeights(space(), std::nullopt, trained->weights); !s.ok()) {
        return kernels::Annotate(s, *options_.checkpoint);
      }
      supernet_ = *std::move(trained);
    } else {
      auto trained = task_.TrainSupernet();
      if (!trained.ok()) return trained.status();
      supernet_ = std::move(trained->checkpoint);
      result_.stages = std::move(trained->stages);
      for (const TrainedStage& stage : result_.stages) AddTime("train supernet: " + stage.name, stage.seconds);
    }
    supernet::TakeTrained(supernet_);
    result_.report.supernet = Described(supernet_, wording_);
    return absl::OkStatus();
  }

  absl::Status ProfileBlocks() {
    auto workload = task_.MakeWorkload(supernet_.weights);
    if (!workload.ok()) return workload.status();
    profile::MeterOptions meter = {
        .latency = options_.latency,
        .device = options_.device,
        .journal_path = options_.Path(kJournal),
        .identity =
            fmt::format("{} {} {} seed {} epoch {} on {} with {}, batch {}, threads {}", supernet_.space,
                        space().MacroJson(), supernet_.recipe, supernet_.seed, supernet_.epoch, options_.data_name,
                        (*workload)->held_out(), options_.latency.batch, options_.latency.threads) +
            (options_.device->name() == "cpu" ? "" : fmt::format(", on {}", options_.device->name())),
        .progress = options_.on_measuring,
        .cancel = options_.cancel};
    auto created = profile::Meter::Create(*std::move(workload), std::move(meter));
    if (!created.ok()) return created.status();
    meter_ = *std::move(created);
    if (auto s = MeasureTogether(); !s.ok()) return s;
    std::set<std::string, std::less<>> metrics = options_.metrics;
    const bool learns = options_.evaluations > 0 && metrics.erase("accuracy") > 0;
    auto table = profile::Profile(space(), *meter_, metrics, options_.latency, options_.created_at);
    if (!table.ok()) return table.status();
    table_ = *std::move(table);
    estimator_ = options_.estimator;
    if (auto s = ResolveLimits(); !s.ok()) return s;
    if (learns) {
      auto s = profile::AddEvaluatedAccuracy(space(), *meter_, {.evaluations = options_.evaluations, .limits = limits_},
                                             options_.created_at, table_);
      if (!s.ok()) return s;
      const std::string accuracy = "accuracy";
      auto estimator = core::InteractionEstimator(table_, {&accuracy, 1}, options_.estimator.flops_fixed);
      if (!estimator.ok()) return estimator.status();
      estimator_ = *std::move(estimator);
    }
    result_.table_path = options_.Path("table.json");
    result_.report.table = Renamed(table_);
    return core::Save(table_, result_.table_path);
  }

  // The table in the words of the report.
  core::BlockTable Renamed(core::BlockTable table) const {
    auto accuracy = table.metrics.extract("accuracy");
    if (accuracy.empty()) return table;
    accuracy.key() = wording_.quality;
    accuracy.mapped().unit = wording_.unit;
    table.metrics.insert(std::move(accuracy));
    return table;
  }

  // The latency of the blocks' networks and of the audited ones in the same rounds: a machine that changes its clock
  // between two series would be taken for an error of prediction (10 % seen).
  absl::Status MeasureTogether() {
    auto counted = profile::CountedTable(space());
    if (!counted.ok()) return counted.status();
    auto switches = profile::PlanSwitches(space(), *counted);
    if (!switches.ok()) return switches.status();
    std::vector<Choice> together = profile::NetworksOf(*switches);
    const std::vector<Choice> audited = AuditedNetworks(space(), *counted, options_.audited);
    together.insert(together.end(), audited.begin(), audited.end());
    return meter_->MeasureLatency(together);
  }

  // As requested, or the median of the space.
  absl::Status ResolveLimits() {
    limits_ = options_.limits;
    std::string origin = "as requested";
    if (limits_.empty()) {
      auto median = MedianLatency(space(), table_, estimator_);
      if (!median.ok()) return median.status();
      limits_ = {{.metric = "latency", .op = core::LimitOp::kAtMost, .value = *median, .unit = "ms"}};
      origin = "the median of the space";
    }
    for (core::Limit l : limits_) {
      if (l.metric == "accuracy") l.metric = wording_.quality;
      result_.report.budgets.push_back({std::move(l), origin});
    }
    return absl::OkStatus();
  }

  absl::Status Search() {
    auto landscape = LandscapeOf(space(), table_, estimator_, options_.cancel);
    if (!landscape.ok()) return landscape.status();
    result_.report.landscape = *std::move(landscape);
    result_.report.landscape.y_metric = wording_.quality;
    result_.report.landscape.y_unit = wording_.unit;
    auto verified = SearchVerified(
        space(), table_,
        {.estimator = estimator_, .limits = limits_, .networks = options_.verified, .cancel = options_.cancel},
        *meter_);
    if (!verified.ok()) return verified.status();
    result_.search = std::move(verified->search);
    report::Proof& proof = result_.report.proof;
    proof = report::ProofOf(result_.search, table_, "accuracy");
    proof.objective_metric = wording_.quality;
    proof.objective_unit = wording_.unit;
    proof.networks = {core::CountNetworks(table_)};
    result_.infeasible = result_.search.networks.empty();
    if (result_.infeasible) return absl::OkStatus();
    result_.choice = std::move(verified->choice);
    result_.subnet = space().SubnetJson(result_.choice);
    result_.latency = verified->latency;
    result_.within_budget = verified->within_budget;
    chosen_ = std::move(verified->found);
    if (!verified->note.empty()) result_.report.notes.push_back(std::move(verified->note));
    return absl::OkStatus();
  }

  absl::Status AuditPredictions() {
    if (options_.audited <= 0) return absl::OkStatus();
    auto audits = Audit(space(), table_, estimator_, AuditedNetworks(space(), table_, options_.audited), *meter_,
                        options_.latency, wording_);
    if (!audits.ok()) return audits.status();
    result_.report.audits = *std::move(audits);
    return absl::OkStatus();
  }

  absl::Status FineTune() {
    auto tuned = task_.FineTune(result_.choice, supernet_.weights);
    if (!tuned.ok()) return tuned.status();
    tuned_ = *std::move(tuned);
    result_.report.fine_tuning = Described(tuned_.checkpoint, wording_);
    result_.report.chosen.tests = tuned_.scores;
    result_.test = tuned_.values;
    return absl::OkStatus();
  }

  absl::Status Deploy() {
    auto cost = supernet::CountWork(space(), result_.choice);
    if (!cost.ok()) return cost.status();
    DescribeChosen(cost->total);
    json limits = json::array();
    for (const core::Limit& l : limits_) {
      limits.push_back(
          {{"metric", l.metric}, {"op", std::string(core::Name(l.op))}, {"value", l.value}, {"unit", l.unit}});
    }
    json predicted;
    for (const auto& [metric, value] : chosen_.predicted) {
      if (std::isfinite(value)) predicted[metric] = value;
    }
    json measured = {{"latency", result_.latency.median_ms},
                     {"latency_batch", options_.latency.batch},
                     {"threads", options_.latency.threads}};
    for (const TestValue& v : tuned_.values) measured[v.name] = v.value;
    const json information = {{"space", std::string(space().name())},
                              {"subnet", ParseJson(result_.subnet)},
                              {"macro", ParseJson(space().MacroJson())},
                              {"data", options_.data_name},
                              {"limits", limits},
                              {"predicted", predicted},
                              {"measured", measured},
                              {"cost", {{"flops", cost->total.flops}, {"parameters", cost->total.parameters}}}};
    result_.network_path = options_.Path("network.mathnas");
    return task_.Deploy(result_.network_path, result_.choice, tuned_.checkpoint.weights, JsonText(information));
  }

  void DescribeChosen(const supernet::Cost& cost) {
    report::ChosenNetwork& chosen = result_.report.chosen;
    task_.Describe(result_.choice, chosen);
    chosen.choice = chosen_.choice;
    chosen.shared_index = chosen_.shared_index;
    const auto predicted = [&](const char* metric) -> report::Reading {
      auto it = chosen_.predicted.find(metric);
      return it == chosen_.predicted.end() ? report::Reading{.reason = "not profiled"} : report::Reading{it->second};
    };
    chosen.metrics = {{.metric = wording_.quality,
                       .unit = wording_.unit,
                       .goal = core::Goal::kMax,
                       .predicted = predicted("accuracy"),
                       .measured = {tuned_.quality},
                       .method = wording_.compared},
                      {.metric = "latency",
                       .unit = "ms",
                       .predicted = predicted("latency"),
                       .measured = {result_.latency.median_ms},
                       .measured_low = {result_.latency.low_ms},
                       .measured_high = {result_.latency.high_ms},
                       .samples = result_.latency.rounds,
                       .method = fmt::format("batch {}, {} threads", options_.latency.batch, options_.latency.threads)},
                      {.metric = "flops",
                       .unit = std::string(space().flops_unit()),
                       .predicted = predicted("flops"),
                       .measured = {1e-6 * static_cast<double>(cost.flops)},
                       .method = std::string(space().flops_convention())},
                      {.metric = "parameters",
                       .unit = "M",
                       .predicted = predicted("parameters"),
                       .measured = {1e-6 * static_cast<double>(cost.parameters)},
                       .method = "counted"}};
  }

  absl::Status WriteReport() {
    result_.report_path = options_.Path("report.html");
    if (auto s = supernet::AtomicWriteFile(result_.report_path, report::RenderHtml(result_.report)); !s.ok()) return s;
    return supernet::AtomicWriteFile(options_.Path("result.json"), core::ToJson(result_.search) + "\n");
  }

  Task& task_;
  const SearchNetworkOptions& options_;
  Wording wording_;
  supernet::Checkpoint supernet_;
  std::unique_ptr<profile::Meter> meter_;
  core::BlockTable table_;
  core::EstimatorOptions estimator_;
  std::vector<core::Limit> limits_;
  core::FoundNetwork chosen_;
  FineTuned tuned_;
  SearchNetworkResult result_;
};

}  // namespace

absl::StatusOr<SearchNetworkResult> SearchNetwork(Task& task, const SearchNetworkOptions& options) {
  return Job(task, options).Run();
}

}  // namespace mathnas::job
