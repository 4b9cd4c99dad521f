#include "mathnas/deploy/network_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "kernels/fold.h"
#include "kernels/graph_json.h"
#include "mathnas/deploy/network.h"
#include "nlohmann/json.hpp"
#include "supernet/safetensors.h"
#include "tests/kernels/inference_graphs.h"
#include "tests/supernet/test_files.h"

namespace mathnas::deploy {
namespace {

using kernels::DType;
using kernels::Graph;
using kernels::Message;
using kernels::Value;
using kernels::testing::Builder;
using kernels::testing::Require;
using nlohmann::json;
using supernet::testing::Read;
using supernet::testing::TempFolder;
using supernet::testing::Write;

// A small NAS-Bench-201-like network for images of 8x8x3, folded.
DeployedNetwork Example(int64_t batch = 2) {
  Builder b(1);
  const Value logits = b.CellNetwork({3, 1, 2, 4, 0, 3}, batch);
  auto folded = kernels::FoldForInference(b.graph, {{"logits", logits}}, b.weights);
  Require(folded.status());
  DeployedNetwork network;
  network.graph = std::move(folded->graph);
  network.weights = std::move(folded->weights);
  network.input = "images";
  network.output = "logits";
  network.normalisation = {{125.3, 123.0, 113.9}, {63.0, 62.1, 66.7}};
  for (char c = 'a'; c < 'k'; ++c) network.class_names.emplace_back(1, c);
  network.information = R"({"space": "nasbench201", "latency": {"predicted": 1.25, "unit": "ms"}})";
  return network;
}

std::vector<uint8_t> Pixels(int64_t count) {
  kernels::Random random(5);
  std::vector<uint8_t> pixels(count * 8 * 8 * 3);
  for (uint8_t& p : pixels) p = static_cast<uint8_t>(random.Below(256));
  return pixels;
}

std::shared_ptr<kernels::Device> Reference() { return kernels::ReferenceDevice(DType::kF32); }

// What the original graph says about the images, normalised here.
std::vector<float> Expected(const std::vector<uint8_t>& pixels) {
  Builder b(1);
  const auto count = static_cast<int64_t>(pixels.size()) / (8 * 8 * 3);
  const Value logits = b.CellNetwork({3, 1, 2, 4, 0, 3}, count);
  const auto device = Reference();
  auto plan = kernels::Plan::Create(b.graph, {{"logits", logits}}, *device);
  Require(plan.status());
  auto context = kernels::Context::Create(*plan, {&b.weights});
  Require(context.status());
  const double mean[] = {125.3, 123.0, 113.9}, stddev[] = {63.0, 62.1, 66.7};
  const auto input = (*context)->Input("images")->as<float>();
  for (size_t i = 0; i < pixels.size(); ++i) input[i] = static_cast<float>((pixels[i] - mean[i % 3]) / stddev[i % 3]);
  Require((*context)->Run());
  const auto output = (*context)->Output("logits")->as<float>();
  return {output.begin(), output.end()};
}

std::vector<float> Logits(Network& network, const std::vector<uint8_t>& pixels) {
  std::vector<float> logits(pixels.size() / network.input_elements() * network.output_elements());
  Require(network.Run(pixels, logits));
  return logits;
}

TEST(NetworkFile, RoundTrip) {
  const TempFolder folder;
  const std::string path = folder / "network.mathnas";
  const DeployedNetwork saved = Example();
  Require(Save(path, saved));
  const auto loaded = Load(path);
  Require(loaded.status());
  EXPECT_EQ(*kernels::GraphToJson(loaded->graph), *kernels::GraphToJson(saved.graph));
  EXPECT_EQ(loaded->graph.blocks(), saved.graph.blocks());
  EXPECT_EQ(loaded->input, "images");
  EXPECT_EQ(loaded->output, "logits");
  EXPECT_EQ(loaded->normalisation, saved.normalisation);
  EXPECT_EQ(loaded->class_names, saved.class_names);
  EXPECT_EQ(loaded->information, saved.information);
  ASSERT_EQ(loaded->weights.size(), saved.weights.size());
  for (const auto& [name, tensor] : saved.weights.entries()) {
    const kernels::Tensor* other = loaded->weights.Find(name);
    ASSERT_NE(other, nullptr) << name;
    const auto a = tensor.as<float>(), b = other->as<float>();
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << name;
  }
  Require(Save(folder / "again.mathnas", *loaded));
  EXPECT_EQ(Read(folder / "again.mathnas"), Read(path));
  EXPECT_EQ(folder.entries(), 2);  // no temporary is left
}

TEST(NetworkFile, WeightsOutliveTheFileAndTheNetworkThatLoadedThem) {
  const TempFolder folder;
  const std::string path = folder / "network.mathnas";
  Require(Save(path, Example()));
  kernels::TensorMap weights;
  {
    auto loaded = Load(path);
    Require(loaded.status());
    weights = std::move(loaded->weights);
  }
  std::filesystem::remove(path);
  const DeployedNetwork saved = Example();
  for (const auto& [name, tensor] : saved.weights.entries()) {
    EXPECT_EQ(weights.Find(name)->as<float>().back(), tensor.as<float>().back()) << name;
    EXPECT_EQ(weights.Find(name)->Clone().as<float>()[0], tensor.as<float>()[0]) << name;
  }
}

TEST(NetworkFile, OptionalPartsMayBeMissing) {
  const TempFolder folder;
  DeployedNetwork network = Example();
  network.normalisation = {};
  network.class_names.clear();
  network.information = "{}";
  network.weights.Put("unused", kernels::Tensor(DType::kF32, {3}));
  Require(Save(folder / "n", network));
  const auto loaded = Load(folder / "n");
  Require(loaded.status());
  EXPECT_TRUE(loaded->normalisation.mean.empty());
  EXPECT_TRUE(loaded->class_names.empty());
  EXPECT_FALSE(loaded->weights.contains("unused"));
}

TEST(NetworkFile, RunsAsTheOriginalGraphOnEveryDeviceAndBatchSize) {
  const TempFolder folder;
  const std::string path = folder / "network.mathnas";
  Require(Save(path, Example()));
  const std::vector<uint8_t> pixels = Pixels(7);
  const std::vector<float> expected = Expected(pixels);
  std::vector<std::shared_ptr<kernels::Device>> devices = {Reference()};
  if (auto cpu = kernels::CpuDevice(2); cpu.ok()) devices.push_back(*cpu);
  for (const auto& device : devices) {
    for (int64_t batch : {1, 3, 16}) {
      auto network = Network::Load(path, device, batch);
      Require(network.status());
      Network moved = *std::move(network);
      EXPECT_EQ(moved.batch(), batch);
      EXPECT_EQ(moved.input_shape(), (kernels::Shape{8, 8, 3}));
      EXPECT_EQ(moved.output_shape(), (kernels::Shape{10}));
      EXPECT_LT(kernels::testing::RelativeDifference(Logits(moved, pixels), expected), 1e-5) << device->name() << batch;
      EXPECT_LT(kernels::testing::RelativeDifference(Logits(moved, pixels), expected), 1e-5) << "second run";
    }
  }
}

TEST(NetworkFile, RunsInPartsOnThreadsOfTheCaller) {
  const std::vector<uint8_t> pixels = Pixels(7);
  auto whole = Network::Create(Example(), Reference(), 4);
  Require(whole.status());
  const std::vector<float> expected = Logits(*whole, pixels);
  std::vector<int64_t> counts;
  kernels::Division division = {.parts = 3};
  division.parallel_for = [&](int64_t count, void (*task)(void*, int64_t), void* argument) {
    counts.push_back(count);
    std::vector<std::thread> threads;
    for (int64_t i = count; i-- > 0;) threads.emplace_back(task, argument, i);
    for (std::thread& t : threads) t.join();
  };
  auto divided = Network::Create(Example(), Reference(), 4, division);
  Require(divided.status());
  EXPECT_EQ(divided->batch(), 4);
  EXPECT_EQ(Logits(*divided, pixels), expected);
  EXPECT_EQ(counts, (std::vector<int64_t>{3, 2}));  // 4 images are parts of 2, 1 and 1; 3 of them 2 and 1
  EXPECT_EQ(divided->plan().ToString().substr(0, 19), "1 parts of 2 rows:\n");
  EXPECT_EQ(Network::Create(Example(), Reference(), 65537, division).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(NetworkFile, FloatsAreTakenAsTheyAre) {
  auto network = Network::Create(Example(), Reference(), 2);
  Require(network.status());
  const std::vector<uint8_t> pixels = Pixels(3);
  std::vector<float> values;
  for (size_t i = 0; i < pixels.size(); ++i) {
    const Normalisation& n = network->description().normalisation;
    values.push_back(static_cast<float>((pixels[i] - n.mean[i % 3]) / n.stddev[i % 3]));
  }
  std::vector<float> logits(30);
  Require(network->Run(values, logits));
  EXPECT_EQ(logits, Logits(*network, pixels));

  EXPECT_EQ(network->Run(values, std::span(logits).first(29)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(network->Run(std::span<const float>(values).first(100), logits).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(network->Run(std::span<const float>(), {}).ok());
}

TEST(NetworkFile, WithBatchFollowsConstants) {
  Builder b(2);
  const Value x = b.Input({3, 4, 4, 2});
  b.graph.SetBlock("zeros");
  const Value zero = b.graph.Apply(kernels::Fill{.value = 0, .shape = {3, 4, 4, 2}}, {})[0];
  b.graph.SetName(b.Sum({b.Norm("bn", zero), x}), "sum");
  const auto graph = WithBatch(b.graph, 5);
  Require(graph.status());
  EXPECT_EQ(graph->desc(graph->Find("sum")).shape, (kernels::Shape{5, 4, 4, 2}));
  EXPECT_EQ(graph->blocks(), b.graph.blocks());
  EXPECT_EQ(*kernels::GraphToJson(*WithBatch(*graph, 3)), *kernels::GraphToJson(*WithBatch(b.graph, 3)));

  for (int64_t batch : {int64_t{0}, int64_t{-1}, int64_t{65537}, std::numeric_limits<int64_t>::max()}) {
    EXPECT_EQ(WithBatch(b.graph, batch).status().code(), absl::StatusCode::kInvalidArgument);
  }
  b.graph.Input("other", {2, 1});
  EXPECT_EQ(Message(WithBatch(b.graph, 1).status()), "input \"other\" is 2x1, expected a batch of 3 first");
}

TEST(NetworkFile, CreateChecksItsDevice) {
  EXPECT_EQ(Network::Create(Example(), nullptr).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(Network::Create(Example(), kernels::ReferenceDevice(DType::kF64)).status()).substr(0, 6), "device");
  EXPECT_EQ(Network::Create(Example(), Reference(), 0).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(NetworkFile, SaveRefusesWhatItCouldNotLoad) {
  const TempFolder folder;
  const auto error = [&](auto change) {
    DeployedNetwork network = Example();
    change(network);
    const absl::Status status = Save(folder / "n", network);
    const std::string prefix = folder / "n: ";
    EXPECT_TRUE(Message(status).starts_with(prefix)) << Message(status);
    return std::string(Message(status).substr(std::min(prefix.size(), Message(status).size())));
  };
  EXPECT_EQ(error([](auto& n) { n.input = "image"; }),
            "input: the graph has 1 inputs, first \"images\", expected one called \"image\"");
  EXPECT_EQ(error([](auto& n) { n.graph.Input("second", {2, 2}); }).substr(0, 27), "input: the graph has 2 inpu");
  EXPECT_EQ(error([](auto& n) { n.output = "probabilities"; }),
            "output: the graph computes nothing called \"probabilities\"");
  EXPECT_EQ(error([](auto& n) { n.output = "images"; }), "output: the graph computes nothing called \"images\"");
  EXPECT_EQ(error([](auto& n) {
              n.graph.SetName(n.graph.Find("logits"), "alias");
              n.output = "alias";
            }),
            "output: \"alias\" is a second name of \"logits\"");
  EXPECT_EQ(error([](auto& n) { n.class_names.pop_back(); }), "classes: 9 names, expected 10 or none");
  EXPECT_EQ(error([](auto& n) { n.class_names[3] = "\xff"; }).substr(0, 36), "classes: text that is not UTF-8: [\"a");
  EXPECT_EQ(error([](auto& n) { n.normalisation.mean.pop_back(); }).substr(0, 49),
            "normalisation: 2 means and 3 standard deviations,");
  EXPECT_EQ(error([](auto& n) { n.normalisation.stddev[1] = 0; }),
            "normalisation: std[1]: 0, expected a number above 0");
  EXPECT_EQ(error([](auto& n) { n.normalisation.mean[2] = NAN; }), "normalisation: mean[2]: expected a finite number");
  EXPECT_EQ(error([](auto& n) { n.information = "[]"; }), "information: found an array, expected an object");
  EXPECT_EQ(error([](auto& n) { n.information = "{"; }), "information: not valid JSON at byte 2");
  EXPECT_EQ(error([](auto& n) { n.weights = {}; }).substr(0, 8), "tensor \"");
  EXPECT_EQ(error([](auto& n) { n.weights.Put("classifier.bias", kernels::Tensor(DType::kF32, {9})); }),
            "tensor \"classifier.bias\": is F32 9, expected F32 10");
  EXPECT_EQ(error([](auto& n) {
              n.graph.Apply(kernels::Accumulate{}, {n.graph.State("s", {1}), n.graph.Parameter("p", {1})});
            }).substr(0, 13),
            "graph: nodes[");
  EXPECT_EQ(error([](auto& n) { n.graph.Fail(absl::InvalidArgumentError("broken")); }), "graph: broken");
  EXPECT_EQ(error([](auto& n) { n.graph = Graph(DType::kF64); }), "graph: is F64, expected F32");
  EXPECT_EQ(folder.entries(), 0);
}

// Files that are almost right: the tensors and metadata of a good one, one part changed.
class HostileNetworkFile : public ::testing::Test {
 protected:
  HostileNetworkFile() {
    Require(Save(path_, Example()));
    auto file = supernet::SafetensorsFile::Open(path_);
    Require(file.status());
    metadata_ = file->metadata();
    tensors_ = file->LoadAll();
  }

  // The error without the path that it must begin with.
  std::string Error() {
    const auto network = Load(path_);
    if (network.ok()) return "";
    const std::string_view text = Message(network.status());
    EXPECT_TRUE(text.starts_with(path_ + ": ")) << text;
    return std::string(text.substr(std::min(text.size(), path_.size() + 2)));
  }
  std::string With(const std::string& key, const std::string& value) {
    supernet::Metadata metadata = metadata_;
    metadata[key] = value;
    Require(supernet::WriteSafetensors(path_, tensors_, metadata));
    return Error();
  }
  std::string Without(const std::string& key) {
    supernet::Metadata metadata = metadata_;
    metadata.erase(key);
    Require(supernet::WriteSafetensors(path_, tensors_, metadata));
    return Error();
  }
  std::string WithGraph(const char* pointer, const json& value) {
    json graph = json::parse(metadata_.at("graph"));
    graph[json::json_pointer(pointer)] = value;
    return With("graph", graph.dump());
  }

  const TempFolder folder_;
  const std::string path_ = folder_ / "network.mathnas";
  supernet::Metadata metadata_;
  kernels::TensorMap tensors_;
};

TEST_F(HostileNetworkFile, MissingOrNoNetwork) {
  EXPECT_EQ(Load(folder_ / "absent").status().code(), absl::StatusCode::kNotFound);
  Write(path_, "");
  EXPECT_NE(Error(), "");
  Write(path_, "PK\x03\x04 not a network at all");
  EXPECT_NE(Error(), "");
  Require(supernet::WriteSafetensors(path_, tensors_, {}));  // a checkpoint
  EXPECT_EQ(Error(), "format: missing in the metadata, expected \"mathnas-network/1\"");
  EXPECT_EQ(With("format", "mathnas-network/2"),
            "format: found \"mathnas-network/2\", but this version of the library reads \"mathnas-network/1\"");
}

TEST_F(HostileNetworkFile, Truncated) {
  const std::string bytes = Read(path_);
  for (size_t n = 0; n < bytes.size(); n += n < 64 ? 1 : 997) {
    Write(path_, bytes.substr(0, n));
    EXPECT_NE(Error(), "") << n;
  }
  Write(path_, bytes + "x");
  EXPECT_NE(Error(), "");
}

TEST_F(HostileNetworkFile, Metadata) {
  for (const char* key : {"graph", "input", "output", "classes", "information"}) {
    EXPECT_EQ(Without(key), std::string(key) + ": missing in the metadata");
  }
  EXPECT_EQ(With("graph", "{"), "graph: not valid JSON at byte 2");
  EXPECT_EQ(With("input", "[]"), "input: found an array, expected an object");
  EXPECT_EQ(With("input", R"({"name": 3, "shape": [2, 8, 8, 3], "mean": [], "std": []})"),
            "input.name: expected a string");
  EXPECT_EQ(With("input", R"({"name": "x", "shape": [2, 8, 8, 3], "mean": [], "std": []})"),
            "input.name: the graph has nothing called \"x\"");
  EXPECT_EQ(With("input", R"({"name": "images", "shape": [2, 8, 8, 4], "mean": [], "std": []})"),
            "input.shape: is not 2x8x8x3, that of the graph");
  EXPECT_EQ(With("input", R"({"name": "images", "shape": [2, 8, 8, 3], "std": []})"),
            "input.mean: expected an array of numbers");
  EXPECT_EQ(With("input", R"({"name": "images", "shape": [2, 8, 8, 3], "mean": [1, "2", 3], "std": [1, 1, 1]})"),
            "input.mean[1]: found \"2\", expected a number");
  EXPECT_EQ(With("input", R"({"name": "images", "shape": [2, 8, 8, 3], "mean": [1, 2, 3], "std": [1, -1, 1]})"),
            "normalisation: std[1]: -1, expected a number above 0");
  EXPECT_EQ(With("input", R"({"name": "classifier.weight", "shape": [10, 24], "mean": [], "std": []})").substr(0, 33),
            "input: the graph has 1 inputs, fi");
  EXPECT_EQ(With("output", "nothing"), "output: the graph computes nothing called \"nothing\"");
  EXPECT_EQ(With("classes", R"(["a", 1])"), "classes[1]: found 1, expected a string");
  EXPECT_EQ(With("classes", R"(["a"])"), "classes: 1 names, expected 10 or none");
  EXPECT_EQ(With("information", "3"), "information: found 3, expected an object");
  EXPECT_EQ(With("information", std::string(100'000, '[')), "information: nested deeper than 64");
}

TEST_F(HostileNetworkFile, Tensors) {
  const auto error = [&](auto change) {
    kernels::TensorMap tensors;
    for (const auto& [name, tensor] : tensors_.entries()) tensors.Put(name, tensor.Clone());
    change(tensors);
    Require(supernet::WriteSafetensors(path_, tensors, metadata_));
    return Error();
  };
  EXPECT_EQ(error([](auto& t) { t.Put("extra", kernels::Tensor(DType::kF32, {1})); }),
            "tensor \"extra\": the graph has no such parameter or state");
  EXPECT_EQ(error([](auto& t) { t.Put("logits", kernels::Tensor(DType::kF32, {1})); }),
            "tensor \"logits\": the graph has no such parameter or state");
  EXPECT_EQ(error([](auto& t) { t.Put("classifier.bias", kernels::Tensor(DType::kF64, {10})); }),
            "tensor \"classifier.bias\": is F64 10, expected F32 10");
  EXPECT_EQ(error([](auto& t) { t = {}; }).substr(0, 8), "tensor \"");
}

// Weights are mapped read-only: what writes to them must not run.
TEST_F(HostileNetworkFile, OperatorsThatWriteAreRefused) {
  json graph = json::parse(metadata_.at("graph"));
  size_t weight = 0;
  while (graph["leaves"][weight]["kind"] != "parameter") ++weight;
  graph["nodes"].push_back({{"op", "accumulate"}, {"inputs", {weight, weight}}, {"block", 0}});
  const std::string last = std::to_string(graph["nodes"].size() - 1);
  EXPECT_EQ(With("graph", graph.dump()), "graph: nodes[" + last + "]: accumulate is no operator for inference");
  // Parts of weights may be used; of images they would mix a batch.
  size_t image = 0;
  while (graph["leaves"][image]["kind"] != "input") ++image;
  const json part = {{"begin", 0}, {"rows", 1}, {"columns", 0}};
  graph["nodes"].back() = {{"op", "slice"}, {"attributes", part}, {"inputs", {image}}, {"block", 0}};
  const std::string refused = With("graph", graph.dump());
  EXPECT_NE(refused.find("expected a parameter or a state"), std::string::npos) << refused;
}

TEST_F(HostileNetworkFile, HugeShapesAreRefusedBeforeAnythingIsAllocated) {
  EXPECT_EQ(WithGraph("/leaves/0/shape/0", int64_t{1} << 40),
            "graph: leaves[0].shape[0]: found 1099511627776, expected 1 to 2147483647");
  EXPECT_NE(WithGraph("/nodes/0/attributes/padding", 1 << 24), "");
  EXPECT_NE(WithGraph("/nodes/0/inputs/0", -1), "");
}

TEST_F(HostileNetworkFile, RandomBytesInTheHeader) {
  const std::string bytes = Read(path_);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  kernels::Random random(9);
  for (int i = 0; i < 500; ++i) {
    std::string changed = bytes;
    changed[random.Below(static_cast<uint32_t>(8 + header))] = static_cast<char>(32 + random.Below(95));
    Write(path_, changed);
    // Either refused, or a network that can be prepared or refused by its device.
    if (auto network = Load(path_); network.ok())
      Network::Create(*std::move(network), Reference()).status().IgnoreError();
  }
}

}  // namespace
}  // namespace mathnas::deploy
