// mathnas deploy, of networks of images.
#ifndef MATHNAS_BINDINGS_CLI_DEPLOY_IMAGE_H_
#define MATHNAS_BINDINGS_CLI_DEPLOY_IMAGE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bindings/cli/checkpoint_network.h"
#include "bindings/cli/data_options.h"
#include "kernels/lower_precision.h"
#include "mathnas/deploy/image_network.h"

namespace mathnas::cli {

// How a network of images is deployed: its statistics, and what pixels are to it.
struct ImageDeployment {
  DataOptions data;
  int64_t recalibration_batches = 20;
  bool as_is = false;
  std::vector<double> mean, stddev;

  void AddTo(CLI::App* command);
};

// A network's own weights as they leave the house, and what is known of them.
struct DeployedWeights {
  kernels::TensorMap weights;
  const char* statistics;                   // "of the network's own training", "recalibrated" or "of the supernet"
  bool stale;                               // the last of these
  std::optional<deploy::ImageInput> input;  // what pixels are; none if nobody says so
};
// Recalibrates the statistics of a supernet's network. InvalidArgument names the option that is missing or of no use.
absl::StatusOr<DeployedWeights> WeightsToDeploy(const Common& common, CheckpointNetwork& network,
                                                ImageDeployment& deployment);

// Recalibrates the network of a supernet, folds it, brings it to `precision` (whatever this machine computes in: the
// file may be for another) and writes it to `out`.
absl::StatusOr<Answer> DeployImageNetwork(const Common& common, CheckpointNetwork& network, ImageDeployment& deployment,
                                          kernels::Precision precision, const std::string& out);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_DEPLOY_IMAGE_H_
