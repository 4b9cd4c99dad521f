// Preparing a network for training: batch normalisation moves into one operator with the sum and the activation after
// it: fewer passes over memory, and what an activation reads need not be kept. A forward graph in, a smaller graph of
// the same computation out, to be differentiated.
#ifndef MATHNAS_KERNELS_FUSE_H_
#define MATHNAS_KERNELS_FUSE_H_

#include <vector>

#include "absl/types/span.h"
#include "kernels/graph.h"

namespace mathnas::kernels {

struct FusedGraph {
  Graph graph;
  std::vector<Value> values;  // by value of the graph that was given; invalid where it is not computed any more

  Value operator[](Value v) const { return values[v.id]; }
};

// Makes a NormalizedSum, and BatchNormMoments, of
//  - a sum with BatchNormTraining among its terms, and the Relu of it if nothing else reads the sum;
//  - BatchNormTraining and the Relu or HardSwish of it, in the block of the former (not Swish: both passes of its
//  gradient
//    would compute an exponential);
// where nothing else reads what is normalised, `kept` included. Everything else, leaves, names and blocks stay in their
// order. An error of the graph is one of the result.
FusedGraph FuseForTraining(const Graph& graph, absl::Span<const Value> kept);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_FUSE_H_
