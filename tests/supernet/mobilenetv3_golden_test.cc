// Every once-for-all case of the forward golden file, over the supernet's tensors and over those of the extracted
// network, on the CPU in float32 and on the reference device in double; and the names of all tensors.
#include <algorithm>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "supernet/counting.h"
#include "supernet/mobilenetv3/channel_sorting.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/recalibration.h"
#include "tests/supernet/golden_network.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::TensorMap;
using nlohmann::json;

constexpr std::string_view kPrefix = "ofa_w";

GoldenCase Load(const std::string& name, const json& golden, DType real) {
  const auto input = golden["input"].get<std::vector<int64_t>>();
  GoldenCase c = {name, golden, *MobileNetV3({.width = golden["width"], .input_channels = input[1]}), {}, {}, {}};
  json subnet = golden["config"];
  subnet["resolution"] = input[2];
  c.choice = *c.space->ParseSubnet(subnet.dump());
  c.shared = AllocateWeights(c.space->Supernet({.real = real}).graph);
  FillSynthetic(c.shared);
  return c;
}

void CheckEveryCase(kernels::Device& device, double tolerance) {
  const json file = LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json");
  int cases = 0;
  for (const auto& [name, golden] : file.items()) {
    if (!name.starts_with(kPrefix) || !golden.contains("config")) continue;
    const GoldenCase c = Load(name, golden, device.real());
    CheckForward(c, Weights::kShared, c.shared, device, tolerance);
    const auto own = ExtractWeights(*c.space, c.choice, c.shared);
    ASSERT_TRUE(own.ok()) << own.status();
    CheckForward(c, Weights::kOwn, *own, device, tolerance);
    ++cases;
  }
  EXPECT_GE(cases, 3);
}

TEST(MobileNetV3Golden, EveryCaseInFloatOnTheCpu) {
  auto device = kernels::CpuDevice(2);
  if (!device.ok()) GTEST_SKIP() << kernels::Message(device.status());
  CheckEveryCase(**device, 1e-5);
}

TEST(MobileNetV3Golden, EveryCaseInFloatOnCuda) {
  auto device = kernels::CudaDevice();
  if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << kernels::Message(device.status());
  CheckEveryCase(**device, 1e-5);
}

TEST(MobileNetV3Golden, EveryCaseInDoubleOnTheReferenceDevice) {
  // The reference's extracted networks, on which its activations were recorded, are off by up to 4e-10
  // (dynamic_vs_extracted): it computes their kernels in float32.
  CheckEveryCase(*kernels::ReferenceDevice(DType::kF64), 1e-9);
}

// spec/search-spaces.md 3.5: the largest network is the same afterwards, a smaller one is the reference's.
TEST(MobileNetV3Golden, SortedChannels) {
  const json golden = LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["ofa_w1.0_sorted_stage0_k5e3d3_128"];
  const auto device = kernels::ReferenceDevice(DType::kF64);
  const auto space = *MobileNetV3({});
  TensorMap shared = AllocateWeights(space->Supernet({.real = DType::kF64}).graph);
  FillSynthetic(shared);
  const auto input = golden["input"].get<std::vector<int64_t>>();
  const Choice largest = *space->ParseSubnet(R"({"ks": 7, "e": 6, "d": 4, "resolution": 64})");
  const std::vector<double> before = Logits(*space, largest, Weights::kShared, shared, *device, {1, 3, 64, 64});
  const auto sorted = mobilenetv3::SortChannels(*mobilenetv3::WidthsOf(1.0), 0, mobilenetv3::kExpansions, shared);
  ASSERT_TRUE(sorted.ok()) << sorted;
  const std::vector<double> after = Logits(*space, largest, Weights::kShared, shared, *device, {1, 3, 64, 64});
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-12 * L2(before));
  const Choice smaller = *space->ParseSubnet(R"({"ks": 5, "e": 3, "d": 3, "resolution": 128})");
  CheckSummary(golden["summary"], Logits(*space, smaller, Weights::kShared, shared, *device, input), 1e-9, "logits");
}

// spec/search-spaces.md 3.6.
TEST(MobileNetV3Golden, Recalibration) {
  const json golden = LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["ofa_bn_recalib"];
  const auto device = kernels::ReferenceDevice(DType::kF64);
  const auto space = *MobileNetV3({});
  TensorMap shared = AllocateWeights(space->Supernet({.real = DType::kF64}).graph);
  FillSynthetic(shared);
  json subnet = golden["config"];
  subnet["resolution"] = golden["calib"][0][1][2];
  const Choice choice = *space->ParseSubnet(subnet.dump());
  TensorMap own = *ExtractWeights(*space, choice, shared);
  Recalibration recalibration(*space, choice, own, device);
  for (const json& batch : golden["calib"]) {
    const kernels::Tensor images = SyntheticImages(batch[0], batch[1].get<std::vector<int64_t>>(), DType::kF64);
    ASSERT_TRUE(recalibration.Add(images.view()).ok());
  }
  ASSERT_TRUE(recalibration.Finish().ok());
  const auto statistic = [&](const char* name) { return ToDoubles(own.Find(name)->view()); };
  // The reference keeps its averages in float32.
  CheckSummary(golden["first_conv_mean"], statistic("first_conv.bn.running_mean"), 1e-6, "mean of first_conv");
  CheckSummary(golden["first_conv_var"], statistic("first_conv.bn.running_var"), 1e-6, "variance of first_conv");
  // Of the supernet's tensor the leading part.
  std::vector<double> mid = ToDoubles(shared.Find("blocks.1.conv.depth_conv.bn.bn.running_var")->view());
  const std::vector<double> part = statistic("blocks.1.conv.depth_conv.bn.running_var");
  std::copy(part.begin(), part.end(), mid.begin());
  CheckSummary(golden["b1_mid_var"], mid, 1e-6, "variance within blocks.1");
  CheckSummary(golden["logits"], Logits(*space, choice, Weights::kOwn, own, *device, {1, 3, 64, 64}), 2e-6, "logits");
}

// Names and shapes of all tensors equal those of the reference's state dicts.
TEST(MobileNetV3Golden, StateDicts) {
  const json file = LoadGolden("MATHNAS_STATE_DICT_SHAPES", "state-dict-shapes.json");
  int checked = 0;
  for (const auto& [name, dict] : file.items()) {
    if (!name.starts_with("ofa")) continue;
    auto space = *MobileNetV3({.width = name.find("1.2") == std::string::npos ? 1.0 : 1.2});
    const TensorMap weights = AllocateWeights(space->Supernet({.mode = Mode::kTraining}).graph);
    EXPECT_EQ(weights.size(), dict.size()) << name;
    for (const auto& [tensor, shape] : dict.items()) {
      const kernels::Tensor* t = weights.Find(tensor);
      ASSERT_NE(t, nullptr) << name << " " << tensor;
      const auto expected = shape.get<std::vector<int64_t>>();
      EXPECT_EQ(t->shape(), kernels::Shape(expected.begin(), expected.end())) << tensor;
    }
    ++checked;
  }
  EXPECT_EQ(checked, 2);
}

// spec/search-spaces.md 3.4.
TEST(MobileNetV3, Counts) {
  const struct {
    double width;
    const char* subnet;
    int64_t macs, parameters;  // 0: not given
  } cases[] = {{1.0, R"({"ks": 7, "e": 6, "d": 4})", 566170688, 7664760},
               {1.0, R"({"ks": 5, "e": 4, "d": 3})", 250746944, 4551792},
               {1.0, R"({"ks": 3, "e": 3, "d": 2})", 121278672, 3410792},
               {1.2, R"({"ks": 7, "e": 6, "d": 4})", 843101056, 10701632},
               {1.2, R"({"ks": 3, "e": 6, "d": 4})", 671781376, 0},
               {1.2, R"({"ks": 3, "e": 3, "d": 2})", 193078208, 4602456}};
  for (const auto& c : cases) {
    auto space = *MobileNetV3({.width = c.width});
    const auto cost = CountNetwork(*space, *space->ParseSubnet(c.subnet));
    ASSERT_TRUE(cost.ok()) << cost.status();
    EXPECT_EQ(cost->total.macs, c.macs) << c.width << c.subnet;
    EXPECT_EQ(cost->total.flops, c.macs);
    if (c.parameters != 0) {
      EXPECT_EQ(cost->total.parameters, c.parameters) << c.width << c.subnet;
    }
  }
  for (const auto& [width, parameters] : {std::pair{1.0, 7678880}, std::pair{1.2, 10715752}}) {
    const auto supernet = (*MobileNetV3({.width = width}))->Supernet({}).graph;
    int64_t sum = 0;
    for (kernels::Value v : supernet.Leaves(kernels::ValueKind::kParameter)) sum += supernet.desc(v).elements();
    EXPECT_EQ(sum, parameters);
  }
}

}  // namespace
}  // namespace mathnas::supernet
