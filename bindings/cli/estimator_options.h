// The estimator from the command line.
#ifndef MATHNAS_BINDINGS_CLI_ESTIMATOR_OPTIONS_H_
#define MATHNAS_BINDINGS_CLI_ESTIMATOR_OPTIONS_H_

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/interaction.h"

namespace mathnas::cli {

struct EstimatorChoice {
  std::string kind = "eq6";
  std::string fixed = "exclude";

  void AddTo(CLI::App* command) {
    command->add_option("--estimator", kind, "linear, eq5 or eq6")->capture_default_str();
    command->add_option("--flops-fixed", fixed, "Whether the FLOPs of the fixed part count: include or exclude")
        ->capture_default_str();
  }
  // Where networks may also be predicted by what was learned from whole ones.
  void AddWithInteractionTo(CLI::App* command) {
    AddTo(command);
    command->get_option("--estimator")
        ->description("linear, eq5, eq6, or interaction, which learns from networks measured whole");
  }

  bool learns() const { return kind == core::kInteraction; }

  // Interaction learns from the evaluations of `table`; `metrics` are those that will be used.
  absl::StatusOr<core::EstimatorOptions> MakeFor(const core::BlockTable& table,
                                                 const std::vector<std::string>& metrics) const {
    return core::NamedEstimator(kind, fixed, table, metrics);
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
