// make_files FOLDER: the files that the tests of the C interface open, and what comes of them, computed in double by
// the reference device on graphs that are not folded: F32 values, nothing else.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/fold.h"
#include "kernels/lower_precision.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/deploy/network_file.h"
#include "mathnas/deploy/translator_file.h"
#include "mathnas/profile/space_table.h"
#include "mathnas/runtime/statistics.h"
#include "supernet/data/image_source.h"
#include "supernet/nasbench201/space.h"
#include "supernet/recalibration.h"
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

// The network of six edges with the least loss of accuracy within a latency, of all there are.
supernet::Choice BestWithin(double limit, const core::Grid& loss, double base, const core::Grid& latency) {
  supernet::Choice best;
  double least = INFINITY, second = INFINITY;
  for (int code = 0; code < 15625; ++code) {
    supernet::Choice choice;
    double lost = 0, ms = base;
    for (int edge = 0, rest = code; edge < 6; ++edge, rest /= 5) {
      choice.push_back(rest % 5);
      lost += loss[static_cast<size_t>(edge)][static_cast<size_t>(rest % 5)];
      ms += latency[static_cast<size_t>(edge)][static_cast<size_t>(rest % 5)];
    }
    if (ms > limit || lost >= second) continue;
    second = std::max(lost, least);
    if (lost < least) {
      second = least;
      least = lost;
      best = std::move(choice);
    }
  }
  if (!(second - least > 1e-6)) throw std::runtime_error("two networks are equally good");
  return best;
}

// server_table.json, a block table of supernet.safetensors; server_pixels.u8, 16 images to recalibrate on (mean 125,
// deviation 60); server_values.f32, two requests; and for the limits 100, 18, 9 and 5 on the latency what a server
// answers to them: server_choices.i32, the best networks, and server_logits.f32, recalibrated, each two rows; and
// server_known.safetensors, the statistics of the four.
void MakeServer(const std::string& folder) {
  constexpr int64_t kRequests = 2, kCalibration = 16;
  const auto space = supernet::NasBench201({.channels = 4, .cells = 1, .height = 8, .width = 8});
  Require(space.status());
  auto table = profile::TableOf(**space);
  Require(table.status());
  table->structure.cell.reset();  // the values of edges add up, whether they are behind `none` or not
  core::Metric accuracy, latency, flops;
  accuracy.unit = "%";
  accuracy.goal = core::Goal::kMax;
  accuracy.form = core::Form::kSaving;
  accuracy.slices.push_back({.base = 90});
  latency.unit = "ms";
  latency.slices.push_back({.base = 1});
  flops.unit = "MMAC";
  flops.slices.push_back({.base = 0.1});
  for (int edge = 0; edge < 6; ++edge) {
    const double e = edge;
    accuracy.slices[0].values.push_back({9 + 0.11 * e, 5 + e + 0.007 * e * e, 1.5 + 0.1 * e, 0, 4 + 0.23 * e});
    latency.slices[0].values.push_back({0, 0.1, 1 + 0.01 * e, 4 + 0.02 * e, 0.5});
    flops.slices[0].values.push_back({0, 0, 0.1, 0.9, 0});
  }
  table->metrics = {{"accuracy", accuracy}, {"flops", flops}, {"latency", latency}};
  Require(core::Save(*table, folder + "/server_table.json"));

  kernels::Random random(7);
  supernet::ImageDataset set;
  set.count = kCalibration;
  set.height = set.width = 8;
  set.channels = 3;
  set.classes = static_cast<int>((*space)->classes());
  set.images.resize(kCalibration * 8 * 8 * 3);
  for (uint8_t& p : set.images) p = static_cast<uint8_t>(random.Below(256));
  set.labels.assign(kCalibration, 0);
  set.mean.assign(3, 125);
  set.stddev.assign(3, 60);
  Write(folder + "/server_pixels.u8", set.images);
  const supernet::ImageSourcePtr images = supernet::InMemory(std::move(set));
  std::vector<float> values(kRequests * 8 * 8 * 3);
  for (float& v : values) v = static_cast<float>(random.Normal());
  Write(folder + "/server_values.f32", values);

  auto supernet = supernet::LoadTrained(folder + "/supernet.safetensors");
  Require(supernet.status());
  const auto device = kernels::ReferenceDevice(DType::kF32);
  runtime::StatisticsStore statistics(4);
  std::vector<int32_t> choices;
  std::vector<float> logits;
  for (double limit : {100.0, 18.0, 9.0, 5.0}) {
    const supernet::Choice choice = BestWithin(limit, accuracy.slices[0].values, 1, latency.slices[0].values);
    auto own = supernet::ExtractWeights(**space, choice, supernet->weights);
    Require(own.status());
    // All images in one batch, so that their order does not matter.
    Require(supernet::Recalibrate(**space, choice, *own, device, images, {.batches = 1, .batch = kCalibration}));
    statistics.Put(choice, runtime::TakeStatistics(*own));
    const supernet::NetworkGraph network = (*space)->Network(choice, {.batch = kRequests});
    const std::vector<float> answer = RunReference(network.graph, network.logits, *own, values);
    choices.insert(choices.end(), choice.begin(), choice.end());
    logits.insert(logits.end(), answer.begin(), answer.end());
  }
  Require(statistics.Save(folder + "/server_known.safetensors", **space, runtime::Fingerprint(supernet->weights)));
  Write(folder + "/server_choices.i32", choices);
  Write(folder + "/server_logits.f32", logits);
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

// Of each kind of file truncated-NAME and newer-NAME, which is of a version to come; and bfloat16.mathnas, a network
// for processors that compute in it.
void MakeForeign(const std::string& folder) {
  for (const std::string name : {"network.mathnas", "translator.mathnas", "supernet.safetensors",
                                 "server_known.safetensors", "server_table.json"}) {
    std::ifstream file(folder + "/" + name, std::ios::binary);
    std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    Write(folder + "/truncated-" + name, std::vector<char>(bytes.begin(), bytes.end() - 100));
    const std::string_view version = "/1\"";  // after the name of the format, which comes first
    const auto found = std::search(bytes.begin(), bytes.end(), version.begin(), version.end());
    if (found == bytes.end()) throw std::runtime_error(name);
    found[1] = '2';
    Write(folder + "/newer-" + name, bytes);
  }
  auto network = deploy::Load(folder + "/network.mathnas");
  Require(network.status());
  auto low = deploy::WithPrecision(*std::move(network), kernels::Precision::kBfloat16);
  Require(low.status());
  Require(Save(folder + "/bfloat16.mathnas", *low));
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
    mathnas::MakeServer(argv[1]);
    mathnas::MakeTranslator(argv[1]);
    mathnas::MakeForeign(argv[1]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
