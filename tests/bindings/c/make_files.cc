// make_files FOLDER: the files that the tests of the C interface open, and what comes of them, computed in double by
// the reference device on graphs that are not folded: F32 values, nothing else.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "kernels/fold.h"
#include "mathnas/deploy/network_file.h"
#include "mathnas/deploy/translator_file.h"
#include "supernet/nasbench201/space.h"
#include "supernet/safetensors.h"
#include "supernet/training/checkpoint.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"
#include "tests/kernels/inference_graphs.h"

namespace mathnas {
namespace {

using kernels::DType;
using kernels::Graph;
using kernels::TensorMap;
using kernels::Value;
using kernels::testing::Builder;
using kernels::testing::Require;

constexpr int64_t kImages = 5;
const supernet::Choice kChoice = {3, 1, 2, 4, 0, 3};

template <typename T>
void Write(const std::string& path, const std::vector<T>& values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  if (!file.flush()) throw std::runtime_error(path);
}

std::vector<float> RunReference(const Graph& graph, Value logits, const TensorMap& weights,
                                const std::vector<float>& input) {
  const auto device = kernels::ReferenceDevice(DType::kF32);
  auto plan = kernels::Plan::Create(graph, {{"logits", logits}}, *device);
  Require(plan.status());
  auto context = kernels::Context::Create(*plan, {&weights});
  Require(context.status());
  const auto in = (*context)->Input((*plan)->inputs()[0].name)->as<float>();
  std::copy(input.begin(), input.end(), in.begin());
  Require((*context)->Run());
  const auto out = (*context)->Output("logits")->as<float>();
  return {out.begin(), out.end()};
}

// network.mathnas, five images as pixels and as values, and their logits.
void MakeNetwork(const std::string& folder) {
  Builder b(1);
  const Value logits = b.CellNetwork(kChoice, kImages);
  auto folded = kernels::FoldForInference(b.graph, {{"logits", logits}}, b.weights);
  Require(folded.status());
  deploy::DeployedNetwork network;
  network.graph = std::move(folded->graph);
  network.weights = std::move(folded->weights);
  network.input = "images";
  network.output = "logits";
  network.normalisation = {{125.3, 123.0, 113.9}, {63.0, 62.1, 66.7}};
  for (char c = 'a'; c < 'k'; ++c) network.class_names.emplace_back(1, c);
  network.information = R"({"space": "nasbench201"})";
  Require(Save(folder + "/network.mathnas", network));

  kernels::Random random(5);
  std::vector<uint8_t> pixels(kImages * 8 * 8 * 3);
  std::vector<float> values;
  for (uint8_t& p : pixels) {
    p = static_cast<uint8_t>(random.Below(256));
    const size_t c = values.size() % 3;
    values.push_back(static_cast<float>((p - network.normalisation.mean[c]) / network.normalisation.stddev[c]));
  }
  Write(folder + "/pixels.u8", pixels);
  Write(folder + "/values.f32", values);
  Write(folder + "/logits.f32", RunReference(b.graph, logits, b.weights, values));
}

// Files that are no good, made of the good one.
void MakeDamaged(const std::string& folder) {
  std::ifstream file(folder + "/network.mathnas", std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto write = [&](const char* name, const std::string& bytes) {
    Write(folder + "/" + name, std::vector<char>(bytes.begin(), bytes.end()));
  };
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    const size_t at = bytes.find(from);
    if (at == std::string::npos || from.size() != to.size()) throw std::runtime_error(from);
    return bytes.replace(at, to.size(), to);
  };
  write("truncated.mathnas", good.substr(0, good.size() - 100));
  write("header.mathnas", good.substr(0, 100));
  write("newer.mathnas", changed("mathnas-network/1", "mathnas-network/2"));
  write("other.mathnas", changed("mathnas-network/1", "MATHNAS-NETWORK/1"));
  write("damaged.mathnas", changed("classifier.weight", "classifier.weighs"));
  write("empty.mathnas", "");
}

// supernet.safetensors, the checkpoint of a small supernet; own.safetensors, of one of its networks; and the logits of
// that network for images of synthetic values: the same for both.
void MakeCheckpoints(const std::string& folder) {
  const auto space = supernet::NasBench201({.channels = 4, .cells = 1, .height = 8, .width = 8});
  Require(space.status());
  supernet::Checkpoint checkpoint;
  checkpoint.space = (*space)->name();
  checkpoint.macro = (*space)->MacroJson();
  checkpoint.recipe = ToJson(supernet::TrainingRecipe{.seed = 9});
  checkpoint.weights = supernet::AllocateWeights((*space)->Supernet({.mode = supernet::Mode::kTraining}).graph);
  supernet::FillSynthetic(checkpoint.weights);
  Require(SaveCheckpoint(folder + "/supernet.safetensors", checkpoint));

  auto own = supernet::ExtractWeights(**space, kChoice, checkpoint.weights);
  Require(own.status());
  const supernet::NetworkGraph network = (*space)->Network(kChoice, {.batch = kImages});
  kernels::Tensor images(DType::kF32, {kImages, 8, 8, 3});
  supernet::FillSyntheticInput("input", images.view());
  const auto values = images.as<float>();
  const std::vector<float> input(values.begin(), values.end());
  Write(folder + "/subnet_values.f32", input);
  Write(folder + "/subnet_logits.f32", RunReference(network.graph, network.logits, *own, input));

  checkpoint.subnet = (*space)->SubnetJson(kChoice);
  checkpoint.weights = *std::move(own);
  Require(SaveCheckpoint(folder + "/own.safetensors", checkpoint));
}

// translator.mathnas: the smallest network, with weights as before training.
void MakeTranslator(const std::string& folder) {
  const std::vector<std::string_view> sentences = {"das haus ist rot", "der hund", "ein kleines haus",
                                                   "rot ist der kleine hund"};
  auto vocabulary = supernet::Vocabulary::Train(sentences, {.size = 32});
  Require(vocabulary.status());
  supernet::SuperTransformerMacro macro;
  macro.task = supernet::supertransformer::Task::kSmall;
  macro.source_vocabulary = macro.target_vocabulary = vocabulary->size();
  deploy::DeployedTranslator t = {.macro = macro,
                                  .choice = {},
                                  .weights = {},
                                  .vocabularies = {*vocabulary, *vocabulary, true},
                                  .information = R"({"bleu": 31.5})"};
  const auto space = supernet::SuperTransformer(t.macro);
  Require(space.status());
  for (const supernet::SpaceNode& node : (*space)->nodes()) {
    t.choice.push_back(static_cast<int>(node.candidates.size()) - 1);
  }
  t.weights = supernet::AllocateWeights((*space)->Network(t.choice, {}).graph);
  supernet::InitializeWeights(t.weights, 3, (*space)->initialization());
  Require(Save(folder + "/translator.mathnas", t));
}

}  // namespace
}  // namespace mathnas

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    std::filesystem::create_directories(argv[1]);
    mathnas::MakeNetwork(argv[1]);
    mathnas::MakeDamaged(argv[1]);
    mathnas::MakeCheckpoints(argv[1]);
    mathnas::MakeTranslator(argv[1]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
