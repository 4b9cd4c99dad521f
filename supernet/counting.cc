#include "supernet/counting.h"

#include <algorithm>
#include <map>
#include <memory>

#include "kernels/plan.h"
#include "supernet/evaluation.h"
#include "supernet/weights.h"

namespace mathnas::supernet {
namespace {

// Parameters belong to the block that reads them first.
std::vector<int64_t> ParametersByBlock(const SearchSpace& space, const kernels::Graph& graph) {
  std::vector<int64_t> parameters(graph.blocks().size());
  std::vector<bool> seen(graph.values().size());
  for (const kernels::Graph::Node& n : graph.nodes()) {
    for (kernels::Value v : n.inputs) {
      if (graph.info(v).kind != kernels::ValueKind::kParameter || seen[v.id]) continue;
      seen[v.id] = true;
      if (space.counts_as_parameter(graph.info(v).name)) parameters[n.block] += graph.desc(v).elements();
    }
  }
  return parameters;
}

// Peak of activations in each block of the network as it is deployed, by name.
absl::StatusOr<std::map<std::string, int64_t>> ActivationsByBlock(const SearchSpace& space, const Choice& choice) {
  const kernels::TensorMap weights = AllocateWeights(space.Network(choice, {}).graph);
  auto folded = FoldedNetwork(space, choice, weights, 1);
  if (!folded.ok()) return folded.status();
  auto device = kernels::CpuDevice(1);
  const std::shared_ptr<kernels::Device> used = device.ok() ? *device : kernels::ReferenceDevice(kernels::DType::kF32);
  auto plan = kernels::Plan::Create(folded->graph, folded->outputs, *used, {.constant_weights = true});
  if (!plan.ok()) return plan.status();
  std::map<std::string, int64_t> bytes;
  for (const kernels::Plan::Step& step : (*plan)->steps()) {
    int64_t& peak = bytes[(*plan)->blocks()[step.block]];
    peak = std::max(peak, static_cast<int64_t>(step.live_bytes));
  }
  return bytes;
}

}  // namespace

absl::StatusOr<NetworkCost> CountWork(const SearchSpace& space, const Choice& choice) {
  if (auto s = space.Check(choice); !s.ok()) return s;
  const kernels::Graph graph = space.Network(choice, {}).graph;
  if (!graph.status().ok()) return graph.status();
  const std::vector<kernels::Counts> counts = kernels::CountByBlock(graph);
  const std::vector<int64_t> parameters = ParametersByBlock(space, graph);
  std::vector<kernels::Counts> operators = kernels::CountByNode(graph);
  NetworkCost network;
  network.total.macs = space.Sum(operators).macs;
  for (size_t n = 0; n < operators.size(); ++n) {
    if (!space.counts_as_flops(graph.blocks()[graph.nodes()[n].block])) operators[n] = {};
  }
  network.total.flops = space.Flops(space.Sum(operators));
  network.total.parameters = space.unused_parameters(choice, "");
  for (size_t b = 0; b < counts.size(); ++b) {
    const std::string& name = graph.blocks()[b];
    if (name.empty()) continue;
    const int64_t flops = space.counts_as_flops(name) ? space.Flops(counts[b]) : 0;
    const Cost cost = {
        .flops = flops, .macs = counts[b].macs, .parameters = parameters[b] + space.unused_parameters(choice, name)};
    network.total.parameters += cost.parameters;
    network.blocks.push_back({name, space.NodeOfBlock(name), cost});
  }
  return network;
}

absl::StatusOr<NetworkCost> CountNetwork(const SearchSpace& space, const Choice& choice) {
  absl::StatusOr<NetworkCost> network = CountWork(space, choice);
  if (!network.ok()) return network;
  auto activations = ActivationsByBlock(space, choice);
  if (!activations.ok()) return activations.status();
  for (BlockCost& block : network->blocks) {
    const auto peak = activations->find(block.block);
    block.cost.activation_bytes = peak == activations->end() ? 0 : peak->second;
    network->total.activation_bytes = std::max(network->total.activation_bytes, block.cost.activation_bytes);
  }
  return network;
}

}  // namespace mathnas::supernet
