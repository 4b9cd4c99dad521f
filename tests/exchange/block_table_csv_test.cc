#include "mathnas/exchange/block_table_csv.h"

#include <cmath>
#include <random>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "mathnas/core/block_table_json.h"
#include "tests/core/tables.h"

namespace mathnas::exchange {

using namespace core;
namespace {

using core::testing::kNull;
using core::testing::MakeMetric;
using core::testing::NasBench201;
using core::testing::RandomTable;

BlockTable MustParse(std::string_view text) {
  auto table = ParseCsv(text, "space", "t.csv");
  EXPECT_TRUE(table.ok()) << table.status();
  return table.value_or(BlockTable{});
}

std::string MessageOf(std::string_view text) {
  const auto table = ParseCsv(text, "space", "t.csv");
  EXPECT_TRUE(absl::IsInvalidArgument(table.status())) << text.substr(0, 200);
  return std::string(table.status().message());
}

TEST(BlockTableCsv, TableOfTheHeader) {
  const BlockTable table = MustParse(
      "node,candidate,reference,latency[ms],accuracy[%] max saving base=79.23\n"
      "stage1,small,,12.5,0.31\n"
      "stage1,large,1,20.25,0\n"
      "stage2,small,,30,\n");
  BlockTable expected;
  expected.space = "space";
  expected.nodes = {{"stage1", {"small", "large"}, 1}, {"stage2", {"small"}, 0}};
  expected.metrics["latency"] = MakeMetric("ms", Goal::kMin, Form::kCost, 0, {{12.5, 20.25}, {30}});
  expected.metrics["accuracy"] = MakeMetric("%", Goal::kMax, Form::kSaving, 79.23, {{0.31, 0}, {kNull}});
  EXPECT_EQ(ToJson(table), ToJson(expected));
}

TEST(BlockTableCsv, ExampleFile) {
  const auto table = LoadCsv(MATHNAS_PUBLISHED_TABLES "/examples/measured.csv", "phone");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(ToJson(*table), R"({"format":"mathnas-block-table/1","space":"phone","nodes":[)"
                            R"({"name":"stage1","candidates":["k3-e4","k5-e6, squeezed"],"reference":1},)"
                            R"({"name":"stage2","candidates":["small","large","left out"],"reference":1}],)"
                            R"("structure":[{"kind":"depth","nodes":[1],"absent":[2]},)"
                            R"({"kind":"shared","name":"resolution","values":[192,224]}],)"
                            R"("metrics":{"accuracy":{"unit":"%","goal":"max","form":"saving","base":[78.1,79],)"
                            R"("values":[[[0.9,0],[0.5,0,2.25]],[[0.8,0],[0.45,0,2]]]},)"
                            R"("flops":{"unit":"MMAC","goal":"min","form":"cost","base":[20,27.5],)"
                            R"("values":[[[30,55],[25,50,0]],[[41,75],[34,68,0]]]},)"
                            R"("latency":{"unit":"ms","goal":"min","form":"cost","device":"phone","base":[3.5,4.8],)"
                            R"("values":[[[5.25,9],[4,8.75,0]],[[7,12.5],[5.5,null,0]]]}}})"
                            "\n");
}

// ---- any table, written by a writer of its own with everything that CSV allows

std::string Cell(const std::string& text, std::mt19937_64& random) {
  const bool needed = text.find_first_of(",\"\r\n") != std::string::npos;
  if (!needed && random() % 3 != 0) return random() % 5 == 0 && !text.empty() ? " " + text + "\t" : text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string Number(double value) { return std::isnan(value) ? "" : fmt::format("{}", value); }

std::string ToCsv(const BlockTable& table, std::mt19937_64& random) {
  const std::string end = random() % 2 == 0 ? "\n" : "\r\n";
  std::string text = random() % 2 == 0 ? "\xEF\xBB\xBF" : "";
  const auto& shared = table.structure.shared;
  text += "absent,candidate,x-note,node,reference";
  if (shared) text += "," + Cell(fmt::format("shared[{}]", shared->name), random);
  for (const auto& [name, metric] : table.metrics) {
    text += "," + Cell(fmt::format("{}[{}] {} {}", name, metric.unit, metric.form == Form::kSaving ? "saving" : "cost",
                                   metric.goal == Goal::kMax ? "max" : "min"),
                       random);
  }
  text += end;
  const auto row = [&](const std::string& absent, const std::string& candidate, const std::string& node, bool reference,
                       int s, const auto& value_of) {
    text += Cell(absent, random) + "," + Cell(candidate, random) + "," + Cell("any \"text\",\r\nhere", random) + "," +
            Cell(node, random) + "," + (reference ? "yes" : "no");
    if (shared) text += "," + Number(shared->values[s]);
    for (const auto& [name, metric] : table.metrics) text += "," + Cell(Number(value_of(metric.slices[s])), random);
    text += end;
    if (random() % 4 == 0) text += end;
  };
  for (int s = 0; s < table.SharedCount(); ++s) {
    row("", "", "", false, s, [](const MetricSlice& slice) { return slice.base; });
    for (size_t i = 0; i < table.nodes.size(); ++i) {
      const Node& node = table.nodes[i];
      for (size_t j = 0; j < node.candidates.size(); ++j) {
        std::string absent;
        for (size_t g = 0; g < table.structure.depth.size(); ++g) {
          const DepthGroup& group = table.structure.depth[g];
          for (size_t p = 0; p < group.nodes.size(); ++p) {
            if (group.nodes[p] == static_cast<int>(i) && group.absent[p] == static_cast<int>(j)) {
              absent = fmt::format("group, {}", g);
            }
          }
        }
        row(absent, node.candidates[j], node.name, node.reference == static_cast<int>(j), s,
            [&](const MetricSlice& slice) { return slice.values[i][j]; });
      }
    }
  }
  return text;
}

// What CSV leaves out because it means the same: nodes at the beginning of a group that are never cut.
BlockTable WithoutUncutNodes(BlockTable table) {
  std::vector<DepthGroup> groups;
  for (DepthGroup group : table.structure.depth) {
    while (!group.absent.empty() && group.absent[0] == DepthGroup::kCannotBeCut) {
      group.absent.erase(group.absent.begin());
      group.nodes.erase(group.nodes.begin());
    }
    if (!group.nodes.empty()) groups.push_back(group);
  }
  table.structure.depth = groups;
  return table;
}

TEST(BlockTableCsv, RandomTablesComeBack) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    BlockTable table = RandomTable(random);
    table.space = "space";
    table.nodes[0].name = "first, \"quoted\"\nline";
    const std::string csv = ToCsv(table, random);
    ASSERT_EQ(ToJson(MustParse(csv)), ToJson(WithoutUncutNodes(table))) << "seed " << seed << "\n" << csv;
  }
}

TEST(BlockTableCsv, NasBench201ComesBack) {
  std::mt19937_64 random(1);
  BlockTable table = NasBench201();
  table.space = "space";
  EXPECT_EQ(ToJson(MustParse(ToCsv(table, random))), ToJson(table));
}

TEST(BlockTableCsv, Defaults) {
  const BlockTable table = MustParse("candidate,node,accuracy[%],energy[mJ]\nb,n,1,2\nc,n,3,4");
  EXPECT_EQ(table.metrics.at("accuracy").goal, Goal::kMax);
  EXPECT_EQ(table.metrics.at("energy").goal, Goal::kMin);
  EXPECT_EQ(table.metrics.at("accuracy").form, Form::kCost);
  EXPECT_EQ(table.metrics.at("energy").slices[0].base, 0);
  EXPECT_EQ(table.nodes[0].reference, 0);
}

// A base in one heading and another in a row of its own; what a row leaves empty is not measured.
TEST(BlockTableCsv, Bases) {
  const BlockTable table = MustParse("node,candidate,a[s] base=-2e3,b[s],c[s]\n,,,4.5,\nn,x,1,1,1\n");
  EXPECT_EQ(table.metrics.at("a").slices[0].base, -2000);
  EXPECT_EQ(table.metrics.at("b").slices[0].base, 4.5);
  EXPECT_TRUE(std::isnan(table.metrics.at("c").slices[0].base));
}

// Rows that some shared value lacks are not measured there.
TEST(BlockTableCsv, MissingRowsAreNotMeasured) {
  const BlockTable table = MustParse("node,candidate,shared[r],a[s]\nn,x,1,10\nn,y,1,11\nn,y,2,12\n");
  const Metric& metric = table.metrics.at("a");
  EXPECT_EQ(metric.slices[0].values, (Grid{{10, 11}}));
  EXPECT_TRUE(std::isnan(metric.slices[1].values[0][0]));
  EXPECT_EQ(metric.slices[1].values[0][1], 12);
}

TEST(BlockTableCsv, Errors) {
  const std::string head = "node,candidate,latency[ms]\n";
  const std::pair<std::string, std::string> cases[] = {
      {"", "t.csv:1: the row: expected a row with a node and a candidate, found the end of the file"},
      {"\n\r\n", "t.csv:3: the row: expected a row with a node and a candidate, found the end of the file"},
      {head, "t.csv:2: the row: expected a row with a node and a candidate, found the end of the file"},
      {"node;candidate;latency[ms]\nx;y;1\n",
       "t.csv:1: the row: expected columns separated by commas: node, candidate and at least one METRIC[UNIT], found 1 "
       "columns"},
      {"node,latency[ms]\n",
       "t.csv:1: the row: expected columns separated by commas: node, candidate and at least one METRIC[UNIT], found 2 "
       "columns"},
      {"node,candidate\n",
       "t.csv:1: the row: expected columns separated by commas: node, candidate and at least one METRIC[UNIT], found 2 "
       "columns"},
      {"node,candidate,latency\n",
       "t.csv:1: column 3 (latency): expected node, candidate, reference, absent, shared[NAME], METRIC[UNIT] or x-..., "
       "found 'latency'"},
      {"node,candidate,[ms]\n",
       "t.csv:1: column 3 (): expected node, candidate, reference, absent, shared[NAME], METRIC[UNIT] or x-..., found "
       "'[ms]'"},
      {"node,candidate,]latency[\n",
       "t.csv:1: column 3 (]latency): expected node, candidate, reference, absent, shared[NAME], METRIC[UNIT] or "
       "x-..., found ']latency['"},
      {"node,node,candidate,latency[ms]\n",
       "t.csv:1: column 2 (node): expected a column of this name once, found 'node'"},
      {"node,candidate,a[ms],a[s]\n", "t.csv:1: column 4 (a): expected a column of this name once, found 'a[s]'"},
      {"node,candidate,shared,a[ms]\n",
       "t.csv:1: column 3 (shared): expected node, candidate, reference, absent, shared[NAME], METRIC[UNIT] or x-..., "
       "found 'shared'"},
      {"node,candidate,a[ms] most\n",
       "t.csv:1: column 3 (a): expected min, max, cost, saving, base=NUMBER or device=TEXT, found 'most'"},
      {"node,candidate,a[ms] base=inf\n",
       "t.csv:1: column 3 (a): expected min, max, cost, saving, base=NUMBER or device=TEXT, found 'base=inf'"},
      {head + "n,x,1\nn,y\n", "t.csv:3: the row: expected 3 cells, as in the first row, found 2"},
      {head + "n,x,1,2\n", "t.csv:2: the row: expected 3 cells, as in the first row, found 4"},
      {head + "n,x,fast\n", "t.csv:2: column 3 (latency): expected a finite number or an empty cell, found 'fast'"},
      {head + "n,x,nan\n", "t.csv:2: column 3 (latency): expected a finite number or an empty cell, found 'nan'"},
      {head + "n,x,-inf\n", "t.csv:2: column 3 (latency): expected a finite number or an empty cell, found '-inf'"},
      {head + "n,x,1e999\n", "t.csv:2: column 3 (latency): expected a finite number or an empty cell, found '1e999'"},
      {head + "n,x,\"1,5\"\n", "t.csv:2: column 3 (latency): expected a finite number or an empty cell, found '1,5'"},
      {head + "n,x,0x10\n", "t.csv:2: column 3 (latency): expected a finite number or an empty cell, found '0x10'"},
      {head + "n,,1\n", "t.csv:2: column 2 (candidate): expected a name, found ''"},
      {head + ",x,1\n", "t.csv:2: column 1 (node): expected a name, found ''"},
      {head + "n,x,1\nm,x,1\nn,x,2\n", "t.csv:4: the row: expected each candidate once, found the one of line 2 again"},
      {head + ",,1\nn,x,1\n,,1\n", "t.csv:4: the row: expected each candidate once, found the one of line 2 again"},
      {"node,candidate,a[ms] base=1\n,,2\nn,x,1\n",
       "t.csv:2: the row: expected no base of a, because its heading has one, found 2"},
      {"node,candidate,shared[r],a[ms]\nn,x,,1\n", "t.csv:2: column 3 (shared): expected a finite number, found ''"},
      {"node,candidate,shared[n],a[ms]\nn,x,1,1\n",
       "t.csv: structure[shared].name: expected a name that no node has, found 'n'"},
      {"node,candidate,reference,a[ms]\nn,x,1,1\nn,y,1,1\n",
       "t.csv:3: column 3 (reference): expected a mark on one candidate of the node, found '1'"},
      {"node,candidate,absent,a[ms]\nn,x,g,1\nn,y,g,1\n",
       "t.csv:3: column 3 (absent): expected one group, on one candidate of the node, found 'g'"},
      {"node,candidate,shared[r],absent,a[ms]\nn,x,1,g,1\nn,x,2,h,1\n",
       "t.csv:3: column 4 (absent): expected one group, on one candidate of the node, found 'h'"},
      {"node,candidate,absent,a[ms]\n,,g,1\n", "t.csv:2: column 1 (node): expected a name, found ''"},
      // RFC 4180
      {head + "n,\"x,1\n", "t.csv:2: column 2: expected a closing quote, found the end of the file"},
      {head + "n,\"x\"y,1\n", "t.csv:2: column 2: expected a comma or the end of the line after the field, found 'y'"},
      {head + "n,x\"y,1\n", "t.csv:2: column 2: expected a comma or the end of the line after the field, found '\"'"},
      {head + "\"n\nm\",x,1\nn,\"a\n\nb\",\"1\"x\n",
       "t.csv:6: column 3: expected a comma or the end of the line after the field, found 'x'"},
      {head + "n,x,1\rm,x,1\r",
       "t.csv:2: column 3: expected a comma or the end of the line after the field, found '?'"},
      {head + std::string("n,x\0y,1\n", 8), "t.csv:2: column 2: expected UTF-8 text, found other bytes"},
      {head + "n,\xC0\xAF,1\n", "t.csv:2: column 2: expected UTF-8 text, found other bytes"},
      {head + "n,\xED\xA0\x80,1\n", "t.csv:2: column 2: expected UTF-8 text, found other bytes"},
      {head + "n,\xF5\x80\x80\x80,1\n", "t.csv:2: column 2: expected UTF-8 text, found other bytes"},
      {head + "n,\xE2\x82", "t.csv:2: column 2: expected UTF-8 text, found other bytes"},
      {head + "n," + std::string(70'000, 'x') + ",1\n",
       "t.csv:2: column 2: expected at most 65536 bytes, found a longer field"},
      {head + "n,\"" + std::string(70'000, 'x') + "\",1\n",
       "t.csv:2: column 2: expected at most 65536 bytes, found a longer field"},
      {std::string(2000, ','), "t.csv:1: column 1025: expected at most 1024 columns, found more"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(MessageOf(text), message) << text.substr(0, 100);
}

// Found by the fuzz target.
TEST(BlockTableCsv, NegativeZeroKeepsItsSign) {
  const BlockTable table = MustParse("node,candidate,a[s]\nn,x,-0\n");
  const auto again = Parse(ToJson(table), "t.json");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(std::signbit(again->metrics.at("a").slices[0].values[0][0]));
}

TEST(BlockTableCsv, OtherScriptsAreNames) {
  EXPECT_EQ(MustParse("node,candidate,a[µs]\n층,\xF0\x9F\xA7\xA0,1\n").nodes[0].candidates[0], "\xF0\x9F\xA7\xA0");
}

TEST(BlockTableCsv, AMillionCandidates) {
  constexpr int kNodes = 1000, kCandidates = 1000;
  std::string text = "node,candidate,latency[ms],accuracy[%]\n";
  for (int i = 0; i < kNodes; ++i) {
    for (int j = 0; j < kCandidates; ++j) text += fmt::format("n{},c{},{},{}\n", i, j, i * 0.5, j);
  }
  const BlockTable table = MustParse(text);
  ASSERT_EQ(table.nodes.size(), size_t{kNodes});
  EXPECT_EQ(table.metrics.at("latency").slices[0].values[999], std::vector<double>(kCandidates, 499.5));
  EXPECT_EQ(table.metrics.at("accuracy").slices[0].values[5][999], 999);
}

// Small text, enormous table: refused before memory is taken.
TEST(BlockTableCsv, TooManyEntries) {
  std::string text = "node,candidate,shared[r],a[s]\n";
  for (int i = 0; i < 100'000; ++i) text += fmt::format("n,c{},{},1\n", i, i % 256);
  EXPECT_EQ(MessageOf(text),
            "t.csv:100002: the row: expected at most 4194304 entries, found 100000 candidates x 256 shared values x 1 "
            "metrics");
  text = "node,candidate,shared[r],a[s]\n";
  for (int i = 0; i < 257; ++i) text += fmt::format("n,c,{},1\n", i);
  EXPECT_EQ(MessageOf(text), "t.csv:258: column 3 (shared): expected at most 256 different values, found '256'");
}

TEST(BlockTableCsv, FileThatIsNotThere) {
  EXPECT_EQ(LoadCsv("/nowhere/t.csv", "s").status().message(),
            "/nowhere/t.csv: expected a table that can be read, found No such file or directory");
}

}  // namespace
}  // namespace mathnas::exchange
