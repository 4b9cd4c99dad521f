#include "bindings/onnx/export.h"

#include <utility>

#include "bindings/onnx/internal/emitter.h"
#include "bindings/onnx/internal/operators.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "kernels/zeros.h"

namespace mathnas::onnx {

using kernels::Annotate;
using kernels::Graph;
using kernels::Value;

namespace internal {

absl::Status NotInOnnx(std::string_view what) {
  return absl::UnimplementedError(fmt::format("has no counterpart in ONNX for {}", what));
}

namespace {

absl::Status EmitOperator(const Step& step, Emitter& e) {
  return std::visit(
      [&](const auto& op) -> absl::Status {
        if constexpr (requires { Emit(op, step, e); }) {
          return Emit(op, step, e);
        } else {
          return absl::UnimplementedError("has no counterpart in ONNX, expected an operator of an inference");
        }
      },
      step.op);
}

// By node: whether the outputs or a state that is written to need it.
std::vector<bool> Needed(const Graph& graph, const kernels::ReducedGraph& reduced,
                         absl::Span<const kernels::PlanOutput> outputs) {
  std::vector<bool> values(graph.values().size(), false), nodes(reduced.nodes.size(), false);
  for (const kernels::PlanOutput& o : outputs) values[static_cast<size_t>(reduced[o.value].id)] = true;
  for (size_t n = reduced.nodes.size(); n-- > 0;) {
    const Step& step = reduced.nodes[n];
    bool needed = kernels::ChangesState(step.op);
    for (Value v : step.outputs) needed = needed || values[static_cast<size_t>(v.id)];
    if (!needed) continue;
    nodes[n] = true;
    for (Value v : step.inputs) values[static_cast<size_t>(v.id)] = true;
  }
  return nodes;
}

absl::StatusOr<Model> Walk(const Graph& graph, absl::Span<const kernels::PlanOutput> outputs,
                           const kernels::TensorMap& weights, const GraphOptions& options) {
  if (!graph.status().ok()) return graph.status();
  if (graph.real() != kernels::DType::kF32) {
    return absl::InvalidArgumentError(
        fmt::format("the graph is {}, expected {}", Name(graph.real()), Name(kernels::DType::kF32)));
  }
  for (const kernels::PlanOutput& o : outputs) {
    if (!o.value.valid() || static_cast<size_t>(o.value.id) >= graph.values().size()) {
      return absl::InvalidArgumentError(fmt::format("output \"{}\" is not a value of the graph", o.name));
    }
  }
  const kernels::ReducedGraph reduced = FollowZeros(graph);
  std::vector<kernels::PlanOutput> read(outputs.begin(), outputs.end());
  for (kernels::PlanOutput& o : read) o.value = reduced[o.value];
  const std::vector<bool> needed = Needed(graph, reduced, outputs);
  Emitter e(graph, read, weights, options);
  for (const Step& step : reduced.nodes) {
    if (std::holds_alternative<kernels::Store>(step.op)) e.AddWritten(graph.LeafOf(step.inputs[0]));
  }
  if (!e.status().ok()) return e.status();
  for (size_t n = 0; n < reduced.nodes.size(); ++n) {
    if (!needed[n]) continue;
    const Step& step = reduced.nodes[n];
    const std::string& block = graph.blocks()[static_cast<size_t>(step.block)];
    e.SetBlock(block);
    absl::Status status = EmitOperator(step, e);
    if (status.ok()) status = e.status();
    if (!status.ok()) {
      const std::string where = block.empty() ? "" : fmt::format(" of block \"{:.100}\"", block);
      return Annotate(status, fmt::format("{}, node {}{}", NameOf(step.op), n, where));
    }
  }
  return e.Finish();
}

Exported::Port Describe(const Port& port) {
  Exported::Port described = {port.name, port.type == ElementType::kInt64 ? "int64" : "float32", {}};
  for (const Dimension& d : port.shape) {
    described.shape.push_back(d.symbol.empty() ? fmt::format("{}", d.extent) : d.symbol);
  }
  return described;
}

}  // namespace
}  // namespace internal

absl::StatusOr<Exported> ExportGraph(const std::string& path, const Graph& graph,
                                     absl::Span<const kernels::PlanOutput> outputs, const kernels::TensorMap& weights,
                                     const GraphOptions& options) {
  auto model = internal::Walk(graph, outputs, weights, options);
  if (!model.ok()) return Annotate(model.status(), path);
  auto bytes = internal::Write(path, *model);
  if (!bytes.ok()) return bytes.status();
  Exported exported = {.file = path,
                       .bytes = *bytes,
                       .nodes = std::ssize(model->nodes),
                       .initializers = std::ssize(model->initializers),
                       .inputs = {},
                       .outputs = {}};
  for (const internal::Port& p : model->inputs) exported.inputs.push_back(internal::Describe(p));
  for (const internal::Port& p : model->outputs) exported.outputs.push_back(internal::Describe(p));
  return exported;
}

}  // namespace mathnas::onnx
