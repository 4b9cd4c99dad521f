#include "mathnas/core/block_table.h"

#include <sys/stat.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/search.h"
#include "tables.h"

namespace mathnas::core {
namespace {

namespace fs = std::filesystem;

const fs::path kHostile = fs::path(MATHNAS_TEST_DATA) / "hostile" / "tables";

// A folder of its own that goes away.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "mathnas-core-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~ScratchFolder() { fs::remove_all(path_); }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(path_), {})); }

 private:
  fs::path path_;
};

constexpr const char* kFullTable = R"({
  "format": "mathnas-block-table/1", "space": "full", "x-author": {"name": "somebody", "year": 2024},
  "nodes": [{"name": "a", "candidates": ["a0", "a1"], "reference": 1, "x-note": "first"},
            {"name": "b", "candidates": ["b0", "b1", "cut"], "reference": 0},
            {"name": "c", "candidates": ["c0", "cut"], "reference": 0}],
  "structure": [{"kind": "depth", "nodes": [1, 2], "absent": [null, 1], "x-why": null},
                {"kind": "shared", "name": "resolution", "values": [192, 224.5]}],
  "metrics": {
    "accuracy": {"unit": "%", "goal": "max", "form": "saving", "base": [79.23, 80],
                 "values": [[[0.1, 0], [0, null, 3], [0, 1e-3]], [[0.2, 0], [0, -1, 3], [0, 2]]],
                 "samples": [[[3, 3], [3, null, 3], [3, 3]], [[3, 3], [3, 3, 3], [3, 3]]],
                 "stddev": [[[0.01, 0], [0, null, 0], [0, 0]], [[0, 0], [0, 0, 0], [0, 0]]],
                 "device": "cpu", "batch": 16, "threads": 2, "convention": "top-1", "measured_at": "2024-05-01"},
    "energy": {"unit": "mJ", "goal": "min", "form": "cost", "base": [null, null],
               "values": [[[null, null], [null, null, null], [null, null]],
                          [[null, null], [null, null, null], [null, null]]],
               "x-reason": "no meter on this machine"},
    "flops": {"unit": "MMAC", "goal": "min", "form": "cost", "base": [24.1, 30],
              "values": [[[1, 2], [1, 2, 0], [1, 0]], [[2, 4], [2, 4, 0], [2, 0]]]}
  }})";

TEST(BlockTableJson, ReadsEveryField) {
  const auto table = Parse(kFullTable, "full.json");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->space, "full");
  EXPECT_EQ(table->nodes[1].candidates, (std::vector<std::string>{"b0", "b1", "cut"}));
  EXPECT_EQ(table->nodes[0].reference, 1);
  EXPECT_EQ(table->structure.depth[0].nodes, (std::vector<int>{1, 2}));
  EXPECT_EQ(table->structure.depth[0].absent, (std::vector<int>{DepthGroup::kCannotBeCut, 1}));
  EXPECT_EQ(table->structure.shared->values, (std::vector<double>{192, 224.5}));
  const Metric& accuracy = table->metrics.at("accuracy");
  EXPECT_EQ(accuracy.goal, Goal::kMax);
  EXPECT_EQ(accuracy.form, Form::kSaving);
  EXPECT_EQ(accuracy.slices[1].base, 80);
  EXPECT_TRUE(std::isnan(accuracy.slices[0].values[1][1]));
  EXPECT_EQ(accuracy.slices[1].values[1][1], -1);
  EXPECT_EQ(accuracy.slices[0].samples[1], (std::vector<int64_t>{3, 0, 3}));
  EXPECT_EQ(accuracy.slices[0].stddev[0][0], 0.01);
  EXPECT_EQ(accuracy.device, "cpu");
  EXPECT_EQ(accuracy.batch, 16);
  EXPECT_EQ(accuracy.threads, 2);
  EXPECT_EQ(accuracy.convention, "top-1");
  EXPECT_EQ(accuracy.measured_at, "2024-05-01");
  EXPECT_EQ(table->metrics.at("energy").extensions.at("x-reason"), R"("no meter on this machine")");
  EXPECT_EQ(table->extensions.at("x-author"), R"({"name":"somebody","year":2024})");
  // The metric that nobody could measure does not stand in the way of the others.
  const auto result = Search(*table, {.fronts = {"flops"}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->status, SearchStatus::kOptimal);
}

TEST(BlockTableJson, RoundTripKeepsEverything) {
  const auto table = Parse(kFullTable, "full.json");
  ASSERT_TRUE(table.ok()) << table.status();
  const std::string text = ToJson(*table);
  const auto again = Parse(text, "again");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ToJson(*again), text);
  for (const char* part : {R"("x-author":{"name":"somebody","year":2024})", R"("x-note":"first")", R"("x-why":null)",
                           R"("x-reason":"no meter on this machine")", R"("absent":[null,1])", "224.5",
                           R"("measured_at":"2024-05-01")", R"("threads":2)", "0.001"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
}

TEST(BlockTableJson, RoundTripIsExactForAnyDouble) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50; ++round) {
    BlockTable table = testing::RandomTable(random);
    for (auto& [name, metric] : table.metrics) {
      for (auto& slice : metric.slices) {
        for (auto& row : slice.values) {
          for (double& value : row) {
            if (!std::isnan(value))
              value = std::ldexp(std::uniform_real_distribution<>(-1, 1)(random), round * 40 - 1000);
          }
        }
      }
    }
    const auto again = Parse(ToJson(table), "again");
    ASSERT_TRUE(again.ok()) << again.status();
    for (const auto& [name, metric] : table.metrics) {
      for (size_t s = 0; s < metric.slices.size(); ++s) {
        const Grid& expected = metric.slices[s].values;
        const Grid& found = again->metrics.at(name).slices[s].values;
        for (size_t i = 0; i < expected.size(); ++i) {
          for (size_t j = 0; j < expected[i].size(); ++j) {
            ASSERT_TRUE(expected[i][j] == found[i][j] || (std::isnan(expected[i][j]) && std::isnan(found[i][j])));
          }
        }
      }
    }
  }
}

TEST(BlockTableJson, WritesValidJsonWhateverTheStrings) {
  BlockTable table = testing::NasBench201();
  table.space = std::string("tab\t, quote \", slash \\, nul \0, e-acute \xC3\xA9", 41);
  table.nodes[0].name = "broken \xFF\xC3 utf-8 \xED\xA0\x80";
  table.extensions["x-note"] = "not JSON";
  table.metrics["accuracy"].device = "\xF0\x9F\x98\x80";
  const auto again = Parse(ToJson(table), "again");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->space, table.space);
  EXPECT_EQ(again->nodes[0].name, "broken \uFFFD\uFFFD utf-8 \uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(again->extensions.at("x-note"), R"("not JSON")");
  EXPECT_EQ(again->metrics.at("accuracy").device, "\xF0\x9F\x98\x80");
}

TEST(BlockTableJson, SaveReplacesAtOnce) {
  const ScratchFolder folder;
  const fs::path path = folder / "table.json";
  BlockTable table = testing::NasBench201();
  ASSERT_TRUE(Save(table, path).ok());
  table.space = "second";
  ASSERT_TRUE(Save(table, path).ok());
  EXPECT_EQ(folder.files(), 1u) << "a temporary file was left behind";
  const auto loaded = Load(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->space, "second");
  // An invalid table leaves the file alone.
  table.nodes.pop_back();
  EXPECT_EQ(Save(table, path).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Load(path)->space, "second");
  EXPECT_EQ(Save(testing::NasBench201(), folder / "no-such-folder/table.json").code(), absl::StatusCode::kInternal);
}

TEST(BlockTableJson, LoadNamesTheFile) {
  const ScratchFolder folder;
  for (const std::string& path : {(folder / "missing.json").string(), (folder / "").string(), std::string()}) {
    const auto table = Load(path);
    EXPECT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_NE(std::string(table.status().message()).find(path), std::string::npos);
  }
  const auto endless = Load("/dev/zero");
  EXPECT_EQ(endless.status().code(), absl::StatusCode::kInvalidArgument);
}

// Every file of the corpus is refused, with the fragment that expected.txt ("FILE: FRAGMENT") asks for.
constexpr const char* kEvaluated = R"({"format": "mathnas-block-table/1", "space": "whole",
  "nodes": [{"name": "a", "candidates": ["x", "y"], "reference": 1}, {"name": "b", "candidates": ["p", "cut"], "reference": 0},
            {"name": "c", "candidates": ["q", "cut"], "reference": 0}],
  "structure": [{"kind": "depth", "nodes": [1, 2], "absent": [1, 1]}],
  "metrics": {"accuracy": {"unit": "%", "goal": "max", "form": "saving", "base": null,
    "values": [[null, null], [null, null], [null, null]],
    "evaluations": [{"choice": [0, 0, 1], "value": 91.2, "x-run": 7}, {"choice": [1, 1, 0], "value": 0.1}]}}})";

TEST(BlockTableJson, NetworksMeasuredWhole) {
  const auto table = Parse(kEvaluated, "whole.json");
  ASSERT_TRUE(table.ok()) << table.status();
  const std::vector<Evaluation>& evaluations = table->metrics.at("accuracy").evaluations;
  ASSERT_EQ(evaluations.size(), 2u);
  EXPECT_EQ(evaluations[0].choice, (Choice{0, 0, 1}));
  EXPECT_EQ(evaluations[0].value, 91.2);
  EXPECT_EQ(evaluations[0].extensions.at("x-run"), "7");
  EXPECT_EQ(evaluations[1].choice, (Choice{1, 1, 0})) << "kept as it was given";
  const std::string text = ToJson(*table);
  EXPECT_NE(text.find(R"("evaluations":[{"choice":[0,0,1],"value":91.2,"x-run":7},{"choice":[1,1,0],"value":0.1}])"),
            std::string::npos)
      << text;
  EXPECT_EQ(ToJson(*Parse(text, "again")), text);

  const auto refused = [](const std::string& from, const std::string& to, const std::string& fragment) {
    std::string changed = kEvaluated;
    changed.replace(changed.find(from), from.size(), to);
    const auto broken = Parse(changed, "broken.json");
    EXPECT_EQ(broken.status().code(), absl::StatusCode::kInvalidArgument) << changed;
    EXPECT_NE(std::string(broken.status().message()).find("broken.json: metrics.accuracy.evaluations" + fragment),
              std::string::npos)
        << broken.status();
  };
  refused("[1, 1, 0]", "[1, 2, 0]", "[1].choice[1]: expected a candidate index from 0 to 1, found 2");
  refused("[1, 1, 0]", "[1, 1]", "[1].choice: expected 3 entries");
  refused("[1, 1, 0]", "[1, -1, 0]", "[1].choice[1]: expected an index");
  refused("[0, 0, 1]", "[1, 1, 1]", "[1].choice: expected a network that is not evaluated before");
  refused("91.2", "null", "[0].value: expected a number");
  refused("x-run", "run", "[0].run: expected one of choice, value");
  refused(", \"value\": 0.1", "", "[1].value: expected this field");
  BlockTable infinite = *table;
  infinite.metrics["accuracy"].evaluations[1].value = INFINITY;
  EXPECT_NE(std::string(Validate(infinite).message()).find("metrics.accuracy.evaluations[1].value: expected a finite"),
            std::string::npos);
  BlockTable shared = *Parse(kFullTable, "full.json");
  shared.metrics["accuracy"].evaluations = {{{0, 0, 0}, 1}};
  EXPECT_NE(std::string(Validate(shared).message()).find("evaluations: expected none in a table with a shared choice"),
            std::string::npos);
}

TEST(HostileTables, AreRefusedWithTheRightWords) {
  std::ifstream expected(kHostile / "expected.txt");
  ASSERT_TRUE(expected) << kHostile;
  size_t files = 0;
  for (std::string line; std::getline(expected, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(": ");
    ASSERT_NE(colon, std::string::npos) << line;
    const std::string file = line.substr(0, colon);
    SCOPED_TRACE(file);
    ++files;
    ASSERT_TRUE(fs::exists(kHostile / file));
    const auto table = Load(kHostile / file);
    ASSERT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument);
    const std::string message(table.status().message());
    EXPECT_NE(message.find(file), std::string::npos) << message;
    EXPECT_NE(message.find(line.substr(colon + 2)), std::string::npos) << message;
    EXPECT_NE(message.find("expected"), std::string::npos) << message;
  }
  size_t present = 0;
  for (const auto& entry : fs::directory_iterator(kHostile)) present += entry.path().extension() == ".json";
  EXPECT_EQ(files, present) << "expected.txt and the folder disagree";
}

TEST(HostileTables, EveryTruncationOfAValidTable) {
  const std::string text = ToJson(*Parse(kFullTable, "full.json"));
  for (size_t length = 0; length + 2 < text.size(); ++length) {
    ASSERT_EQ(Parse(text.substr(0, length), "cut").status().code(), absl::StatusCode::kInvalidArgument) << length;
  }
}

TEST(HostileTables, AnyByteMayBeWrong) {
  const std::string text = ToJson(*Parse(kFullTable, "full.json"));
  std::mt19937_64 random(5);
  for (int round = 0; round < 5000; ++round) {
    std::string broken = text;
    const int changes = 1 + round % 3;
    for (int c = 0; c < changes; ++c) {
      const size_t at = std::uniform_int_distribution<size_t>(0, text.size() - 1)(random);
      broken[at] = static_cast<char>(std::uniform_int_distribution<int>(0, 255)(random));
    }
    const auto table = Parse(broken, "broken");
    if (table.ok()) {
      ASSERT_TRUE(Parse(ToJson(*table), "again").ok()) << broken;
    }
  }
}

TEST(HostileTables, BoundedDepthSizeAndCount) {
  const std::string deep = std::string(1000000, '[');
  EXPECT_NE(std::string(Parse(deep, "deep").status().message()).find("nesting of at most 64"), std::string::npos);
  const std::string objects = [] {
    std::string text;
    for (int i = 0; i < 100; ++i) text += R"({"x-a":)";
    return text;
  }();
  EXPECT_NE(std::string(Parse(objects, "deep").status().message()).find("nesting of at most 64"), std::string::npos);
  std::string many = R"({"x-many": [)";
  for (int i = 0; i < (1 << 22); ++i) many += "0,";
  EXPECT_NE(std::string(Parse(many, "many").status().message()).find("at most 4194304 values"), std::string::npos);
}

TEST(BlockTable, ValidateFindsWhatCodeCanGetWrong) {
  const auto message = [](auto change) {
    BlockTable table = *Parse(kFullTable, "full.json");
    change(table);
    return std::string(Validate(table, "made.json").message());
  };
  const auto expect = [&message](const std::string& fragment, auto change) {
    const std::string found = message(change);
    EXPECT_NE(found.find(fragment), std::string::npos) << found;
  };
  EXPECT_EQ(message([](BlockTable&) {}), "");
  expect("made.json: nodes: expected", [](BlockTable& t) { t.nodes.clear(); });
  expect("metrics.flops.values[1][2][1]: expected a finite",
         [](BlockTable& t) { t.metrics["flops"].slices[1].values[2][1] = INFINITY; });
  expect("metrics.flops.base[0]", [](BlockTable& t) { t.metrics["flops"].slices[0].base = -INFINITY; });
  expect("metrics.flops.values: expected 2 tables", [](BlockTable& t) { t.metrics["flops"].slices.pop_back(); });
  expect("structure[depth 0].absent[1]", [](BlockTable& t) { t.structure.depth[0].absent[1] = 9; });
  expect("structure[shared].name", [](BlockTable& t) { t.structure.shared->name = "b"; });
}

}  // namespace
}  // namespace mathnas::core
