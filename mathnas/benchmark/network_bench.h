// A network of a space, or one of its blocks, as graphs that are timed.
#ifndef MATHNAS_BENCHMARK_NETWORK_BENCH_H_
#define MATHNAS_BENCHMARK_NETWORK_BENCH_H_

#include <memory>
#include <string>
#include <vector>

#include "kernels/device.h"
#include "kernels/lower_precision.h"
#include "kernels/plan.h"
#include "mathnas/benchmark/timed.h"
#include "supernet/search_space.h"
#include "supernet/training/step.h"

namespace mathnas::benchmark {

struct NetworkRequest {
  std::shared_ptr<const supernet::SearchSpace> space = {};
  supernet::Choice choice = {};
  int64_t batch = 1;
  int64_t length = 0;                                           // of rows of tokens; 0: the space's own
  uint64_t seed = 0;                                            // of weights and inputs
  kernels::Precision precision = kernels::Precision::kFloat32;  // of training, that of StepOptions
};

// Random images and labels, or random rows of tokens: the inputs that networks of the space have, by name.
kernels::TensorMap NoiseInputs(const NetworkRequest& request);

// How the published recipe of a space trains.
supernet::StepOptions StepOptionsOf(const supernet::SearchSpace& space);

// The graph of one pass, its weights and where the pass is in it. Of `inference` the network folded, with the weights
// of the folded network; of the others the training network with its loss, the operators of the gradients and the sums
// that they are added to.
struct PassGraph {
  kernels::Graph graph = kernels::Graph();
  kernels::TensorMap weights = {};  // parameters and states, the sums of gradients too
  std::vector<kernels::PlanOutput> outputs = {};
  size_t forward_nodes = 0;                  // the nodes before are the forward pass
  std::vector<std::string> parameters = {};  // with a gradient
};
// Errors: those of the space and of the graph; InvalidArgument for another pass than an inference in bfloat16.
absl::StatusOr<PassGraph> GraphOf(const NetworkRequest& request, Pass pass);

// The blocks that a pass runs operators of, in the order in which they run.
std::vector<std::string> BlocksOf(const PassGraph& graph, Pass pass);

// Prepares the pass on `device`: of each of the blocks, or of the whole network where the name is "". What comes from
// outside of a block or a pass is what the network computes there from NoiseInputs. A residual that a block of an
// inference adds to its convolution comes from outside too, and is copied first. `graph` must outlive what is returned.
// InvalidArgument names a block that the network has not.
absl::StatusOr<std::vector<std::unique_ptr<Timed>>> PrepareBlocks(const PassGraph& graph, const NetworkRequest& request,
                                                                  Pass pass, const std::vector<std::string>& blocks,
                                                                  kernels::Device& device);

// The operators of a pass as lines of the notation, each once, with a comment that says how many there are:
// "conv2d n8 h56 w56 c24 o144 k1  # 3 x". What has no line is a comment: "# concat: ..".
absl::StatusOr<std::vector<std::string>> ShapeLinesOf(const PassGraph& graph, Pass pass);

}  // namespace mathnas::benchmark

#endif  // MATHNAS_BENCHMARK_NETWORK_BENCH_H_
