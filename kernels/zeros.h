// Zeros followed through a graph: what is known to be zero is not computed, and a sum leaves its zero terms out.
#ifndef MATHNAS_KERNELS_ZEROS_H_
#define MATHNAS_KERNELS_ZEROS_H_

#include <cstdint>
#include <vector>

#include "kernels/graph.h"

namespace mathnas::kernels {

// A node as it will run. Its outputs are those of the node of the graph.
struct ReducedNode {
  Operator op;
  Values inputs;
  Values outputs;
  int32_t block;  // index into Graph::blocks()
};

struct ReducedGraph {
  // One per node of the graph, in its order: an operator on nothing but zeros is a Fill, a sum has no zero terms. No
  // node reads a value that another stands for.
  std::vector<ReducedNode> nodes;
  // By value of the graph: the one to read in its place, itself for most; a sum of one term is that term.
  std::vector<Value> stands_for;

  Value operator[](Value v) const { return stands_for[v.id]; }
};

ReducedGraph FollowZeros(const Graph& graph);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_ZEROS_H_
