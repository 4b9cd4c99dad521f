// Reverse-mode differentiation: a graph in, the same graph with the operators of its gradient out.
#ifndef MATHNAS_KERNELS_DIFFERENTIATE_H_
#define MATHNAS_KERNELS_DIFFERENTIATE_H_

#include <string>
#include <vector>

#include "kernels/graph.h"

namespace mathnas::kernels {

struct ParameterGradient {
  Value parameter;  // or the slice of one that the loss depends on
  Value gradient;   // of its shape
};

// Adds to `graph` the operators that compute d loss / d parameter, and returns them in the order in which the
// parameters, and then their slices, were added; a parameter that is read in slices only is in the list by these. A
// parameter that takes no part in the loss is not in the list ("none"); one whose every path to the loss goes through
// Zero is, with a gradient of zeros (spec/training-golden.md 1). `loss` must be a scalar. With a `factor`, a scalar
// too, the gradients are its product with those. Nodes belong to the block of the operator that they differentiate.
// Errors: graph.status().
std::vector<ParameterGradient> Differentiate(Graph& graph, Value loss, Value factor = {});

// Adds "gradient sum += gradient" for every parameter; the sum is the state GradientName(parameter), of the shape of
// the whole parameter, where a slice adds to its own part.
void AccumulateGradients(Graph& graph, const std::vector<ParameterGradient>& gradients);
std::string GradientName(std::string_view parameter);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_DIFFERENTIATE_H_
