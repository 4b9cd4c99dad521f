#include "supernet/mobilenetv3/block_sets.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "golden.h"
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "test_files.h"

namespace mathnas::supernet::mobilenetv3 {
namespace {

using nlohmann::json;

const std::pair<const char*, const BlockSet*> kPublished[] = {{"CPU", &CpuBlocks()}, {"GPU", &GpuBlocks()}};

json LoadJson(const std::string& path) {
  std::ifstream file(path);
  return json::parse(file);
}

// The published tables of this repository name their candidates by what they are.
TEST(BlockSets, ArePublishedTablesCandidates) {
  for (const auto& [set, file] :
       {std::pair(&CpuBlocks(), "mobilenetv3-cpu.json"), std::pair(&GpuBlocks(), "mobilenetv3-gpu.json")}) {
    const json table = LoadJson(std::string(MATHNAS_TESTS_FOLDER) + "/../mathnas/tables/" + file);
    ASSERT_EQ(table["nodes"].size(), static_cast<size_t>(kStages));
    for (int stage = 0; stage < kStages; ++stage) {
      json names = json::array();
      for (const StageBlocks& blocks : set->stages[stage]) names.push_back(Name(blocks));
      EXPECT_EQ(names, table["nodes"][stage]["candidates"]) << file << ", stage " << stage;
    }
  }
}

TEST(BlockSets, AreTheDecodedPublishedOnes) {
  const char* folder = std::getenv("MATHNAS_DATA");
  if (folder == nullptr) GTEST_SKIP() << "needs MATHNAS_DATA, a folder with mathnas-published/mobilenetv3.json";
  const json blocks = LoadJson(std::string(folder) + "/mathnas-published/mobilenetv3.json")["blocks"];
  for (const auto& [device, set] : kPublished) {
    for (int stage = 0; stage < kStages; ++stage) {
      const json& candidates = blocks[device][stage]["candidates"];
      ASSERT_EQ(candidates.size(), set->stages[stage].size());
      for (size_t c = 0; c < candidates.size(); ++c) {
        const StageBlocks& found = set->stages[stage][c];
        ASSERT_EQ(json(found.d), candidates[c]["d"]);
        for (int i = 0; i < found.d; ++i) {
          EXPECT_EQ(json(found.ks[i]), candidates[c]["ks"][i]) << device << stage << " " << c;
          EXPECT_EQ(json(found.e[i]), candidates[c]["e"][i]) << device << stage << " " << c;
        }
      }
    }
  }
}

// The golden network that MathNAS calls CPU codes [1,1,2,2,3].
TEST(BlockSets, CodesOfTheGoldenNetwork) {
  const json golden = LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["ofa_w1.2_cpu_11223_160"]["config"];
  const Architecture expected = *ParseArchitecture(golden.dump());
  const std::vector<int> codes = {1, 1, 2, 2, 3};
  const auto architecture = ArchitectureOf(CpuBlocks(), codes);
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  EXPECT_EQ(*architecture, expected);
  EXPECT_EQ(*CodesOf(CpuBlocks(), expected), codes);
}

TEST(BlockSets, EveryCodeIsOneNetwork) {
  for (const auto& [device, set] : kPublished) {
    for (int n = 0; n < 3125; ++n) {
      std::vector<int> codes;
      for (int stage = 0, rest = n; stage < kStages; ++stage, rest /= 5) codes.push_back(rest % 5);
      Architecture architecture = *ArchitectureOf(*set, codes, 160);
      ASSERT_EQ(architecture.resolution, 160);
      ASSERT_EQ(Canonical(architecture), architecture);
      for (int block = 0; block < kBlocks; ++block) {
        if (!architecture.runs(block)) architecture.ks[block] = 7, architecture.e[block] = 6;
      }
      ASSERT_EQ(*CodesOf(*set, architecture), codes);
    }
  }
  EXPECT_EQ(kernels::Message(CodesOf(CpuBlocks(), Architecture{}).status()),
            "stage 0 is d4-k7777-e6666, which is not among the 5 candidates of the block set \"cpu\"");
  EXPECT_EQ(CodesOf(CpuBlocks(), Architecture{}).status().code(), absl::StatusCode::kNotFound);
  const auto message = [](const std::vector<int>& codes, int resolution = 224) {
    return std::string(kernels::Message(ArchitectureOf(GpuBlocks(), codes, resolution).status()));
  };
  EXPECT_EQ(message({0, 0, 0, 0}), "4 codes, expected 5");
  EXPECT_EQ(message({0, 0, 5, 0, 0}), "codes[2]: 5, expected 0 to 4");
  EXPECT_EQ(message({0, 0, 0, 0, -1}), "codes[4]: -1, expected 0 to 4");
  EXPECT_EQ(message({0, 0, 0, 0, 0}, 30), "resolution: 30, expected a multiple of 4 from 32 to 1024");
}

json Document() {
  const json one = json::array({{{"d", 2}, {"ks", 3}, {"e", {4, 3}}}});
  return {{"format", "mathnas-block-set/1"}, {"stages", {one, one, one, one, one}}};
}

TEST(BlockSetFile, SaysWhatItSays) {
  json document = Document();
  document["name"] = "mine";
  document["x-made"] = "by hand";
  document["stages"][1] = {{{"d", 3}, {"ks", {7, 5, 3, 0}}, {"e", 6}}, {{"d", 4}, {"ks", 5}, {"e", {3, 4, 6, 3}}}};
  testing::TempFolder folder;
  testing::Write(folder / "set.json", document.dump(2));
  const auto set = LoadBlockSet(folder / "set.json");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->name, "mine");
  EXPECT_EQ(set->stages[0], (std::vector<StageBlocks>{{2, {3, 3, 3, 3}, {4, 3, 3, 3}}}));
  EXPECT_EQ(set->stages[1],
            (std::vector<StageBlocks>{{3, {7, 5, 3, 3}, {6, 6, 6, 3}}, {4, {5, 5, 5, 5}, {3, 4, 6, 3}}}));
  const auto architecture = ArchitectureOf(*set, std::vector<int>{0, 1, 0, 0, 0});
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  EXPECT_EQ(*architecture, *ParseArchitecture(R"({"ks":[3,3,3,3, 5,5,5,5, 3,3,3,3, 3,3,3,3, 3,3,3,3],
      "e":[4,3,3,3, 3,4,6,3, 4,3,3,3, 4,3,3,3, 4,3,3,3], "d":[2,4,2,2,2]})"));
  EXPECT_EQ(*ParseBlockSet(ToJson(*set)), *set);
  for (const auto& [device, published] : kPublished) EXPECT_EQ(*ParseBlockSet(ToJson(*published)), *published);
  EXPECT_EQ(*LoadBlockSet("cpu"), CpuBlocks());
  EXPECT_EQ(*LoadBlockSet("gpu"), GpuBlocks());
}

TEST(BlockSetFile, ErrorsNameFileAndField) {
  testing::TempFolder folder;
  const std::string path = folder / "set.json";
  const auto message = [&](const std::string& text) {
    testing::Write(path, text);
    const auto set = ReadBlockSet(path);
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(kernels::Message(set.status()));
  };
  const auto with = [&](const char* pointer, const json& value) {
    json document = Document();
    document[json::json_pointer(pointer)] = value;
    return message(document.dump());
  };
  const std::string one_of_ks = "expected 3, 5 or 7";
  EXPECT_EQ(with("/stages/2/0/ks", 4), path + ": stages[2][0].ks: 4, " + one_of_ks);
  EXPECT_EQ(with("/stages/2/0/ks", {3, 9}), path + ": stages[2][0].ks[1]: 9, " + one_of_ks);
  EXPECT_EQ(with("/stages/2/0/ks", {3, 3.5}), path + ": stages[2][0].ks[1]: 3.5, " + one_of_ks);
  EXPECT_EQ(with("/stages/2/0/ks", "3"), path + ": stages[2][0].ks: \"3\", " + one_of_ks);
  EXPECT_EQ(with("/stages/4/0/e", {3, 5}), path + ": stages[4][0].e[1]: 5, expected 3, 4 or 6");
  EXPECT_EQ(with("/stages/4/0/e", {3, 3, 3}),
            path + ": stages[4][0].e: 3 entries, expected 2 as the depth is, 4, or one number for all");
  EXPECT_EQ(with("/stages/4/0/e", {3, 3, nullptr, 3}),
            path + ": stages[4][0].e[2]: null, expected a number, whatever it is, behind the depth");
  EXPECT_EQ(with("/stages/0/0/d", 5), path + ": stages[0][0].d: 5, expected 2, 3 or 4");
  EXPECT_EQ(with("/stages/0/0", 3),
            path + ": stages[0][0]: 3, expected {\"d\": depth, \"ks\": kernels, \"e\": expansions}");
  EXPECT_NE(with("/stages/0/0", json::object({{"d", 2}, {"ks", 3}})).find("stages[0][0]: \"e\" is missing"),
            std::string::npos);
  EXPECT_NE(with("/stages/0/0/k", 3).find("stages[0][0]: unknown name \"k\""), std::string::npos);
  EXPECT_EQ(with("/stages/0/1", {{"d", 2}, {"ks", {3, 3, 7, 7}}, {"e", {4, 3}}}),
            path + ": stages[0][1]: d2-k33-e43 again, expected another than stages[0][0]");
  EXPECT_EQ(with("/stages/3", json::array()),
            path + ": stages[3]: an empty list, expected a list of at least one candidate");
  EXPECT_EQ(with("/stages", {1, 2}), path + ": stages: 2 entries, expected 5");
  EXPECT_EQ(with("/stages", 7), path + ": stages: 7, expected a list of 5");
  EXPECT_EQ(with("/format", "mathnas-block-set/2"),
            path + ": format: \"mathnas-block-set/2\", expected \"mathnas-block-set/1\"");
  EXPECT_EQ(with("/name", 3), path + ": name: 3, expected a text");
  EXPECT_EQ(with("/stage", 3),
            path + ": unknown name \"stage\", expected format, name, stages or one that begins with x-");
  EXPECT_EQ(message("{}"), path + ": \"format\" is missing");
  EXPECT_EQ(message("[]"), path + ": an array, expected an object with format and stages");
  EXPECT_NE(message("{").find(path + ": not valid JSON"), std::string::npos);
  EXPECT_NE(message("").find(path), std::string::npos);
  const auto missing = LoadBlockSet(folder / "none.json");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(kernels::Message(missing.status()).find("expected cpu, gpu or a file"), std::string::npos);
  EXPECT_NE(kernels::Message(missing.status()).find("none.json"), std::string::npos);
}

}  // namespace
}  // namespace mathnas::supernet::mobilenetv3
