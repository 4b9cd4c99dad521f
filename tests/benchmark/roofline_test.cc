// The picture of the roofline: well-formed, with a dot for each record that computes, and the machine's name as text.
#include "mathnas/benchmark/roofline.h"

#include <vector>

#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/machine.h"
#include "mathnas/report/svg.h"

namespace mathnas::benchmark {
namespace {

// Every element is closed in order; attributes are quoted. Enough XML for what Plot writes; "" when well-formed.
std::string WellFormed(std::string_view text) {
  std::vector<std::string> open;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '&') {
      const size_t end = text.find(';', at);
      if (end == std::string_view::npos || end - at > 8) return "a bare ampersand";
    }
    if (text[at] == '>') return "a bare >";
    if (text[at] != '<') {
      ++at;
      continue;
    }
    if (text.substr(at).starts_with("<![CDATA[")) {
      at = text.find("]]>", at);
      if (at == std::string_view::npos) return "an open CDATA";
      at += 3;
      continue;
    }
    size_t end = at + 1;
    bool quoted = false;
    for (; end < text.size() && (quoted || text[end] != '>'); ++end) {
      if (text[end] == '"') quoted = !quoted;
      if (quoted && text[end] == '<') return "< in an attribute";
    }
    if (end == text.size()) return "an open tag";
    const std::string tag(text.substr(at + 1, end - at - 1));
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return "closes " + tag;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find_first_of(" \n")));
    }
    at = end + 1;
  }
  return open.empty() ? "" : "leaves " + open.back() + " open";
}

BenchmarkRun Example() {
  BenchmarkRun run = {.machine = {"A <strange> & \"long\" name", "avx2", "oneDNN 2.6.3", 2},
                      .peaks = {200, {{65536, 400}, {1 << 28, 20}}}};
  for (int i = 0; i < 5; ++i) {
    run.records.push_back({.name = "conv2d <n" + std::to_string(i) + ">",
                           .pass = "forward",
                           .type = "f32",
                           .cache = i % 2 == 0 ? "warm" : "cold",
                           .microseconds = {.median = 100.0 * (i + 1), .samples = 1},
                           .multiply_adds = i < 3 ? 1e6 : 0,
                           .bytes = 1e5});
  }
  return run;
}

size_t Count(const std::string& text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(Roofline, IsWellFormedWithADotForEachThatComputes) {
  const std::string svg = RooflineSvg(Example());
  EXPECT_EQ(WellFormed(svg), "");
  EXPECT_TRUE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_EQ(Count(svg, "<circle"), 3u);
  EXPECT_EQ(Count(svg, "class=\"front\""), 1u);     // memory
  EXPECT_EQ(Count(svg, "class=\"identity\""), 1u);  // the cache
  EXPECT_NE(svg.find("3 of 5 records"), std::string::npos);
  EXPECT_NE(svg.find("A &lt;strange&gt; &amp; "), std::string::npos);
}

TEST(Roofline, NothingToShowIsAPictureToo) {
  EXPECT_EQ(WellFormed(RooflineSvg(BenchmarkRun{})), "");
  BenchmarkRun run = Example();
  run.records.clear();
  EXPECT_EQ(WellFormed(RooflineSvg(run)), "");
}

TEST(Plot, LogarithmicAxesHavePowersOfTenAtEqualDistances) {
  const report::Ticks ticks = report::PowersOfTen({0.1, 1000});
  EXPECT_EQ(ticks.labels, (std::vector<std::string>{"0.1", "1", "10", "100", "1000"}));
  report::Plot plot(116, 100, {{1, 100}, "x", 6, true}, {{1, 100}, "y", 6, true}, "d");
  const report::Point line[] = {{1, 1}, {10, 10}, {100, 100}};
  plot.Line(line, "front");
  const std::string svg = plot.Finish();
  // Frame: 34 + 7 * 3 = 55 to 100, and 54 to 12.
  EXPECT_NE(svg.find("d=\"M55.0 54.0L77.5 33.0L100.0 12.0\""), std::string::npos) << svg;
}

// What a machine can do is not known; that it is a number is.
TEST(Machine, PeaksArePositive) {
  const auto peaks = MeasurePeaks(1, 1 << 20);
  if (absl::IsUnimplemented(peaks.status())) GTEST_SKIP() << peaks.status();
  ASSERT_TRUE(peaks.ok());
  EXPECT_GT(peaks->gflops, 0);
  ASSERT_FALSE(peaks->bandwidth.empty());
  for (size_t i = 0; i + 1 < peaks->bandwidth.size(); ++i) {
    EXPECT_LT(peaks->bandwidth[i].bytes, peaks->bandwidth[i + 1].bytes);
    EXPECT_GE(peaks->bandwidth[i].gbs, peaks->bandwidth[i + 1].gbs);
  }
  EXPECT_EQ(peaks->bandwidth.back().bytes, 1 << 20);
  const auto machine = kernels::DescribeMachine();
  ASSERT_TRUE(machine.ok());
  EXPECT_FALSE(machine->processor.empty());
  kernels::CacheSweep(2).Run();
}

// By a device's own operators, up to tensors of more elements than one extent of a line may have.
TEST(Machine, PeaksOfAnyDevice) {
  const auto device = kernels::CpuDevice(2);
  if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << device.status();
  ASSERT_TRUE(device.ok());
  const auto peaks = MeasurePeaksOf(**device, 256 << 20);
  ASSERT_TRUE(peaks.ok()) << peaks.status();
  EXPECT_GT(peaks->gflops, 0);
  ASSERT_EQ(peaks->bandwidth.size(), 6U);  // 256 KiB, 1 MiB, .. 256 MiB
  double bytes = 256 << 10;
  for (const auto& point : peaks->bandwidth) {
    EXPECT_GT(point.gbs, 0);
    EXPECT_LE(point.bytes, bytes);
    EXPECT_GT(point.bytes, bytes * 0.95);
    bytes *= 4;
  }
}

}  // namespace
}  // namespace mathnas::benchmark
