// The network that leaves the house: one file with its graph and its weights. Nothing else of the training is needed to
// run it (network.h).
//
// `network.mathnas` is a safetensors file whose metadata are
//   format       "mathnas-network/1"
//   graph        JSON text of kernels/graph_json.h
//   input        {"name": "images", "shape": [1, 32, 32, 3], "mean": [125.3, ..], "std": [63.0, ..]}
//   output       "logits"
//   classes      ["airplane", ..], or [] for none
//   information  any JSON object: space, subnet, metrics predicted and measured, limit, ...
// and whose tensors are the parameters and states of the graph.
#ifndef MATHNAS_MATHNAS_DEPLOY_NETWORK_FILE_H_
#define MATHNAS_MATHNAS_DEPLOY_NETWORK_FILE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/graph.h"
#include "kernels/lower_precision.h"
#include "kernels/tensor.h"
#include "supernet/safetensors.h"

namespace mathnas::deploy {

inline constexpr std::string_view kNetworkFormat = "mathnas-network/1";

// What a pixel 0 .. 255 of a channel becomes: (pixel - mean) / stddev. One entry per channel; both empty: the pixel
// itself.
struct Normalisation {
  std::vector<double> mean;
  std::vector<double> stddev;  // above 0

  bool operator==(const Normalisation&) const = default;
};

struct DeployedNetwork {
  kernels::Graph graph;        // for inference, one input, both ends float32; of any batch size
  kernels::TensorMap weights;  // by the names of the graph's parameters and states
  std::string input;           // name of the input: {batch, .., channels}, for images {batch, height, width, channels}
  Normalisation normalisation;
  std::string output;                    // name of a value {batch, ..}: first name of it (Graph::SetName)
  std::vector<std::string> class_names;  // one for each entry of the output's last axis, or none
  std::string information = "{}";        // text of a JSON object
};

// The network in this precision. A file in 16 bits stays what it is: its float32 weights are gone. Errors:
// InvalidArgument names its own where another is asked for there; those of LowerPrecision.
absl::StatusOr<DeployedNetwork> WithPrecision(DeployedNetwork network, kernels::Precision precision);

// InvalidArgument says which part breaks a rule given above, or which operator changes states; NotFound names a missing
// weight. Save and Load check this themselves.
absl::Status Check(const DeployedNetwork& network);

// Writes the file as supernet::AtomicWriteFile does: complete or not at all. Weights that the graph does not have are
// left out. Errors name the file.
absl::Status Save(const std::string& path, const DeployedNetwork& network);

// Reads a file and checks all of it. The weights are views of the mapped file, read-only and alive as long as the
// network's tensors are; one that the file holds misaligned for its element type is a copy. Errors name the file, the
// field and what was expected: InvalidArgument for a file that is truncated, of another format or breaks a rule,
// Unimplemented for a version of the format that is not known, the system's own otherwise.
absl::StatusOr<DeployedNetwork> Load(const std::string& path);
// The same of a file that was opened to see what it is.
absl::StatusOr<DeployedNetwork> Load(supernet::SafetensorsFile file);

}  // namespace mathnas::deploy

#endif  // MATHNAS_MATHNAS_DEPLOY_NETWORK_FILE_H_
