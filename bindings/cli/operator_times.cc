#include "bindings/cli/operator_times.h"

#include <vector>

#include "fmt/format.h"
#include "mathnas/core/statistics.h"

namespace mathnas::cli {
namespace {

// Lower quartile over the runs of what one takes, in us.
template <typename SecondsOfRun>
double QuartileUs(const kernels::StepTimes& times, const SecondsOfRun& seconds) {
  std::vector<double> us;
  for (int64_t run = 0; run < times.runs(); ++run) us.push_back(1e6 * seconds(run));
  return *core::Quantile(us, 0.25);
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

void AddReplayTimes(const kernels::StepTimes& whole, const kernels::StepTimes& times, Answer& answer) {
  if (whole.runs() == 0 || times.runs() == 0) return;
  const size_t kernels = times.Lines().size();
  const double run_us = QuartileUs(whole, [&](int64_t run) { return whole.SecondsOf(run); });
  const double timed_us = QuartileUs(times, [&](int64_t run) { return times.SecondsOf(run); });
  const double kernels_us = QuartileUs(times, [&](int64_t run) {
    double sum = 0;
    for (size_t k = 0; k < kernels; ++k) sum += times.SecondsOf(k, run);
    return sum;
  });
  // What makes runs with events longer is in the times of the operators.
  const double share = (timed_us - kernels_us) / run_us, least = 1 - kernels_us / run_us;
  answer.json["replay"] = {
      {"run_us", run_us}, {"run_with_events_us", timed_us}, {"kernels_us", kernels_us}, {"gap_share", share}};
  answer.text += fmt::format(
      "replayed: {:.1f} us a run, {:.1f} us with events between operators, by which its {} operators take {:.1f} us: "
      "{:.2f} % "
      "of a run is\noutside of them ({:.2f} % if events took no time). What passes until a kernel starts counts as its "
      "operator's.\n",
      run_us, timed_us, kernels, kernels_us, 100 * share, 100 * least);
}

}  // namespace mathnas::cli
