// mathnas forward SPACE --subnet S --weights W --input I, or --source ROWS --previous ROWS
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <tuple>

#include "bindings/cli/precision_option.h"
#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/json_text.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/safetensors.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/weights.h"

namespace mathnas::cli {
namespace {

using kernels::DType;
using kernels::Shape;
using kernels::Tensor;
using kernels::TensorMap;

struct Options {
  Common common;
  SpaceOptions space;
  std::string subnet, weights = "synthetic", input = "synthetic", shape, source, previous;
  std::vector<std::string> activations;
  PrecisionOption precision;
};

// "1x3x32x32".
absl::StatusOr<Shape> ParseShape(const std::string& text) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(
        fmt::format("--shape {:.100}: expected BATCHxCHANNELSxHEIGHTxWIDTH, as 1x3x32x32", text));
  };
  Shape shape;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    int64_t extent = 0;
    const auto [next, error] = std::from_chars(at, end, extent);
    if (error != std::errc() || extent < 1 || extent > 65536) return bad();
    shape.push_back(extent);
    if (next == end) break;
    if (*next != 'x') return bad();
    at = next + 1;
  }
  return shape.size() == 4 ? absl::StatusOr<Shape>(shape) : bad();
}

// {N,C,H,W} to {N,H,W,C}, and back when to_nchw.
std::vector<float> Transposed(const std::vector<float>& from, const Shape& nchw, bool to_nchw) {
  std::vector<float> to(from.size());
  const int64_t c = nchw[1], pixels = nchw[2] * nchw[3];
  for (int64_t n = 0; n < nchw[0]; ++n) {
    for (int64_t k = 0; k < c; ++k) {
      for (int64_t p = 0; p < pixels; ++p) {
        const int64_t a = (n * c + k) * pixels + p, b = (n * pixels + p) * c + k;
        if (to_nchw) {
          to[a] = from[b];
        } else {
          to[b] = from[a];
        }
      }
    }
  }
  return to;
}

// The input in the order NCHW, and its shape.
struct Images {
  Shape nchw;
  std::vector<float> values;
};

constexpr int64_t kLargestSide = 1 << 16;  // more than any space takes

// Networks of mobilenetv3 take images of their own size alone, which the subnet says; what else is wrong with it is
// found when it is read.
std::string DefaultShape(const Options& o) {
  if (o.space.name == "mobilenetv3") {
    const auto text = InlineOrFile(o.subnet);
    const nlohmann::json subnet = kernels::internal::ParseJson(text.value_or(""));
    const auto says = subnet.is_object() ? subnet.find("resolution") : subnet.end();
    const bool possible = says != subnet.end() && says->is_number_integer() && *says > 0 && *says <= kLargestSide;
    return fmt::format("1x3x{0}x{0}", possible ? says->get<int64_t>() : 224);
  }
  return o.space.name == "supervit" ? "1x3x192x192" : "1x3x32x32";
}

absl::StatusOr<Images> ReadInput(const Options& o) {
  Images images;
  if (o.input == "synthetic") {
    auto shape = ParseShape(o.shape.empty() ? DefaultShape(o) : o.shape);
    if (!shape.ok()) return shape.status();
    images.nchw = *shape;
    Tensor tensor(DType::kF32, images.nchw);
    supernet::FillSyntheticInput("input", tensor.view());
    const auto values = tensor.as<float>();
    images.values.assign(values.begin(), values.end());
    return images;
  }
  auto file = supernet::SafetensorsFile::Open(o.input);
  if (!file.ok()) return file.status();
  const std::string name = file->contains("input") || file->names().empty() ? "input" : file->names().front();
  auto tensor = file->Get(name);
  if (!tensor.ok()) return tensor.status();
  if (tensor->desc.dtype != DType::kF32 || tensor->desc.shape.size() != 4) {
    return absl::InvalidArgumentError(fmt::format("{}: tensor \"{}\" is {} {}, expected F32 of rank 4 (NCHW)", o.input,
                                                  name, Name(tensor->desc.dtype),
                                                  kernels::ToString(tensor->desc.shape)));
  }
  images.nchw = tensor->desc.shape;
  const auto values = tensor->as<float>();
  images.values.assign(values.begin(), values.end());
  return images;
}

Json ShapeJson(const Shape& shape) { return Json(std::vector<int64_t>(shape.begin(), shape.end())); }

// An activation as the golden files describe it, in the order NCHW.
Json Summary(const kernels::TensorView& view) {
  std::vector<float> values(view.as<float>().begin(), view.as<float>().end());
  Shape shape = view.desc.shape;
  if (shape.size() == 4) {
    shape = {shape[0], shape[3], shape[1], shape[2]};
    values = Transposed(values, shape, /*to_nchw=*/true);
  }
  double sum = 0, squares = 0;
  for (double v : values) sum += v, squares += v * v;
  std::vector<double> first(values.begin(), values.begin() + std::min<size_t>(values.size(), 8));
  return {{"shape", ShapeJson(shape)}, {"sum", sum}, {"l2", std::sqrt(squares)}, {"first", first}};
}

// Whether a file holds the tensors of the network or those of the supernet.
supernet::Weights WeightsIn(const TensorMap& weights, const supernet::SearchSpace& space,
                            const supernet::Choice& choice) {
  const kernels::Graph graph = space.Network(choice, {}).graph;
  for (kernels::Value v : graph.Leaves(kernels::ValueKind::kParameter)) {
    const std::string& own = graph.info(v).name;
    const std::string shared = space.SharedName(own, choice);
    const Tensor* tensor = weights.Find(shared);
    if (tensor == nullptr) continue;
    // Under the same name the sizes tell.
    const bool other = shared == own ? tensor->shape() != graph.desc(v).shape : !weights.contains(own);
    if (other) return supernet::Weights::kShared;
  }
  return supernet::Weights::kOwn;
}

// Rows of token ids, from '[[5,6,2],[1,7,2]]'.
absl::StatusOr<Tensor> ParseRows(const std::string& option, const std::string& argument) {
  const auto bad = [&](std::string_view what) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {}, expected rows of token ids of one length, as '[[5,6,2],[1,7,2]]'", option, what));
  };
  auto text = InlineOrFile(argument);
  if (!text.ok()) return text.status();
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array() || json.empty() || !json[0].is_array() || json[0].empty()) {
    return bad(argument.empty() ? "nothing" : "no list of lists");
  }
  const size_t length = json[0].size();
  Tensor rows(DType::kI64, {std::ssize(json), static_cast<int64_t>(length)});
  int64_t* to = rows.as<int64_t>().data();
  for (size_t r = 0; r < json.size(); ++r) {
    if (!json[r].is_array() || json[r].size() != length) {
      return bad(fmt::format("row {} is not a list of {} ids as row 0", r, length));
    }
    for (const auto& id : json[r]) {
      if (!id.is_number_integer()) return bad(fmt::format("row {}: {} is no token id", r, id.dump()));
      *to++ = id.get<int64_t>();
    }
  }
  return rows;
}

absl::Status CheckTokens(const std::string& option, const Tensor& rows, int64_t vocabulary) {
  const int64_t length = rows.shape()[1];
  if (length > supernet::supertransformer::kMaxTokens) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {} tokens, expected at most {}", option, length, supernet::supertransformer::kMaxTokens));
  }
  const auto ids = rows.as<int64_t>();
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocabulary) continue;
    return absl::InvalidArgumentError(fmt::format("{}: row {}: token {}, expected 0 to {}", option,
                                                  static_cast<int64_t>(i) / length, ids[i], vocabulary - 1));
  }
  return absl::OkStatus();
}

// What a network reads: images, or tokens of two languages.
struct Inputs {
  std::optional<Images> images;
  Tensor source, previous;
};

absl::StatusOr<Inputs> ReadInputs(const Options& o) {
  Inputs inputs;
  if (!o.space.translates()) {
    if (!o.source.empty() || !o.previous.empty()) {
      return absl::InvalidArgumentError(fmt::format("--source, --previous: {} reads images (--input)", o.space.name));
    }
    auto images = ReadInput(o);
    if (!images.ok()) return images.status();
    inputs.images = *std::move(images);
    return inputs;
  }
  for (const auto& [option, argument, rows] :
       {std::tuple{"--source", &o.source, &inputs.source}, std::tuple{"--previous", &o.previous, &inputs.previous}}) {
    auto parsed = ParseRows(option, *argument);
    if (!parsed.ok()) return parsed.status();
    *rows = *std::move(parsed);
  }
  if (inputs.source.shape()[0] != inputs.previous.shape()[0]) {
    return absl::InvalidArgumentError(fmt::format("--previous: {} rows, expected {}, as many as --source",
                                                  inputs.previous.shape()[0], inputs.source.shape()[0]));
  }
  return inputs;
}

// What the inputs and the tensors say of the space.
SpaceFit FitOf(const Inputs& inputs, const TensorMap& weights) {
  SpaceFit fit;
  if (inputs.images) {
    const Shape& nchw = inputs.images->nchw;
    fit = {.height = nchw[2], .width = nchw[3], .input_channels = nchw[1]};
  }
  const auto rows = [&weights](std::string_view name, int64_t& field) {
    const Tensor* tensor = weights.Find(name);
    if (tensor != nullptr && tensor->shape().size() == 2) field = tensor->shape()[0];
  };
  for (const char* name : {"classifier.weight", "classifier.linear.weight", "classifier.linear.linear.weight"}) {
    rows(name, fit.classes);
  }
  rows("decoder.embed_tokens.weight", fit.source_vocabulary);
  rows("encoder.embed_tokens.weight", fit.source_vocabulary);
  rows("decoder.embed_tokens.weight", fit.target_vocabulary);
  return fit;
}

absl::Status SetInputs(const Inputs& inputs, const kernels::Context& context) {
  if (!inputs.images) {
    for (const auto& [name, rows] : {std::pair{"source", &inputs.source}, std::pair{"previous", &inputs.previous}}) {
      const auto input = context.Input(name);
      if (!input.ok()) return input.status();
      std::memcpy(input->data, rows->data(), rows->desc().bytes());
    }
    return absl::OkStatus();
  }
  const auto input = context.Input("image");
  if (!input.ok()) return input.status();
  const Shape& nchw = inputs.images->nchw;
  const Shape expected = {nchw[0], nchw[2], nchw[3], nchw[1]};
  if (input->desc.shape != expected) {
    return absl::InvalidArgumentError(fmt::format("input is {} (NHWC), the network takes {}",
                                                  kernels::ToString(expected), kernels::ToString(input->desc.shape)));
  }
  const std::vector<float> nhwc = Transposed(inputs.images->values, nchw, /*to_nchw=*/false);
  std::memcpy(input->data, nhwc.data(), nhwc.size() * sizeof(float));
  return absl::OkStatus();
}

absl::StatusOr<Answer> Forward(const Options& o) {
  auto inputs = ReadInputs(o);
  if (!inputs.ok()) return inputs.status();
  TensorMap weights;
  SpaceFit fit = FitOf(*inputs, weights);
  if (o.weights != "synthetic") {
    auto file = supernet::SafetensorsFile::Open(o.weights);
    if (!file.ok()) return file.status();
    weights = file->LoadAll();
    fit = FitOf(*inputs, weights);
    if (auto it = file->metadata().find("macro"); it != file->metadata().end()) fit.macro = it->second;
  }
  auto space = o.space.Make(fit);
  if (!space.ok()) return fit.macro.empty() ? space.status() : kernels::Annotate(space.status(), o.weights);
  auto choice = ParseSubnet(**space, o.subnet);
  if (!choice.ok()) return choice.status();
  const bool synthetic = o.weights == "synthetic";
  supernet::GraphRequest request = {.weights = synthetic ? (*space)->synthetic_weights()
                                                         : WeightsIn(weights, **space, *choice)};
  if (inputs->images) {
    request.batch = inputs->images->nchw[0];
    request.image_size = inputs->images->nchw[2];
  } else {
    const auto macro = o.space.TranslationMacro(fit);
    if (!macro.ok()) return macro.status();
    if (auto s = CheckTokens("--source", inputs->source, macro->source_vocabulary); !s.ok()) return s;
    if (auto s = CheckTokens("--previous", inputs->previous, macro->target_vocabulary); !s.ok()) return s;
    request.batch = inputs->source.shape()[0];
    request.source_length = inputs->source.shape()[1];
    request.target_length = inputs->previous.shape()[1];
  }
  const supernet::NetworkGraph network = (*space)->Network(*choice, request);
  if (!network.graph.status().ok()) return network.graph.status();
  if (synthetic) {
    weights = supernet::AllocateWeights(network.graph);
    supernet::FillSynthetic(weights);
  }

  std::vector<kernels::PlanOutput> outputs = {{"logits", network.logits}};
  for (const std::string& name : o.activations) {
    const kernels::Value value = network.graph.Find(name);
    if (!value.valid() || network.graph.info(value).kind != kernels::ValueKind::kComputed) {
      std::vector<std::string> names;
      for (const auto& v : network.graph.values()) {
        if (v.kind == kernels::ValueKind::kComputed && !v.name.empty()) names.push_back(v.name);
      }
      return absl::InvalidArgumentError(
          fmt::format("--activation {:.100}: expected one of {}", name, fmt::join(names, ", ")));
    }
    outputs.push_back({name, value});
  }
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  const auto precision = o.precision.GetFor(**device);
  if (!precision.ok()) return precision.status();
  const kernels::Graph* graph = &network.graph;
  kernels::FoldedGraph lowered;
  if (*precision != kernels::Precision::kFloat32) {
    auto folded = kernels::FoldForInference(network.graph, outputs, weights);
    if (folded.ok()) folded = kernels::LowerPrecision(*folded, *precision);
    if (!folded.ok()) return kernels::Annotate(folded.status(), o.weights);
    lowered = *std::move(folded);
    graph = &lowered.graph;
    outputs = lowered.outputs;
    weights = std::move(lowered.weights);
  }
  auto plan = kernels::Plan::Create(*graph, outputs, **device);
  if (!plan.ok()) return plan.status();
  auto context = kernels::Context::Create(*plan, {&weights});
  if (!context.ok()) return kernels::Annotate(context.status(), o.weights);
  if (auto s = SetInputs(*inputs, **context); !s.ok()) return s;
  if (auto s = (*context)->Run(); !s.ok()) return s;

  Answer answer;
  const kernels::TensorView logits = *(*context)->Output("logits");
  const std::vector<double> data(logits.as<float>().begin(), logits.as<float>().end());
  answer.json["output"] = {{"shape", ShapeJson(logits.desc.shape)}, {"data", data}};
  answer.text = fmt::format("output {}: {:.6g}\n", kernels::ToString(logits.desc.shape), fmt::join(data, " "));
  Json activations = Json::object();
  for (const std::string& name : o.activations) {
    activations[name] = Summary(*(*context)->Output(name));
    answer.text += fmt::format("{}: {}\n", name, activations[name].dump());
  }
  answer.json["activations"] = activations;
  return answer;
}

}  // namespace

void AddForward(CLI::App& app) {
  static Options o;
  CLI::App* command = AddCommand(app, "forward", "One inference of a network of the space",
                                 "mathnas forward nasbench201 --subnet '[3,3,3,1,3,3]' --weights synthetic --input "
                                 "synthetic --shape 1x3x32x32 --json",
                                 o.common, [] { return Forward(o); });
  o.space.AddTo(command);
  command->add_option("--subnet", o.subnet, "The network: JSON, or @FILE")->required();
  command->add_option("--weights", o.weights, "A safetensors file (a network's or a supernet's), or synthetic");
  command->add_option("--input", o.input, "A safetensors file with a tensor \"input\" F32 NCHW, or synthetic");
  command->add_option(
      "--shape", o.shape,
      "Shape of the synthetic input, NCHW (default 1x3x32x32, mobilenetv3 that of the subnet, supervit 1x3x192x192)");
  command->add_option(
      "--source", o.source,
      "supertransformer: rows of source tokens, padded on the left with 1: '[[1,5,2],[7,8,2]]', or @FILE");
  command->add_option("--previous", o.previous,
                      "supertransformer: rows of target tokens so far, which begin with 2 and are padded with 1: JSON, "
                      "or @FILE");
  o.precision.AddTo(command, "What the network computes in, 16 bits with batch normalisation folded");
  command->add_option("--activation", o.activations,
                      "Also summarise this activation (stem, cells.0, .., pooled); repeatable");
}

}  // namespace mathnas::cli
