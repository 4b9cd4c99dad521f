// Where the time of a network goes, as JSON and as a table.
#ifndef MATHNAS_BINDINGS_CLI_OPERATOR_TIMES_H_
#define MATHNAS_BINDINGS_CLI_OPERATOR_TIMES_H_

#include "absl/status/statusor.h"
#include "bindings/cli/command.h"
#include "kernels/step_times.h"

namespace mathnas::cli {

// Adds "operators" to the answer, in the order in which they run ({"block", "operator", "shapes", "implementation",
// "us", "share"}), and the same as text with sums by operator; and "outside_share", the part of the time of all runs
// that no operator takes: what lies between them, copies of inputs, other plans.
void AddOperatorTimes(const kernels::StepTimes& times, double outside_share, Answer& answer);

// How long a run takes that replays its kernels as they were recorded, beside the times of its operators and what the
// device did meanwhile: adds "replay" to the answer and the same as text. {"run_us", "run_with_events_us",
// "kernels_us"} are lower quartiles over the runs; {"recorded_us", "gap_share"} medians over those by the records of
// the device, from its first to its last work in a run, and the share of this in which it did nothing; null without
// such runs, and the text says why. All are of runs of one plan on a device with streams (Device::NewStream), `whole`
// and `recorded` without times of steps.
void AddReplayTimes(const kernels::StepTimes& whole, const kernels::StepTimes& times,
                    const absl::StatusOr<kernels::StepTimes>& recorded, Answer& answer);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_OPERATOR_TIMES_H_
