// Benchmark files: small ones made up here.
#include <cmath>

#include "gtest/gtest.h"
#include "mathnas/core/estimator.h"
#include "mathnas/replay/architectures.h"
#include "mathnas/replay/joined_tables.h"

namespace mathnas::replay {
namespace {

using exchange::CsvTable;

CsvTable Csv(std::string_view text) {
  auto csv = CsvTable::Parse(text, "t.csv");
  EXPECT_TRUE(csv.ok()) << csv.status();
  return csv.value();
}

double Flops(const Architectures& read, size_t row) {
  const auto estimator = core::Estimator::Create(read.table);
  EXPECT_TRUE(estimator.ok()) << estimator.status();
  const auto value = estimator->Predict("flops", read.choices[row]);
  EXPECT_TRUE(value.ok()) << value.status();
  return value.value_or(-1);
}

std::string Uniform(int depth, int kernel, int expansion) {
  std::string d, ks, e;
  for (int stage = 0; stage < 5; ++stage) d += std::to_string(depth) + " ";
  for (int slot = 0; slot < 20; ++slot) {
    ks += std::to_string(slot % 4 < depth ? kernel : 0) + " ";
    e += std::to_string(slot % 4 < depth ? expansion : 0) + " ";
  }
  return d + "," + ks + "," + e;
}

// MACs of the reference implementation (search-spaces.md 3.4). Its figures are multiples of the spacing of floats, 64
// for numbers of this size; one channel more or less anywhere makes a greater difference.
TEST(MobileNetV3, FlopsArePublished) {
  const CsvTable csv =
      Csv("d,ks,e\n" + Uniform(4, 7, 6) + "\n" + Uniform(3, 5, 4) + "\n" + Uniform(2, 3, 3) + "\n" + Uniform(4, 3, 6));
  const auto narrow = ReadMobileNetV3(csv, 1.0);
  ASSERT_TRUE(narrow.ok()) << narrow.status();
  EXPECT_NEAR(Flops(*narrow, 0) * 1e6, 566170688, 64);
  EXPECT_NEAR(Flops(*narrow, 1) * 1e6, 250746944, 64);
  EXPECT_NEAR(Flops(*narrow, 2) * 1e6, 121278672, 64);
  const auto wide = ReadMobileNetV3(csv, 1.2);
  ASSERT_TRUE(wide.ok()) << wide.status();
  EXPECT_NEAR(Flops(*wide, 0) * 1e6, 843101056, 64);
  EXPECT_NEAR(Flops(*wide, 2) * 1e6, 193078208, 64);
  EXPECT_NEAR(Flops(*wide, 3) * 1e6, 671781376, 64);
}

TEST(MobileNetV3, NodesAreLayerSlots) {
  const CsvTable csv =
      Csv("arch,d,ks,e,resolution\n"
          "0,2 3 4 2 2,7 5 0 0 7 7 3 0 5 7 3 3 5 3 0 0 3 5 5 0,6 4 0 0 6 3 3 0 3 6 4 4 3 6 0 0 6 4 3 0,204\n"
          "1," +
          Uniform(4, 7, 6) + ",128\n");
  const auto read = ReadMobileNetV3(csv, 1.0);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->table.nodes.size(), 21U);
  EXPECT_EQ(read->table.structure.depth.size(), 5U);
  EXPECT_EQ(read->table.metrics.count("flops"), 0U);  // two resolutions
  const std::vector<std::string> expected = {"k7e6",   "k5e4",   "absent", "absent", "k7e6",   "k7e3",   "k3e3",
                                             "absent", "k5e3",   "k7e6",   "k3e4",   "k3e4",   "k5e3",   "k3e6",
                                             "absent", "absent", "k3e6",   "k5e4",   "absent", "absent", "204"};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(read->table.nodes[i].candidates[read->choices[0][i]], expected[i]) << i;
  }
  EXPECT_EQ(core::CanonicalChoice(read->table, read->choices[0]), read->choices[0]);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(read->choices[1][i], read->table.nodes[i].reference);
  EXPECT_EQ(read->names[0],
            R"({"ks":[7,5,3,3,7,7,3,3,5,7,3,3,5,3,3,3,3,5,3,3],"e":[6,4,3,3,6,3,3,3,3,6,4,4,3,6,3,3,6,4,3,3],)"
            R"("d":[2,3,4,2,2],"resolution":204})");
}

TEST(MobileNetV3, Refusals) {
  const std::string good = Uniform(2, 3, 3);
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return "d,ks,e\n" + text.replace(text.find(from), from.size(), to) + "\n";
  };
  const std::pair<std::string, std::string> cases[] = {
      {"d,ks\n1,1\n", "t.csv: expected a column 'e', found d, ks"},
      {replaced("2 2 2", "2 2"), "t.csv:2: column 1 (d): expected 5 numbers separated by spaces, found '2 2 2 2'"},
      {replaced("2 2", "5 2"), "t.csv:2: column 1 (d): expected depths from 2 to 4, found '5 2 2 2 2'"},
      {replaced("2 2", "x 2"), "t.csv:2: column 1 (d): expected whole numbers, found 'x 2 2 2 2'"},
      {replaced(",3 3", ",3 9"), "t.csv:2: column 2 (ks): expected 3, 5 or 7 in layer 2 of stage 1, found "},
      {"d,ks,e,resolution\n" + good + ",9\n", "t.csv:2: column 4 (resolution): expected 32 to 1024 pixels, found '9'"},
  };
  for (const auto& [text, message] : cases) {
    const auto read = ReadMobileNetV3(Csv(text), 1.0);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(read.status().message().substr(0, message.size()), message) << read.status();
  }
  EXPECT_FALSE(ReadMobileNetV3(Csv("d,ks,e\n" + good + "\n"), 1.1).ok());
}

TEST(SuperTransformer, NodesAreTheChoicesThatAreKnown) {
  const auto read =
      ReadSuperTransformer(Csv("encoder_embed_dim,decoder_embed_dim,decoder_layer_num,x_avg\n"
                               "640,512,3,1.5\n512,512,1,2\n640,512,3,2.5\n"));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->table.nodes[0].candidates, (std::vector<std::string>{"512", "640"}));
  EXPECT_EQ(read->table.nodes[1].candidates, (std::vector<std::string>{"512"}));
  EXPECT_EQ(read->table.nodes[2].candidates, (std::vector<std::string>{"1", "3"}));
  EXPECT_EQ(read->choices, (std::vector<core::Choice>{{1, 0, 1}, {0, 0, 0}, {1, 0, 1}}));
  EXPECT_EQ(read->names[1],
            R"({"encoder":{"encoder_embed_dim":512},"decoder":{"decoder_embed_dim":512,"decoder_layer_num":1}})");
  const auto layers = ReadSuperTransformer(Csv("encoder_embed_dim,decoder_embed_dim,decoder_layers\n640,512,3\n"));
  EXPECT_TRUE(layers.ok()) << layers.status();
  const auto average = ReadSuperTransformer(Csv("encoder_embed_dim,decoder_embed_dim,decoder_layers\n640,512,3.5\n"));
  EXPECT_EQ(average.status().message(),
            "t.csv:2: column 3 (decoder_layers): expected a whole number from 1, found '3.5'");
  EXPECT_FALSE(ReadSuperTransformer(Csv("encoder_embed_dim,decoder_embed_dim\n640,512\n")).ok());
}

TEST(ReadArchitectures, KnowsTheSpaces) {
  const CsvTable digits = Csv("arch,flops\n00,1\n01,2\n10,3\n11,4\n");
  const auto read = ReadArchitectures("digits", digits);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->choices[1], (core::Choice{0, 1}));
  EXPECT_EQ(read->table.nodes[0].reference, 1);
  const auto unknown = ReadArchitectures("nasnet", digits);
  EXPECT_EQ(unknown.status().message(),
            "space: expected nasbench201, mobilenetv3, supertransformer or digits, found 'nasnet'");
  EXPECT_FALSE(ReadArchitectures("digits", Csv("arch,flops\n")).ok());
  EXPECT_EQ(ReadArchitectures("digits", Csv("arch,flops\n00,1\n0x,2\n")).status().message(),
            "t.csv:3: column 1 (arch): expected digits, one per layer and as many as before, found '0x'");
}

TEST(JoinedTables, FindTheirRows) {
  const CsvTable first = Csv("index,flops_m\n7,1\n8,2\n9,3\n");
  const CsvTable second = Csv("a,index,b\n10,9,1\n20,7,2\n");
  JoinedTables joined(first);
  ASSERT_TRUE(joined.Join(second).ok());
  const auto sum = joined.Sum(1, "a+b");
  ASSERT_TRUE(sum.ok()) << sum.status();
  EXPECT_EQ((*sum)[0], 22);
  EXPECT_TRUE(std::isnan((*sum)[1]));
  EXPECT_EQ((*sum)[2], 11);
  EXPECT_EQ(*joined.Column("flops"), (std::vector<double>{1, 2, 3}));
  EXPECT_FALSE(joined.Column("index").ok());  // in both
  EXPECT_FALSE(joined.Sum(1, "a+c").ok());
  EXPECT_FALSE(joined.Sum(1, "a+").ok());
  const CsvTable twice = Csv("index,c\n7,1\n7,2\n");
  EXPECT_EQ(joined.Join(twice).message(), "t.csv:3: column 1 (index): expected every value once, found '7'");
  EXPECT_FALSE(joined.Join(Csv("d\n1\n")).ok());
}

}  // namespace
}  // namespace mathnas::replay
