#include "mathnas/benchmark/network_bench.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/differentiate.h"
#include "kernels/fuse.h"
#include "kernels/optimizer_kernels.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "kernels/subgraph.h"
#include "kernels/testing/operator_cases.h"
#include "supernet/evaluation.h"
#include "supernet/supertransformer/space.h"
#include "supernet/text/vocabulary.h"
#include "supernet/weights.h"

namespace mathnas::benchmark {
namespace {

using kernels::Tensor;
using kernels::TensorMap;
using kernels::Value;

bool Takes(const PassGraph& g, Pass pass, size_t node) {
  if (pass == Pass::kForward) return node < g.forward_nodes;
  if (pass == Pass::kBackward) return node >= g.forward_nodes;
  return true;
}

// A plan with everything that it reads, and the update of weights after it.
class TimedGraph : public Timed {
 public:
  struct Update {
    Tensor momentum;
    kernels::TensorView weights, gradient;
  };

  TimedGraph(std::unique_ptr<kernels::Context> context, std::vector<Update> updates, kernels::Device& device)
      : context_(std::move(context)), updates_(std::move(updates)), device_(device) {
    // So slow that weights stay where they are, however often it runs.
    for (const Update& u : updates_) {
      steps_.push_back({{.learning_rate = 1e-9}, u.weights, u.gradient, u.momentum.view(), false});
    }
  }

  absl::Status Run() override {
    if (auto s = context_->Start(); !s.ok()) return s;
    if (!steps_.empty()) {
      if (auto s = device_.SgdStep(steps_); !s.ok()) return s;
      if (auto s = device_.Wait(); !s.ok()) return s;
    }
    return context_->Wait();
  }
  Work work() const override {
    Work work = WorkOf(context_->plan());
    // Weights, gradient and momentum are read and written.
    for (const Update& u : updates_) work.bytes += 6.0 * static_cast<double>(u.weights.desc.bytes());
    return work;
  }
  std::string implementation() const override {
    std::map<std::string, int> counts;
    for (const kernels::Plan::Step& s : context_->plan().steps()) ++counts[s.kernel->implementation()];
    std::string text;
    for (const auto& [name, count] : counts) {
      text.append(text.empty() ? "" : ", ").append(count > 1 ? fmt::format("{} x {}", count, name) : name);
    }
    return text;
  }
  kernels::Context& context() { return *context_; }

 private:
  std::unique_ptr<kernels::Context> context_;
  std::vector<Update> updates_;
  std::vector<kernels::SgdUpdate<kernels::TensorView>> steps_;
  kernels::Device& device_;
};

void CopyInputs(const TensorMap& from, kernels::Context& to) {
  for (const kernels::Plan::Port& port : to.plan().inputs()) {
    const Tensor* tensor = from.Find(port.name);
    const auto view = to.Input(port.name);
    if (tensor != nullptr && view.ok() && tensor->desc() == view->desc) {
      std::memcpy(view->data, tensor->data(), view->desc.bytes());
    }
  }
}

// What the network computes from noise at the boundaries of the parts: by the names that their inputs have.
absl::StatusOr<TensorMap> BoundaryValues(const PassGraph& graph, const NetworkRequest& request,
                                         const std::vector<kernels::Subgraph>& parts, kernels::Device& device) {
  TensorMap values = NoiseInputs(request);
  std::vector<kernels::PlanOutput> outputs;
  std::set<std::string> names;
  for (const kernels::Subgraph& part : parts) {
    for (const kernels::Subgraph::Boundary& b : part.inputs) {
      if (graph.graph.info(b.whole).kind == kernels::ValueKind::kInput || !names.insert(b.name).second) continue;
      outputs.push_back({b.name, b.whole});
    }
  }
  if (outputs.empty()) return values;
  auto plan = kernels::Plan::Create(graph.graph, outputs, device);
  if (!plan.ok()) return plan.status();
  auto context = kernels::Context::Create(*plan, {&graph.weights});
  if (!context.ok()) return context.status();
  CopyInputs(values, **context);
  if (auto s = (*context)->Run(); !s.ok()) return s;
  for (const kernels::PlanOutput& o : outputs) {
    const auto view = (*context)->Output(o.name);
    if (!view.ok()) return view.status();
    Tensor copy(view->desc);
    if (view->desc.bytes() > 0) std::memcpy(copy.data(), view->data, view->desc.bytes());
    values.Put(o.name, std::move(copy));
  }
  return values;
}

absl::StatusOr<std::vector<TimedGraph::Update>> UpdatesOf(const PassGraph& graph, const kernels::Subgraph& part,
                                                          kernels::Device& device) {
  std::vector<TimedGraph::Update> updates;
  for (const std::string& name : graph.parameters) {
    const Tensor* w = graph.weights.Find(name);
    const Tensor* g = graph.weights.Find(kernels::GradientName(name));
    if (w == nullptr || g == nullptr || !part.graph.Find(kernels::GradientName(name)).valid()) continue;
    auto momentum = device.NewTensor(w->desc());
    if (!momentum.ok()) return momentum.status();
    updates.push_back({*std::move(momentum), w->view(), g->view()});
  }
  return updates;
}

}  // namespace

TensorMap NoiseInputs(const NetworkRequest& request) {
  const supernet::SearchSpace& space = *request.space;
  kernels::Random random(request.seed);
  TensorMap inputs;
  const auto integers = [&](const char* name, kernels::Shape shape, uint32_t least, int64_t most) {
    Tensor ids(kernels::DType::kI64, std::move(shape));
    for (int64_t& id : ids.as<int64_t>()) id = least + random.Below(static_cast<uint32_t>(most) - least);
    inputs.Put(name, std::move(ids));
  };
  const kernels::Shape input = space.input_shape(request.choice);
  if (space.translates()) {
    const int64_t length = request.length > 0 ? request.length : input[0];
    const auto macro = supernet::ParseSuperTransformerMacro(space.MacroJson());
    integers("source", {request.batch, length}, supernet::kFirstWordId,
             macro.ok() ? macro->source_vocabulary : space.classes());
    for (const char* name : {"previous", "labels"}) {
      integers(name, {request.batch, length}, supernet::kFirstWordId, space.classes());
    }
    return inputs;
  }
  Tensor images(kernels::DType::kF32, {request.batch, input[0], input[1], input[2]});
  for (float& v : images.as<float>()) v = static_cast<float>(random.Normal());
  inputs.Put("image", std::move(images));
  integers("labels", {request.batch}, 0, space.classes());
  return inputs;
}

supernet::StepOptions StepOptionsOf(const supernet::SearchSpace& space) {
  if (space.translates()) {
    return {.label_smoothing = 0.1,
            .ignored_label = supernet::kPadId,
            .sum = true,
            .optimizer = {.algorithm = supernet::Algorithm::kFairseqAdam, .beta2 = 0.98}};
  }
  if (space.name() == "supervit") return {.optimizer = {.algorithm = supernet::Algorithm::kAdam}};
  return {.optimizer = {.weight_decay = 5e-4}};
}

absl::StatusOr<PassGraph> GraphOf(const NetworkRequest& request, Pass pass) {
  const supernet::SearchSpace& space = *request.space;
  if (auto s = space.Check(request.choice); !s.ok()) return s;
  supernet::GraphRequest form = {
      .batch = request.batch,
      .mode = pass == Pass::kInference ? supernet::Mode::kInference : supernet::Mode::kTraining};
  if (space.translates()) {
    form.source_length = form.target_length =
        request.length > 0 ? request.length : space.input_shape(request.choice)[0];
  }
  supernet::NetworkGraph network = space.Network(request.choice, form);
  if (!network.graph.status().ok()) return network.graph.status();
  PassGraph result = {.weights = supernet::AllocateWeights(network.graph)};
  supernet::InitializeWeights(result.weights, request.seed, space.initialization());
  if (pass == Pass::kInference) {
    auto folded = kernels::FoldForInference(network.graph, {{"logits", network.logits}}, result.weights);
    if (folded.ok() && request.precision != kernels::Precision::kFloat32)
      folded = kernels::LowerPrecision(*folded, request.precision);
    if (!folded.ok()) return folded.status();
    result.graph = std::move(folded->graph);
    result.weights = std::move(folded->weights);
    result.outputs = std::move(folded->outputs);
    result.forward_nodes = result.graph.nodes().size();
    return result;
  }
  const supernet::StepOptions options = StepOptionsOf(space);
  const kernels::Shape logits = network.graph.desc(network.logits).shape;
  const Value labels = network.graph.Integers("labels", {logits.begin(), logits.end() - 1});
  const Value unfused =
      network.graph.Apply(kernels::SoftmaxCrossEntropy{options.label_smoothing, options.ignored_label, options.sum},
                          {network.logits, labels})[0];
  const std::array<Value, 2> kept = {unfused, network.logits};
  kernels::FusedGraph fused = kernels::FuseForTraining(network.graph, kept);  // as TrainingStep
  fused = kernels::LowerForTraining(std::move(fused), kept, request.precision);
  kernels::Graph& g = fused.graph;
  const Value loss = fused[unfused];
  if (!g.status().ok()) return g.status();
  result.forward_nodes = g.nodes().size();
  const auto gradients = kernels::Differentiate(g, loss);
  kernels::AccumulateGradients(g, gradients);
  if (!g.status().ok()) return g.status();
  for (const kernels::ParameterGradient& p : gradients) {
    const std::string name = g.info(g.LeafOf(p.parameter)).name;
    result.parameters.push_back(name);
    result.weights.Put(kernels::GradientName(name), Tensor(g.desc(g.LeafOf(p.parameter))));
  }
  result.outputs = {{"logits", fused[network.logits]}, {"loss", loss}};
  result.graph = std::move(fused.graph);
  return result;
}

std::vector<std::string> BlocksOf(const PassGraph& graph, Pass pass) {
  std::vector<std::string> blocks;
  for (size_t n = 0; n < graph.graph.nodes().size(); ++n) {
    const std::string& name = graph.graph.blocks()[graph.graph.nodes()[n].block];
    if (name.empty() || !Takes(graph, pass, n)) continue;
    if (std::find(blocks.begin(), blocks.end(), name) == blocks.end()) blocks.push_back(name);
  }
  if (pass == Pass::kBackward) std::reverse(blocks.begin(), blocks.end());  // as their forward pass
  return blocks;
}

absl::StatusOr<std::vector<std::unique_ptr<Timed>>> PrepareBlocks(const PassGraph& graph, const NetworkRequest& request,
                                                                  Pass pass, const std::vector<std::string>& blocks,
                                                                  kernels::Device& device) {
  const std::vector<std::string> known = BlocksOf(graph, pass);
  std::vector<kernels::Subgraph> parts;
  for (const std::string& block : blocks) {
    if (!block.empty() && std::find(known.begin(), known.end(), block) == known.end()) {
      return absl::InvalidArgumentError(
          fmt::format("block \"{}\": the {} pass has the blocks {}", block, Name(pass), fmt::join(known, ", ")));
    }
    auto part = kernels::Extract(graph.graph, graph.outputs, [&](size_t n) {
      return Takes(graph, pass, n) && (block.empty() || graph.graph.blocks()[graph.graph.nodes()[n].block] == block);
    });
    if (!part.ok()) return part.status();
    parts.push_back(*std::move(part));
  }
  const auto values = BoundaryValues(graph, request, parts, device);
  if (!values.ok()) return values.status();
  std::vector<std::unique_ptr<Timed>> timed;
  for (const kernels::Subgraph& part : parts) {
    auto plan = kernels::Plan::Create(part.graph, part.outputs, device, {.constant_weights = pass == Pass::kInference});
    if (!plan.ok()) return plan.status();
    auto context = kernels::Context::Create(*plan, {&graph.weights});
    if (!context.ok()) return context.status();
    CopyInputs(*values, **context);
    absl::StatusOr<std::vector<TimedGraph::Update>> updates = std::vector<TimedGraph::Update>();
    if (pass == Pass::kStep) updates = UpdatesOf(graph, part, device);
    if (!updates.ok()) return updates.status();
    timed.push_back(std::make_unique<TimedGraph>(*std::move(context), *std::move(updates), device));
  }
  return timed;
}

absl::StatusOr<std::vector<std::string>> ShapeLinesOf(const PassGraph& graph, Pass pass) {
  std::vector<std::pair<std::string, int>> lines;
  std::vector<std::string> result;
  for (size_t n = 0; n < graph.graph.nodes().size(); ++n) {
    const kernels::Graph::Node& node = graph.graph.nodes()[n];
    if (!Takes(graph, pass, n) || std::holds_alternative<kernels::Slice>(node.op)) continue;
    const auto line = kernels::testing::LineOf(node.op, graph.graph.DescsOf(node.inputs));
    if (line.ok()) {  // a line that cannot be read again is a mistake of LineOf
      auto problem = kernels::testing::ParseProblem(*line, std::numeric_limits<double>::infinity());
      if (!problem.ok()) return kernels::Annotate(problem.status(), *line);
    }
    const std::string text = line.ok() ? *line : fmt::format("# {}", kernels::Message(line.status()));
    const auto it = std::find_if(lines.begin(), lines.end(), [&](const auto& l) { return l.first == text; });
    if (it == lines.end()) {
      lines.emplace_back(text, 1);
    } else {
      ++it->second;
    }
  }
  for (const auto& [text, count] : lines) result.push_back(count > 1 ? fmt::format("{}  # {} x", text, count) : text);
  return result;
}

}  // namespace mathnas::benchmark
