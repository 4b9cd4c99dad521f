#include "mathnas/job/search_network.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <span>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/json_text.h"
#include "kernels/status.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/interaction.h"
#include "mathnas/core/networks.h"
#include "mathnas/core/result_json.h"
#include "mathnas/core/statistics.h"
#include "mathnas/deploy/network_file.h"
#include "mathnas/profile/image_workload.h"
#include "mathnas/profile/profiler.h"
#include "mathnas/profile/space_table.h"
#include "nlohmann/json.hpp"
#include "supernet/atomic_file.h"
#include "supernet/counting.h"
#include "supernet/evaluation.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/network_input.h"
#include "supernet/training/sampling.h"
#include "supernet/training/stages.h"
#include "supernet/weights.h"

namespace mathnas::job {
namespace {

using kernels::TensorMap;
using kernels::internal::JsonText;
using kernels::internal::ParseJson;
using nlohmann::json;
using profile::LatencyStats;
using supernet::Choice;
using supernet::ImageSourcePtr;
using Clock = std::chrono::steady_clock;

// Files in `out` that a job goes on with.
constexpr std::string_view kSupernet = "supernet.safetensors", kFineTuned = "finetuned.safetensors",
                           kJournal = "measurements.json";
constexpr uint64_t kAuditSeed = 0xA0D17;
constexpr int kTightenings = 5;
// A space with more networks is not looked at one by one: the report shows drawn ones, and what of the front is found
// in a limited time.
constexpr double kMostLookedAt = 1e6;
constexpr uint64_t kCloudSeed = 0xC10D;
constexpr int kDrawn = 20000;
constexpr double kFrontSeconds = 20;

// One entry per channel of the network, which may have three where the images have one.
std::vector<double> PerChannel(std::vector<double> values, int64_t channels) {
  if (values.size() == 1) values.resize(static_cast<size_t>(channels), values[0]);
  return values;
}

report::Training Described(const supernet::Checkpoint& checkpoint) {
  report::Training training;
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
  Job(supernet::ImageSources data, const SearchNetworkOptions& options)
      : options_(options), space_(*options.space), data_(std::move(data)) {}

  absl::StatusOr<SearchNetworkResult> Run() {
    using Stage = absl::Status (Job::*)();
    const std::pair<const char*, Stage> stages[] = {{"train supernet", &Job::TrainSupernet},
                                                    {"profile blocks", &Job::ProfileBlocks},
                                                    {"search", &Job::Search},
                                                    {"audit predictions", &Job::Audit},
                                                    {"fine-tune", &Job::FineTune},
                                                    {"deploy", &Job::Deploy},
                                                    {"report", &Job::WriteReport}};
    std::error_code error;
    std::filesystem::create_directories(options_.out, error);
    if (error)
      return absl::InvalidArgumentError(fmt::format("{}: cannot be created: {}", options_.out, error.message()));
    if (auto s = CheckOptions(); !s.ok()) return s;
    for (const auto& [name, stage] : stages) {
      if (options_.on_stage) options_.on_stage(name);
      const Clock::time_point start = Clock::now();
      const size_t told = result_.report.stages.size();
      if (auto s = (this->*stage)(); !s.ok()) return kernels::Annotate(s, name);
      if (result_.report.stages.size() == told) AddTime(name, start);
      if (result_.infeasible) break;
    }
    return std::move(result_);
  }

 private:
  void AddTime(std::string name, Clock::time_point start) {
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    result_.report.stages.push_back({std::move(name), {seconds}, ""});
  }

  std::string Path(std::string_view name) const { return fmt::format("{}/{}", options_.out, name); }

  // What can be known to be wrong is said before the training, not after it.
  absl::Status CheckOptions() {
    for (const core::Limit& l : options_.limits) {
      if (options_.metrics.contains(l.metric) || l.metric == "flops") continue;
      return absl::InvalidArgumentError(fmt::format("limit on \"{:.100}\": expected a metric that is profiled: {}",
                                                    l.metric, fmt::join(options_.metrics, ", ")));
    }
    if (const auto table = profile::TableOf(space_); !table.ok()) return table.status();
    if (!options_.stages.empty() && options_.checkpoint) {
      return absl::InvalidArgumentError("stages: expected none where a checkpoint is given instead of training");
    }
    if (!options_.stages.empty()) {
      if (const auto layers = supernet::LayersOf(options_.space); !layers.ok()) {
        return kernels::Annotate(layers.status(), "stages");
      }
    }
    return SplitData();
  }

  absl::Status SplitData() {
    report::Report& r = result_.report;
    auto split = supernet::HoldOut(data_, options_.validation_images, /*seed=*/0);
    if (!split.ok()) return split.status();
    training_ = std::move(split->train);
    validation_ = std::move(split->validation);
    for (const ImageSourcePtr& part : {data_.train, validation_, data_.test}) {
      if (auto s = supernet::CheckImages(space_, *part); !s.ok()) return s;
    }
    r.title = fmt::format("{} on {}", space_.name(), options_.data_name);
    r.space = space_.name();
    r.dataset = fmt::format("{}: {} training, {} validation, {} test images", options_.data_name, training_->count(),
                            validation_->count(), data_.test->count());
    r.created_at = options_.created_at;
    r.command = options_.command;
    r.environment = options_.environment;
    const json macro = ParseJson(space_.MacroJson());
    for (const auto& [key, value] : macro.items()) {
      const bool named = value.is_object() && value.contains("name");
      r.macro.push_back({key, named ? value["name"].get<std::string>() : JsonText(value)});
    }
    return absl::OkStatus();
  }

  absl::Status TrainSupernet() {
    absl::StatusOr<supernet::Checkpoint> trained;
    if (options_.checkpoint) {
      trained = supernet::LoadTrained(*options_.checkpoint);
      if (!trained.ok()) return trained.status();
      if (trained->subnet || trained->space != space_.name()) {
        return absl::InvalidArgumentError(fmt::format("{}: expected a supernet of {}, found {}{}", *options_.checkpoint,
                                                      space_.name(), trained->subnet ? "one network of " : "",
                                                      trained->space));
      }
      // Other candidates of the same layers, or another resolution, may be searched than were trained.
      if (auto s = supernet::CheckWeights(space_, std::nullopt, trained->weights); !s.ok()) {
        return kernels::Annotate(s, *options_.checkpoint);
      }
    } else {
      TensorMap weights = supernet::AllocateWeights(space_.Supernet({.mode = supernet::Mode::kTraining}).graph);
      supernet::InitializeWeights(weights, options_.supernet.seed, space_.initialization());
      trained = options_.stages.empty()
                    ? Train(training_, std::nullopt, std::move(weights), options_.supernet, kSupernet)
                    : TrainStages(std::move(weights));
      if (!trained.ok()) return trained.status();
    }
    supernet_ = *std::move(trained);
    supernet::TakeTrained(supernet_);
    result_.report.supernet = Described(supernet_);
    return absl::OkStatus();
  }

  // The supernet, by stages: the last checkpoint, with the epochs of all of them.
  absl::StatusOr<supernet::Checkpoint> TrainStages(TensorMap weights) {
    auto layers = supernet::LayersOf(options_.space);
    if (!layers.ok()) return layers.status();
    supernet::StagesRun stages = {.recipes = options_.stages, .paths = {}, .on_stage = {}};
    std::string under_way;
    Clock::time_point start = Clock::now();
    for (const supernet::TrainingRecipe& recipe : stages.recipes) {
      const bool last = &recipe == &stages.recipes.back();
      stages.paths.push_back(Path(last ? std::string(kSupernet) : StageFile(recipe.shrinking->stage.name)));
    }
    const auto end_stage = [&] {
      if (!under_way.empty()) AddTime(under_way, std::exchange(start, Clock::now()));
    };
    stages.on_stage = [&](const supernet::ShrinkingStage& stage) {
      end_stage();
      under_way = fmt::format("train supernet: {}", stage.name);
      if (options_.on_stage) options_.on_stage(under_way);
    };
    auto trained = supernet::TrainStages(*layers, options_.device, training_, std::move(weights), stages, RunOf(""));
    if (!trained.ok()) return trained.status();
    end_stage();
    supernet::Checkpoint whole = std::move(trained->back());
    std::vector<supernet::EpochRecord> epochs;
    for (size_t i = 0; i < trained->size(); ++i) {
      const bool last = i + 1 == trained->size();
      const std::vector<supernet::EpochRecord>& own = last ? whole.epochs : (*trained)[i].epochs;
      result_.stages.push_back({stages.recipes[i].shrinking->stage.name, stages.paths[i], own});
      epochs.insert(epochs.end(), own.begin(), own.end());
    }
    whole.epochs = std::move(epochs);
    return whole;
  }

  static std::string StageFile(std::string_view stage) { return fmt::format("stage-{}.safetensors", stage); }

  supernet::TrainingRun RunOf(std::string path) const {
    return {.checkpoint_path = std::move(path),
            .checkpoint_seconds = options_.checkpoint_seconds,
            .resume = options_.resume,
            .reading = options_.reading,
            .progress = options_.on_training,
            .cancel = options_.cancel};
  }

  // The supernet, or one network with own weights.
  absl::StatusOr<supernet::Checkpoint> Train(const ImageSourcePtr& images, const std::optional<Choice>& own,
                                             TensorMap weights, const supernet::TrainingRecipe& recipe,
                                             std::string_view file) {
    return supernet::Train(options_.space, options_.device, images, own, std::move(weights), recipe, RunOf(Path(file)));
  }

  absl::Status ProfileBlocks() {
    profile::MeterOptions meter = {
        .latency = options_.latency,
        .journal_path = Path(kJournal),
        .identity =
            fmt::format("{} {} {} seed {} epoch {} on {} with {} validation images, batch {}, threads {}",
                        supernet_.space, space_.MacroJson(), supernet_.recipe, supernet_.seed, supernet_.epoch,
                        options_.data_name, validation_->count(), options_.latency.batch, options_.latency.threads),
        .progress = options_.on_measuring,
        .cancel = options_.cancel};
    if (!options_.resume) std::filesystem::remove(meter.journal_path);
    auto created = profile::Meter::Create(
        std::make_unique<profile::ImageWorkload>(
            options_.space, options_.device, supernet_.weights, training_, validation_,
            profile::ImageWorkloadOptions{.recalibration = options_.recalibration, .reading = options_.reading}),
        std::move(meter));
    if (!created.ok()) return created.status();
    meter_ = *std::move(created);
    if (auto s = MeasureTogether(); !s.ok()) return s;
    std::set<std::string, std::less<>> metrics = options_.metrics;
    const bool learns = options_.evaluations > 0 && metrics.erase("accuracy") > 0;
    auto table = profile::Profile(space_, *meter_, metrics, options_.latency, options_.created_at);
    if (!table.ok()) return table.status();
    table_ = *std::move(table);
    estimator_ = options_.estimator;
    if (auto s = ResolveLimits(); !s.ok()) return s;
    if (learns) {
      auto s = profile::AddEvaluatedAccuracy(space_, *meter_, {.evaluations = options_.evaluations, .limits = limits_},
                                             options_.created_at, table_);
      if (!s.ok()) return s;
      const std::string accuracy = "accuracy";
      auto estimator = core::InteractionEstimator(table_, {&accuracy, 1}, options_.estimator.flops_fixed);
      if (!estimator.ok()) return estimator.status();
      estimator_ = *std::move(estimator);
    }
    result_.table_path = Path("table.json");
    result_.report.table = table_;
    return core::Save(table_, result_.table_path);
  }

  // Random networks, cut ones left out.
  std::vector<Choice> AuditedNetworks(const core::BlockTable& table) const {
    std::vector<Choice> choices;
    for (int i = 0; static_cast<int>(choices.size()) < options_.audited; ++i) {
      const Choice drawn = supernet::RandomChoice(space_, kAuditSeed, i);
      if (!core::ComputesSomething(table, profile::InTable(space_, drawn).choice)) continue;
      choices.push_back(profile::Canonical(space_, table, drawn));
    }
    return choices;
  }

  // The latency of the blocks' networks and of the audited ones in the same rounds: a machine that changes its clock
  // between two series would be taken for an error of prediction (10 % seen).
  absl::Status MeasureTogether() {
    if (!options_.metrics.contains("latency")) return absl::OkStatus();
    auto counted = profile::CountedTable(space_);
    if (!counted.ok()) return counted.status();
    auto switches = profile::PlanSwitches(space_, *counted);
    if (!switches.ok()) return switches.status();
    std::vector<Choice> together = profile::NetworksOf(*switches);
    const std::vector<Choice> audited = AuditedNetworks(*counted);
    together.insert(together.end(), audited.begin(), audited.end());
    return meter_->MeasureLatency(together);
  }

  // As requested, or the median of the space.
  absl::Status ResolveLimits() {
    limits_ = options_.limits;
    std::string origin = "as requested";
    if (limits_.empty()) {
      auto median = MedianLatency();
      if (!median.ok()) return median.status();
      limits_ = {{.metric = "latency", .op = core::LimitOp::kAtMost, .value = *median, .unit = "ms"}};
      origin = "the median of the space";
    }
    for (const core::Limit& l : limits_) result_.report.budgets.push_back({l, origin});
    return absl::OkStatus();
  }

  bool IsLarge() const { return core::CountNetworks(table_) > kMostLookedAt; }

  // Predictions of every network of the space, or in a large one of drawn ones: values by metric.
  absl::Status ForNetworks(const std::vector<std::string>& metrics,
                           absl::FunctionRef<void(std::span<const double>)> visit) {
    auto estimator = core::Estimator::Create(table_, estimator_);
    if (!estimator.ok()) return estimator.status();
    if (!IsLarge()) {
      return core::ForEachNetwork(*estimator, metrics, core::AllowAll(table_),
                                  [&](const core::NetworkView& n) {
                                    visit(n.values);
                                    return true;
                                  })
          .status();
    }
    for (int i = 0; i < kDrawn; ++i) {
      const auto [choice, shared] = profile::InTable(space_, supernet::RandomChoice(space_, kCloudSeed, i));
      std::vector<double> values;
      for (const std::string& metric : metrics) {
        const auto value = estimator->Predict(metric, choice, shared);
        if (value.ok()) values.push_back(*value);
      }
      if (values.size() == metrics.size()) visit(values);
    }
    return absl::OkStatus();
  }

  // The median of the predicted latency over the space.
  absl::StatusOr<double> MedianLatency() {
    std::vector<double> latencies;
    auto s = ForNetworks({"latency"}, [&](std::span<const double> values) { latencies.push_back(values[0]); });
    if (!s.ok()) return s;
    return core::Median(latencies);
  }

  absl::Status Search() {
    core::SearchRequest request = {
        .limits = limits_, .estimator = estimator_, .top = options_.verified, .cancel = options_.cancel};
    if (!IsLarge()) request.fronts = {"latency"};
    if (auto s = CollectLandscape(); !s.ok()) return s;
    for (int attempt = 0; attempt < kTightenings; ++attempt) {
      auto found = core::Search(table_, request);
      if (!found.ok()) return found.status();
      if (attempt == 0) {
        result_.search = *found;
        result_.report.proof = report::ProofOf(*found, table_, "accuracy");
        result_.report.proof.networks = {core::CountNetworks(table_)};
        result_.infeasible = found->networks.empty();
        if (result_.infeasible) return absl::OkStatus();
      }
      if (found->networks.empty()) break;
      auto taken = TakeVerified(*found, limits_, request.limits, attempt);
      if (!taken.ok()) return taken.status();
      if (*taken) return absl::OkStatus();
    }
    result_.within_budget = false;
    result_.report.notes.push_back(
        "No network near the predicted optimum met the latency budget when it was measured.");
    return absl::OkStatus();
  }

  // Measures the best networks and takes the first that keeps the latency limits in measurement too. Otherwise tightens
  // `tightened` by what the measurements were over.
  absl::StatusOr<bool> TakeVerified(const core::SearchResult& found, const std::vector<core::Limit>& limits,
                                    std::vector<core::Limit>& tightened, int attempt) {
    std::vector<Choice> choices;
    for (const core::FoundNetwork& n : found.networks) {
      choices.push_back(profile::InSpace(space_, {n.choice, n.shared_index}));
    }
    if (auto s = meter_->MeasureLatency(choices); !s.ok()) return s;
    double least_excess = std::numeric_limits<double>::infinity();
    for (size_t rank = 0; rank < choices.size(); ++rank) {
      auto stats = profile::Summarise(meter_->of(choices[rank]).latency_ms);
      if (!stats.ok()) return stats.status();
      double excess = 0;  // the upper quartile must be within the limit, so that the next run is too
      for (const core::Limit& l : limits) {
        if (l.metric == "latency" && l.op == core::LimitOp::kAtMost)
          excess = std::max(excess, stats->high_ms / l.value);
      }
      least_excess = std::min(least_excess, excess);
      if (excess > 1 && !(attempt + 1 == kTightenings && rank == 0)) continue;
      result_.choice = choices[rank];
      chosen_ = found.networks[rank];
      result_.latency = *stats;
      if (excess > 1) continue;
      if (rank > 0 || attempt > 0) {
        result_.report.notes.push_back(
            fmt::format("The predicted optimum took longer than the budget when it was measured. Taken is network {} "
                        "of the search{}.",
                        rank + 1, attempt > 0 ? " under a tightened limit" : ""));
      }
      return true;
    }
    for (core::Limit& l : tightened) {
      if (l.metric == "latency" && l.op == core::LimitOp::kAtMost) l.value /= least_excess;
    }
    return false;
  }

  absl::Status CollectLandscape() {
    report::Landscape& landscape = result_.report.landscape;
    core::SearchRequest request = {.estimator = estimator_, .fronts = {"latency"}, .cancel = options_.cancel};
    if (IsLarge()) request.time_limit = kFrontSeconds;
    auto front = core::Search(table_, request);
    if (!front.ok()) return front.status();
    for (const core::FoundNetwork& n : front->front) {
      landscape.front.push_back({n.predicted.at("latency"), n.predicted.at("accuracy")});
    }
    auto s = ForNetworks({"latency", "accuracy"}, [&](std::span<const double> values) {
      landscape.cloud.push_back({values[0], values[1]});
    });
    if (!s.ok()) return s;
    landscape.networks = {core::CountNetworks(table_)};
    return absl::OkStatus();
  }

  absl::Status Audit() {
    if (options_.audited <= 0) return absl::OkStatus();
    const std::vector<Choice> choices = AuditedNetworks(table_);
    if (auto s = meter_->MeasureAccuracy(choices); !s.ok()) return s;
    if (auto s = meter_->MeasureLatency(choices); !s.ok()) return s;
    auto estimator = core::Estimator::Create(table_, estimator_);
    if (!estimator.ok()) return estimator.status();
    report::Audit accuracy = {
        .metric = "accuracy",
        .unit = "%",
        .method = "networks drawn at random, cut ones left out; inherited weights, recalibrated, validation images"};
    report::Audit latency = {.metric = "latency",
                             .unit = "ms",
                             .method = fmt::format("the same networks; batch {}, {} threads, median of rounds",
                                                   options_.latency.batch, options_.latency.threads)};
    for (const Choice& c : choices) {
      const profile::Measurement& m = meter_->of(c);
      const std::string architecture = space_.SubnetJson(c);
      const auto predict = [&](std::string_view metric) {
        const auto [choice, shared] = profile::InTable(space_, c);
        auto value = estimator->Predict(metric, choice, shared);
        return value.ok() ? *value : std::numeric_limits<double>::quiet_NaN();
      };
      accuracy.networks.push_back({architecture, predict("accuracy"), *m.accuracy});
      auto stats = profile::Summarise(m.latency_ms);
      if (!stats.ok()) return stats.status();
      latency.networks.push_back({architecture, predict("latency"), stats->median_ms});
    }
    result_.report.audits = {std::move(accuracy), std::move(latency)};
    return absl::OkStatus();
  }

  absl::Status FineTune() {
    report::TestAccuracy& test = result_.report.chosen.test;
    auto weights = supernet::ExtractWeights(space_, result_.choice, supernet_.weights);
    if (!weights.ok()) return weights.status();
    auto s = supernet::Recalibrate(space_, result_.choice, *weights, options_.device, training_, options_.recalibration,
                                   options_.reading);
    if (!s.ok()) return s;
    const supernet::EvaluationOptions evaluation = {.reading = options_.reading, .cancel = options_.cancel};
    auto inherited = supernet::Evaluate(space_, result_.choice, *weights, options_.device, data_.test, evaluation);
    if (!inherited.ok()) return inherited.status();
    test.inherited = {inherited->accuracy};

    auto tuned = Train(data_.train, result_.choice, *std::move(weights), options_.fine_tuning, kFineTuned);
    if (!tuned.ok()) return tuned.status();
    result_.report.fine_tuning = Described(*tuned);
    supernet::TakeTrained(*tuned);
    network_ = std::move(tuned->weights);
    auto evaluated = supernet::Evaluate(space_, result_.choice, network_, options_.device, data_.test, evaluation);
    if (!evaluated.ok()) return evaluated.status();
    result_.test_accuracy = evaluated->accuracy;
    test.fine_tuned = {evaluated->accuracy};
    test.images = evaluated->images;
    return absl::OkStatus();
  }

  absl::Status Deploy() {
    auto folded = supernet::FoldedNetwork(space_, result_.choice, network_, /*batch=*/1);
    if (!folded.ok()) return folded.status();
    auto cost = supernet::CountNetwork(space_, result_.choice);
    if (!cost.ok()) return cost.status();
    result_.subnet = space_.SubnetJson(result_.choice);
    json limits = json::array();
    for (const report::Budget& b : result_.report.budgets) {
      limits.push_back({{"metric", b.limit.metric},
                        {"op", std::string(core::Name(b.limit.op))},
                        {"value", b.limit.value},
                        {"unit", b.limit.unit}});
    }
    json predicted;
    for (const auto& [metric, value] : chosen_.predicted) {
      if (std::isfinite(value)) predicted[metric] = value;
    }
    json information = {{"space", std::string(space_.name())},
                        {"subnet", ParseJson(result_.subnet)},
                        {"macro", ParseJson(space_.MacroJson())},
                        {"data", options_.data_name},
                        {"limits", limits},
                        {"predicted", predicted},
                        {"measured",
                         {{"test_accuracy", result_.test_accuracy},
                          {"latency", result_.latency.median_ms},
                          {"latency_batch", options_.latency.batch},
                          {"threads", options_.latency.threads}}},
                        {"cost", {{"flops", cost->total.flops}, {"parameters", cost->total.parameters}}}};
    const int64_t side = space_.input_shape(result_.choice)[0], channels = space_.input_shape(result_.choice)[2];
    if (supernet::AreResized(space_, *data_.train)) {
      const supernet::ResolutionOptions resolution = supernet::ResolutionFor(*data_.train, side, channels);
      information["resizing"] = {{"crop", resolution.resizing.evaluation_crop}};
    }
    result_.network_path = Path("network.mathnas");
    deploy::DeployedNetwork network = {
        .graph = std::move(folded->graph),
        .weights = std::move(folded->weights),
        .input = "image",
        .normalisation = {PerChannel(data_.train->mean(), channels), PerChannel(data_.train->stddev(), channels)},
        .output = "logits",
        .class_names = {},
        .information = JsonText(information)};
    DescribeChosen(*cost);
    return deploy::Save(result_.network_path, network);
  }

  void DescribeChosen(const supernet::NetworkCost& cost) {
    report::ChosenNetwork& chosen = result_.report.chosen;
    const json subnet = ParseJson(result_.subnet);
    chosen.architecture = subnet.contains("arch") ? subnet["arch"].get<std::string>() : result_.subnet;
    chosen.choice = chosen_.choice;
    chosen.shared_index = chosen_.shared_index;
    chosen.cell = report::CellFromArchitecture(chosen.architecture);
    const auto predicted = [&](const char* metric) -> report::Reading {
      auto it = chosen_.predicted.find(metric);
      return it == chosen_.predicted.end() ? report::Reading{.reason = "not profiled"} : report::Reading{it->second};
    };
    chosen.metrics = {{.metric = "accuracy",
                       .unit = "%",
                       .goal = core::Goal::kMax,
                       .predicted = predicted("accuracy"),
                       .measured = {result_.test_accuracy},
                       .method = "predicted: inherited weights, validation; measured: fine-tuned, test"},
                      {.metric = "latency",
                       .unit = "ms",
                       .predicted = predicted("latency"),
                       .measured = {result_.latency.median_ms},
                       .measured_low = {result_.latency.low_ms},
                       .measured_high = {result_.latency.high_ms},
                       .samples = result_.latency.rounds,
                       .method = fmt::format("batch {}, {} threads", options_.latency.batch, options_.latency.threads)},
                      {.metric = "flops",
                       .unit = std::string(space_.flops_unit()),
                       .predicted = predicted("flops"),
                       .measured = {1e-6 * static_cast<double>(cost.total.flops)},
                       .method = std::string(space_.flops_convention())},
                      {.metric = "parameters",
                       .unit = "M",
                       .predicted = predicted("parameters"),
                       .measured = {1e-6 * static_cast<double>(cost.total.parameters)},
                       .method = "counted"}};
  }

  absl::Status WriteReport() {
    result_.report_path = Path("report.html");
    if (auto s = supernet::AtomicWriteFile(result_.report_path, report::RenderHtml(result_.report)); !s.ok()) return s;
    return supernet::AtomicWriteFile(Path("result.json"), core::ToJson(result_.search) + "\n");
  }

  const SearchNetworkOptions& options_;
  const supernet::SearchSpace& space_;
  supernet::ImageSources data_;
  ImageSourcePtr training_, validation_;  // as blocks see them: without and with what is held out
  supernet::Checkpoint supernet_;
  std::unique_ptr<profile::Meter> meter_;
  core::BlockTable table_;
  core::EstimatorOptions estimator_;
  std::vector<core::Limit> limits_;
  core::FoundNetwork chosen_;
  TensorMap network_;
  SearchNetworkResult result_;
};

}  // namespace

absl::StatusOr<SearchNetworkResult> SearchNetwork(supernet::ImageSources data, const SearchNetworkOptions& options) {
  return Job(std::move(data), options).Run();
}

}  // namespace mathnas::job
