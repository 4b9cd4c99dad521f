// HAT's space: its networks as JSON and as choices, the reference's draws, its counts, the published tables' codes.
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/counting.h"
#include "supernet/supertransformer/space.h"
#include "supernet/training/sampling.h"
#include "tests/supernet/golden.h"

namespace mathnas::supernet {
namespace {

using nlohmann::json;
using supertransformer::Architecture;
using supertransformer::ParseArchitecture;
using supertransformer::Task;

std::string ErrorOf(Task task, const json& subnet) {
  const auto a = ParseArchitecture(task, subnet.dump());
  return a.ok() ? "none" : std::string(kernels::Message(a.status()));
}

json TwoLayers() {
  return json::parse(R"({"encoder": {"encoder_embed_dim": 512, "encoder_layer_num": 6,
                                     "encoder_ffn_embed_dim": [1024, 2048, 3072, 1024, 1024, 1024],
                                     "encoder_self_attention_heads": 4},
                         "decoder": {"decoder_embed_dim": 640, "decoder_layer_num": 2,
                                     "decoder_ffn_embed_dim": [2048, 3072], "decoder_self_attention_heads": [8, 4],
                                     "decoder_ende_attention_heads": [4, 8],
                                     "decoder_arbitrary_ende_attn": [-1, 2, 1, 1, 1, 1]}})");
}

TEST(SuperTransformerArchitecture, FromJsonAndBack) {
  const auto a = ParseArchitecture(Task::kWmt, TwoLayers().dump());
  ASSERT_TRUE(a.ok()) << a.status();
  EXPECT_EQ(a->encoder_hidden, (std::array<int, 6>{1024, 2048, 3072, 1024, 1024, 1024}));
  EXPECT_EQ(a->encoder_heads, (std::array<int, 6>{4, 4, 4, 4, 4, 4}));
  EXPECT_EQ(a->span, (std::array<int, 6>{-1, 2, 0, 0, 0, 0}));
  const auto again = ParseArchitecture(Task::kWmt, ToJson(*a));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *a);
}

TEST(SuperTransformerArchitecture, ErrorsNameTheEntry) {
  const auto with = [](std::string_view half, std::string_view name, const json& value) {
    json subnet = TwoLayers();
    subnet[std::string(half)][std::string(name)] = value;
    return ErrorOf(Task::kWmt, subnet);
  };
  EXPECT_EQ(with("decoder", "decoder_layer_num", 0), "decoder_layer_num: 0, expected 1, 2, 3, 4, 5 or 6");
  EXPECT_EQ(with("encoder", "encoder_layer_num", 5), "encoder_layer_num: 5, expected 6");
  EXPECT_EQ(with("encoder", "encoder_self_attention_heads", json{4, 4, 4, 3, 4, 4}),
            "encoder_self_attention_heads[3]: 3, expected 4 or 8");
  EXPECT_EQ(with("decoder", "decoder_ffn_embed_dim", json{2048, 777}),
            "decoder_ffn_embed_dim[1]: 777, expected 1024, 2048 or 3072");
  EXPECT_EQ(with("decoder", "decoder_arbitrary_ende_attn", json{-1, 3}),
            "decoder_arbitrary_ende_attn[1]: 3, expected -1, 1 or 2");
  EXPECT_EQ(with("decoder", "decoder_embed_dim", 600), "decoder_embed_dim: 600, expected 512 or 640");
  EXPECT_NE(with("decoder", "decoder_ffn_embed_dim", json{2048, 1024, 1024}).find("3 entries, expected 2"),
            std::string::npos);
  EXPECT_NE(with("decoder", "decoder_heads", 8).find("decoder: unknown name \"decoder_heads\""), std::string::npos);
  EXPECT_NE(ErrorOf(Task::kWmt, json{{"encoder", 3}, {"decoder", 4}}).find("encoder: 3"), std::string::npos);
  EXPECT_NE(ErrorOf(Task::kWmt, json{{"encoder", TwoLayers()["encoder"]}}).find("without \"decoder\""),
            std::string::npos);
  // What one task has the other has not.
  EXPECT_EQ(ErrorOf(Task::kIwslt, TwoLayers()), "encoder_ffn_embed_dim[2]: 3072, expected 512, 1024 or 2048");
}

// Networks of a file as choices and back, and what they cost.
TEST(SuperTransformerSpace, CountsOfTheReference) {
  const json counts = LoadGolden("MATHNAS_HAT_COUNTS", "hat-counts.json");
  EXPECT_GE(counts["networks"].size(), 60U);
  for (const json& network : counts["networks"]) {
    SCOPED_TRACE(network["task"].get<std::string>() + ", " + network["name"].get<std::string>());
    const Task task = *supertransformer::ParseTask(network["task"].get<std::string>());
    const auto space = *SuperTransformer({.task = task, .source_vocabulary = 104, .target_vocabulary = 104});
    const auto choice = space->ParseSubnet(network["config"].dump());
    ASSERT_TRUE(choice.ok()) << choice.status();
    EXPECT_EQ(space->SubnetJson(*choice), ToJson(*ParseArchitecture(task, network["config"].dump())));
    const auto cost = CountWork(*space, *choice);
    ASSERT_TRUE(cost.ok()) << cost.status();
    EXPECT_EQ(cost->total.flops, network["flops"].get<int64_t>());
    EXPECT_EQ(cost->total.parameters, network["parameters"].get<int64_t>());
    if (!network.contains("seed")) continue;
    Architecture drawn = Sample(task, network["seed"].get<uint64_t>());
    std::fill(drawn.span.begin() + drawn.decoder_layers, drawn.span.end(), 0);
    EXPECT_EQ(drawn, *ParseArchitecture(task, network["config"].dump()));
  }
}

TEST(SuperTransformerSpace, ParametersOfTheSupernets) {
  for (const auto& [task, parameters] : {std::pair{Task::kWmt, 70900992}, std::pair{Task::kIwslt, 55160064}}) {
    const auto space = *SuperTransformer({.task = task, .source_vocabulary = 104, .target_vocabulary = 104});
    const auto choice = space->ParseSubnet(ToJson(supertransformer::Largest(task)));
    EXPECT_EQ(CountWork(*space, *choice)->total.parameters, parameters);
  }
}

TEST(SuperTransformerSampling, EveryDrawOfTheGoldenFile) {
  const json golden = LoadGolden("MATHNAS_GOLDEN", "search-spaces-golden.json")["hat_sampling"];
  int draws = 0;
  for (const auto& [task, seeds] : golden.items()) {
    for (const auto& [seed, expected] : seeds.items()) {
      const Architecture a = Sample(*supertransformer::ParseTask(task), std::stoull(seed));
      const json& encoder = expected["encoder"];
      const json& decoder = expected["decoder"];
      const auto first = [](const std::array<int, 6>& entries, const json& list) {
        return std::vector<int>(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(list.size()));
      };
      EXPECT_EQ(a.encoder_width, encoder["encoder_embed_dim"]);
      EXPECT_EQ(a.decoder_width, decoder["decoder_embed_dim"]);
      EXPECT_EQ(a.encoder_layers, encoder["encoder_layer_num"]);
      EXPECT_EQ(a.decoder_layers, decoder["decoder_layer_num"]);
      for (const auto& [entries, list] : {std::pair{a.encoder_hidden, encoder["encoder_ffn_embed_dim"]},
                                          std::pair{a.encoder_heads, encoder["encoder_self_attention_heads"]},
                                          std::pair{a.decoder_hidden, decoder["decoder_ffn_embed_dim"]},
                                          std::pair{a.self_heads, decoder["decoder_self_attention_heads"]},
                                          std::pair{a.cross_heads, decoder["decoder_ende_attention_heads"]},
                                          std::pair{a.span, decoder["decoder_arbitrary_ende_attn"]}}) {
        EXPECT_EQ(first(entries, list), list.get<std::vector<int>>()) << task << " " << seed;
      }
      ++draws;
    }
  }
  EXPECT_GE(draws, 8);
}

TEST(SuperTransformerSpace, NodesAreThoseOfThePublishedTables) {
  std::ifstream file(std::string(MATHNAS_TESTS_FOLDER) + "/../mathnas/tables/supertransformer-xeon.json");
  const json table = json::parse(file, nullptr, false);
  ASSERT_TRUE(table.is_object());
  const auto space = *SuperTransformer({.widths = {512512}});
  ASSERT_EQ(space->nodes().size(), table["nodes"].size());
  for (size_t i = 0; i < space->nodes().size(); ++i) {
    const SpaceNode& node = space->nodes()[i];
    EXPECT_EQ(node.name, table["nodes"][i]["name"]);
    EXPECT_EQ(node.candidates, table["nodes"][i]["candidates"].get<std::vector<std::string>>());
    EXPECT_EQ(node.reference, table["nodes"][i]["reference"]);
  }
  const SpaceStructure structure = space->structure();
  EXPECT_EQ(structure.shared, -1);
  EXPECT_EQ(structure.depth.at(0).nodes, table["structure"][0]["nodes"].get<std::vector<int>>());
  for (size_t i = 0; i < structure.depth[0].absent.size(); ++i) {
    const json& absent = table["structure"][0]["absent"][i];
    EXPECT_EQ(structure.depth[0].absent[i], absent.is_null() ? -1 : absent.get<int>());
  }
}

TEST(SuperTransformerSpace, MacroBackAndForthAndItsErrors) {
  const auto space = *SuperTransformer(
      {.task = Task::kIwslt, .source_vocabulary = 8848, .target_vocabulary = 6632, .widths = {512512, 640640}});
  const auto macro = ParseSuperTransformerMacro(space->MacroJson());
  ASSERT_TRUE(macro.ok()) << macro.status();
  EXPECT_EQ((*SuperTransformer(*macro))->MacroJson(), space->MacroJson());
  EXPECT_EQ(space->structure().shared, 12);
  EXPECT_EQ(space->nodes()[12].candidates, (std::vector<std::string>{"512512", "640640"}));

  const auto error = [](const SuperTransformerMacro& m) {
    return std::string(kernels::Message(SuperTransformer(m).status()));
  };
  EXPECT_EQ(error({.source_vocabulary = 3, .target_vocabulary = 3}), "source_vocabulary: 3, expected 4 to 1048576");
  EXPECT_NE(error({.source_vocabulary = 100, .target_vocabulary = 104}).find("target_vocabulary: 104, expected 100"),
            std::string::npos);
  EXPECT_NE(error({.widths = {640640, 512512}}).find("widths[1]: 512512"), std::string::npos);
  EXPECT_NE(error({.widths = {640}}).find("widths[0]: 640"), std::string::npos);
  EXPECT_NE(kernels::Message(ParseSuperTransformerMacro("{\"task\":\"wmt15\"}").status()).find("wmt, iwslt, small"),
            std::string::npos);
  EXPECT_FALSE(ParseSuperTransformerMacro("{}").ok());

  const auto narrow = *SuperTransformer({.widths = {512512}});
  EXPECT_NE(kernels::Message(narrow->ParseSubnet(TwoLayers().dump()).status()).find("this space has 512512"),
            std::string::npos);
}

TEST(SuperTransformerSpace, EveryDrawnNetworkIsWellFormed) {
  for (Task task : {Task::kWmt, Task::kIwslt, Task::kSmall}) {
    const auto space = *SuperTransformer({.task = task, .source_vocabulary = 64, .target_vocabulary = 64});
    for (int64_t i = 0; i < 20; ++i) {
      const Choice choice = RandomChoice(*space, 3, i);
      const NetworkGraph network = space->Network(choice, {.batch = 2, .source_length = 5, .target_length = 4});
      ASSERT_TRUE(network.graph.status().ok()) << network.graph.status();
      EXPECT_EQ(network.graph.desc(network.logits).shape, (kernels::Shape{2, 4, 64}));
    }
  }
}

}  // namespace
}  // namespace mathnas::supernet
