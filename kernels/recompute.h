// Time for memory: activations that only the backward pass still needs are not kept but computed again when it comes
// to them (Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016). A graph of a training step in, a graph of
// the same step out.
#ifndef MATHNAS_KERNELS_RECOMPUTE_H_
#define MATHNAS_KERNELS_RECOMPUTE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "kernels/fuse.h"
#include "kernels/graph.h"

namespace mathnas::kernels {

enum class Recomputed : uint8_t { kNothing, kActivations, kBlocks };

// The first `forward` nodes are the forward pass, the others what Differentiate and AccumulateGradients added. What one
// block hands to another stays; what a block computes for itself goes, and is computed again from that by the same
// operators right before the first gradient that reads it: the same bits. The blocks of `kept`, values that are read
// from outside, keep all: the backward pass begins there. Statistics of batch normalisation stay, so that running ones
// are tracked once. An error of the graph is one of the result.
// With kActivations only what normalisations, activations, sums and scales of channels give goes: they read memory
// once, so little time is lost; and what they hand to another block, too, if all that they read stays, so that one
// operator brings it back (the nodes of a cell, from its convolutions). kNothing: the graph as it is.
FusedGraph Recompute(const Graph& graph, size_t forward, absl::Span<const Value> kept, Recomputed what);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_RECOMPUTE_H_
