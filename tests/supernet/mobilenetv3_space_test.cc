// The two forms of the once-for-all space: nodes, networks as JSON, and that both take the same weights from a
// supernet.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/mobilenetv3/space.h"
#include "supernet/network_input.h"
#include "supernet/training/sampling.h"
#include "supernet/weights.h"
#include "tests/supernet/naive_resample.h"

namespace mathnas::supernet {
namespace {

using mobilenetv3::Architecture;
using mobilenetv3::CpuBlocks;
using nlohmann::json;

std::shared_ptr<const SearchSpace> Layers(std::vector<int> resolutions = {32, 48}) {
  return *MobileNetV3({.classes = 5, .resolutions = std::move(resolutions)});
}
std::shared_ptr<const SearchSpace> Stages(std::vector<int> resolutions = {32, 48}) {
  return *MobileNetV3({.classes = 5, .resolutions = std::move(resolutions), .blocks = CpuBlocks()});
}

std::string Refused(const SearchSpace& space, std::string_view subnet) {
  const auto choice = space.ParseSubnet(subnet);
  EXPECT_EQ(choice.status().code(), absl::StatusCode::kInvalidArgument) << subnet;
  return std::string(kernels::Message(choice.status()));
}

TEST(MobileNetV3Space, FiveNodesAndTheResolution) {
  const auto space = Stages();
  ASSERT_EQ(space->nodes().size(), 6U);
  for (int stage = 0; stage < 5; ++stage) {
    EXPECT_EQ(space->nodes()[stage].name, "stage" + std::to_string(stage + 1));
    EXPECT_EQ(space->nodes()[stage].candidates.size(), 5U);
    EXPECT_EQ(space->nodes()[stage].reference, 4);
  }
  EXPECT_EQ(space->nodes()[2].candidates[1], "d3-k555-e633");
  EXPECT_EQ(space->nodes()[5].name, "resolution");
  EXPECT_EQ(space->nodes()[5].candidates, std::vector<std::string>({"32", "48"}));
  EXPECT_EQ(space->base(), Choice({4, 4, 4, 4, 4, 1}));
  EXPECT_EQ(space->structure().shared, 5);
  EXPECT_TRUE(space->structure().depth.empty());
  EXPECT_EQ(space->size(), 6250);
  EXPECT_EQ(space->NodeOfBlock("stage3.layer4"), 2);
  EXPECT_EQ(space->NodeOfBlock("head"), -1);
  EXPECT_EQ(Layers()->NodeOfBlock("stage3.layer4"), 11);
}

TEST(MobileNetV3Space, OneResolutionIsNoNode) {
  for (const auto& space : {Layers({40}), Stages({40})}) {
    const bool stages = space->nodes().size() == 5;
    EXPECT_EQ(space->nodes().size(), stages ? 5U : 20U);
    EXPECT_EQ(space->structure().shared, -1);
    EXPECT_EQ(space->input_shape(space->base()), kernels::Shape({40, 40, 3}));
    const auto choice = space->ParseSubnet(R"({"ks": 7, "e": 6, "d": 4})");
    if (stages) {
      EXPECT_FALSE(choice.ok()) << "all 7 and 6 is no candidate";
    } else {
      ASSERT_TRUE(choice.ok()) << choice.status();
      EXPECT_EQ(*choice, space->base());
    }
    EXPECT_NE(space->SubnetJson(space->base()).find(R"("resolution":40)"), std::string::npos);
  }
}

TEST(MobileNetV3Space, NetworksAsCodesAndAsBlocks) {
  const auto space = Stages();
  const Choice expected = {1, 1, 2, 2, 3, 0};
  for (const char* form :
       {R"({"codes": [1,1,2,2,3], "resolution": 32})", R"({"resolution": 32, "codes": [1,1,2,2,3]})"}) {
    const auto choice = space->ParseSubnet(form);
    ASSERT_TRUE(choice.ok()) << choice.status();
    EXPECT_EQ(*choice, expected);
    EXPECT_EQ(*space->ParseSubnet(space->SubnetJson(*choice)), *choice);
  }
  EXPECT_EQ(*space->ParseSubnet("[1,1,2,2,3]"), Choice({1, 1, 2, 2, 3, 1})) << "the largest resolution";
  // The second row of spec/search-spaces.md 6.2 for node 1: depth 2, expansions 3 6, kernels 3 3.
  const auto architecture = ArchitectureOf(*space, expected);
  ASSERT_TRUE(architecture.ok());
  EXPECT_EQ(architecture->d, (std::array<int, 5>{2, 3, 4, 4, 3}));
  EXPECT_EQ(architecture->e[1], 6);
  EXPECT_EQ(architecture->resolution, 32);
  for (int64_t i = 0; i < 200; ++i) {
    const Choice choice = RandomChoice(*space, 5, i);
    EXPECT_EQ(*space->ParseSubnet(space->SubnetJson(choice)), choice);
    EXPECT_EQ(*ChoiceOf(*space, *ArchitectureOf(*space, choice)), choice);
  }
}

TEST(MobileNetV3Space, BadNetworksAreNamed) {
  const auto space = Stages();
  EXPECT_EQ(Refused(*space, "[1,1,2,2]"), "4 codes, expected 5");
  EXPECT_EQ(Refused(*space, "[1,1,2,2,5]"), "codes[4]: 5, expected 0 to 4");
  EXPECT_EQ(Refused(*space, "[1,1,2,2,-1]"), "codes[4]: -1, expected the number of a candidate");
  EXPECT_EQ(Refused(*space, "[1,1,2,2,1.5]"), "codes[4]: 1.5, expected the number of a candidate");
  EXPECT_EQ(Refused(*space, R"({"codes": 3})"), "codes: 3, expected a list of 5");
  EXPECT_EQ(Refused(*space, R"({"codes": [1,1,2,2,3], "resolution": 224})"), "resolution: 224, this space has 32, 48");
  EXPECT_NE(Refused(*space, R"({"codes": [1,1,2,2,3], "resolution": 30})").find("resolution: 30, expected"),
            std::string::npos);
  EXPECT_EQ(Refused(*space, R"({"codes": [1,1,2,2,3], "resolution": "32"})"),
            "resolution: \"32\", expected pixels, at most 1024");
  EXPECT_EQ(Refused(*space, R"({"codes": [1,1,2,2,3], "d": 2})"),
            "subnet: unknown name \"d\", expected codes and resolution");
  EXPECT_NE(Refused(*space, R"({"ks": 3, "e": 3, "d": 2, "resolution": 32})").find("stage 0 is d2-k33-e33"),
            std::string::npos);
  EXPECT_NE(Refused(*Layers(), R"({"codes": [1,1,2,2,3]})").find("unknown name \"codes\""), std::string::npos);
}

TEST(MobileNetV3Space, MacroCarriesTheBlockSet) {
  const auto space = Stages();
  const auto macro = ParseMobileNetV3Macro(space->MacroJson());
  ASSERT_TRUE(macro.ok()) << macro.status();
  EXPECT_EQ(macro->blocks, CpuBlocks());
  EXPECT_EQ((*MobileNetV3(*macro))->MacroJson(), space->MacroJson());
  EXPECT_FALSE(ParseMobileNetV3Macro(Layers()->MacroJson())->blocks);
  const auto broken = [&](const char* pointer, const json& value) {
    json text = json::parse(space->MacroJson());
    text[json::json_pointer(pointer)] = value;
    const auto parsed = ParseMobileNetV3Macro(text.dump());
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(kernels::Message(parsed.status()));
  };
  EXPECT_EQ(broken("/blocks/stages/2/0/d", 5), "macro parameter blocks: stages[2][0].d: 5, expected 2, 3 or 4");
  EXPECT_NE(broken("/blocks", 3).find("macro parameter blocks: 3"), std::string::npos);

  mobilenetv3::BlockSet set = CpuBlocks();
  const auto refused = [&](const mobilenetv3::BlockSet& wrong) {
    return std::string(kernels::Message(MobileNetV3({.blocks = wrong}).status()));
  };
  set.stages[3].clear();
  EXPECT_EQ(refused(set), "blocks: stages[3]: an empty list, expected at least one candidate");
  set = CpuBlocks();
  set.stages[1][2].ks[0] = 4;
  EXPECT_EQ(refused(set), "blocks: stages[1][2]: ks[4]: 4, expected 3, 5 or 7");
  set = CpuBlocks();
  set.stages[1][2] = set.stages[1][0];
  EXPECT_EQ(refused(set), "blocks: stages[1][2]: d3-k533-e633 again, expected another than stages[1][0]");
  set.stages[1][2].ks[3] = 7;
  EXPECT_EQ(refused(set), "blocks: stages[1][2]: expected the smallest kernels and expansions behind the depth");
}

// Logits of a network over `weights`, by names.
std::vector<double> Logits(const SearchSpace& space, const Choice& choice, Weights kind,
                           const kernels::TensorMap& weights) {
  const auto device = kernels::ReferenceDevice(kernels::DType::kF64);
  const NetworkGraph network = space.Network(choice, {.batch = 2, .weights = kind, .real = device->real()});
  const auto plan = kernels::Plan::Create(network.graph, {{"logits", network.logits}}, *device);
  EXPECT_TRUE(plan.ok()) << kernels::Message(plan.status());
  const auto context = kernels::Context::Create(*plan, {&weights});
  EXPECT_TRUE(context.ok()) << kernels::Message(context.status());
  FillSyntheticInput("input", *(*context)->Input("image"));
  EXPECT_TRUE((*context)->Run().ok());
  const auto logits = (*context)->Output("logits")->as<double>();
  return {logits.begin(), logits.end()};
}

// The network over the supernet's tensors is that of the golden values; the extracted one must compute the same.
TEST(MobileNetV3Space, ExtractedNetworksComputeTheSame) {
  const auto layers = Layers(), stages = Stages();
  kernels::TensorMap shared =
      AllocateWeights(layers->Supernet({.mode = Mode::kTraining, .real = kernels::DType::kF64}).graph);
  FillSynthetic(shared);
  for (int64_t i = 0; i < 2; ++i) {
    for (const auto& space : {layers, stages}) {
      const Choice choice = RandomChoice(*space, 11, i);
      const auto own = ExtractWeights(*space, choice, shared);
      ASSERT_TRUE(own.ok()) << own.status();
      const std::vector<double> expected = Logits(*space, choice, Weights::kShared, shared);
      const std::vector<double> found = Logits(*space, choice, Weights::kOwn, *own);
      ASSERT_EQ(found.size(), 10U);
      for (size_t k = 0; k < found.size(); ++k) {
        EXPECT_NEAR(found[k], expected[k], 1e-12 * (1 + std::abs(expected[k])));
        EXPECT_TRUE(std::isfinite(found[k]));
      }
    }
    // The same architecture in both forms: the same tensors, bit by bit.
    const Choice five = RandomChoice(*stages, 12, i);
    const Choice twenty = *ChoiceOf(*layers, *ArchitectureOf(*stages, five));
    const auto a = ExtractWeights(*stages, five, shared), b = ExtractWeights(*layers, twenty, shared);
    ASSERT_TRUE(a.ok() && b.ok());
    ASSERT_EQ(a->entries().size(), b->entries().size());
    for (const auto& e : a->entries()) {
      const kernels::Tensor* other = b->Find(e.name);
      ASSERT_NE(other, nullptr) << e.name;
      ASSERT_EQ(other->desc(), e.tensor.desc()) << e.name;
      EXPECT_EQ(std::memcmp(other->data(), e.tensor.data(), e.tensor.desc().bytes()), 0) << e.name;
    }
  }
}

// The whole supernet is the largest network, also where that is no candidate: all stored tensors are trained.
TEST(MobileNetV3Space, BothFormsHaveTheSameSupernet) {
  const auto leaves = [](const SearchSpace& space) {
    std::vector<std::string> names;
    const kernels::Graph graph = space.Supernet({}).graph;
    for (kernels::Value v : graph.Leaves(kernels::ValueKind::kParameter)) names.push_back(graph.info(v).name);
    std::sort(names.begin(), names.end());
    return names;
  };
  EXPECT_EQ(leaves(*Layers()), leaves(*Stages()));
}

TEST(NetworkInput, ImagesAreBroughtToTheResolution) {
  const auto data = *LoadDataset("synthetic:N=12,test=5,size=16,classes=5");
  const auto space = Stages();
  for (int resolution : {0, 1}) {
    Choice choice = space->base();
    choice.back() = resolution;
    const int64_t side = resolution == 0 ? 32 : 48;
    const auto loader = InputOf(*space, choice, Referring(data.test), LoaderOptions::Evaluation(2));
    ASSERT_TRUE(loader.ok()) << loader.status();
    int64_t image = 0;
    while (const Batch* batch = (*loader)->Next()) {
      ASSERT_EQ(batch->images.desc.shape, kernels::Shape({batch->size, side, side, 3}));
      const auto values = batch->images.as<float>();
      for (int64_t n = 0; n < batch->size; ++n, ++image) {
        // spec/search-spaces.md 3.7: resized to ceil(side / 0.875), the middle cut out.
        const auto whole = static_cast<int64_t>(std::ceil(static_cast<double>(side) / 0.875));
        const auto at = static_cast<int64_t>(std::nearbyint(static_cast<double>(whole - side) / 2));
        const auto naive = testing::NaiveResample({16, 16, 3, data.test.image(image).data()},
                                                  {{0, 0, 16, 16}, whole, whole, {at, at, side, side}, false});
        for (size_t k = 0; k < naive.size(); ++k) {
          const double expected = (naive[k] - data.test.mean[k % 3]) / data.test.stddev[k % 3];
          ASSERT_NEAR(values[static_cast<size_t>(n) * naive.size() + k], expected, 1e-4);
        }
      }
    }
    EXPECT_EQ(image, 5);
  }
}

TEST(NetworkInput, GreyImagesAndWrongOnes) {
  const auto grey = *LoadDataset("synthetic:N=12,test=4,size=16,channels=1,classes=5");
  const auto space = Stages();
  const auto loader = InputOf(*space, space->base(), Referring(grey.test), LoaderOptions::Evaluation(4));
  ASSERT_TRUE(loader.ok()) << loader.status();
  const Batch* batch = (*loader)->Next();
  ASSERT_EQ(batch->images.desc.shape, kernels::Shape({4, 48, 48, 3}));
  const auto values = batch->images.as<float>();
  for (size_t k = 0; k < values.size(); k += 3) {
    ASSERT_EQ(values[k], values[k + 1]);
    ASSERT_EQ(values[k], values[k + 2]);
  }
  const auto other = *LoadDataset("synthetic:N=12,test=4,size=16,classes=4");
  const auto status = InputOf(*space, space->base(), Referring(other.test), LoaderOptions::Evaluation(4)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(kernels::Message(status).find("4 classes, the network has 5"), std::string::npos);
}

}  // namespace
}  // namespace mathnas::supernet
