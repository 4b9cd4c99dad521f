// mathnas deploy, of networks of images.
#ifndef MATHNAS_BINDINGS_CLI_DEPLOY_IMAGE_H_
#define MATHNAS_BINDINGS_CLI_DEPLOY_IMAGE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bindings/cli/checkpoint_network.h"
#include "bindings/cli/data_options.h"
#include "bindings/cli/precision_option.h"

namespace mathnas::cli {

// How a network of images is deployed: its statistics, and what pixels are to it.
struct ImageDeployment {
  DataOptions data;
  int64_t recalibration_batches = 20;
  bool as_is = false;
  PrecisionOption precision;
  std::vector<double> mean, stddev;

  void AddTo(CLI::App* command);
};

// Recalibrates the network of a supernet, folds it and writes it to `out`.
absl::StatusOr<Answer> DeployImageNetwork(const Common& common, CheckpointNetwork& network, ImageDeployment& deployment,
                                          const std::string& out);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_DEPLOY_IMAGE_H_
