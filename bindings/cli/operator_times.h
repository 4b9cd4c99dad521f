// Where the time of a network goes, as JSON and as a table.
#ifndef MATHNAS_BINDINGS_CLI_OPERATOR_TIMES_H_
#define MATHNAS_BINDINGS_CLI_OPERATOR_TIMES_H_

#include "bindings/cli/command.h"
#include "kernels/step_times.h"

namespace mathnas::cli {

// Adds "operators" to the answer, in the order in which they run ({"block", "operator", "shapes", "implementation",
// "us", "share"}), and the same as text with sums by operator; and "outside_share", the part of the time of all runs
// that no operator takes: what lies between them, copies of inputs, other plans.
void AddOperatorTimes(const kernels::StepTimes& times, double outside_share, Answer& answer);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_OPERATOR_TIMES_H_
