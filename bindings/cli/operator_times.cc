#include "bindings/cli/operator_times.h"

#include <vector>

#include "fmt/format.h"
#include "kernels/status.h"
#include "mathnas/core/statistics.h"

namespace mathnas::cli {
namespace {

template <typename ValueOfRun>
double QuantileOfRuns(const kernels::StepTimes& times, double quantile, const ValueOfRun& value) {
  std::vector<double> values;
  for (int64_t run = 0; run < times.runs(); ++run) values.push_back(value(run));
  return *core::Quantile(values, quantile);
}

}  // namespace

void AddOperatorTimes(const kernels::StepTimes& times, double outside_share, Answer& answer) {
  const auto lines = times.Lines();
  double total = 0;
  for (const kernels::StepTimes::Line& line : lines) total += line.seconds;
  const auto share = [total](double seconds) { return total > 0 ? seconds / total : 0; };

  Json list = Json::array();
  answer.text += fmt::format("\n{:>9} {:>6}  {:12} {:24} of {} runs\n", "us", "%", "block", "operator", times.runs());
  for (const kernels::StepTimes::Line& line : lines) {
    list.push_back({{"block", line.block},
                    {"operator", line.op},
                    {"shapes", line.shapes},
                    {"implementation", line.implementation},
                    {"us", 1e6 * line.seconds},
                    {"share", share(line.seconds)}});
    answer.text += fmt::format("{:9.1f} {:6.2f}  {:12} {:24} {}  [{}]\n", 1e6 * line.seconds, 100 * share(line.seconds),
                               line.block, line.op, line.shapes, line.implementation);
  }
  answer.text += "\n";
  for (const kernels::StepTimes::Line& sum : times.ByOperator()) {
    answer.text += fmt::format("{:9.1f} {:6.2f}  {}\n", 1e6 * sum.seconds, 100 * share(sum.seconds), sum.op);
  }
  answer.text += fmt::format("{:9.1f}         all operators; outside of them {:.2f} % of the time of all runs\n",
                             1e6 * total, 100 * outside_share);
  answer.json["outside_share"] = outside_share;
  answer.json["operators"] = std::move(list);
}

void AddReplayTimes(const kernels::StepTimes& whole, const kernels::StepTimes& times,
                    const absl::StatusOr<kernels::StepTimes>& recorded, Answer& answer) {
  if (whole.runs() == 0 || times.runs() == 0) return;
  const size_t operators = times.Lines().size();
  const double run_us = QuantileOfRuns(whole, 0.25, [&](int64_t run) { return 1e6 * whole.SecondsOf(run); });
  const double timed_us = QuantileOfRuns(times, 0.25, [&](int64_t run) { return 1e6 * times.SecondsOf(run); });
  const double kernels_us = QuantileOfRuns(times, 0.25, [&](int64_t run) {
    double sum = 0;
    for (size_t k = 0; k < operators; ++k) sum += times.SecondsOf(k, run);
    return 1e6 * sum;
  });
  Json& replay = answer.json["replay"];
  replay = {{"run_us", run_us},
            {"run_with_events_us", timed_us},
            {"kernels_us", kernels_us},
            {"recorded_us", nullptr},
            {"gap_share", nullptr}};
  answer.text += fmt::format(
      "replayed: {:.1f} us a run, {:.1f} us with events between its {} operators, {:.1f} us from event to event\n",
      run_us, timed_us, operators, kernels_us);
  if (!recorded.ok()) {
    answer.text += fmt::format("gaps: unknown: {}\n", kernels::Message(recorded.status()));
    return;
  }
  const double recorded_us =
      QuantileOfRuns(*recorded, 0.5, [&](int64_t run) { return 1e6 * recorded->SecondsOf(run); });
  const double gaps =
      QuantileOfRuns(*recorded, 0.5, [&](int64_t run) { return 1 - recorded->BusyOf(run) / recorded->SecondsOf(run); });
  replay["recorded_us"] = recorded_us;
  replay["gap_share"] = gaps;
  answer.text += fmt::format(
      "gaps: {:.2f} % of a run without a kernel, copy or memset on the device, by its records of {} runs of {:.1f} "
      "us\n",
      100 * gaps, recorded->runs(), recorded_us);
}

}  // namespace mathnas::cli
