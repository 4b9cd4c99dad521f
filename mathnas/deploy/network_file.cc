#include "mathnas/deploy/network_file.h"

#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "kernels/graph_json.h"
#include "kernels/internal/bounded_json.h"
#include "kernels/status.h"
#include "mathnas/deploy/internal/metadata.h"
#include "nlohmann/json.hpp"
#include "supernet/safetensors.h"

namespace mathnas::deploy {
namespace {

using internal::Wrong;
using kernels::Annotate;
using kernels::Graph;
using kernels::TensorDesc;
using kernels::Value;
using kernels::ValueKind;
using kernels::internal::DumpJson;
using kernels::internal::Shortened;
using nlohmann::json;

constexpr size_t kMaxNormalisedChannels = 4096;

// Operators that treat every image of a batch on its own and write to nothing but their output, which weights mapped
// from a file depend on. A slice is a view of a weight, never of images (Graph::Apply).
bool IsForInference(const kernels::Operator& op) {
  return std::holds_alternative<kernels::Conv2d>(op) || std::holds_alternative<kernels::BatchNormInference>(op) ||
         std::holds_alternative<kernels::Relu>(op) || std::holds_alternative<kernels::Add>(op) ||
         std::holds_alternative<kernels::Scale>(op) || std::holds_alternative<kernels::Zero>(op) ||
         std::holds_alternative<kernels::Fill>(op) || std::holds_alternative<kernels::AvgPool2d>(op) ||
         std::holds_alternative<kernels::GlobalAvgPool>(op) || std::holds_alternative<kernels::Linear>(op) ||
         std::holds_alternative<kernels::HardSwish>(op) || std::holds_alternative<kernels::HardSigmoid>(op) ||
         std::holds_alternative<kernels::Swish>(op) || std::holds_alternative<kernels::LayerNorm>(op) ||
         std::holds_alternative<kernels::LayerScale>(op) || std::holds_alternative<kernels::Attention>(op) ||
         std::holds_alternative<kernels::TalkingHeads>(op) || std::holds_alternative<kernels::Embedding>(op) ||
         std::holds_alternative<kernels::SinusoidalPositions>(op) || std::holds_alternative<kernels::Concat>(op) ||
         std::holds_alternative<kernels::Part>(op) || std::holds_alternative<kernels::Resize>(op) ||
         std::holds_alternative<kernels::ScaleChannels>(op) || std::holds_alternative<kernels::ExpandDepthwise>(op) ||
         std::holds_alternative<kernels::Convert>(op) || std::holds_alternative<kernels::Slice>(op);
}

absl::Status CheckNormalisation(const Normalisation& normalisation, int64_t channels) {
  const auto& [mean, stddev] = normalisation;
  if (mean.empty() && stddev.empty()) return absl::OkStatus();
  if (static_cast<int64_t>(mean.size()) != channels || mean.size() != stddev.size() ||
      mean.size() > kMaxNormalisedChannels) {
    return Wrong("normalisation",
                 fmt::format("{} means and {} standard deviations, expected one for each of the {} channels, "
                             "of which there are at most {}, or none",
                             mean.size(), stddev.size(), channels, kMaxNormalisedChannels));
  }
  for (size_t c = 0; c < mean.size(); ++c) {
    if (!std::isfinite(mean[c])) return Wrong(fmt::format("normalisation: mean[{}]", c), "expected a finite number");
    if (!std::isfinite(stddev[c]) || stddev[c] <= 0) {
      return Wrong(fmt::format("normalisation: std[{}]", c), fmt::format("{}, expected a number above 0", stddev[c]));
    }
  }
  return absl::OkStatus();
}

// Parameters and states, in the order of the graph.
std::vector<Value> Bound(const Graph& graph) {
  std::vector<Value> bound = graph.Leaves(ValueKind::kParameter);
  const std::vector<Value> states = graph.Leaves(ValueKind::kState);
  bound.insert(bound.end(), states.begin(), states.end());
  return bound;
}

absl::Status ReadNumbers(const json& input, const char* key, std::vector<double>& numbers) {
  const auto list = input.find(key);
  if (list == input.end() || !list->is_array())
    return Wrong(fmt::format("input.{}", key), "expected an array of numbers");
  for (const json& n : *list) {
    if (!n.is_number()) {
      return Wrong(fmt::format("input.{}[{}]", key, numbers.size()),
                   fmt::format("found {}, expected a number", Shortened(n)));
    }
    numbers.push_back(n.get<double>());
  }
  return absl::OkStatus();
}

// {"name": .., "shape": .., "mean": .., "std": ..}
absl::Status ReadInput(const json& input, DeployedNetwork& network) {
  const auto name = input.find("name");
  if (name == input.end() || !name->is_string()) return Wrong("input.name", "expected a string");
  network.input = name->get<std::string>();
  if (auto s = ReadNumbers(input, "mean", network.normalisation.mean); !s.ok()) return s;
  if (auto s = ReadNumbers(input, "std", network.normalisation.stddev); !s.ok()) return s;

  const Value value = network.graph.Find(network.input);
  if (!value.valid()) return Wrong("input.name", fmt::format("the graph has nothing called {}", Shortened(*name)));
  const kernels::Shape& shape = network.graph.desc(value).shape;
  const auto stated = input.find("shape");
  if (stated != input.end() && *stated == json(std::vector<int64_t>(shape.begin(), shape.end())))
    return absl::OkStatus();
  return Wrong("input.shape", fmt::format("is not {}, that of the graph", kernels::ToString(shape)));
}

absl::Status ReadClasses(const json& classes, DeployedNetwork& network) {
  for (const json& name : classes) {
    if (!name.is_string()) {
      return Wrong(fmt::format("classes[{}]", network.class_names.size()),
                   fmt::format("found {}, expected a string", Shortened(name)));
    }
    network.class_names.push_back(name.get<std::string>());
  }
  return absl::OkStatus();
}

absl::Status MapWeights(supernet::SafetensorsFile opened, DeployedNetwork& network) {
  const auto file = std::make_shared<const supernet::SafetensorsFile>(std::move(opened));
  for (const std::string& name : file->names()) {
    const Value value = network.graph.Find(name);
    const bool known = value.valid() && network.graph.info(value).name == name &&
                       (network.graph.info(value).kind == ValueKind::kParameter ||
                        network.graph.info(value).kind == ValueKind::kState);
    if (!known) return Wrong(fmt::format("tensor {}", Shortened(name)), "the graph has no such parameter or state");
    network.weights.Put(name, kernels::Tensor::Borrow(file->Get(name)->read_only(), file));
  }
  return absl::OkStatus();
}

absl::StatusOr<DeployedNetwork> Read(supernet::SafetensorsFile file) {
  const supernet::Metadata& metadata = file.metadata();
  if (auto s = supernet::CheckFormat(metadata, kNetworkFormat); !s.ok()) return s;
  for (const char* key : {"graph", "output", "information"}) {
    if (!metadata.contains(key)) return Wrong(key, "missing in the metadata");
  }
  DeployedNetwork network;
  absl::StatusOr<Graph> graph = kernels::GraphFromJson(metadata.at("graph"));
  if (!graph.ok()) return Annotate(graph.status(), "graph");
  network.graph = *std::move(graph);
  network.output = metadata.at("output");
  network.information = metadata.at("information");
  const absl::StatusOr<json> input = internal::Parse(metadata, "input", json::value_t::object, "an object");
  if (!input.ok()) return input.status();
  if (auto s = ReadInput(*input, network); !s.ok()) return s;
  const absl::StatusOr<json> classes = internal::Parse(metadata, "classes", json::value_t::array, "an array");
  if (!classes.ok()) return classes.status();
  if (auto s = ReadClasses(*classes, network); !s.ok()) return s;
  if (auto s = MapWeights(std::move(file), network); !s.ok()) return s;
  if (auto s = Check(network); !s.ok()) return s;
  return network;
}

}  // namespace

absl::StatusOr<DeployedNetwork> WithPrecision(DeployedNetwork network, kernels::Precision precision) {
  const kernels::Precision own = kernels::PrecisionOf(network.graph);
  if (own == precision) return network;
  if (own != kernels::Precision::kFloat32) {
    return absl::InvalidArgumentError(fmt::format("the network is {}, expected that or none", kernels::Name(own)));
  }
  const Value output = network.graph.Find(network.output);
  if (!output.valid()) return Wrong("output", fmt::format("the graph has nothing called {}", network.output));
  auto lowered = kernels::LowerPrecision(
      {std::move(network.graph), std::move(network.weights), {{network.output, output}}}, precision);
  if (!lowered.ok()) return lowered.status();
  network.graph = std::move(lowered->graph);
  network.weights = std::move(lowered->weights);
  return network;
}

absl::Status Check(const DeployedNetwork& network) {
  const Graph& graph = network.graph;
  if (!graph.status().ok()) return Annotate(graph.status(), "graph");
  if (graph.real() != kernels::DType::kF32) {
    return Wrong("graph", fmt::format("is {}, expected {}", Name(graph.real()), Name(kernels::DType::kF32)));
  }
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    if (!IsForInference(graph.nodes()[n].op)) {
      return Wrong(fmt::format("graph: nodes[{}]", n),
                   fmt::format("{} is no operator for inference", NameOf(graph.nodes()[n].op)));
    }
  }

  const std::vector<Value> inputs = graph.Leaves(ValueKind::kInput);
  if (inputs.size() != 1 || graph.info(inputs[0]).name != network.input) {
    return Wrong("input", fmt::format("the graph has {} inputs{}, expected one called {}", inputs.size(),
                                      inputs.empty() ? "" : ", first " + Shortened(graph.info(inputs[0]).name),
                                      Shortened(network.input)));
  }
  const TensorDesc& input = graph.desc(inputs[0]);
  if (input.dtype != kernels::DType::kF32 || input.shape.size() < 2) {
    return Wrong("input", fmt::format("is {} {}, expected {} with a batch and channels", Name(input.dtype),
                                      kernels::ToString(input.shape), Name(kernels::DType::kF32)));
  }
  const Value output_value = graph.Find(network.output);
  if (!output_value.valid() || graph.info(output_value).kind != ValueKind::kComputed) {
    return Wrong("output", fmt::format("the graph computes nothing called {}", Shortened(network.output)));
  }
  if (graph.info(output_value).name != network.output) {
    return Wrong("output", fmt::format("{} is a second name of {}", Shortened(network.output),
                                       Shortened(graph.info(output_value).name)));
  }
  const kernels::Shape& output = graph.desc(output_value).shape;
  if (output.size() < 2 || output[0] != input.shape[0]) {
    return Wrong("output", fmt::format("is {}, expected rank 2 at least and the batch of the input, {}",
                                       kernels::ToString(output), input.shape[0]));
  }
  if (!network.class_names.empty() && static_cast<int64_t>(network.class_names.size()) != output.back()) {
    return Wrong("classes", fmt::format("{} names, expected {} or none", network.class_names.size(), output.back()));
  }
  if (auto s = CheckNormalisation(network.normalisation, input.shape.back()); !s.ok()) return s;
  if (auto s = internal::CheckObject("information", network.information); !s.ok()) return s;

  for (Value v : Bound(graph)) {
    const std::string& name = graph.info(v).name;
    const TensorDesc& expected = graph.desc(v);
    const kernels::Tensor* tensor = network.weights.Find(name);
    if (tensor == nullptr) return absl::NotFoundError(fmt::format("tensor {}: missing", Shortened(name)));
    if (tensor->desc() != expected) {
      return Wrong(
          fmt::format("tensor {}", Shortened(name)),
          fmt::format("is {} {}, expected {} {}", Name(tensor->desc().dtype), kernels::ToString(tensor->shape()),
                      Name(expected.dtype), kernels::ToString(expected.shape)));
    }
  }
  return absl::OkStatus();
}

absl::Status Save(const std::string& path, const DeployedNetwork& network) {
  if (auto s = Check(network); !s.ok()) return Annotate(s, path);
  const Graph& graph = network.graph;
  const absl::StatusOr<std::string> graph_json = kernels::GraphToJson(graph);
  if (!graph_json.ok()) return Annotate(graph_json.status(), path + ": graph");
  const kernels::Shape& shape = graph.desc(graph.Find(network.input)).shape;
  const absl::StatusOr<std::string> input = DumpJson({{"name", network.input},
                                                      {"shape", std::vector<int64_t>(shape.begin(), shape.end())},
                                                      {"mean", network.normalisation.mean},
                                                      {"std", network.normalisation.stddev}});
  if (!input.ok()) return Annotate(input.status(), path + ": input");
  const absl::StatusOr<std::string> classes = DumpJson(network.class_names);
  if (!classes.ok()) return Annotate(classes.status(), path + ": classes");

  std::vector<supernet::NamedTensor> tensors;
  for (Value v : Bound(graph)) {
    const std::string& name = graph.info(v).name;
    tensors.emplace_back(name, network.weights.Find(name)->view());
  }
  return supernet::WriteSafetensors(path, tensors,
                                    {{"format", std::string(kNetworkFormat)},
                                     {"graph", *graph_json},
                                     {"input", *input},
                                     {"output", network.output},
                                     {"classes", *classes},
                                     {"information", network.information}});
}

absl::StatusOr<DeployedNetwork> Load(supernet::SafetensorsFile file) {
  const std::string path = file.path();
  absl::StatusOr<DeployedNetwork> network = Read(std::move(file));
  if (!network.ok()) return Annotate(network.status(), path);
  return network;
}

absl::StatusOr<DeployedNetwork> Load(const std::string& path) {
  absl::StatusOr<supernet::SafetensorsFile> file = supernet::SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  return Load(*std::move(file));
}

}  // namespace mathnas::deploy
