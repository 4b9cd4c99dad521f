// A small network with everything a training step has: fan-out, sums with zeros, batch norm with running statistics,
// gradients and their accumulation.
#ifndef MATHNAS_TESTS_KERNELS_TRAINING_GRAPH_H_
#define MATHNAS_TESTS_KERNELS_TRAINING_GRAPH_H_

#include <string>
#include <vector>

#include "kernels/graph.h"
#include "kernels/plan.h"

namespace mathnas::kernels::testing {

struct TrainingGraph {
  explicit TrainingGraph(DType real);

  Graph graph;
  std::vector<PlanOutput> outputs;  // the loss, the logits, all gradients
};

// Parameters and states with random values; those named "...var" and "...gamma" are positive.
TensorMap RandomTensors(const Graph& graph, uint64_t seed);
// Random values in all inputs of a context; labels below 4.
void FillInputs(const Context& context, uint64_t seed);

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_TESTS_KERNELS_TRAINING_GRAPH_H_
