#include "kernels/step_times.h"

#include <algorithm>

#include "fmt/format.h"

namespace mathnas::kernels {
namespace {

std::string ShapesOf(const Plan::Step& step) {
  std::string text;
  for (const TensorDesc& d : step.input_descs) text.append(ToString(d.shape)).append(" ");
  text += "->";
  for (const TensorDesc& d : step.output_descs) text.append(" ").append(ToString(d.shape));
  return text;
}

}  // namespace

absl::Status StepTimes::Run(Context& context) {
  if (plan_ == nullptr) {
    plan_ = context.shared_plan();
    for (const Plan::Step& step : plan_->steps()) {
      steps_.push_back({plan_->blocks()[step.block], NameOf(step.op), ShapesOf(step), step.kernel->implementation()});
    }
    seconds_.resize(steps_.size());
  }
  if (plan_ != context.shared_plan()) return context.Run();
  now_.assign(steps_.size(), 0);
  const auto start = std::chrono::steady_clock::now();
  if (runs_ == 0) first_ = start;
  if (recorder_ != nullptr) {
    const auto seen = recorder_->Observe([&] { return context.Run(); });
    if (!seen.ok()) return seen.status();
    if (const int64_t records = seen->kernels + seen->copies; records < std::ssize(steps_)) {
      return absl::UnavailableError(fmt::format("{} records of a run of {} operators", records, steps_.size()));
    }
    wholes_.push_back(seen->span_seconds);
    busy_.push_back(seen->busy_seconds);
  } else {
    if (auto s = what_ == Of::kRuns ? context.Run() : context.RunTimed(absl::MakeSpan(now_)); !s.ok()) return s;
    wholes_.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  starts_.push_back(std::chrono::duration<double>(start - first_).count());
  for (size_t i = 0; i < now_.size(); ++i) seconds_[i].push_back(now_[i]);
  ++runs_;
  return absl::OkStatus();
}

std::vector<StepTimes::Line> StepTimes::Lines() const {
  std::vector<Line> lines = steps_;
  for (size_t i = 0; i < lines.size(); ++i) {
    std::vector<double> sorted = seconds_[i];
    if (sorted.empty()) continue;
    const auto quartile = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 4);
    std::nth_element(sorted.begin(), quartile, sorted.end());
    lines[i].seconds = *quartile;
  }
  return lines;
}

std::vector<StepTimes::Line> StepTimes::ByOperator() const {
  std::vector<Line> sums;
  for (const Line& line : Lines()) {
    auto sum = std::ranges::find(sums, line.op, &Line::op);
    if (sum == sums.end()) sum = sums.insert(sum, {.block = {}, .op = line.op, .shapes = {}, .implementation = {}});
    sum->seconds += line.seconds;
  }
  std::ranges::stable_sort(sums, std::ranges::greater(), &Line::seconds);
  return sums;
}

}  // namespace mathnas::kernels
