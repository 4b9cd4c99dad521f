// Every NAS-Bench-201 case of the forward golden file: logits and activations, on the CPU in float32 and on the
// reference device in double.
#include <cstring>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "supernet/nasbench201/space.h"
#include "tests/supernet/golden.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::TensorMap;
using nlohmann::json;

// Reference values in double; float32 differs by rounding: relative 1e-4 to the L2 norm.
void CheckSummary(const json& golden, const std::vector<double>& values, double tolerance, const std::string& what) {
  const double l2 = golden["l2"].get<double>();
  EXPECT_NEAR(L2(values), l2, tolerance * l2) << what;
  EXPECT_NEAR(Sum(values), golden["sum"].get<double>(), tolerance * l2 * std::sqrt(values.size())) << what;
  const auto first = golden["first"].get<std::vector<double>>();
  ASSERT_LE(first.size(), values.size()) << what;
  for (size_t i = 0; i < first.size(); ++i)
    EXPECT_NEAR(values[i], first[i], tolerance * l2) << what << " element " << i;
}

void CheckCase(const std::string& name, const json& golden, kernels::Device& device, double tolerance) {
  SCOPED_TRACE(name + " on " + std::string(device.name()));
  const auto input = golden["input"].get<std::vector<int64_t>>();
  auto space = NasBench201(
      {.classes = golden["classes"].get<int64_t>(), .height = input[2], .width = input[3], .input_channels = input[1]});
  ASSERT_TRUE(space.ok());
  auto choice = (*space)->ParseSubnet(json{{"arch", golden["arch"]}}.dump());
  ASSERT_TRUE(choice.ok()) << choice.status();
  NetworkGraph network = (*space)->Network(*choice, {.batch = input[0], .real = device.real()});
  ASSERT_TRUE(network.graph.status().ok()) << network.graph.status();

  TensorMap weights = AllocateWeights(network.graph);
  FillSynthetic(weights);
  std::vector<kernels::PlanOutput> outputs = {{"logits", network.logits}};
  for (const auto& [activation, summary] : golden["acts"].items()) {
    outputs.push_back({activation, network.graph.Find(activation)});
    ASSERT_TRUE(outputs.back().value.valid()) << activation;
  }
  outputs.push_back({"pooled", network.graph.Find("pooled")});
  for (const kernels::PlanOptions options : {kernels::PlanOptions{}, kernels::PlanOptions{.constant_weights = true}}) {
    auto plan = kernels::Plan::Create(network.graph, outputs, device, options);
    ASSERT_TRUE(plan.ok()) << plan.status();
    auto context = kernels::Context::Create(*plan, {&weights});
    ASSERT_TRUE(context.ok()) << context.status();
    const kernels::Tensor images = SyntheticImages("input", input, device.real());
    std::memcpy((*context)->Input("image")->data, images.data(), images.desc().bytes());
    ASSERT_TRUE((*context)->Run().ok());

    const std::vector<double> logits = ToDoubles(*(*context)->Output("logits"));
    const auto expected = golden["logits"].get<std::vector<double>>();
    ASSERT_EQ(logits.size(), expected.size());
    const double l2 = L2(expected);
    for (size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(logits[i], expected[i], tolerance * l2) << "logit " << i;
    for (const auto& [activation, summary] : golden["acts"].items()) {
      CheckSummary(summary, ToNchw(*(*context)->Output(activation)), tolerance, activation);
    }
    if (golden.contains("pooled"))
      CheckSummary(golden["pooled"], ToDoubles(*(*context)->Output("pooled")), tolerance, "pooled");
  }
}

bool IsNasBench201(const json& golden) {
  return golden.is_object() && golden.contains("arch") && golden.contains("logits");
}

void CheckEveryCaseInFloat(kernels::Device& device) {
  int cases = 0;
  const json file = LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json");
  for (const auto& [name, golden] : file.items()) {
    if (!IsNasBench201(golden)) continue;
    CheckCase(name, golden, device, 1e-4);
    ++cases;
  }
  EXPECT_GT(cases, 0);
}

TEST(GoldenForward, EveryCaseInFloatOnTheCpu) {
  auto device = kernels::CpuDevice(2);
  if (!device.ok()) GTEST_SKIP() << kernels::Message(device.status());
  CheckEveryCaseInFloat(**device);
}

TEST(GoldenForward, EveryCaseInFloatOnCuda) {
  auto device = kernels::CudaDevice();
  if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << kernels::Message(device.status());
  CheckEveryCaseInFloat(**device);
}

TEST(GoldenForward, EveryCaseInDoubleOnTheReferenceDevice) {
  const auto device = kernels::ReferenceDevice(DType::kF64);
  const json file = LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json");
  for (const auto& [name, golden] : file.items()) {
    if (IsNasBench201(golden)) CheckCase(name, golden, *device, 1e-10);
  }
}

TEST(GoldenForward, Generator) {
  EXPECT_DOUBLE_EQ(SyntheticValue("input", 0), 0.28604724537581205);
  EXPECT_DOUBLE_EQ(SyntheticValue("input", 1), 0.8406892735511065);
  EXPECT_DOUBLE_EQ(SyntheticValue("stem.0.weight", 0), -0.6352057959884405);
}

// Names and shapes of all tensors equal those of the reference's state dicts.
TEST(GoldenForward, StateDicts) {
  const json file = LoadGolden("MATHNAS_STATE_DICT_SHAPES", "state-dict-shapes.json");
  int checked = 0;
  for (const auto& [name, dict] : file.items()) {
    if (name.find("nasbench201") == std::string::npos) continue;
    const bool affine = name.find("noaffine") == std::string::npos;
    auto space = *NasBench201({.affine = affine, .track = true});
    const Choice arch11 = *space->ParseSubnet(
        R"({"arch": "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|"})");
    const GraphRequest request = {.mode = Mode::kTraining};
    const TensorMap weights =
        AllocateWeights(name.find("supernet") != std::string::npos ? space->Supernet(request).graph
                                                                   : space->Network(arch11, request).graph);
    if (affine) {  // the other one lists its first cell alone
      EXPECT_EQ(weights.size(), dict.size()) << name;
    }
    for (const auto& [tensor, shape] : dict.items()) {
      const kernels::Tensor* t = weights.Find(tensor);
      ASSERT_NE(t, nullptr) << name << " " << tensor;
      const auto expected = shape.get<std::vector<int64_t>>();
      EXPECT_EQ(t->shape(), kernels::Shape(expected.begin(), expected.end())) << tensor;
    }
    ++checked;
  }
  EXPECT_EQ(checked, 3);
}

}  // namespace
}  // namespace mathnas::supernet
