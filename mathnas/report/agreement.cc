#include "mathnas/report/agreement.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "mathnas/core/statistics.h"
#include "mathnas/report/numbers.h"

namespace mathnas::report {
namespace {

Reading ToReading(const absl::StatusOr<double>& value) {
  if (value.ok()) return {*value};
  return {.reason = std::string(value.status().message())};
}

// Where the measured values of a metric lie against a limit.
bool Holds(const core::Limit& limit, const Reading& reading) {
  return !IsKnown(reading) || core::Holds(limit, reading.value);
}

}  // namespace

Agreement ComputeAgreement(const Audit& audit) {
  Agreement agreement;
  std::vector<double> predicted, measured;
  for (const AuditedNetwork& network : audit.networks) {
    if (!std::isfinite(network.predicted) || !std::isfinite(network.measured)) {
      ++agreement.left_out;
      continue;
    }
    predicted.push_back(network.predicted);
    measured.push_back(network.measured);
  }
  int64_t n = agreement.networks = static_cast<int64_t>(predicted.size());
  if (n == 0) {
    Reading none{.reason = "no network has both numbers"};
    agreement.spearman = agreement.spearman_low = agreement.spearman_high = none;
    agreement.kendall = agreement.mape = agreement.mae = agreement.bias = none;
    return agreement;
  }
  agreement.kendall = ToReading(core::KendallTau(predicted, measured));
  agreement.mape = ToReading(core::MeanAbsolutePercentageError(predicted, measured));
  agreement.mae = ToReading(core::MeanAbsoluteError(predicted, measured));
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += predicted[i] - measured[i];
  agreement.bias = {sum / static_cast<double>(n)};

  agreement.spearman = ToReading(core::Spearman(predicted, measured));
  double r = agreement.spearman.value;
  if (!IsKnown(agreement.spearman)) {
    agreement.spearman_low = agreement.spearman_high = agreement.spearman;
  } else if (n < 4) {
    agreement.spearman_low = agreement.spearman_high = {.reason = "an interval takes at least 4 networks"};
  } else if (std::abs(r) > 1 - 1e-12) {
    agreement.spearman_low = agreement.spearman_high = {.reason = "no interval for identical orders"};
  } else {
    double z = std::atanh(r), error = 1.959964 * std::sqrt((1 + r * r / 2) / static_cast<double>(n - 3));
    agreement.spearman_low = {std::tanh(z - error)};
    agreement.spearman_high = {std::tanh(z + error)};
  }
  return agreement;
}

BudgetCheck CheckBudget(const Budget& budget, const ChosenNetwork& network) {
  const core::Limit& limit = budget.limit;
  BudgetCheck check;
  auto found = std::find_if(network.metrics.begin(), network.metrics.end(),
                            [&](const Comparison& c) { return c.metric == limit.metric; });
  if (found == network.metrics.end()) {
    check.predicted = check.measured = check.margin = {.reason = "the run has no " + limit.metric};
    check.text = "not checked: the run has no " + limit.metric;
    return check;
  }
  const Comparison& metric = *found;
  check.predicted = metric.predicted;
  check.measured = metric.measured;
  if (!IsKnown(metric.measured)) {
    check.margin = {.reason = Reason(metric.measured)};
    check.text = "not measured: " + Reason(metric.measured);
    if (IsKnown(metric.predicted)) {
      check.text += fmt::format("; predicted {}", WithUnit(Short(metric.predicted.value), metric.unit));
    }
    return check;
  }
  double value = metric.measured.value;
  check.margin = limit.value != 0
                     ? Reading{(limit.op == core::LimitOp::kAtMost ? limit.value - value : value - limit.value) /
                               std::abs(limit.value)}
                     : Reading{.reason = "the limit is 0"};
  if (!core::Holds(limit, value)) {
    check.verdict = Verdict::kMissed;
  } else if (Holds(limit, metric.measured_low) && Holds(limit, metric.measured_high)) {
    check.verdict = Verdict::kMet;
  } else {
    check.verdict = Verdict::kMetInMedian;
  }
  bool spread = IsKnown(metric.measured_low) && IsKnown(metric.measured_high);
  check.text = spread ? fmt::format("measured median {}, quartiles {} to {}", WithUnit(Short(value), metric.unit),
                                    Short(metric.measured_low.value), Short(metric.measured_high.value))
                      : fmt::format("measured {}, spread not recorded", WithUnit(Short(value), metric.unit));
  if (IsKnown(check.margin)) {
    check.text += fmt::format(", {} {} the limit", Percent(std::abs(check.margin.value)),
                              (check.margin.value >= 0) == (limit.op == core::LimitOp::kAtMost) ? "below" : "above");
  }
  return check;
}

}  // namespace mathnas::report
