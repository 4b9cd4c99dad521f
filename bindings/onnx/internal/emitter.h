// A graph of ONNX nodes under construction: names, weights, and the order of the axes of every value.
#ifndef MATHNAS_BINDINGS_ONNX_INTERNAL_EMITTER_H_
#define MATHNAS_BINDINGS_ONNX_INTERNAL_EMITTER_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bindings/onnx/export.h"
#include "bindings/onnx/internal/model.h"
#include "kernels/graph.h"
#include "kernels/tensor.h"

namespace mathnas::onnx::internal {

// How a value of the graph lies in ONNX.
enum class Layout : uint8_t {
  kPlain,          // as in the graph
  kChannelsFirst,  // {N,H,W,C} as {N,C,H,W}: all images
  kPooled,         // {N,C} as {N,C,1,1}: what GlobalAveragePool makes, and 1x1 convolutions take
};

class Emitter {
 public:
  // `outputs` are those that Finish will be asked for: no node takes their names.
  Emitter(const kernels::Graph& graph, absl::Span<const kernels::PlanOutput> outputs, const kernels::TensorMap& weights,
          const GraphOptions& options);

  const kernels::Graph& graph() const { return graph_; }
  const kernels::Shape& shape(kernels::Value v) const { return graph_.desc(v).shape; }

  // The first error of a name or a weight; operators need not look at it, the walk does.
  const absl::Status& status() const { return status_; }

  // Nodes added from now on are called after this block.
  void SetBlock(std::string_view block) { block_ = block; }
  // Adds a node and returns the name of its output.
  std::string Add(std::string_view type, std::vector<std::string> inputs, std::vector<Attribute> attributes = {});

  // A computed value or an input, as a node reads it; transposed or reshaped first where it lies otherwise.
  std::string Read(kernels::Value v, Layout layout);
  // How it lies already: what an operator on elements reads it as.
  Layout LayoutOf(kernels::Value v) const;
  // Images with their channels first, everything else as it is.
  Layout NaturalLayout(kernels::Value v) const;
  void Set(kernels::Value v, Layout layout, std::string name);

  // A weight, or a part of one (kernels::Slice), with another shape of as many elements.
  std::string Weight(kernels::Value v, std::vector<int64_t> shape);
  std::string Weight(kernels::Value v);
  // A matrix with its axes exchanged.
  std::string Transposed(kernels::Value matrix);

  // Constants; equal ones are one.
  std::string Integers(const std::vector<int64_t>& values);
  std::string Integer(int64_t value);  // without axes
  std::string Float(double value);     // without axes
  std::string Floats(std::vector<float> values);
  // A larger one, made when it is first asked for; `name` says all that it depends on.
  template <typename Make>
  std::string Constant(const std::string& name, const Make& make) {
    const auto known = made_.find(name);
    return known != made_.end() ? known->second : AddConstant(name, make());
  }
  // The name of a value that depends on what `key` says alone, made when it is first asked for.
  template <typename Make>
  std::string Once(const std::string& key, const Make& make) {
    if (const auto known = once_.find(key); known != once_.end()) return known->second;
    return once_[key] = make();
  }

  // States that are written to: inputs, and what they are by now.
  bool IsWritten(kernels::Value leaf) const { return written_.contains(leaf.id); }
  void AddWritten(kernels::Value leaf);

  // The extents of a shape with the free first axis in front, as a tensor: of the graph's inputs if there is one.
  std::string ShapeWithBatch(const kernels::Shape& shape, Layout layout);

  // The model, with the outputs and the states that were written to.
  absl::StatusOr<Model> Finish();

 private:
  std::string Fresh(std::string_view base);
  std::string AddConstant(const std::string& name, kernels::Tensor tensor);
  absl::StatusOr<Port> MakePort(std::string_view name, const kernels::TensorDesc& desc, Layout layout) const;
  // Keeps a name for a leaf or an output; an error if another has it.
  void Reserve(std::string_view what, const std::string& name);
  // Gives a value that a node computes the name that it shall have; false if it has one, or is none of a node.
  bool Rename(const std::string& from, const std::string& to);
  void AddInput(kernels::Value leaf, Layout layout);
  void AddOutput(const std::string& name, kernels::Value v, Layout layout);
  void Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  const kernels::Graph& graph_;
  const absl::Span<const kernels::PlanOutput> outputs_;
  const kernels::TensorMap& weights_;
  const GraphOptions& options_;
  absl::Status status_;
  Model model_;
  std::string block_;
  std::set<std::string, std::less<>> names_;                     // of leaves, outputs and nodes
  std::map<std::string, int, std::less<>> used_;                 // how often a base of fresh names was
  std::map<std::pair<int32_t, Layout>, std::string> values_;     // of the graph
  std::map<std::string, std::vector<int64_t>> weight_shapes_;    // as they were first asked for, by name
  std::map<std::string, std::string, std::less<>> made_, once_;  // constants and values, by what they are
  std::set<std::string> computed_;                               // outputs of nodes
  std::map<std::string, std::string> renamed_;
  std::set<int32_t> written_;
};

}  // namespace mathnas::onnx::internal

#endif  // MATHNAS_BINDINGS_ONNX_INTERNAL_EMITTER_H_
