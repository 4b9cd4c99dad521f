// mathnas replay --space nasbench201 --architectures A.csv --truth T.csv --column NAME ...
#include "mathnas/replay/replay.h"

#include <cmath>

#include "bindings/cli/command.h"
#include "fmt/format.h"
#include "mathnas/core/limit.h"
#include "mathnas/replay/benchmark_files.h"

namespace mathnas::cli {
namespace {

constexpr size_t kListed = 20;  // networks that the answer names

struct Options {
  Common common;
  std::string space, architectures, truth, column, estimator = "eq6", fixed = "exclude", goal = "max", unit = "%";
  std::string flops_column, identity;
  std::vector<std::string> limits, costs;
  int64_t evaluations = 31;
  double fraction = 0, chance = std::nan(""), width = 1.0;
};

Json ToJson(const replay::Agreement& agreement) {
  return {{"networks", agreement.networks},
          {"spearman", agreement.spearman},
          {"kendall", agreement.kendall},
          {"rmse", agreement.rmse},
          {"mae", agreement.mae}};
}

std::string ToText(const replay::Agreement& agreement) {
  return fmt::format("Spearman {:.4f}, Kendall {:.4f}, RMSE {:.4g}, MAE {:.4g}", agreement.spearman, agreement.kendall,
                     agreement.rmse, agreement.mae);
}

absl::StatusOr<replay::ReplayOptions> ParseOptions(const Options& o) {
  replay::ReplayOptions options{.evaluations = o.evaluations, .seed = o.common.seed};
  auto estimator = replay::ParseReplayEstimator(o.estimator);
  if (!estimator.ok()) return estimator.status();
  options.estimator = *estimator;
  auto fixed = core::ParseFlopsFixed(o.fixed);
  if (!fixed.ok()) return fixed.status();
  options.flops_fixed = *fixed;
  if (!std::isnan(o.chance)) options.chance = o.chance;
  if (!o.identity.empty()) options.identity = o.identity;
  for (const std::string& text : o.limits) {
    auto limits = core::ParseLimits(text);
    if (!limits.ok()) return limits.status();
    for (core::Limit& limit : *limits) {
      if (!limit.unit.empty())
        return absl::InvalidArgumentError(fmt::format("--limit {}: expected no unit, tables have none", text));
      options.limits.push_back(std::move(limit));
    }
  }
  return options;
}

absl::StatusOr<Answer> Replay(const Options& o) {
  auto options = ParseOptions(o);
  if (!options.ok()) return options.status();
  if (o.goal != "max" && o.goal != "min")
    return absl::InvalidArgumentError(fmt::format("--goal {:.100}: expected max or min", o.goal));
  auto loaded = replay::LoadBenchmark({.space = o.space,
                                       .architectures = o.architectures,
                                       .truth = o.truth,
                                       .column = o.column,
                                       .costs = o.costs,
                                       .goal = o.goal == "max" ? core::Goal::kMax : core::Goal::kMin,
                                       .unit = o.unit,
                                       .options = {.flops_column = o.flops_column, .width = o.width}},
                                      options->limits);
  if (!loaded.ok()) return loaded.status();
  const replay::Benchmark& benchmark = loaded->benchmark;
  const std::vector<std::string>& names = loaded->names;
  if (o.fraction > 0)
    options->evaluations = std::llround(std::ceil(o.fraction * static_cast<double>(benchmark.networks.size())));

  auto result = replay::Replay(benchmark, *options);
  if (absl::IsNotFound(result.status()))
    return Answer{{{"status", "infeasible"}, {"reason", std::string(result.status().message())}},
                  std::string(result.status().message()) + "\n",
                  1};
  if (!result.ok()) return result.status();
  const auto network = [&](int k, bool with_prediction) {
    const std::string& arch = names[k];
    Json json = {{"arch", arch.starts_with('{') ? Json::parse(arch) : Json(arch)}, {"choice", benchmark.networks[k]}};
    if (with_prediction) json["predicted"] = result->predicted[k];
    json["truth"] = benchmark.truth[k];
    for (const auto& [name, cost] : benchmark.costs) json[name] = cost[k];
    return json;
  };
  Answer answer;
  answer.json = {{"estimator", replay::Name(options->estimator)}, {"evaluations", result->evaluations}};
  answer.json.update(ToJson(result->all));
  if (result->held_out) answer.json["held_out"] = ToJson(*result->held_out);
  answer.json.update({{"chosen", network(result->chosen, true)},
                      {"best", network(result->best, false)},
                      {"regret", result->regret},
                      {"undefined", result->undefined},
                      {"without_truth", loaded->without_truth},
                      {"seconds", result->seconds}});
  if (!result->missing.empty()) {
    answer.json["missing"] = result->missing.size();
    for (size_t k = 0; k < std::min<size_t>(result->missing.size(), kListed); ++k)
      answer.json["missing_choices"].push_back(result->missing[k]);
  }
  answer.text = fmt::format("{} of {}: {} networks, {} evaluations\n{}\n", replay::Name(options->estimator), o.column,
                            result->all.networks, result->evaluations, ToText(result->all));
  if (result->held_out) {
    answer.text +=
        fmt::format("{} networks not looked up: {}\n", result->held_out->networks, ToText(*result->held_out));
  }
  answer.text += fmt::format("chosen {}: {:.6g}, predicted {:.6g}\nbest   {}: {:.6g}\nregret {:.4g}\n",
                             names[result->chosen], benchmark.truth[result->chosen], result->predicted[result->chosen],
                             names[result->best], benchmark.truth[result->best], result->regret);
  if (result->undefined > 0)
    answer.text += fmt::format("{} networks without a prediction count as the worst one\n", result->undefined);
  if (!result->missing.empty())
    answer.text += fmt::format("{} networks that were to be evaluated are not in the table\n", result->missing.size());
  return answer;
}

}  // namespace

void AddReplay(CLI::App& app) {
  static Options o;
  CLI::App* command =
      AddCommand(app, "replay", "The method against a table of known networks: evaluating is looking up",
                 "mathnas replay --space nasbench201 --architectures architectures.csv.gz --truth "
                 "accuracy.csv.gz --column cifar10_test_e200 --estimator interaction --limit 'flops<=60'",
                 o.common, [] { return Replay(o); });
  command
      ->add_option("--space", o.space,
                   "nasbench201, mobilenetv3, supertransformer, or digits: column arch has one digit per layer")
      ->required();
  command
      ->add_option(
          "--architectures", o.architectures,
          "CSV (or .csv.gz): arch_str or arch, and FLOPs; mobilenetv3: d, ks, e, resolution; supertransformer: "
          "encoder_embed_dim, decoder_embed_dim, decoder_layer_num")
      ->required();
  command->add_option("--truth", o.truth, "CSV (or .csv.gz) with --column; joined by its first common column")
      ->required();
  command->add_option("--column", o.column, "The column of the truth; A+B: a sum of columns")->required();
  command->add_option("--estimator", o.estimator, "linear, eq5, eq6, full, partial, least-squares or interaction")
      ->capture_default_str();
  command
      ->add_option("--evaluations", o.evaluations, "Networks that partial, least-squares and interaction may look up")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}));
  command->add_option("--fraction", o.fraction, "The same as a part of all networks, above 0 to 1")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--limit", o.limits,
                      "COLUMN<=VALUE or COLUMN>=VALUE; repeatable. A name may be the beginning of one");
  command->add_option("--costs", o.costs, "More CSV files with columns to be limited; repeatable");
  command->add_option("--goal", o.goal, "max or min of the truth")->capture_default_str();
  command->add_option("--unit", o.unit, "Unit of the truth; %: what is missing to 100 is an error")
      ->capture_default_str();
  command->add_option("--chance", o.chance, "Truth of a network that computes nothing, where known (interaction)");
  command->add_option("--identity", o.identity, "Candidate that hands its input on (interaction)");
  command->add_option("--flops-column", o.flops_column,
                      "The FLOPs, additive over the nodes; default: begins with flops");
  command->add_option("--width", o.width, "Width factor of mobilenetv3, 1.0 or 1.2: for its FLOPs")
      ->capture_default_str();
  command->add_option("--flops-fixed", o.fixed, "Whether the FLOPs of the fixed part count: include or exclude")
      ->capture_default_str();
}

}  // namespace mathnas::cli
