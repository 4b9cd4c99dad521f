// Lists of stages, and which space they train.
#include "supernet/training/stages.h"

#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"

namespace mathnas::supernet {
namespace {

using Entry = std::tuple<std::string, std::optional<int64_t>>;

std::vector<Entry> Parsed(std::string_view list) {
  const auto stages = ParseStages(list);
  EXPECT_TRUE(stages.ok()) << kernels::Message(stages.status());
  std::vector<Entry> entries;
  for (const RequestedStage& s : *stages) entries.emplace_back(s.stage.name, s.epochs);
  return entries;
}

TEST(Stages, Lists) {
  EXPECT_EQ(Parsed("full"), (std::vector<Entry>{{"full", std::nullopt}}));
  EXPECT_EQ(Parsed("full:20,kernel,depth:3,width:1"),
            (std::vector<Entry>{
                {"full", 20}, {"kernel", std::nullopt}, {"depth1", 3}, {"depth2", 3}, {"expand1", 1}, {"expand2", 1}}));
  EXPECT_EQ(Parsed("full,depth2:1000000,expand2"),
            (std::vector<Entry>{{"full", std::nullopt}, {"depth2", 1'000'000}, {"expand2", std::nullopt}}));
  for (const char* bad :
       {"", ",", "full,", "full,,kernel", "full:", "full:0", "full:-1", "full:1000001", "full:1.5", "full:1:2",
        "full: 1", "Full", "kernel", "full,full", "full,depth,depth1", "full,width,depth"}) {
    const auto status = ParseStages(bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_NE(kernels::Message(status).find("stages \"" + std::string(bad) + "\""), std::string::npos) << status;
  }
}

TEST(Stages, AreOverTheLayersAndAllResolutions) {
  const std::shared_ptr<const SearchSpace> blocks =
      *MobileNetV3({.classes = 4, .resolutions = {32, 48, 64}, .blocks = *mobilenetv3::LoadBlockSet("cpu")});
  const auto layers = LayersOf(blocks);
  ASSERT_TRUE(layers.ok()) << kernels::Message(layers.status());
  EXPECT_EQ(blocks->nodes().size(), 6U);
  EXPECT_EQ((*layers)->nodes().size(), 21U);
  EXPECT_EQ((*layers)->classes(), 4);
  EXPECT_EQ(*LayersOf(*layers), *layers);
  const Shrinking shrinking = ShrinkingOf(**layers, *FindShrinkingStage("depth1"), SubnetRule::kSandwich);
  EXPECT_EQ(shrinking.resolutions, (std::vector<int>{32, 48, 64}));
  EXPECT_EQ(shrinking.stage.d, (std::vector<int>{3, 4}));
  // The network that teaches: the largest there is.
  const auto teacher = ArchitectureOf(**layers, (*layers)->base());
  ASSERT_TRUE(teacher.ok());
  for (int kernel : teacher->ks) EXPECT_EQ(kernel, 7);
  for (int expansion : teacher->e) EXPECT_EQ(expansion, 6);
  for (int depth : teacher->d) EXPECT_EQ(depth, 4);
  EXPECT_EQ(LayersOf(*NasBench201({})).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mathnas::supernet
