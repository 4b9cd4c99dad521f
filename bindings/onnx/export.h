// ONNX files of graphs: a walk over the graph, one place that knows what each operator of an inference is in ONNX.
//
// Files are of operator set 17 (ONNX 1.12, 2022). Tensors have the names that they have in the graph: weights those of
// the state dict, inputs and outputs their own. Where a graph has images {N,H,W,C}, the file has {N,C,H,W}, inputs and
// outputs too, and nothing is transposed in between: layers of pixels, linear ones too, are convolutions, so that
// weights {out,in} of linear layers on pixels are {out,in,1,1} there. Everything else has the shape of the graph.
#ifndef MATHNAS_BINDINGS_ONNX_EXPORT_H_
#define MATHNAS_BINDINGS_ONNX_EXPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/graph.h"
#include "kernels/plan.h"
#include "kernels/tensor.h"

namespace mathnas::onnx {

inline constexpr int kOpset = 17, kIrVersion = 8;

// A state that a graph writes to (kernels::Store) is an input of the file, and what it is afterwards an output with
// this after its name.
inline constexpr std::string_view kNext = ".next";

struct GraphOptions {
  std::string name = "mathnas";
  // Names of axes that may have any extent, by input or output and axis, as the file has them (images {N,C,H,W}); "" is
  // an axis of the extent that the graph has. The first axis of everything may be free, the second one of tokens where
  // the operators on it allow it: Part and Fill keep the extents that they have, and so does Attention where several
  // rows of queries share keys.
  std::map<std::string, std::vector<std::string>, std::less<>> axes = {};
  // Any texts that the file carries (metadata_props).
  std::map<std::string, std::string> metadata = {};
};

// What was written.
struct Exported {
  struct Port {
    std::string name;
    std::string type;                // "float32" or "int64"
    std::vector<std::string> shape;  // extents, or names of axes
  };
  std::string file;
  int64_t bytes = 0;
  int64_t nodes = 0, initializers = 0;
  std::vector<Port> inputs, outputs;
};

// Writes what computes the outputs, complete or not at all (supernet::AtomicWriteFile), with the weights that it reads.
// All inputs of the graph are inputs of the file, also unread ones; an operator that nobody needs is left out, zeros
// are followed as in Plan.
//
// Errors name the file, and the operator and its node. Unimplemented: an operator for training, or one that has no
// counterpart for the shapes that it is given. NotFound, InvalidArgument: the graph's own, one that is not float32, an
// output that is not of it, a weight that is missing or has another shape or type, names that are empty, not UTF-8 or
// taken, axes of a port that there is not or of another rank. ResourceExhausted: 2 GiB and more. The system's own.
absl::StatusOr<Exported> ExportGraph(const std::string& path, const kernels::Graph& graph,
                                     absl::Span<const kernels::PlanOutput> outputs, const kernels::TensorMap& weights,
                                     const GraphOptions& options = {});

}  // namespace mathnas::onnx

#endif  // MATHNAS_BINDINGS_ONNX_EXPORT_H_
