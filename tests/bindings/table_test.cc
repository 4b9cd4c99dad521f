// Block tables from CSV, their description, and the search as a program for other solvers.
#include "gtest/gtest.h"
#include "tests/bindings/process.h"

namespace mathnas::cli {
namespace {

using nlohmann::json;

constexpr const char* kCsv =
    "node,candidate,latency[ms],accuracy[%] max saving base=79.25\n"
    "stage1,small,12.5,0.5\nstage1,large,20.25,0\n"
    "stage2,small,30,1\nstage2,large,,0\n";

TEST(TableCommand, ImportedTableIsCheckedSearchedAndExported) {
  const TemporaryFolder folder;
  std::ofstream(folder / "phone.csv") << kCsv;
  const std::string table = folder / "phone.json";
  const Finished imported = RunProgram({"table", "import", "--csv", folder / "phone.csv", "--out", table, "--json"});
  ASSERT_EQ(imported.exit_status, 0) << imported.err;
  EXPECT_EQ(imported.json()["space"], "phone");
  const json checked = RunProgram({"table", "check", table, "--json"}).json();
  EXPECT_EQ(checked["nodes"], 2);
  EXPECT_EQ(checked["candidates"], 4);
  EXPECT_EQ(checked["networks"], 4);
  EXPECT_EQ(checked["metrics"]["latency"],
            (json{{"unit", "ms"}, {"goal", "min"}, {"form", "cost"}, {"measured", 3}, {"values", 4}}));
  const json found =
      RunProgram({"search", "--table", table, "--estimator", "linear", "--limit", "latency<=45", "--json"}).json();
  EXPECT_EQ(found["choice"], json({0, 0}));
  EXPECT_EQ(found["objective"], 77.75);
  for (const std::string format : {"lp", "mps"}) {
    const Finished exported = RunProgram({"export", "--table", table, "--estimator", "linear", "--limit", "latency<=45",
                                          "--format", format, "--out", folder / format, "--json"});
    ASSERT_EQ(exported.exit_status, 0) << exported.err;
    EXPECT_EQ(exported.json()["bytes"], ReadFile(folder / format).size());
  }
  EXPECT_NE(ReadFile(folder / "lp").find("Minimize\n"), std::string::npos);
  EXPECT_NE(ReadFile(folder / "mps").find("ENDATA\n"), std::string::npos);
}

TEST(TableCommand, BadInputIsOneClearLine) {
  const TemporaryFolder folder;
  std::ofstream(folder / "bad.csv") << "node,candidate,latency[ms]\nstage1,small,fast\n";
  std::ofstream(folder / "good.csv") << kCsv;
  RunProgram({"table", "import", "--csv", folder / "good.csv", "--out", folder / "good.json"});
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"table", "import", "--csv", folder / "bad.csv", "--out", folder / "t.json"},
       "bad.csv:2: column 3 (latency): expected a finite number or an empty cell, found 'fast'"},
      {{"table", "import", "--csv", folder / "none.csv", "--out", folder / "t.json"}, "none.csv: expected a table"},
      {{"table", "import", "--csv", folder / "good.csv", "--out", "/proc/none"}, "/proc/none"},
      {{"table", "check", folder / "bad.csv"}, "bad.csv"},
      {{"export", "--table", folder / "good.json", "--out", folder / "x"}, "flops"},
      {{"export", "--table", folder / "good.json", "--estimator", "linear", "--format", "nl", "--out", folder / "x"},
       "--format nl: expected lp, mps or onnx"},
      {{"export", "--table", folder / "good.json", "--estimator", "linear", "--out", "/proc/none"}, "/proc/none"},
  };
  for (const auto& [arguments, error] : cases) ExpectRefused(arguments, error);
}

}  // namespace
}  // namespace mathnas::cli
