// The times of a plan's steps as a picture of their course: a file for chrome://tracing and Perfetto (ui.perfetto.dev).
#ifndef MATHNAS_KERNELS_STEP_TRACE_H_
#define MATHNAS_KERNELS_STEP_TRACE_H_

#include <string>

#include "kernels/step_times.h"

namespace mathnas::kernels {

// {"traceEvents": [..], "displayTimeUnit": "ms"} of the last `most_runs` runs: an event for each run, named `name`, on
// a track of its own; below it one for each stretch of steps of one block, and one for each step, with its shapes and
// implementation. Times are microseconds since the first run began. What lies between two runs is nobody's.
std::string ChromeTrace(const StepTimes& times, std::string_view name, int64_t most_runs = 10);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_STEP_TRACE_H_
