// Records as JSON and back, what is refused, shares of the roofs by hand.
#include "mathnas/benchmark/record.h"

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"

namespace mathnas::benchmark {
namespace {

BenchmarkRun Example() {
  BenchmarkRun run = {.created = "2026-11-24T07:00:00Z",
                      .machine = {"Processor \"X\"", "avx2", "oneDNN 2.6.3", 2},
                      .peaks = {200, {{65536, 400}, {1 << 20, 100}, {1 << 28, 20}}}};
  run.records = {{.name = "conv2d n8 h56",
                  .pass = "forward",
                  .type = "f32",
                  .cache = "warm",
                  .microseconds = {90, 95, 100, 110, 96, 108, 42},
                  .runs_per_sample = 3,
                  .stable = true,
                  .multiply_adds = 5e6,
                  .bytes = 6e5,
                  .implementation = "jit:avx2, \"q\"",
                  .correctness = Correctness{false, 1.5, "off"}},
                 {.name = "relu n8",
                  .pass = "forward",
                  .type = "f32",
                  .cache = "cold",
                  .microseconds = {9, 9, 10, 11, 9, 11, 5},
                  .stable = false,
                  .bytes = 1e5,
                  .implementation = "vector:avx2"}};
  return run;
}

TEST(Record, SharesOfTheRoofsByHand) {
  const BenchmarkRun run = Example();
  // 10^7 operations in 100 us; 6 * 10^5 bytes.
  EXPECT_NEAR(run.records[0].gflops(), 100, 1e-9);
  EXPECT_NEAR(run.records[0].gbs(), 6, 1e-9);
  // 50 us of arithmetic; 6 us of the middle cache: arithmetic bounds it.
  EXPECT_NEAR(run.records[0].RoofShare(run.peaks), 0.5, 1e-9);
  // 10^5 bytes at 20 GB/s, since it is cold: 5 us of 10.
  EXPECT_NEAR(run.records[1].RoofShare(run.peaks), 0.5, 1e-9);
  EXPECT_EQ(run.peaks.BandwidthOf(1000, false), 400);
  EXPECT_EQ(run.peaks.BandwidthOf(65537, false), 100);
  EXPECT_EQ(run.peaks.BandwidthOf(1e12, false), 20);
  EXPECT_EQ(run.peaks.BandwidthOf(1000, true), 20);
}

TEST(Record, JsonComesBack) {
  const BenchmarkRun run = Example();
  const auto again = RunFromJson(ToJson(run));
  ASSERT_TRUE(again.ok()) << kernels::Message(again.status());
  EXPECT_EQ(again->created, run.created);
  EXPECT_EQ(again->machine, run.machine);
  EXPECT_EQ(again->peaks, run.peaks);
  EXPECT_EQ(again->records, run.records);
}

TEST(Record, JsonThatBreaksARuleIsRefusedByField) {
  const auto error = [](const std::string& pointer, const nlohmann::json& value) {
    auto document = nlohmann::json::parse(ToJson(Example()));
    document[nlohmann::json::json_pointer(pointer)] = value;
    return std::string(kernels::Message(RunFromJson(document.dump()).status()));
  };
  EXPECT_EQ(error("/format", "mathnas-bench/2"), "format: found \"mathnas-bench/2\", expected \"mathnas-bench/1\"");
  EXPECT_EQ(error("/machine/threads", 0), "machine.threads: found 0, expected a number, at least 1");
  EXPECT_EQ(error("/peaks", 3), "peaks: found 3, expected an object");
  EXPECT_EQ(error("/peaks/bandwidth/1/gbs", "x"), "peaks.bandwidth[1].gbs: found \"x\", expected a number, at least 0");
  EXPECT_EQ(error("/records/1/median_us", 0), "records[1].median_us: found 0, expected a number, at least 1e-09");
  EXPECT_EQ(error("/records/1/median_us", 99),
            "records[1].median_us: found 99, expected minimum, quartiles and median in rising order");
  EXPECT_EQ(error("/records/0/name", nullptr), "records[0].name: found null, expected a string");
  EXPECT_EQ(error("/records/0/correctness/correct", 1),
            "records[0].correctness.correct: found 1, expected true or false");
  EXPECT_EQ(error("/records/1/stable", "yes"), "records[1].stable: found \"yes\", expected true or false");
  EXPECT_EQ(error("/records", nlohmann::json::object()), "records: found an object, expected an array");
  auto twice = nlohmann::json::parse(ToJson(Example()));
  twice["records"][1] = twice["records"][0];
  EXPECT_EQ(kernels::Message(RunFromJson(twice.dump()).status()),
            "records[1]: \"conv2d n8 h56\" forward f32 warm is there twice");
  EXPECT_FALSE(RunFromJson("{").ok());
  EXPECT_FALSE(RunFromJson("[]").ok());
  EXPECT_FALSE(RunFromJson("").ok());
}

TEST(Record, CsvQuotesNamesAndHasALineForEach) {
  const std::string csv = ToCsv(Example());
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_NE(csv.find("\"conv2d n8 h56\",forward,f32,warm,2,100,95,110,90,42,true,5000000,600000,100,6,0.5,"
                     "\"jit:avx2, \"\"q\"\"\",false\n"),
            std::string::npos)
      << csv;
}

TEST(Record, TextNamesWhatIsWrongAndUnstable) {
  const std::string text = ToText(Example());
  EXPECT_NE(text.find("WRONG: off"), std::string::npos) << text;
  EXPECT_NE(text.find("20.0%!"), std::string::npos) << text;
  EXPECT_NE(text.find("200 GFLOP/s, 400 GB/s in 64 KiB, 100 GB/s in 1 MiB, 20 GB/s in 256 MiB"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace mathnas::benchmark
