// mathnas profile --checkpoint C --data D --out TABLE.json
#include <filesystem>
#include <set>

#include "bindings/cli/data_options.h"
#include "bindings/cli/measuring_options.h"
#include "bindings/cli/profile_translation.h"
#include "bindings/cli/progress.h"
#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/interaction.h"
#include "mathnas/profile/image_workload.h"
#include "mathnas/profile/profiler.h"
#include "supernet/training/checkpoint.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  SpaceOptions space;
  MeasuringOptions measuring;
  DataOptions data;
  TranslationQuality quality;
  std::string checkpoint, out, estimator = "eq6";
  int evaluations = 31;
  bool resume = false;
  CLI::App* command = nullptr;
};

// InvalidArgument names an option that is given and belongs to spaces of the other kind.
absl::Status CheckOptions(const Options& o, const supernet::SearchSpace& space) {
  const std::string name(space.name());
  if (space.translates()) {
    return RefuseGiven(*o.command, name + " reads sentences, not images",
                       {"--validation", "--recalibration-batches", "--recalibration-batch"});
  }
  return RefuseGiven(*o.command, name + " reads images, not sentences",
                     {"--sentences", "--quality", "--source-language", "--target-language", "--min-words"});
}

absl::StatusOr<std::unique_ptr<profile::Workload>> OpenImages(std::shared_ptr<const supernet::SearchSpace> space,
                                                              std::shared_ptr<kernels::Device> device,
                                                              const supernet::Checkpoint& checkpoint, Options& o) {
  auto data = o.data.Load();
  if (!data.ok()) return data.status();
  auto split = supernet::HoldOut(*data, o.measuring.validation, /*seed=*/0);
  if (!split.ok()) return split.status();
  return std::make_unique<profile::ImageWorkload>(
      std::move(space), std::move(device), checkpoint.weights, split->train, split->validation,
      profile::ImageWorkloadOptions{.recalibration = o.measuring.recalibration, .reading = o.data.Reading(o.common)});
}

absl::StatusOr<Answer> Profile(Options& o) {
  const bool learns = o.estimator == core::kInteraction;
  if (!learns && !core::ParseEstimatorKind(o.estimator).ok()) {
    return absl::InvalidArgumentError(fmt::format("estimator: expected one of linear, eq5, eq6, {}, found '{:.100}'",
                                                  core::kInteraction, o.estimator));
  }
  auto checkpoint = supernet::LoadTrained(o.checkpoint);
  if (!checkpoint.ok()) return checkpoint.status();
  if (checkpoint->subnet) {
    return absl::InvalidArgumentError(fmt::format("{} is a single network, expected a supernet", o.checkpoint));
  }
  SpaceOptions narrowed = o.space;
  narrowed.name = checkpoint->space;
  auto space = narrowed.Make({.macro = checkpoint->macro});
  if (!space.ok()) return space.status();
  if (auto s = CheckOptions(o, **space); !s.ok()) return s;
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  auto workload = (*space)->translates()
                      ? OpenTranslation(*space, *device, *checkpoint, o.checkpoint, o.data, o.quality)
                      : OpenImages(*space, *device, *checkpoint, o);
  if (!workload.ok()) return workload.status();

  if (o.common.device != "cpu") fmt::print(stderr, "{}\n", (*device)->description());
  Progress progress;
  profile::MeterOptions options = {
      .latency = o.measuring.latency,
      .device = *device,
      .journal_path = o.out + ".measurements.json",
      .identity =
          fmt::format("{} {} {} seed {} epoch {} batch {} on {} with {}, batch {}, threads {}", checkpoint->space,
                      (*space)->MacroJson(), checkpoint->recipe, checkpoint->seed, checkpoint->epoch, checkpoint->batch,
                      o.data.name, (*workload)->held_out(), o.measuring.latency.batch, o.measuring.latency.threads) +
          (o.common.device == "cpu" ? "" : ", on " + o.common.device),
      .progress = [&](const profile::MeterProgress& p) { progress.Measuring(p); },
      .cancel = Interrupted()};
  const std::string journal = options.journal_path;
  if (!o.resume) std::filesystem::remove(journal);
  auto meter = profile::Meter::Create(*std::move(workload), std::move(options));
  if (!meter.ok()) return meter.status();
  std::set<std::string, std::less<>> metrics = o.measuring.metric_set();
  const bool evaluates = learns && metrics.erase("accuracy") > 0;
  const std::string now = Now();
  auto table = profile::Profile(**space, **meter, metrics, o.measuring.latency, now);
  if (!table.ok()) return table.status();
  if (evaluates) {
    auto s = profile::AddEvaluatedAccuracy(**space, **meter, {.evaluations = o.evaluations}, now, *table);
    if (!s.ok()) return s;
  }
  if (auto s = core::Save(*table, o.out); !s.ok()) return s;
  std::filesystem::remove(journal);
  Answer answer;
  answer.json = Json::parse(core::ToJson(*table));
  answer.text = fmt::format("{}: {} nodes, {} metrics\n", o.out, table->nodes.size(), table->metrics.size());
  for (const auto& [name, metric] : table->metrics) {
    std::vector<std::string> bases;  // by value of the shared choice
    for (const core::MetricSlice& slice : metric.slices) bases.push_back(fmt::format("{:.6g}", slice.base));
    answer.text += metric.evaluations.empty()
                       ? fmt::format("  {:10} base {} {}\n", name, fmt::join(bases, ", "), metric.unit)
                       : fmt::format("  {:10} {} networks measured whole\n", name, metric.evaluations.size());
  }
  if (evaluates || metrics.contains("accuracy")) o.data.Report(answer);
  return answer;
}

}  // namespace

void AddProfile(CLI::App& app) {
  static Options o;
  CLI::App* command =
      AddCommand(app, "profile", "Measures every block on this machine (Algorithm 1): the block table",
                 "mathnas profile --checkpoint run/checkpoint.safetensors --data fashion-mnist --out table.json",
                 o.common, [] { return Profile(o); });
  o.command = command;
  command->add_option("--checkpoint", o.checkpoint, "A trained supernet")->required();
  o.data.AddTo(command)->required();
  o.data.AddTextTo(command);
  o.quality.AddTo(command);
  command->add_option("--out", o.out, "The block table to write")->required();
  command->add_flag("--resume", o.resume, "Go on with the measurements of an interrupted call (OUT.measurements.json)");
  command
      ->add_option(
          "--estimator", o.estimator,
          "linear, eq5 or eq6: accuracy of the switches of Algorithm 1; interaction: of networks that it chooses")
      ->capture_default_str();
  command->add_option("--evaluations", o.evaluations, "Networks whose accuracy interaction measures")
      ->capture_default_str()
      ->check(CLI::Range(4, 1000000));
  o.space.AddCandidatesTo(command);
  o.measuring.AddTo(command);
}

}  // namespace mathnas::cli
