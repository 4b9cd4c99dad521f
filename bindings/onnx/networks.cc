#include "bindings/onnx/networks.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/fold.h"
#include "kernels/internal/json_text.h"
#include "kernels/status.h"
#include "mathnas/deploy/network.h"
#include "nlohmann/json.hpp"
#include "supernet/supertransformer/graph.h"

namespace mathnas::onnx {
namespace {

using kernels::Graph;
using kernels::PlanOutput;
using kernels::Value;
using kernels::internal::JsonText;

constexpr int64_t kMaxBatch = 65536, kMaxBeams = 1024;

// The axes of a port whose first one is free.
std::vector<std::string> FirstFree(const Graph& graph, Value v, std::string_view name) {
  std::vector<std::string> axes(graph.desc(v).shape.size());
  axes[0] = name;
  return axes;
}

absl::Status CheckBatch(int64_t batch) {
  if (batch >= 0 && batch <= kMaxBatch) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("batch {}: expected 1 to {}, or 0 for any", batch, kMaxBatch));
}

}  // namespace

absl::StatusOr<Exported> ExportImageNetwork(const std::string& path, const supernet::SearchSpace& space,
                                            const supernet::Choice& choice, const kernels::TensorMap& own_weights,
                                            const ImageOptions& options) {
  if (auto s = CheckBatch(options.batch); !s.ok()) return s;
  if (space.translates()) {
    return absl::InvalidArgumentError(fmt::format("{} translates, expected a space of images", space.name()));
  }
  if (auto s = space.Check(choice); !s.ok()) return s;
  const supernet::NetworkGraph network =
      space.Network(choice, {.batch = std::max<int64_t>(1, options.batch), .image_size = options.image_size});
  const Value image = network.graph.Find("image");
  if (network.graph.status().ok() && options.image_size > 0 &&
      network.graph.desc(image).shape[1] != options.image_size) {
    return absl::InvalidArgumentError(fmt::format("image size {}: networks of {} do not resize, expected {}",
                                                  options.image_size, space.name(),
                                                  network.graph.desc(image).shape[1]));
  }
  GraphOptions graph_options = {.name = std::string(space.name()), .axes = {}, .metadata = options.metadata};
  graph_options.metadata["space"] = space.name();
  graph_options.metadata["subnet"] = space.SubnetJson(choice);
  if (options.batch == 0 && network.graph.status().ok()) {
    graph_options.axes["image"] = FirstFree(network.graph, image, "batch");
    graph_options.axes["logits"] = FirstFree(network.graph, network.logits, "batch");
  }
  const PlanOutput outputs[] = {{"logits", network.logits}};
  if (options.batch_norm == BatchNorm::kKept) {
    return ExportGraph(path, network.graph, outputs, own_weights, graph_options);
  }
  auto folded = kernels::FoldForInference(network.graph, outputs, own_weights);
  if (!folded.ok()) return kernels::Annotate(folded.status(), path);
  return ExportGraph(path, folded->graph, folded->outputs, folded->weights, graph_options);
}

absl::StatusOr<Exported> ExportDeployedNetwork(const std::string& path, const deploy::DeployedNetwork& network,
                                               int64_t batch) {
  if (auto s = CheckBatch(batch); !s.ok()) return s;
  if (auto s = deploy::Check(network); !s.ok()) return s;
  auto graph = deploy::WithBatch(network.graph, std::max<int64_t>(1, batch));
  if (!graph.ok()) return graph.status();
  const Value output = graph->Find(network.output);
  GraphOptions options = {.name = "network", .axes = {}, .metadata = {{"information", network.information}}};
  if (!network.normalisation.mean.empty()) {
    options.metadata["pixel_mean"] = JsonText(network.normalisation.mean);
    options.metadata["pixel_std"] = JsonText(network.normalisation.stddev);
  }
  if (!network.class_names.empty()) options.metadata["classes"] = JsonText(network.class_names);
  if (batch == 0) {
    options.axes[network.input] = FirstFree(*graph, graph->Find(network.input), "batch");
    options.axes[network.output] = FirstFree(*graph, output, "batch");
  }
  const PlanOutput outputs[] = {{network.output, output}};
  return ExportGraph(path, *graph, outputs, network.weights, options);
}

namespace {

std::string PartPath(std::string_view path, std::string_view part) {
  if (path.ends_with(".onnx")) path.remove_suffix(std::string_view(".onnx").size());
  return fmt::format("{}.{}.onnx", path, part);
}

// Extents of the graphs that become names of axes. They differ, so that none can be taken for another.
constexpr int64_t kSources = 2, kLength = 3, kCapacity = 5;

// "length", or of several outputs of the encoder, one behind the other, "length_x2".
std::string MemoryAxis(const Graph& graph, Value memory) {
  const int64_t outputs = graph.desc(memory).shape[1] / kLength;
  return outputs == 1 ? "length" : fmt::format("length_x{}", outputs);
}

absl::StatusOr<Exported> ExportEncoder(const std::string& path, const supernet::SuperTransformerMacro& macro,
                                       const supernet::supertransformer::Architecture& architecture,
                                       const kernels::TensorMap& weights, GraphOptions options) {
  Graph graph;
  const auto memories = supernet::supertransformer::EncodedSource(graph, macro, architecture,
                                                                  {.batch = kSources, .source_length = kLength});
  if (!graph.status().ok()) return graph.status();
  std::vector<PlanOutput> outputs;
  options.axes["source"] = {"sources", "length"};
  for (size_t i = 0; i < memories.size(); ++i) {
    outputs.push_back({fmt::format("memory.keys.{}", i), memories[i].keys});
    outputs.push_back({fmt::format("memory.values.{}", i), memories[i].values});
  }
  for (const PlanOutput& o : outputs) options.axes[o.name] = {"sources", MemoryAxis(graph, o.value), ""};
  return ExportGraph(path, graph, outputs, weights, options);
}

absl::StatusOr<Exported> ExportDecoder(const std::string& path, const supernet::SuperTransformerMacro& macro,
                                       const supernet::supertransformer::Architecture& architecture,
                                       const kernels::TensorMap& weights, int64_t beams, GraphOptions options) {
  Graph graph;
  const Value logits = supernet::supertransformer::DecodingStep(
      graph, macro, architecture,
      {.sources = kSources, .beams = beams, .source_length = kLength, .capacity = kCapacity}, supernet::Weights::kOwn);
  if (!graph.status().ok()) return graph.status();
  const std::string rows = beams == 1 ? "sources" : "rows";
  options.axes["source"] = {"sources", "length"};
  options.axes["token"] = options.axes["position"] = {rows, ""};
  options.axes["held"] = {rows, "capacity"};
  options.axes["logits"] = {rows, "", ""};
  for (Value v : graph.Leaves(kernels::ValueKind::kInput)) {
    if (graph.desc(v).dtype != kernels::DType::kF32) continue;  // memories remain
    options.axes[graph.info(v).name] = {"sources", MemoryAxis(graph, v), ""};
  }
  for (Value v : graph.Leaves(kernels::ValueKind::kState)) {
    const std::string& name = graph.info(v).name;
    options.axes[name] = {rows, "kept", ""};
    options.axes[fmt::format("{}{}", name, kNext)] = {rows, "capacity", ""};
  }
  const PlanOutput outputs[] = {{"logits", logits}};
  return ExportGraph(path, graph, outputs, weights, options);
}

}  // namespace

std::string EncoderPath(const std::string& path) { return PartPath(path, "encoder"); }
std::string DecoderPath(const std::string& path) { return PartPath(path, "decoder"); }

absl::StatusOr<ExportedTranslator> ExportTranslator(const std::string& path,
                                                    const supernet::SuperTransformerMacro& macro,
                                                    const supernet::Choice& choice,
                                                    const kernels::TensorMap& own_weights,
                                                    const TranslatorOptions& options) {
  namespace st = supernet::supertransformer;
  if (options.beams < 1 || options.beams > kMaxBeams) {
    return absl::InvalidArgumentError(fmt::format("beams {}: expected 1 to {}", options.beams, kMaxBeams));
  }
  auto space = supernet::SuperTransformer(macro);
  if (!space.ok()) return space.status();
  if (auto s = (*space)->Check(choice); !s.ok()) return s;
  GraphOptions graph_options = {.name = std::string((*space)->name()), .axes = {}, .metadata = options.metadata};
  graph_options.metadata["space"] = (*space)->name();
  graph_options.metadata["subnet"] = (*space)->SubnetJson(choice);
  for (const auto& [name, id] : {std::pair{"bos", st::kBos}, std::pair{"padding", st::kPad}, std::pair{"eos", st::kEos},
                                 std::pair{"unknown", st::kUnk}}) {
    graph_options.metadata[name] = fmt::format("{}", id);
  }
  const st::Architecture architecture = supernet::ArchitectureOf(macro, choice);
  auto encoder = ExportEncoder(EncoderPath(path), macro, architecture, own_weights, graph_options);
  if (!encoder.ok()) return encoder.status();
  auto decoder = ExportDecoder(DecoderPath(path), macro, architecture, own_weights, options.beams, graph_options);
  if (!decoder.ok()) return decoder.status();
  return ExportedTranslator{*std::move(encoder), *std::move(decoder)};
}

}  // namespace mathnas::onnx
