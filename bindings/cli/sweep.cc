// mathnas sweep --table T --limit 'latency<=500' ...: every network of a space, counted
#include "mathnas/core/sweep.h"

#include <cmath>

#include "bindings/cli/command.h"
#include "bindings/cli/estimator_options.h"
#include "bindings/cli/progress.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/sweep_json.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  EstimatorChoice estimator;
  std::string table, objective = "accuracy";
  std::vector<std::string> limits, fixed, forbidden;
  int top = 1;
  bool plain = false;
};

std::string Summary(const core::BlockTable& table, const core::SweepResult& r) {
  std::string text = fmt::format("{} networks, {} within the limits, in {:.3g} s\n", r.networks, r.within, r.seconds);
  if (r.undefined > 0) text += fmt::format("{} more without FLOPs, which have no prediction\n", r.undefined);
  const auto unit = [&](const std::string& metric) { return table.metrics.find(metric)->second.unit; };
  for (const auto& [metric, range] : r.ranges)
    text += fmt::format("  {} {:.6g} to {:.6g} {}\n", metric, range.first, range.second, unit(metric));
  for (const core::FoundNetwork& n : r.best) {
    text += fmt::format("[{}] {}", fmt::join(n.choice, ","), fmt::join(n.names, ", "));
    for (const auto& [name, value] : n.shared) text += fmt::format(", {} {}", name, value);
    text += "\n ";
    for (const auto& [metric, value] : n.predicted)
      if (std::isfinite(value)) text += fmt::format("  {} {:.6g} {}", metric, value, unit(metric));
    text += "\n";
  }
  return text;
}

absl::StatusOr<Answer> Sweep(const Options& o) {
  auto table = core::Load(o.table);
  if (!table.ok()) return table.status();
  auto estimator = o.estimator.Make();
  if (!estimator.ok()) return estimator.status();
  core::SweepRequest request;
  request.objective = o.objective;
  request.estimator = *estimator;
  request.top = o.top;
  request.threads = o.common.thread_count();
  request.skip = !o.plain;
  request.cancel = Interrupted();
  for (const std::string& text : o.limits) {
    auto limits = core::ParseLimits(text);
    if (!limits.ok()) return limits.status();
    request.limits.insert(request.limits.end(), limits->begin(), limits->end());
  }
  for (const auto& [texts, target] : {std::pair{&o.fixed, &request.fixed}, {&o.forbidden, &request.forbidden}}) {
    for (const std::string& text : *texts) {
      auto assignment = core::ParseAssignment(text);
      if (!assignment.ok()) return assignment.status();
      target->push_back(*std::move(assignment));
    }
  }
  Progress progress;
  request.progress = [&progress](double fraction) { progress.Fraction("sweep", fraction); };
  auto result = core::Sweep(*table, request);
  progress.End();
  if (!result.ok()) return result.status();
  return Answer{Json::parse(core::ToJson(*result)), Summary(*table, *result), result->within == 0 ? 1 : 0};
}

}  // namespace

void AddSweep(CLI::App& app) {
  static Options o;
  CLI::App* command = AddCommand(
      app, "sweep", "Every network of a space: how many keep within limits, the best of them, the range of each metric",
      "mathnas sweep --table table.json --limit 'latency<=0.5' --top 10", o.common, [] { return Sweep(o); });
  command->add_option("--table", o.table, "A block table")->required();
  command->add_option("--objective", o.objective, "The metric to be best in")->capture_default_str();
  command->add_option("--limit", o.limits, "METRIC<=VALUE or METRIC>=VALUE; repeatable");
  command->add_option("--fix", o.fixed, "NAME=CANDIDATE, a node or a shared choice; repeatable");
  command->add_option("--forbid", o.forbidden, "NAME=CANDIDATE; repeatable");
  command->add_option("--top", o.top, "This many networks, best first")
      ->capture_default_str()
      ->check(CLI::Range(0, core::kMaxListed));
  command->add_flag("--plain", o.plain, "Compute every network, also where bounds say that it need not be");
  o.estimator.AddTo(command);
}

}  // namespace mathnas::cli
