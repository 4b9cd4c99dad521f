#include "bindings/cli/export_onnx.h"

#include <filesystem>
#include <map>
#include <utility>

#include "bindings/cli/checkpoint_network.h"
#include "bindings/onnx/networks.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/status.h"
#include "mathnas/deploy/network_file.h"
#include "mathnas/deploy/translator_file.h"
#include "supernet/supertransformer/space.h"

namespace mathnas::cli {
namespace {

Json PortsJson(const std::vector<onnx::Exported::Port>& ports) {
  Json json = Json::array();
  for (const onnx::Exported::Port& p : ports) json.push_back({{"name", p.name}, {"type", p.type}, {"shape", p.shape}});
  return json;
}

Json FileJson(const onnx::Exported& file) {
  return {{"file", file.file},
          {"bytes", file.bytes},
          {"nodes", file.nodes},
          {"initializers", file.initializers},
          {"inputs", PortsJson(file.inputs)},
          {"outputs", PortsJson(file.outputs)}};
}

std::string FileText(const onnx::Exported& file) {
  const auto ports = [](const std::vector<onnx::Exported::Port>& list) {
    std::vector<std::string> texts;
    for (const auto& p : list) texts.push_back(fmt::format("{} {} {{{}}}", p.name, p.type, fmt::join(p.shape, ",")));
    return fmt::format("{}", fmt::join(texts, ", "));
  };
  return fmt::format("{}: {} bytes, {} nodes\n  in:  {}\n  out: {}\n", file.file, file.bytes, file.nodes,
                     ports(file.inputs), ports(file.outputs));
}

Answer AnswerFor(const std::vector<onnx::Exported>& files) {
  Answer answer;
  answer.json = {{"format", "onnx"}, {"opset", onnx::kOpset}};
  if (files.size() == 1) {
    answer.json["file"] = files[0].file;
    answer.json["bytes"] = files[0].bytes;
  }
  answer.json["files"] = Json::array();
  for (const onnx::Exported& file : files) {
    answer.json["files"].push_back(FileJson(file));
    answer.text += FileText(file);
  }
  return answer;
}

constexpr std::initializer_list<const char*> kOfImages = {
    "--data",       "--stop-at-damage", "--loader-threads", "--recalibration-batches", "--as-is", "--mean", "--std",
    "--batch-norm", "--batch",          "--image-size"};

absl::Status RefuseImageOptions(const OnnxExport& o, std::string_view name) {
  return RefuseGiven(*o.command, fmt::format("{} reads sentences, not images", name), kOfImages);
}

absl::StatusOr<Answer> ExportTranslator(const OnnxExport& o, const supernet::SuperTransformerMacro& macro,
                                        const supernet::Choice& choice, const kernels::TensorMap& weights,
                                        const std::string& out) {
  auto files = onnx::ExportTranslator(out, macro, choice, weights, {.beams = o.beam.value_or(1)});
  if (!files.ok()) return files.status();
  return AnswerFor({files->encoder, files->decoder});
}

absl::StatusOr<Answer> ExportDeployed(OnnxExport& o, const std::string& out) {
  auto refused =
      RefuseGiven(*o.command, fmt::format("{} is deployed, with all that it needs", o.network),
                  {"--subnet", "--data", "--stop-at-damage", "--loader-threads", "--recalibration-batches", "--as-is",
                   "--mean", "--std", "--batch-norm", "--image-size", "--resolutions", "--blocks", "--widths"});
  if (!refused.ok()) return refused;
  if (std::filesystem::is_directory(o.network)) o.network += "/network.mathnas";
  auto file = supernet::SafetensorsFile::Open(o.network);
  if (!file.ok()) return file.status();
  const auto format = file->metadata().find("format");
  if (format != file->metadata().end() && format->second == deploy::kTranslatorFormat) {
    if (auto s = RefuseImageOptions(o, o.network); !s.ok()) return s;
    auto translator = deploy::LoadTranslator(*std::move(file));
    if (!translator.ok()) return translator.status();
    return ExportTranslator(o, translator->macro, translator->choice, translator->weights, out);
  }
  if (o.beam) return absl::InvalidArgumentError(fmt::format("--beam: {} reads images, not sentences", o.network));
  auto network = deploy::Load(*std::move(file));
  if (!network.ok()) return network.status();
  auto exported = onnx::ExportDeployedNetwork(out, *network, o.batch);
  if (!exported.ok()) return exported.status();
  return AnswerFor({*exported});
}

absl::StatusOr<Answer> ExportCheckpoint(const Common& common, OnnxExport& o, const std::string& out) {
  auto network = LoadNetwork(o.checkpoint, o.subnet, o.space);
  if (!network.ok()) return network.status();
  const supernet::SearchSpace& space = *network->space;
  if (space.translates()) {
    if (auto s = RefuseImageOptions(o, space.name()); !s.ok()) return s;
    auto macro = supernet::ParseSuperTransformerMacro(space.MacroJson());
    if (!macro.ok()) return macro.status();
    auto weights = network->TakeWeights();
    if (!weights.ok()) return weights.status();
    return ExportTranslator(o, *macro, network->choice, *weights, out);
  }
  if (o.beam) return absl::InvalidArgumentError(fmt::format("--beam: {} reads images, not sentences", space.name()));
  if (o.batch_norm != "fold" && o.batch_norm != "keep") {
    return absl::InvalidArgumentError(fmt::format("--batch-norm {:.100}: expected fold or keep", o.batch_norm));
  }
  auto ready = WeightsToDeploy(common, *network, o.image);
  if (!ready.ok()) return ready.status();
  onnx::ImageOptions options = {
      .batch_norm = o.batch_norm == "keep" ? onnx::BatchNorm::kKept : onnx::BatchNorm::kFolded,
      .batch = o.batch,
      .image_size = o.image_size,
      .metadata = {{"statistics", ready->statistics}}};
  if (ready->input) {
    options.metadata["pixel_mean"] = Json(ready->input->normalisation.mean).dump();
    options.metadata["pixel_std"] = Json(ready->input->normalisation.stddev).dump();
  }
  auto exported = onnx::ExportImageNetwork(out, space, network->choice, ready->weights, options);
  if (!exported.ok()) return exported.status();
  if (ready->stale) fmt::print(stderr, "warning: {}: its statistics are stale, its answers of little worth\n", out);
  Answer answer = AnswerFor({*exported});
  answer.json["statistics"] = ready->statistics;
  answer.json["subnet"] = Json::parse(space.SubnetJson(network->choice));
  o.image.data.Report(answer);
  return answer;
}

}  // namespace

void OnnxExport::AddTo(CLI::App* to) {
  command = to;
  to->add_option("network", network, "onnx: a file of search-network or deploy, or the folder of search-network");
  to->add_option("--checkpoint", checkpoint, "onnx: in place of it a supernet's or a network's checkpoint");
  to->add_option("--subnet", subnet, "onnx: the network of a supernet: JSON, or @FILE");
  space.AddCandidatesTo(to);
  image.AddTo(to);
  to->add_option("--batch-norm", batch_norm,
                 "onnx: fold batch normalisation into the weights before it, or keep it, and all weights as in the "
                 "state dict")
      ->capture_default_str();
  to->add_option("--batch", batch, "onnx: images at once (default: any number)")->check(CLI::Range(1, 65536));
  to->add_option("--image-size", image_size,
                 "onnx: pixels of a side of images that the file resizes itself, as networks of supervit do (default: "
                 "the network's)")
      ->check(CLI::Range(1, 65536));
  to->add_option("--beam", beam, "onnx: rows that a translator decodes of each sentence (default 1)")
      ->check(CLI::Range(1, 256));
}

absl::Status RefuseOnnxOptions(const OnnxExport& o, const std::string& format) {
  const std::string why = fmt::format("--format {} is of a block table; expected with --format onnx", format);
  if (!o.network.empty()) return absl::InvalidArgumentError(fmt::format("{}: {}", o.network, why));
  if (auto s =
          RefuseGiven(*o.command, why, {"--checkpoint", "--subnet", "--beam", "--resolutions", "--blocks", "--widths"});
      !s.ok()) {
    return s;
  }
  return RefuseGiven(*o.command, why, kOfImages);
}

absl::StatusOr<Answer> ExportOnnx(const Common& common, OnnxExport& o, const std::string& out) {
  auto refused = RefuseGiven(
      *o.command, "--format onnx is of a network; expected with --format lp or mps",
      {"--table", "--objective", "--limit", "--fix", "--forbid", "--forbid-together", "--estimator", "--flops-fixed"});
  if (!refused.ok()) return refused;
  if (o.network.empty() == o.checkpoint.empty()) {
    return absl::InvalidArgumentError("--format onnx: expected NETWORK, a deployed one, or --checkpoint");
  }
  return o.checkpoint.empty() ? ExportDeployed(o, out) : ExportCheckpoint(common, o, out);
}

}  // namespace mathnas::cli
