// The estimator from the command line.
#ifndef MATHNAS_BINDINGS_CLI_ESTIMATOR_OPTIONS_H_
#define MATHNAS_BINDINGS_CLI_ESTIMATOR_OPTIONS_H_

#include <string>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "mathnas/core/estimator.h"

namespace mathnas::cli {

struct EstimatorChoice {
  std::string kind = "eq6";
  std::string fixed = "exclude";

  void AddTo(CLI::App* command) {
    command->add_option("--estimator", kind, "linear, eq5 or eq6")->capture_default_str();
    command->add_option("--flops-fixed", fixed, "Whether the FLOPs of the fixed part count: include or exclude")
        ->capture_default_str();
  }
  absl::StatusOr<core::EstimatorOptions> Make() const {
    auto k = core::ParseEstimatorKind(kind);
    if (!k.ok()) return k.status();
    auto f = core::ParseFlopsFixed(fixed);
    if (!f.ok()) return f.status();
    return core::EstimatorOptions{*k, *f};
  }
};

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_ESTIMATOR_OPTIONS_H_
