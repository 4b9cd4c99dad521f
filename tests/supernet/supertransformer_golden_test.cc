// Every HAT case of the forward golden file, over the supernet's tensors and over those of the extracted network, on
// the CPU in float32 and on the reference device in double; names of tensors; padding changes nothing.
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/supertransformer/space.h"
#include "supernet/training/sampling.h"
#include "tests/supernet/golden_network.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::TensorMap;
using nlohmann::json;
using Rows = std::vector<std::vector<int64_t>>;

struct Translation {
  std::shared_ptr<const SearchSpace> space;
  Choice choice;
  TensorMap shared;
};

Translation Load(const json& golden, DType real) {
  const int64_t vocabulary = golden["vocab"].get<int64_t>();
  Translation t = {*SuperTransformer({.task = *supertransformer::ParseTask(golden["space"].get<std::string>()),
                                      .source_vocabulary = vocabulary,
                                      .target_vocabulary = vocabulary}),
                   {},
                   {}};
  t.choice = *t.space->ParseSubnet(golden["config"].dump());
  t.shared = AllocateWeights(t.space->Supernet({.real = real}).graph);
  FillSynthetic(t.shared);
  return t;
}

void Write(kernels::TensorView view, const Rows& rows) {
  int64_t* to = view.as<int64_t>().data();
  for (const auto& row : rows) to = std::copy(row.begin(), row.end(), to);
}

// Outputs by name, for rows of tokens.
std::map<std::string, std::vector<double>> RunOn(const Translation& t, Weights weights, const TensorMap& tensors,
                                                 kernels::Device& device, const Rows& source, const Rows& previous,
                                                 const Rows* labels = nullptr) {
  NetworkGraph network = t.space->Network(t.choice, {.batch = std::ssize(source),
                                                     .weights = weights,
                                                     .real = device.real(),
                                                     .source_length = std::ssize(source[0]),
                                                     .target_length = std::ssize(previous[0])});
  kernels::Graph& g = network.graph;
  std::vector<kernels::PlanOutput> outputs = {{"logits", network.logits}};
  for (int i = 0; g.Find("encoder" + std::to_string(i)).valid(); ++i) {
    const std::string name = "encoder" + std::to_string(i);
    outputs.push_back({name, g.Find(name)});
  }
  if (labels != nullptr) {
    const kernels::Value l = g.Integers("labels", {std::ssize(*labels), std::ssize((*labels)[0])});
    for (const auto& [name, smoothing] : {std::pair{"nll", 0.0}, std::pair{"smoothed", 0.1}}) {
      const kernels::SoftmaxCrossEntropy loss = {
          .label_smoothing = smoothing, .ignored_label = supertransformer::kPad, .sum = true};
      outputs.push_back({name, g.Apply(loss, {network.logits, l})[0]});
    }
  }
  EXPECT_TRUE(g.status().ok()) << g.status();
  auto plan = kernels::Plan::Create(g, outputs, device, {.constant_weights = true});
  EXPECT_TRUE(plan.ok()) << plan.status();
  auto context = kernels::Context::Create(*plan, {&tensors});
  EXPECT_TRUE(context.ok()) << context.status();
  Write(*(*context)->Input("source"), source);
  Write(*(*context)->Input("previous"), previous);
  if (labels != nullptr) Write(*(*context)->Input("labels"), *labels);
  EXPECT_TRUE((*context)->Run().ok());
  std::map<std::string, std::vector<double>> values;
  for (const kernels::PlanOutput& o : outputs) values[o.name] = ToDoubles(*(*context)->Output(o.name));
  return values;
}

// {B,T,C} in the order {T,B,C} of the reference's encoder.
std::vector<double> TimeFirst(const std::vector<double>& values, const json& shape) {
  const auto time = shape[0].get<size_t>(), batch = shape[1].get<size_t>(), channels = shape[2].get<size_t>();
  std::vector<double> to(values.size());
  EXPECT_EQ(values.size(), time * batch * channels);
  for (size_t t = 0; t < time; ++t) {
    for (size_t b = 0; b < batch; ++b) {
      for (size_t c = 0; c < channels; ++c) to[(t * batch + b) * channels + c] = values[(b * time + t) * channels + c];
    }
  }
  return to;
}

void CheckCase(const json& golden, const Translation& t, Weights weights, const TensorMap& tensors,
               kernels::Device& device, double tolerance) {
  SCOPED_TRACE(std::string(device.name()) + (weights == Weights::kOwn ? ", extracted" : ""));
  const Rows labels = golden["target"].get<Rows>();
  auto values = RunOn(t, weights, tensors, device, golden["src"].get<Rows>(), golden["prev"].get<Rows>(), &labels);
  const std::vector<double>& logits = values["logits"];
  CheckSummary(golden["logits"], logits, tolerance, "logits");
  const size_t vocabulary = golden["vocab"].get<size_t>(), length = golden["prev"][0].size();
  for (const auto& [name, place] :
       {std::pair{"logits_b0_t0_first8", size_t{0}}, std::pair{"logits_b1_t3_first8", (length + 3) * vocabulary}}) {
    const auto first = golden[name].get<std::vector<double>>();
    for (size_t i = 0; i < first.size(); ++i) {
      EXPECT_NEAR(logits[place + i], first[i], tolerance * L2(logits)) << name << " " << i;
    }
  }
  CheckSummary(golden["encoder_out"], TimeFirst(values["encoder5"], golden["encoder_out"]["shape"]), tolerance,
               "encoder_out");
  for (size_t i = 0; i < golden["encoder_all"].size(); ++i) {
    const json& layer = golden["encoder_all"][i];
    CheckSummary(layer, TimeFirst(values["encoder" + std::to_string(i)], layer["shape"]), tolerance,
                 "encoder layer " + std::to_string(i));
  }
  EXPECT_NEAR(values["nll"][0], golden["nll_sum"].get<double>(), tolerance * golden["nll_sum"].get<double>());
  EXPECT_NEAR(values["smoothed"][0], golden["ls_loss_sum"].get<double>(),
              tolerance * golden["ls_loss_sum"].get<double>());
}

void CheckEveryCase(kernels::Device& device, double tolerance) {
  const json file = LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json");
  int cases = 0;
  for (const auto& [name, golden] : file.items()) {
    if (!name.starts_with("hat_") || !golden.contains("logits")) continue;
    SCOPED_TRACE(name);
    const Translation t = Load(golden, device.real());
    CheckCase(golden, t, Weights::kShared, t.shared, device, tolerance);
    const auto own = ExtractWeights(*t.space, t.choice, t.shared);
    ASSERT_TRUE(own.ok()) << own.status();
    CheckCase(golden, t, Weights::kOwn, *own, device, tolerance);
    ++cases;
  }
  EXPECT_GE(cases, 2);
}

TEST(SuperTransformerGolden, EveryCaseInFloatOnTheCpu) {
  auto device = kernels::CpuDevice(2);
  if (!device.ok()) GTEST_SKIP() << kernels::Message(device.status());
  CheckEveryCase(**device, 1e-4);
}

TEST(SuperTransformerGolden, EveryCaseInFloatOnCuda) {
  auto device = kernels::CudaDevice();
  if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << kernels::Message(device.status());
  CheckEveryCase(**device, 1e-4);
}

// The reference's own softmax is in float32 (spec/search-spaces.md 4.2): 2e-7.
TEST(SuperTransformerGolden, EveryCaseInDoubleOnTheReferenceDevice) {
  CheckEveryCase(*kernels::ReferenceDevice(DType::kF64), 5e-7);
}

TEST(SuperTransformerGolden, StateDict) {
  const json shapes = LoadGolden("MATHNAS_STATE_DICT_SHAPES", "state-dict-shapes.json");
  for (const auto& [dict, task] : {std::pair{"hat_wmt_vocab100", supertransformer::Task::kWmt},
                                   std::pair{"hat_iwslt_vocab100", supertransformer::Task::kIwslt}}) {
    const auto space = *SuperTransformer({.task = task, .source_vocabulary = 100, .target_vocabulary = 100});
    const TensorMap weights = AllocateWeights(space->Supernet({.mode = Mode::kTraining}).graph);
    size_t used = 0;
    for (const auto& [tensor, shape] : shapes[dict].items()) {
      const bool second_name =
          task == supertransformer::Task::kWmt && tensor == "encoder.embed_tokens.weight";  // of the shared embedding
      if (tensor.ends_with(".version") || tensor.ends_with("._float_tensor") || second_name) continue;
      ++used;
      const kernels::Tensor* t = weights.Find(tensor);
      ASSERT_NE(t, nullptr) << tensor;
      const auto expected = shape.get<std::vector<int64_t>>();
      EXPECT_EQ(t->shape(), kernels::Shape(expected.begin(), expected.end())) << tensor;
    }
    EXPECT_EQ(weights.entries().size(), used) << dict;
  }
}

// What stands before the source and behind the target is not seen by the rest.
TEST(SuperTransformerGolden, PaddingChangesNothing) {
  auto device = kernels::ReferenceDevice(DType::kF64);
  const auto space =
      *SuperTransformer({.task = supertransformer::Task::kSmall, .source_vocabulary = 24, .target_vocabulary = 24});
  Translation t = {space, RandomChoice(*space, 5, 0), AllocateWeights(space->Supernet({.real = DType::kF64}).graph)};
  FillSynthetic(t.shared);
  const auto alone = RunOn(t, Weights::kShared, t.shared, *device, {{5, 9, 20, 2}}, {{2, 7, 8}});
  const auto padded = RunOn(t, Weights::kShared, t.shared, *device, {{1, 1, 5, 9, 20, 2}, {4, 4, 4, 4, 4, 2}},
                            {{2, 7, 8, 1}, {2, 9, 9, 9}});
  const auto& a = alone.at("logits");
  const auto& b = padded.at("logits");
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-12 * L2(a));
}

}  // namespace
}  // namespace mathnas::supernet
