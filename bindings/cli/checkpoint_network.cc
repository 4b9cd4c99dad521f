#include "bindings/cli/checkpoint_network.h"

#include <utility>

#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/weights.h"

namespace mathnas::cli {

absl::StatusOr<kernels::TensorMap> CheckpointNetwork::TakeWeights() {
  if (own()) return std::move(checkpoint.weights);
  auto extracted = supernet::ExtractWeights(*space, choice, checkpoint.weights);
  if (!extracted.ok()) return kernels::Annotate(extracted.status(), path);
  return extracted;
}

absl::StatusOr<CheckpointNetwork> LoadNetwork(const std::string& path, const std::string& subnet,
                                              const SpaceOptions& options) {
  auto checkpoint = supernet::LoadTrained(path);
  if (!checkpoint.ok()) return checkpoint.status();
  SpaceOptions narrowed = options;
  narrowed.name = checkpoint->space;
  auto space = narrowed.Make({.macro = checkpoint->macro});
  if (!space.ok()) return space.status();
  const bool own = checkpoint->subnet.has_value();
  if (!own && subnet.empty()) {
    return absl::InvalidArgumentError(fmt::format("{} is a supernet: --subnet says which of its networks", path));
  }
  auto choice = own && subnet.empty() ? (*space)->ParseSubnet(*checkpoint->subnet) : ParseSubnet(**space, subnet);
  if (!choice.ok()) return choice.status();
  if (own && (*space)->SubnetJson(*choice) != *checkpoint->subnet) {
    return absl::InvalidArgumentError(
        fmt::format("--subnet {}: {} is a network {}", subnet, path, *checkpoint->subnet));
  }
  return CheckpointNetwork{path, *std::move(checkpoint), *std::move(space), *std::move(choice)};
}

}  // namespace mathnas::cli
