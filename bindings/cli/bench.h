// The parts of `mathnas bench`, each in a file of its own.
#ifndef MATHNAS_BINDINGS_CLI_BENCH_H_
#define MATHNAS_BINDINGS_CLI_BENCH_H_

#include "bindings/cli/command.h"

namespace mathnas::cli {

void AddEstimatorBench(CLI::App& bench);
void AddSwitchBench(CLI::App& bench);
void AddOperatorBench(CLI::App& bench);
void AddNetworkBench(CLI::App& bench);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_BENCH_H_
