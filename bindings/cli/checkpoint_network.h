// The network that a command is about: of a checkpoint of its own, or one of those of a supernet.
#ifndef MATHNAS_BINDINGS_CLI_CHECKPOINT_NETWORK_H_
#define MATHNAS_BINDINGS_CLI_CHECKPOINT_NETWORK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "bindings/cli/space_options.h"
#include "supernet/search_space.h"
#include "supernet/training/checkpoint.h"

namespace mathnas::cli {

struct CheckpointNetwork {
  std::string path;
  supernet::Checkpoint checkpoint;  // trained (supernet::LoadTrained)
  std::shared_ptr<const supernet::SearchSpace> space;
  supernet::Choice choice;

  // Whether the checkpoint is of this network alone.
  bool own() const { return checkpoint.subnet.has_value(); }
  // The network's own weights, which the checkpoint gives away or which are extracted from it. Of a supernet, the
  // statistics are not recalibrated.
  absl::StatusOr<kernels::TensorMap> TakeWeights();
};

// `subnet` is --subnet, empty if not given: then the checkpoint must be of a network. InvalidArgument names the
// checkpoint or the option.
absl::StatusOr<CheckpointNetwork> LoadNetwork(const std::string& checkpoint, const std::string& subnet,
                                              const SpaceOptions& options);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_CHECKPOINT_NETWORK_H_
