#include "kernels/step_trace.h"

#include <algorithm>

#include "kernels/internal/json_text.h"

namespace mathnas::kernels {
namespace {

using nlohmann::json;

constexpr int kRuns = 1, kBlocks = 2, kSteps = 3;  // tracks

json Event(std::string_view name, int track, double start, double seconds) {
  return {{"name", name}, {"ph", "X"}, {"pid", 1}, {"tid", track}, {"ts", 1e6 * start}, {"dur", 1e6 * seconds}};
}

json TrackName(int track, std::string_view name) {
  return {{"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", track}, {"args", {{"name", name}}}};
}

}  // namespace

std::string ChromeTrace(const StepTimes& times, std::string_view name, int64_t most_runs) {
  json events = {TrackName(kRuns, "runs"), TrackName(kBlocks, "blocks"), TrackName(kSteps, "operators")};
  const std::vector<StepTimes::Line> lines = times.Lines();
  for (int64_t run = std::max<int64_t>(0, times.runs() - most_runs); run < times.runs(); ++run) {
    const double start = times.StartOf(run);
    double now = start, block_start = start;
    for (size_t step = 0; step < lines.size(); ++step) {
      const double seconds = times.SecondsOf(step, run);
      json event = Event(lines[step].op, kSteps, now, seconds);
      event["args"] = {
          {"block", lines[step].block}, {"shapes", lines[step].shapes}, {"implementation", lines[step].implementation}};
      events.push_back(std::move(event));
      now += seconds;
      if (step + 1 == lines.size() || lines[step + 1].block != lines[step].block) {
        events.push_back(Event(lines[step].block, kBlocks, block_start, now - block_start));
        block_start = now;
      }
    }
    events.push_back(Event(name, kRuns, start, now - start));
  }
  return internal::JsonText({{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}});
}

}  // namespace mathnas::kernels
