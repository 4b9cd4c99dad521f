// Preparing a trained network for inference: batch normalisation, sums and activations move into the convolutions
// before them. A graph in, a smaller graph of the same operators out.
#ifndef MATHNAS_KERNELS_FOLD_H_
#define MATHNAS_KERNELS_FOLD_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/graph.h"
#include "kernels/plan.h"
#include "kernels/tensor.h"

namespace mathnas::kernels {

struct FoldedGraph {
  Graph graph;
  TensorMap weights;                // what the graph reads, and nothing else: copied or taken, and the folded tensors
  std::vector<PlanOutput> outputs;  // those that were asked for, as values of `graph`
};

// Returns a graph that computes the same outputs from the same inputs, up to rounding:
//  - BatchNormInference of a convolution that nobody else reads becomes part of its weights and bias. With weights
//    "x.weight" these are the parameters "x.folded_weight" and "x.folded_bias" (".2", ".3", .. follow where one tensor
//    serves several convolutions).
//  - Slices of parameters and states become parameters of their own ("x.weight.part"), without what is not read.
//  - LayerScale of a linear layer that nobody else reads becomes part of its weights and bias ("x.weight.scaled").
//  - Convolutions read by one sum only accumulate onto the other terms, which are summed first (Conv2d::has_addend).
//  - Relu of a convolution or BatchNormInference that nobody else reads becomes its flag.
//  - A 1x1 convolution that a depthwise one of 3x3, 5x5 or 7x7 alone reads becomes one operator with it
//    (ExpandDepthwise), where both have biases by now and the map between them is large.
//  - Zeros are followed as in Plan: sums skip them. What reaches no output is gone.
// An output counts as a reader, so no output changes its meaning. Inputs stay, also unread ones; other leaves, names of
// values and blocks (with their indices) are kept where what they name is still computed. Outputs are named as asked
// for.
//
// `weights` holds the parameters and states by name. Errors: the graph's own; InvalidArgument for a graph that is not
// float32 or changes states (training), an output that is not of this graph, a tensor of another shape or type;
// NotFound names a tensor that is missing.
absl::StatusOr<FoldedGraph> FoldForInference(const Graph& graph, absl::Span<const PlanOutput> outputs,
                                             const TensorMap& weights);
// The same, but tensors that stay as they are are taken out of `weights` instead of being copied.
absl::StatusOr<FoldedGraph> FoldForInference(const Graph& graph, absl::Span<const PlanOutput> outputs,
                                             TensorMap&& weights);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_FOLD_H_
