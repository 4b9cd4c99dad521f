// Some operators of a graph as a graph of their own: a block of a network timed alone, a backward pass without its
// forward pass.
#ifndef MATHNAS_KERNELS_SUBGRAPH_H_
#define MATHNAS_KERNELS_SUBGRAPH_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kernels/graph.h"
#include "kernels/plan.h"

namespace mathnas::kernels {

struct Subgraph {
  Graph graph;
  // An input of `graph` that another operator of the whole graph computes, or that is an input there; and that value.
  struct Boundary {
    std::string name;
    Value whole;
  };
  std::vector<Boundary> inputs;
  // What operators left behind read, and the wanted values that are computed here.
  std::vector<PlanOutput> outputs;
};

// The nodes of `whole` that `takes` says yes to, in their order and with their blocks. Parameters and states keep their
// names; a value from elsewhere is an input with its name, the one that it is wanted by, or "v17". Slices of parameters
// and states come along where they are read. Errors: the graph's own.
absl::StatusOr<Subgraph> Extract(const Graph& whole, absl::Span<const PlanOutput> wanted,
                                 absl::FunctionRef<bool(size_t node)> takes);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_SUBGRAPH_H_
