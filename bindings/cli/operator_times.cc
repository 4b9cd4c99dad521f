#include "bindings/cli/operator_times.h"

#include "fmt/format.h"

namespace mathnas::cli {

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

}  // namespace mathnas::cli
