// mathnas search --table T --limit 'latency<=500' ...
#include "mathnas/core/search.h"

#include <cmath>
#include <limits>

#include "bindings/cli/command.h"
#include "bindings/cli/latency_warning.h"
#include "bindings/cli/request_options.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/result_json.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  RequestOptions request;
  std::string table;
  std::vector<std::string> fronts;
  int top = 1;
  double time_limit = std::numeric_limits<double>::infinity();
};

std::string Described(const core::BlockTable& table, const core::FoundNetwork& n) {
  std::string text = fmt::format("[{}] {}", fmt::join(n.choice, ","), fmt::join(n.names, ", "));
  for (const auto& [name, value] : n.shared) text += fmt::format(", {} {}", name, value);
  text += "\n ";
  for (const auto& [metric, value] : n.predicted) {
    if (std::isfinite(value))
      text += fmt::format("  {} {:.6g} {}", metric, value, table.metrics.find(metric)->second.unit);
  }
  return text + "\n";
}

std::string Summary(const core::BlockTable& table, const core::SearchResult& r) {
  std::string text;
  if (r.status == core::SearchStatus::kInfeasible) {
    text = "infeasible: these limits cannot hold together:\n";
    for (int i : r.conflict) {
      const core::LimitReport& l = r.limits[i];
      text += fmt::format("  {} {} {}", l.limit.metric, core::Name(l.limit.op), l.limit.value);
      if (l.reachable)
        text += fmt::format(" (reachable alone: {:.6g} to {:.6g})", l.reachable->first, l.reachable->second);
      text += "\n";
    }
    if (r.nearest) {
      text += "nearest budget that can be met:\n";
      for (const core::Limit& l : r.nearest->limits)
        text += fmt::format("  {} {} {:.6g}\n", l.metric, core::Name(l.op), l.value);
      text += Described(table, r.nearest->network);
    }
    return text;
  }
  const bool solved = r.method == core::SearchMethod::kSolve;
  const std::string effort =
      fmt::format("{} {} looked at in {:.3g} s", r.explored, solved ? "parts of the space" : "networks", r.seconds);
  if (r.networks.empty()) return fmt::format("unknown: no network was found in the time given, {}\n", effort);
  text = fmt::format("{}: objective {:.6g}, bound {:.6g}, gap {:.3g}, {}\n",
                     r.status == core::SearchStatus::kOptimal ? "optimal" : "feasible, not proven",
                     r.networks[0].objective, r.bound, r.gap, effort);
  for (const core::FoundNetwork& n : r.networks) text += Described(table, n);
  if (r.has_front) text += fmt::format("front, {} networks:\n", r.front.size());
  for (const core::FoundNetwork& n : r.front) text += Described(table, n);
  return text;
}

absl::StatusOr<Answer> Search(const Options& o) {
  auto table = core::Load(o.table);
  if (!table.ok()) return table.status();
  auto request = o.request.WithoutEstimator();
  if (!request.ok()) return request.status();
  std::vector<std::string> used = {request->objective};
  for (const core::Limit& limit : request->limits) used.push_back(limit.metric);
  used.insert(used.end(), o.fronts.begin(), o.fronts.end());
  auto estimator = o.request.estimator.MakeFor(*table, used);
  if (!estimator.ok()) return estimator.status();
  request->estimator = *std::move(estimator);
  request->top = o.top;
  request->fronts = o.fronts;
  request->time_limit = o.time_limit;
  request->threads = o.common.threads;
  request->cancel = Interrupted();
  auto result = core::Search(*table, *request);
  if (!result.ok()) return result.status();
  LatencyWarning warning;
  for (const auto* found : {&result->networks, &result->front}) {
    for (const core::FoundNetwork& n : *found) warning.Look(n.predicted);
  }
  warning.Print();
  return Answer{Json::parse(core::ToJson(*result)), Summary(*table, *result), result->networks.empty() ? 1 : 0};
}

}  // namespace

void AddSearch(CLI::App& app) {
  static Options o;
  CLI::App* command = AddCommand(app, "search", "The proven best network within limits, the top K, or a whole front",
                                 "mathnas search --table table.json --limit 'latency<=0.5' --limit 'flops<=20'",
                                 o.common, [] { return Search(o); });
  command->add_option("--table", o.table, "A block table")->required();
  o.request.AddTo(command, /*interaction=*/true);
  command
      ->add_option("--time-limit", o.time_limit,
                   "Seconds; the best network so far and a proven bound when they are over")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--top", o.top, "This many networks, best first")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  command->add_option(
      "--front", o.fronts,
      "Every network that no other one beats in the objective and in this metric; given twice: in both");
}

}  // namespace mathnas::cli
