// Graphs as JSON text, in and out: how a network is stored next to its weights.
//
//   {"format": "mathnas-graph/1",
//    "type": "F32",                                     of everything but labels
//    "blocks": ["", "stem", ..],                        the first is the unnamed one
//    "leaves": [{"kind": "input" | "integers" | "parameter" | "state", "name": "stem.0.weight", "shape": [16, 3, 3,
//    3]},
//    ..], "nodes": [{"op": "conv2d", "attributes": {"stride": 1, ..}, "inputs": [0, 1], "block": 1}, ..], "names":
//    {"logits": 41}}
//
// Values are counted: first the leaves, then the outputs of the nodes in order. Attributes are those that an operator's
// Visit lists; one that a file lacks has the operator's default.
#ifndef MATHNAS_KERNELS_GRAPH_JSON_H_
#define MATHNAS_KERNELS_GRAPH_JSON_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "kernels/graph.h"

namespace mathnas::kernels {

// Writes every leaf, node, block and name; of a value with several names the first. Reading gives a graph of the same
// leaves, nodes and blocks in the same order (all leaves before all nodes), and writing that one gives the same text.
// Errors: the graph's own; InvalidArgument for a name that is not UTF-8 or an attribute that is not finite.
absl::StatusOr<std::string> GraphToJson(const Graph& graph);

// Rebuilds the graph, with every rule checked as when it was built. Text that breaks one is an InvalidArgument that
// names the field: "nodes[3].inputs[1]: found 97, expected one of the 41 values so far". Limits: 64 MiB of text, 10^6
// leaves, nodes and blocks each, 1024 inputs of a node, 8 extents of at least 1 in a shape, 2^31 - 1 elements of a
// value, integer attributes of at most 2^24 in size.
absl::StatusOr<Graph> GraphFromJson(std::string_view text);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_GRAPH_JSON_H_
