// Every network of the forward golden file as an ONNX file, run by an interpreter of ONNX in double: logits, names and
// values of weights, axes, and that nothing is transposed between convolutions.
#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "bindings/onnx/networks.h"
#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/supervit/space.h"
#include "tests/bindings/onnx/interpreter.h"
#include "tests/bindings/process.h"
#include "tests/supernet/golden_network.h"

namespace mathnas::onnx {
namespace {

using cli::TemporaryFolder;
using kernels::TensorMap;
using nlohmann::json;
using supernet::Choice;
using supernet::SearchSpace;
using testing::Array;
using testing::File;
using testing::Node;

// Weights are float32, what is folded into them is rounded once more; all else is double on both sides.
constexpr double kTolerance = 2e-6;

json Golden() { return supernet::LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json"); }

struct Case {
  std::shared_ptr<const SearchSpace> space;
  Choice choice;
  TensorMap own;
  std::vector<int64_t> input;  // {N,C,H,W}
};

Case Extracted(std::shared_ptr<const SearchSpace> space, const std::string& subnet, std::vector<int64_t> input) {
  Case c = {std::move(space), {}, {}, std::move(input)};
  const auto choice = c.space->ParseSubnet(subnet);
  EXPECT_TRUE(choice.ok()) << choice.status();
  c.choice = *choice;
  if (c.space->synthetic_weights() == supernet::Weights::kOwn) {
    c.own = supernet::AllocateWeights(c.space->Network(c.choice, {}).graph);
    supernet::FillSynthetic(c.own);
    return c;
  }
  TensorMap shared = supernet::AllocateWeights(c.space->Supernet({}).graph);
  supernet::FillSynthetic(shared);
  auto own = supernet::ExtractWeights(*c.space, c.choice, shared);
  EXPECT_TRUE(own.ok()) << own.status();
  c.own = *std::move(own);
  return c;
}

Case LoadNasBench201(const json& golden) {
  const auto input = golden["input"].get<std::vector<int64_t>>();
  return Extracted(*supernet::NasBench201({.classes = golden["classes"].get<int64_t>(),
                                           .height = input[2],
                                           .width = input[3],
                                           .input_channels = input[1]}),
                   json{{"arch", golden["arch"]}}.dump(), input);
}

Case LoadMobileNetV3(const json& golden) {
  const auto input = golden["input"].get<std::vector<int64_t>>();
  json subnet = golden["config"];
  subnet["resolution"] = input[2];
  return Extracted(*supernet::MobileNetV3({.width = golden["width"], .input_channels = input[1]}), subnet.dump(),
                   input);
}

Case LoadSuperVit(const json& golden) {
  return Extracted(*supernet::SuperVit({}), golden["config"].dump(), golden["input"].get<std::vector<int64_t>>());
}

Array Images(std::vector<int64_t> nchw) {
  Array images = {testing::kFloat, std::move(nchw)};
  int64_t elements = 1;
  for (int64_t extent : images.shape) elements *= extent;
  for (int64_t i = 0; i < elements; ++i) {
    images.real.push_back(static_cast<float>(supernet::SyntheticValue("input", i)));
  }
  return images;
}

// The weights of a file that is not folded are the network's, by name, value and, but for axes of extent 1, shape.
void CheckWeights(const File& file, const TensorMap& own) {
  size_t found = 0;
  for (const TensorMap::Entry& e : own.entries()) {
    if (e.name.ends_with("num_batches_tracked")) continue;
    const auto at = file.initializers.find(e.name);
    ASSERT_NE(at, file.initializers.end()) << e.name;
    ++found;
    std::vector<int64_t> shape = at->second.shape;
    while (shape.size() > e.tensor.shape().size() && shape.back() == 1) shape.pop_back();
    EXPECT_EQ(kernels::Shape(shape.begin(), shape.end()), e.tensor.shape()) << e.name;
    const std::vector<double> values = supernet::ToDoubles(e.tensor.view());
    ASSERT_EQ(at->second.real.size(), values.size()) << e.name;
    EXPECT_TRUE(std::equal(values.begin(), values.end(), at->second.real.begin())) << e.name;
  }
  EXPECT_GT(found, 0U);
}

size_t Count(const File& file, const std::function<bool(const Node&)>& is) {
  return static_cast<size_t>(std::count_if(file.nodes.begin(), file.nodes.end(), is));
}

// Transposes of what is not a constant.
size_t Transposes(const File& file) {
  const testing::Session session(file);
  return Count(file, [&](const Node& n) { return n.type == "Transpose" && !session.IsConstant(n.inputs[0]); });
}

void CheckLogits(const json& golden, const std::vector<double>& logits, bool whole) {
  // Of one image of several, the values that are listed are its own.
  if (whole && golden.contains("summary")) supernet::CheckSummary(golden["summary"], logits, kTolerance, "logits");
  const char* list = golden.contains("logits") ? "logits" : "logits_first16";
  const auto first = golden[list].get<std::vector<double>>();
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_NEAR(logits[i], first[i], kTolerance * supernet::L2(logits)) << "logit " << i;
  }
}

void CheckImages(const std::string& prefix, const std::function<Case(const json&)>& load, int least,
                 const std::function<void(const Case&, const File&)>& look) {
  const TemporaryFolder folder;
  const json goldens = Golden();
  int cases = 0;
  for (const auto& [name, golden] : goldens.items()) {
    if (!name.starts_with(prefix) || !golden.contains("input") ||
        !(golden.contains("config") || (golden.contains("arch") && golden.contains("logits")))) {
      continue;
    }
    SCOPED_TRACE(name);
    const Case c = load(golden);
    ++cases;
    for (const BatchNorm batch_norm : {BatchNorm::kFolded, BatchNorm::kKept}) {
      const bool kept = batch_norm == BatchNorm::kKept;
      SCOPED_TRACE(kept ? "kept" : "folded");
      const std::string path = folder / (name + ".onnx");
      const auto exported = ExportImageNetwork(path, *c.space, c.choice, c.own,
                                               {.batch_norm = batch_norm, .image_size = c.input[2], .metadata = {}});
      ASSERT_TRUE(exported.ok()) << exported.status();
      EXPECT_EQ(exported->bytes, static_cast<int64_t>(std::filesystem::file_size(path)));
      const File file = testing::ReadOnnx(path);
      EXPECT_EQ(file.opsets, (std::map<std::string, int64_t>{{"", kOpset}}));
      EXPECT_EQ(file.metadata.at("subnet"), c.space->SubnetJson(c.choice));
      const std::string side = std::to_string(c.input[2]);
      EXPECT_EQ(file.inputs.at(0).name, "image");
      EXPECT_EQ(file.inputs.at(0).shape, (std::vector<std::string>{"batch", "3", side, side}));
      EXPECT_EQ(file.outputs.at(0).name, "logits");
      // One image where the file is not folded, for the sake of time: a golden case is several networks then.
      std::vector<int64_t> input = c.input;
      if (kept) input[0] = 1;
      const Array logits = testing::Run(file, {{"image", Images(input)}}).at("logits");
      EXPECT_EQ(logits.shape, (std::vector<int64_t>{input[0], c.space->classes()}));
      CheckLogits(golden, logits.real, input == c.input);
      if (kept) CheckWeights(file, c.own);
      // Folded is what follows a convolution; the last one of NAS-Bench-201 follows a sum.
      EXPECT_EQ(Count(file, [](const Node& n) { return n.type == "BatchNormalization"; }) > 1, kept);
      look(c, file);
    }
  }
  EXPECT_GE(cases, least);
}

TEST(OnnxGolden, NasBench201) {
  CheckImages("nb201_", LoadNasBench201, 3, [](const Case&, const File& file) {
    EXPECT_EQ(Count(file, [](const Node& n) { return n.type == "Transpose" || n.type == "Reshape"; }), 0U);
  });
}

TEST(OnnxGolden, MobileNetV3) {
  CheckImages("ofa_w", LoadMobileNetV3, 3, [](const Case&, const File& file) {
    EXPECT_EQ(Count(file, [](const Node& n) { return n.type == "Transpose" || n.type == "Reshape"; }), 0U);
  });
}

TEST(OnnxGolden, SuperVit) {
  CheckImages("nasvit", LoadSuperVit, 3, [](const Case&, const File& file) {
    // Two of an attention, which are operands of its two products.
    EXPECT_EQ(Transposes(file), 2 * Count(file, [](const Node& n) { return n.type == "Softmax"; }));
  });
}

using Rows = std::vector<std::vector<int64_t>>;

Array ToArray(const Rows& rows) {
  Array array = {testing::kInt64, {std::ssize(rows), std::ssize(rows[0])}};
  for (const auto& row : rows) array.integer.insert(array.integer.end(), row.begin(), row.end());
  return array;
}

supernet::SuperTransformerMacro MacroOf(const json& golden) {
  const int64_t vocabulary = golden["vocab"].get<int64_t>();
  return {.task = *supernet::supertransformer::ParseTask(golden["space"].get<std::string>()),
          .source_vocabulary = vocabulary,
          .target_vocabulary = vocabulary};
}

void CheckTranslation(const json& golden, const std::vector<double>& logits) {
  supernet::CheckSummary(golden["logits"], logits, kTolerance, "logits");
  const size_t vocabulary = golden["vocab"].get<size_t>(), length = golden["prev"][0].size();
  for (const auto& [name, place] :
       {std::pair{"logits_b0_t0_first8", size_t{0}}, std::pair{"logits_b1_t3_first8", (length + 3) * vocabulary}}) {
    const auto first = golden[name].get<std::vector<double>>();
    for (size_t i = 0; i < first.size(); ++i) {
      EXPECT_NEAR(logits[place + i], first[i], kTolerance * supernet::L2(logits)) << name << " " << i;
    }
  }
}

// From the memories of an encoder: the logits {N,T,V} of the first of `beams` rows of each source, token by token.
// Caches have room for all tokens from the beginning, or begin empty and grow.
std::vector<double> Decode(std::map<std::string, Array> inputs, const File& decoder_file, const json& golden,
                           int64_t beams, bool growing) {
  const Rows source = golden["src"].get<Rows>(), previous = golden["prev"].get<Rows>();
  const auto length = static_cast<int64_t>(previous[0].size());
  const int64_t sources = std::ssize(source), rows = sources * beams, words = golden["vocab"].get<int64_t>();
  inputs["source"] = ToArray(source);
  const testing::Session decoder(decoder_file);
  for (const testing::Port& port : decoder_file.inputs) {
    if (!port.name.starts_with("cache.")) continue;
    const int64_t kept = growing ? 0 : length, features = std::stoll(port.shape[2]);
    inputs[port.name] = {testing::kFloat, {rows, kept, features}, std::vector<double>(rows * kept * features), {}};
  }
  std::vector<double> logits(static_cast<size_t>(sources * length * words));
  std::vector<int64_t> words_so_far(static_cast<size_t>(rows), 0);
  for (int64_t t = 0; t < length; ++t) {
    Array token = {testing::kInt64, {rows, 1}}, position = token, held = {testing::kInt64, {rows, length}};
    if (growing) held.shape[1] = t + 1;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t id = previous[static_cast<size_t>(r / beams)][static_cast<size_t>(t)];
      const bool pad = id == supernet::supertransformer::kPad;
      token.integer.push_back(id);
      position.integer.push_back(supernet::supertransformer::kPad + (pad ? 0 : ++words_so_far[static_cast<size_t>(r)]));
      for (int64_t i = 0; i < held.shape[1]; ++i) held.integer.push_back(i <= t ? 0 : supernet::supertransformer::kPad);
    }
    inputs["token"] = token, inputs["position"] = position, inputs["held"] = held;
    inputs["at"] = {testing::kInt64, {1}, {}, {t}};
    std::map<std::string, Array> outputs = decoder.Run(inputs);
    for (auto& [name, value] : outputs) {
      if (name != "logits") inputs[name.substr(0, name.size() - kNext.size())] = std::move(value);
    }
    const Array& step = outputs.at("logits");
    for (int64_t r = 0; r < rows; ++r) {
      const auto row = step.real.begin() + r * words, first = step.real.begin() + r / beams * beams * words;
      EXPECT_TRUE(std::equal(row, row + words, first)) << "rows of a source";
      if (r % beams == 0) std::copy_n(row, words, logits.begin() + (r / beams * length + t) * words);
    }
  }
  return logits;
}

TEST(OnnxGolden, SuperTransformer) {
  const TemporaryFolder folder;
  const json goldens = Golden();
  int cases = 0;
  for (const auto& [name, golden] : goldens.items()) {
    if (!name.starts_with("hat_") || !golden.contains("logits")) continue;
    SCOPED_TRACE(name);
    const supernet::SuperTransformerMacro macro = MacroOf(golden);
    const Case c = Extracted(*supernet::SuperTransformer(macro), golden["config"].dump(), {});
    std::map<std::string, Array> memories;
    for (const int64_t beams : {1, 2}) {
      const auto exported =
          ExportTranslator(folder / "t.onnx", macro, c.choice, c.own, {.beams = beams, .metadata = {}});
      ASSERT_TRUE(exported.ok()) << exported.status();
      EXPECT_EQ(exported->encoder.file, folder / "t.encoder.onnx");
      EXPECT_EQ(exported->decoder.file, folder / "t.decoder.onnx");
      const File decoder = testing::ReadOnnx(exported->decoder.file);
      if (beams == 1) {  // the encoder knows nothing of them
        File encoder = testing::ReadOnnx(exported->encoder.file);
        EXPECT_EQ(encoder.inputs.at(0).shape, (std::vector<std::string>{"sources", "length"}));
        EXPECT_EQ(encoder.metadata.at("padding"), "1");
        memories = testing::Run(encoder, {{"source", ToArray(golden["src"].get<Rows>())}});
        // Every weight is in one of the files.
        encoder.initializers.insert(decoder.initializers.begin(), decoder.initializers.end());
        CheckWeights(encoder, c.own);
      }
      CheckTranslation(golden, Decode(memories, decoder, golden, beams, /*growing=*/beams == 1));
    }

    // The whole network, with the mask of the future, as one graph whose lengths are free.
    const supernet::NetworkGraph network =
        c.space->Network(c.choice, {.batch = 1, .source_length = 4, .target_length = 4});
    const kernels::PlanOutput outputs[] = {{"logits", network.logits}};
    const auto whole = ExportGraph(folder / "whole.onnx", network.graph, outputs, c.own,
                                   {.axes = {{"source", {"sources", "source_length"}},
                                             {"previous", {"sources", "target_length"}},
                                             {"logits", {"sources", "target_length", ""}}},
                                    .metadata = {}});
    ASSERT_TRUE(whole.ok()) << whole.status();
    const auto values = testing::Run(
        testing::ReadOnnx(whole->file),
        {{"source", ToArray(golden["src"].get<Rows>())}, {"previous", ToArray(golden["prev"].get<Rows>())}});
    CheckTranslation(golden, values.at("logits").real);
    ++cases;
  }
  EXPECT_GE(cases, 2);
}

}  // namespace
}  // namespace mathnas::onnx
