#include "bindings/python/request.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "bindings/python/status.h"
#include "fmt/format.h"
#include "mathnas/core/interaction.h"

namespace mathnas::python {
namespace {

double Number(nb::handle value, const std::string& name) {
  double number = 0;
  if (!nb::try_cast(value, number)) {
    throw nb::type_error(fmt::format("limits: {}: expected a number or a pair of numbers", name).c_str());
  }
  return number;
}

// What a metric is limited to: a number, which is the most where less is better and the least where more is, or a pair
// (least, most), of which either may be None.
void AddLimits(const core::BlockTable& table, const std::string& metric, nb::handle value,
               std::vector<core::Limit>& limits) {
  const auto add = [&](nb::handle v, core::LimitOp op) {
    if (!v.is_none()) limits.push_back({.metric = metric, .op = op, .value = Number(v, metric)});
  };
  if (nb::isinstance<nb::tuple>(value) || nb::isinstance<nb::list>(value)) {
    if (nb::len(value) != 2)
      RaiseValueError(fmt::format("limits: {}: expected a number or a pair (least, most)", metric));
    add(value[0], core::LimitOp::kAtLeast);
    add(value[1], core::LimitOp::kAtMost);
    return;
  }
  const auto found = table.metrics.find(metric);
  const bool more_is_better = found != table.metrics.end() && found->second.goal == core::Goal::kMax;
  add(value, more_is_better ? core::LimitOp::kAtLeast : core::LimitOp::kAtMost);
}

}  // namespace

std::vector<std::string> TextsOf(nb::handle value, const char* name) {
  std::vector<std::string> texts;
  if (value.is_none()) return texts;
  if (nb::isinstance<nb::str>(value)) return {nb::cast<std::string>(value)};
  if (!nb::try_cast(value, texts)) {
    throw nb::type_error(fmt::format("{}: expected a text or a list of texts", name).c_str());
  }
  return texts;
}

std::vector<core::Limit> LimitsOf(const core::BlockTable& table, nb::handle value) {
  std::vector<core::Limit> limits;
  if (nb::isinstance<nb::dict>(value)) {
    for (const auto& [metric, limit] : nb::borrow<nb::dict>(value)) {
      AddLimits(table, nb::cast<std::string>(metric), limit, limits);
    }
    return limits;
  }
  if (!value.is_none() && !nb::isinstance<nb::str>(value) && !nb::isinstance<nb::sequence>(value)) {
    throw nb::type_error(
        "limits: expected {METRIC: NUMBER or (LEAST, MOST)}, a text 'METRIC<=NUMBER' or a list of texts");
  }
  for (const std::string& text : TextsOf(value, "limits")) {
    const std::vector<core::Limit> parsed = Take(core::ParseLimits(text));
    limits.insert(limits.end(), parsed.begin(), parsed.end());
  }
  return limits;
}

std::vector<core::Assignment> AssignmentsOf(nb::handle value, const char* name) {
  std::vector<core::Assignment> assignments;
  if (nb::isinstance<nb::dict>(value)) {
    for (const auto& [node, candidates] : nb::borrow<nb::dict>(value)) {
      for (std::string& candidate : TextsOf(candidates, name)) {
        assignments.push_back({nb::cast<std::string>(node), std::move(candidate)});
      }
    }
    return assignments;
  }
  for (const std::string& text : TextsOf(value, name)) assignments.push_back(Take(core::ParseAssignment(text)));
  return assignments;
}

core::SearchRequest RequestOf(const Table& table, const std::string& objective, nb::handle limits, nb::handle fix,
                              nb::handle forbid, const std::string& estimator, const std::string& flops_fixed,
                              const std::vector<std::string>& fronts) {
  core::SearchRequest request;
  request.objective = objective;
  request.limits = LimitsOf(*table, limits);
  request.fixed = AssignmentsOf(fix, "fix");
  request.forbidden = AssignmentsOf(forbid, "forbid");
  std::vector<std::string> used = {objective};
  for (const core::Limit& limit : request.limits) used.push_back(limit.metric);
  used.insert(used.end(), fronts.begin(), fronts.end());
  request.estimator = Take(core::NamedEstimator(estimator, flops_fixed, *table, used));
  return request;
}

}  // namespace mathnas::python
