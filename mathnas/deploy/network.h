// Runs a deployed network.
#ifndef MATHNAS_MATHNAS_DEPLOY_NETWORK_H_
#define MATHNAS_MATHNAS_DEPLOY_NETWORK_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/divided_batch.h"
#include "kernels/graph.h"
#include "kernels/tasks.h"
#include "kernels/tensor.h"
#include "mathnas/deploy/network_file.h"

namespace mathnas::deploy {

// The same graph for another batch size, 1 to 65536: the first extent of every input, and of constant tensors that had
// the old one, is replaced. InvalidArgument when the inputs disagree about the old batch size or an operator does not
// allow the new.
absl::StatusOr<kernels::Graph> WithBatch(const kernels::Graph& graph, int64_t batch);

// The network prepared for `batch` images at once, 1 to 65536, in at most `parts` parts. Errors: of WithBatch and the
// device, which may not compute in the network's precision; InvalidArgument where the output does not follow the batch.
absl::StatusOr<std::shared_ptr<const kernels::DividedPlan>> PlanOf(const DeployedNetwork& network,
                                                                   kernels::Device& device, int64_t batch,
                                                                   int parts = 1);

// What a pixel of a channel becomes: {channels, 256}, without normalisation {1, 256}.
std::vector<float> PixelValues(const Normalisation& normalisation);

// A deployed network on a device, for one thread at a time.
class Network {
 public:
  // Load and Create.
  static absl::StatusOr<Network> Load(const std::string& path, std::shared_ptr<kernels::Device> device,
                                      int64_t batch = 1, kernels::Division division = {});
  // Prepares the network for `batch` images at once, 1 to 65536; the weights are packed here. With a division they run
  // in parts, each on the threads of the device: give that one of them. Errors: of Check and PlanOf; ResourceExhausted
  // when there is not enough memory.
  static absl::StatusOr<Network> Create(DeployedNetwork network, std::shared_ptr<kernels::Device> device,
                                        int64_t batch = 1, kernels::Division division = {});

  // Runs any number of images, `batch` at a time: {count, .., channels} in, {count, ..} out, row-major. Pixels are
  // normalised; floats are taken as they are, so they must be normalised already. Images do not influence each other.
  // InvalidArgument when the sizes are no multiples of input_elements() and output_elements() or their counts differ.
  absl::Status Run(std::span<const uint8_t> pixels, std::span<float> output);
  absl::Status Run(std::span<const float> values, std::span<float> output);

  // One image: {.., channels} and {..}.
  const kernels::Shape& input_shape() const { return input_shape_; }
  const kernels::Shape& output_shape() const { return output_shape_; }
  int64_t input_elements() const { return kernels::NumElements(input_shape_); }
  int64_t output_elements() const { return kernels::NumElements(output_shape_); }
  int64_t batch() const { return plan().batch(); }
  const DeployedNetwork& description() const { return *network_; }  // its graph is of the batch size of the file
  const kernels::DividedPlan& plan() const { return context_->plan(); }

 private:
  Network() = default;
  // convert(from, to) writes as many values.
  template <typename Element, typename Convert>
  absl::Status RunBatches(std::span<const Element> input, std::span<float> output, Convert convert);

  std::unique_ptr<DeployedNetwork> network_;  // its weights stay where they are when this moves
  std::shared_ptr<kernels::Device> device_;
  std::unique_ptr<kernels::DividedContext> context_;
  kernels::Shape input_shape_, output_shape_;
  std::vector<float> pixel_values_;
};

}  // namespace mathnas::deploy

#endif  // MATHNAS_MATHNAS_DEPLOY_NETWORK_H_
