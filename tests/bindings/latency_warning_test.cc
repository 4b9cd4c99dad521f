// Predicted latencies of zero or below are pointed out, on stderr, in one line.
#include <algorithm>
#include <fstream>

#include "gtest/gtest.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

// Two nodes; the faster candidates save more than the whole network takes, as noise can have it.
std::string Table(const TemporaryFolder& folder, double base) {
  json table = {{"format", "mathnas-block-table/1"}, {"space", "test"}};
  for (const char* node : {"a", "b"}) {
    table["nodes"].push_back({{"name", node}, {"candidates", {"slow", "fast"}}, {"reference", 0}});
  }
  table["metrics"] = {
      {"accuracy", {{"unit", "%"}, {"goal", "max"}, {"form", "saving"}, {"base", 90}, {"values", {{0, 1}, {0, 1}}}}},
      {"latency", {{"unit", "ms"}, {"goal", "min"}, {"form", "cost"}, {"base", base}, {"values", {{0, -1}, {0, -1}}}}},
      {"flops", {{"unit", "MMAC"}, {"goal", "min"}, {"form", "cost"}, {"base", 1}, {"values", {{5, 1}, {5, 1}}}}}};
  const std::string path = folder / "table.json";
  std::ofstream(path) << table.dump();
  return path;
}

TEST(LatencyWarning, OneLineWhereAPredictionCannotBeTrue) {
  const TemporaryFolder folder;
  const std::string table = Table(folder, 2);  // of the fastest network: 2 - 1 - 1 = 0
  const std::vector<std::vector<std::string>> warned = {
      {"search", "--table", table, "--estimator", "linear", "--limit", "latency<=0.5", "--json"},
      {"search", "--table", table, "--estimator", "linear", "--front", "latency", "--json"},
      {"predict", "--table", table, "--estimator", "linear", "--choice", "[1,1]", "--json"},
      {"predict", "--table", table, "--estimator", "linear", "--all", "--json"}};
  for (const std::vector<std::string>& arguments : warned) {
    const Finished run = RunProgram(arguments);
    EXPECT_EQ(run.exit_status, 0);
    EXPECT_TRUE(run.json().is_object());
    EXPECT_NE(run.err.find("warning: 1 predicted latency is zero or below, the least 0:"), std::string::npos)
        << run.err;
    EXPECT_NE(run.err.find("measure the table again on a quiet machine"), std::string::npos) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
  std::ofstream(folder / "choices.csv") << "0,0\n1,1\n0,1\n1,1\n";
  const Finished many = RunProgram({"predict", "--table", Table(folder, 1.5), "--estimator", "linear", "--choices",
                                    folder / "choices.csv", "--json"});
  EXPECT_EQ(many.exit_status, 0) << many.err;
  EXPECT_NE(many.err.find("warning: 2 predicted latencies are zero or below, the least -0.5:"), std::string::npos)
      << many.err;
}

TEST(LatencyWarning, NoneWhereAllAreAboveZero) {
  const TemporaryFolder folder;
  const std::string table = Table(folder, 2.5);
  for (const char* what : {"search", "predict"}) {
    std::vector<std::string> arguments = {what, "--table", table, "--estimator", "linear"};
    if (arguments[0] == "predict") arguments.push_back("--all");
    const Finished run = RunProgram(arguments);
    EXPECT_EQ(run.exit_status, 0);
    EXPECT_EQ(run.err, "");
  }
}

}  // namespace
}  // namespace mathnas::cli
