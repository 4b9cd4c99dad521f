// mathnas bench switch SPACE --live: clients ask a dynamic network without pause while its budget changes, and every
// answer is compared with what the subnet that gave it answers alone.
#ifndef MATHNAS_BINDINGS_CLI_BENCH_SWITCH_LIVE_H_
#define MATHNAS_BINDINGS_CLI_BENCH_SWITCH_LIVE_H_

#include <memory>
#include <string>

#include "bindings/cli/command.h"
#include "supernet/search_space.h"

namespace mathnas::cli {

struct LiveSwitching {
  bool on = false;
  std::string table, metric = "latency";
  int clients = 1, prepared = 0, calibration_images = 8;
  int64_t switches = 1000;
  double seconds = 10;

  void AddTo(CLI::App* command);
  // Switches among `networks` random ones or, with a table, those that are best within as many random budgets. Exit
  // status 1 if an answer was wrong or none.
  absl::StatusOr<Answer> Run(const Common& common, const std::shared_ptr<const supernet::SearchSpace>& space,
                             int networks, int64_t batch) const;
};

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_BENCH_SWITCH_LIVE_H_
