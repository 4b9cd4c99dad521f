// mathnas search-network SPACE --data D --out DIR: the main job
#include "mathnas/job/search_network.h"

#include <fstream>

#include "bindings/cli/job_tasks.h"
#include "bindings/cli/latency_warning.h"
#include "bindings/cli/progress.h"
#include "fmt/format.h"
#include "mathnas/core/result_json.h"

namespace mathnas::cli {
namespace {

// "Intel(R) Xeon(R) Processor, 2 threads".
std::string Machine() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  }
  return "unknown processor";
}

absl::StatusOr<Answer> SearchNetwork(JobOptions& o) {
  const bool translates = o.space.translates();
  auto task = translates ? MakeTranslationTask(o) : MakeImageTask(o);
  if (!task.ok()) return task.status();
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  job::SearchNetworkOptions options;
  options.device = *device;
  EstimatorChoice linear = o.estimator;  // of what interaction does not learn
  if (o.estimator.learns()) {
    linear.kind = "eq6";
    options.evaluations = o.evaluations;
  }
  auto estimator = linear.Make();
  if (!estimator.ok()) return estimator.status();
  options.estimator = *estimator;
  for (const std::string& text : o.limits) {
    auto limits = core::ParseLimits(text);
    if (!limits.ok()) return limits.status();
    options.limits.insert(options.limits.end(), limits->begin(), limits->end());
  }
  Progress progress;
  options.data_name = o.data.name;
  options.out = o.out;
  options.resume = o.resume;
  if (!o.checkpoint.empty()) options.checkpoint = o.checkpoint;
  options.checkpoint_seconds = o.checkpoint_seconds;
  options.metrics = o.measuring.metric_set();
  options.latency = o.measuring.latency;
  options.audited = o.audited;
  options.created_at = Now();
  options.environment = {.device = o.common.device,
                         .machine = o.common.device == "cpu" ? Machine() : (*device)->description(),
                         .threads = o.common.thread_count()};
  options.on_stage = [&](std::string_view stage) { progress.Stage(stage); };
  options.on_training = [&](const supernet::TrainingProgress& p) {
    translates ? progress.Translating(p) : progress.Training(p);
  };
  options.on_measuring = [&](const profile::MeterProgress& p) { progress.Measuring(p); };
  options.cancel = Interrupted();

  auto result = job::SearchNetwork(**task, options);
  if (!result.ok()) return result.status();
  Answer answer;
  answer.json = {{"search", Json::parse(core::ToJson(result->search))}, {"table", result->table_path}};
  for (const job::TrainedStage& stage : result->stages) {
    const supernet::EpochRecord& last = stage.epochs.back();
    answer.json["stages"].push_back({{"stage", stage.name},
                                     {"epochs", stage.epochs.size()},
                                     {"loss", last.loss},
                                     {"accuracy", 100 * last.accuracy},
                                     {"checkpoint", stage.checkpoint}});
  }
  if (result->infeasible) {
    answer.exit_status = 1;
    answer.text = "No network of the space meets the limits; see search.conflict and search.nearest with --json.\n";
    o.data.Report(answer);
    return answer;
  }
  LatencyWarning warning;
  for (const core::FoundNetwork& n : result->search.networks) warning.Look(n.predicted);
  warning.Print();
  answer.json["subnet"] = Json::parse(result->subnet);
  for (const job::TestValue& v : result->test) answer.json[v.name] = v.value;
  answer.json["latency"] = {{"median_ms", result->latency.median_ms},
                            {"low_ms", result->latency.low_ms},
                            {"high_ms", result->latency.high_ms},
                            {"rounds", result->latency.rounds}};
  answer.json["within_budget"] = result->within_budget;
  answer.json["network"] = result->network_path;
  answer.json["report"] = result->report_path;
  answer.text = report::RenderTerminalSummary(result->report) + fmt::format("network: {}\ntable:   {}\nreport:  {}\n",
                                                                            result->network_path, result->table_path,
                                                                            result->report_path);
  o.data.Report(answer);
  return answer;
}

}  // namespace

void AddSearchNetwork(CLI::App& app) {
  static JobOptions o;
  o.data.name = "fashion-mnist";
  o.estimator.fixed = "include";  // all-skip networks have no block FLOPs to divide by
  CLI::App* command = AddCommand(
      app, "search-network", "The main job: train, profile, search, fine-tune, test and write a network that runs",
      "mathnas search-network nasbench201 --data fashion-mnist --cells 1 --epochs 3 --limit 'latency<=0.4' --out found",
      o.common, [] { return SearchNetwork(o); });
  o.command = command;
  o.space.AddTo(command);
  o.data.AddTo(command)->capture_default_str();
  o.data.AddTextTo(command);
  command->add_option("--out", o.out, "Folder for the network, the table and the report")->required();
  command->add_option("--checkpoint", o.checkpoint, "A trained supernet to use instead of training one");
  command->add_option("--limit", o.limits,
                      "METRIC<=VALUE; repeatable (default: latency at most the median of the space)");
  command->add_option("--fine-tune-epochs", o.fine_tune_epochs, "Epochs of the network that was found")
      ->capture_default_str();
  command
      ->add_option("--fine-tune-updates", o.fine_tune_updates,
                   "supertransformer: its updates (default: a third of the supernet's)")
      ->check(CLI::PositiveNumber);
  command->add_option("--fine-tune-lr", o.fine_tune_rate, "Its learning rate (default: half of the supernet's)");
  command
      ->add_option("--test-sentences", o.test_sentences,
                   "supertransformer: sentences of the test part that are translated for BLEU (0: all)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--audit", o.audited, "Random networks to be predicted and measured for the report")
      ->capture_default_str()
      ->check(CLI::Range(0, 100000));
  command->add_flag("--resume", o.resume, "Go on with an interrupted job in --out");
  command->add_option("--checkpoint-seconds", o.checkpoint_seconds, "Seconds between checkpoints")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  o.recipe.AddTo(command);
  o.translation.AddTo(command);
  o.vocabularies.AddTo(command);
  o.quality.AddTo(command);
  o.search.AddTo(command, "the published");
  command
      ->add_option("--stages", o.stages,
                   "mobilenetv3: train by progressive shrinking, stage after stage, each NAME or NAME:EPOCHS: full, "
                   "kernel, depth (depth1,depth2), width (expand1,expand2), e.g. full:20,kernel:10,depth:5,width:5")
      ->excludes(command->get_option("--sampling"));
  command->add_option("--subnet-rule", o.rule, "Networks of a step of a stage: random or sandwich")
      ->capture_default_str();
  o.measuring.AddTo(command);
  o.estimator.AddWithInteractionTo(command);
  command->add_option("--evaluations", o.evaluations, "Networks whose accuracy interaction measures")
      ->capture_default_str()
      ->check(CLI::Range(4, 1000000));
}

}  // namespace mathnas::cli
