// How blocks and networks are measured, from the command line.
#ifndef MATHNAS_BINDINGS_CLI_MEASURING_OPTIONS_H_
#define MATHNAS_BINDINGS_CLI_MEASURING_OPTIONS_H_

#include <set>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "mathnas/profile/latency.h"
#include "supernet/data/image_source.h"
#include "supernet/evaluation.h"
#include "supernet/recalibration.h"

namespace mathnas::cli {

struct MeasuringOptions {
  profile::LatencyOptions latency;
  supernet::RecalibrationOptions recalibration;
  int64_t validation = supernet::kUsualHoldOut;
  std::vector<std::string> metrics = {"accuracy", "latency", "energy", "flops", "parameters", "memory"};

  void AddTo(CLI::App* command) {
    command->add_option("--metrics", metrics, "accuracy,latency,energy,flops,parameters,memory")
        ->capture_default_str()
        ->delimiter(',');
    command
        ->add_option("--validation", validation,
                     "Training images held out to score blocks on, or the most of validation images of the set's own "
                     "(default: 5000, of a training part below 50,000 a tenth)")
        ->check(CLI::Range(1, 1 << 30));
    command->add_option("--latency-batch", latency.batch, "Images or sentences per inference when latency is measured")
        ->capture_default_str()
        ->check(CLI::Range(1, 65536));
    command->add_option("--latency-threads", latency.threads, "Threads when latency is measured")
        ->capture_default_str()
        ->check(CLI::Range(1, 4096));
    command->add_option("--latency-rounds", latency.max_rounds, "Most rounds of latency measurements")
        ->capture_default_str()
        ->check(CLI::Range(1, 100000));
    command->add_option("--recalibration-batches", recalibration.batches, "Batches for the statistics of a subnet")
        ->capture_default_str()
        ->check(CLI::Range(1, 100000));
    command->add_option("--recalibration-batch", recalibration.batch, "Images in each of them")
        ->capture_default_str()
        ->check(CLI::Range(1, 65536));
  }
  std::set<std::string, std::less<>> metric_set() const { return {metrics.begin(), metrics.end()}; }
};

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_MEASURING_OPTIONS_H_
