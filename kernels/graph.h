// The one description of a computation: operators over values in single assignment, with static shapes. Training,
// inference, counting, profiling, storage and export are all derived from it.
#ifndef MATHNAS_KERNELS_GRAPH_H_
#define MATHNAS_KERNELS_GRAPH_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/name_map.h"
#include "kernels/ops/operator.h"
#include "kernels/tensor.h"

namespace mathnas::kernels {

enum class ValueKind : uint8_t {
  kInput,      // set before every run
  kParameter,  // trainable; bound by name
  kState,      // bound by name, changed in place by operators, without gradient (running statistics, gradient sums)
  kComputed,   // output of a node
};

class Graph {
 public:
  struct ValueInfo {
    TensorDesc desc;
    ValueKind kind;
    bool needs_gradient;  // a parameter is among what it is computed from
    int32_t node;         // that computes it; -1 for leaves
    std::string name;     // of leaves and of named activations; else empty
  };
  struct Node {
    Operator op;
    Values inputs;
    Values outputs;
    int32_t block;  // index into blocks()
  };

  // `real` is the type of everything but labels: kF32, or kF64 on the reference device. With kF32, values may be
  // bfloat16 or float16 where operators take and give that (ops/element_types.h).
  explicit Graph(DType real = DType::kF32) : real_(real) {}

  // Leaves. A parameter or state asked for again is the same value; with another shape it is an error (see status()).
  Value Input(std::string_view name, Shape shape) { return Leaf(ValueKind::kInput, name, {real_, std::move(shape)}); }
  Value Integers(std::string_view name, Shape shape);
  Value Labels(std::string_view name, int64_t batch) { return Integers(name, {batch}); }
  Value Parameter(std::string_view name, Shape shape);
  Value State(std::string_view name, Shape shape);
  // An input or a parameter that may be bfloat16 or float16, or integers; the type is an error if it is no other than
  // these.
  Value TypedInput(std::string_view name, TensorDesc desc);
  Value TypedParameter(std::string_view name, TensorDesc desc);

  // The leaf that `info` of another graph is.
  Value CopyLeaf(const ValueInfo& info);

  // Adds an operator and returns its outputs. An operator with the same inputs that changes no state is the same node:
  // a ReLU read by three edges is computed once. What reads a state before a Store and after it is not. Errors stick:
  // the outputs are then invalid, operators on invalid inputs do nothing, and status() says what went wrong first.
  Values Apply(Operator op, absl::Span<const Value> inputs);
  // From now on no node of before is taken for a new one: what is computed already can be computed again.
  void ForgetNodes() { nodes_by_hash_.clear(); }
  const absl::Status& status() const { return status_; }
  void Fail(absl::Status status);

  // Names an activation, so that it can be asked for (Find). Leaves keep their names.
  void SetName(Value value, std::string_view name);
  // Invalid when nothing has this name.
  Value Find(std::string_view name) const;

  // Nodes added from now on belong to this block ("cells.3.e2"), until the next call.
  void SetBlock(std::string_view name);

  DType real() const { return real_; }
  // References into the graph end with the next Apply or leaf.
  const TensorDesc& desc(Value v) const { return values_[v.id].desc; }
  const ValueInfo& info(Value v) const { return values_[v.id]; }
  bool NeedsGradient(Value v) const { return values_[v.id].needs_gradient; }
  // The leaf that a slice shows; any other value itself.
  Value LeafOf(Value v) const;
  const std::vector<ValueInfo>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<std::string>& blocks() const { return blocks_; }
  // Leaves of a kind, in the order in which they were added.
  std::vector<Value> Leaves(ValueKind kind) const;
  // The shapes of a list of values.
  Descs DescsOf(absl::Span<const Value> values) const;

  // One node per line: block, operator, shapes.
  std::string ToString() const;

 private:
  Value AddValue(ValueInfo info);
  bool IsParameterOrState(Value v) const;
  // What a Store must be given besides the right shapes.
  absl::Status CheckStore(absl::Span<const Value> inputs) const;
  // From now on what reads this leaf is computed anew.
  void ForgetReadersOf(Value leaf);
  Value Leaf(ValueKind kind, std::string_view name, TensorDesc desc);
  Value TypedLeaf(ValueKind kind, std::string_view name, TensorDesc desc);

  DType real_;
  absl::Status status_;
  std::vector<ValueInfo> values_;
  std::vector<Node> nodes_;
  std::vector<std::string> blocks_ = {""};
  int32_t block_ = 0;
  NameMap<Value> names_;
  NameMap<int32_t> block_index_ = {{"", 0}};
  absl::flat_hash_map<size_t, absl::InlinedVector<int32_t, 1>> nodes_by_hash_;
};

// Work of every node of a graph, in the order of graph.nodes(); and of every block, in the order of graph.blocks().
std::vector<Counts> CountByNode(const Graph& graph);
std::vector<Counts> CountByBlock(const Graph& graph);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_GRAPH_H_
