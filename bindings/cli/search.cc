// mathnas search --table T --limit 'latency<=500' ...
#include "mathnas/core/search.h"

#include <cmath>
#include <limits>

#include "bindings/cli/command.h"
#include "bindings/cli/estimator_options.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "mathnas/core/assignment.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/result_json.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  EstimatorChoice estimator;
  std::string table, objective = "accuracy";
  std::vector<std::string> limits, fixed, forbidden, fronts;
  std::vector<std::pair<std::string, std::string>> forbidden_pairs;
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
  auto estimator = o.estimator.Make();
  if (!estimator.ok()) return estimator.status();
  core::SearchRequest request = {
      .objective = o.objective, .estimator = *estimator, .top = o.top, .fronts = o.fronts, .cancel = Interrupted()};
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
  for (const auto& [first, second] : o.forbidden_pairs) {
    auto a = core::ParseAssignment(first), b = core::ParseAssignment(second);
    if (!a.ok()) return a.status();
    if (!b.ok()) return b.status();
    request.forbidden_pairs.emplace_back(*std::move(a), *std::move(b));
  }
  request.time_limit = o.time_limit;
  auto result = core::Search(*table, request);
  if (!result.ok()) return result.status();
  return Answer{Json::parse(core::ToJson(*result)), Summary(*table, *result), result->networks.empty() ? 1 : 0};
}

}  // namespace

void AddSearch(CLI::App& app) {
  static Options o;
  CLI::App* command = AddCommand(app, "search", "The proven best network within limits, the top K, or a whole front",
                                 "mathnas search --table table.json --limit 'latency<=0.5' --limit 'flops<=20'",
                                 o.common, [] { return Search(o); });
  command->add_option("--table", o.table, "A block table")->required();
  command->add_option("--objective", o.objective, "The metric to be best in")->capture_default_str();
  command->add_option("--limit", o.limits, "METRIC<=VALUE or METRIC>=VALUE; repeatable");
  command->add_option("--fix", o.fixed, "NAME=CANDIDATE, a node or a shared choice; repeatable");
  command->add_option("--forbid", o.forbidden, "NAME=CANDIDATE; repeatable");
  command->add_option("--forbid-together", o.forbidden_pairs, "NAME=CANDIDATE NAME=CANDIDATE, not both; repeatable");
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
  o.estimator.AddTo(command);
}

}  // namespace mathnas::cli
