// The summary in the terminal.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "mathnas/report/report.h"
#include "tests/mathnas/report/sample_report.h"

namespace mathnas::report {
namespace {

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(ReportTerminalTest, KeepsItsSize) {
  Report many = SampleReport();
  many.budgets.resize(9, many.budgets[0]);
  many.chosen.tests.resize(9, many.chosen.tests[0]);
  many.chosen.stacks.resize(9, {"Encoder", std::vector<StackLayer>(40, {"1", "4 heads, feed-forward 2048"})});
  many.chosen.metrics.resize(30, many.chosen.metrics[1]);
  many.audits.resize(9, many.audits[0]);
  many.stages.resize(50, many.stages[0]);
  many.notes.resize(20, "x");
  many.chosen.architecture =
      "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|";
  std::vector<Report> reports = {SampleReport(),
                                 Report(),
                                 many,
                                 WithNumbers(kNan),
                                 WithNumbers(-1.23456e308),
                                 WithTexts(std::string(500, 'w')),
                                 WithTexts("a\nb\tc\x1b[2J\r\xff"),
                                 WithTexts("")};
  for (const Report& report : reports) {
    std::string text = RenderTerminalSummary(report);
    std::vector<std::string> lines = Lines(text);
    EXPECT_GE(lines.size(), 15u) << text;
    EXPECT_LE(lines.size(), 25u) << text;
    for (const std::string& line : lines) {
      EXPECT_LE(line.size(), 100u) << line;
      EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; })) << line;
      EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
    }
    EXPECT_EQ(text.back(), '\n');
  }
}

TEST(ReportTerminalTest, SaysWhatMatters) {
  std::string text = RenderTerminalSummary(SampleReport());
  for (const char* part :
       {"latency <= 4.2 ms (60 % of the largest network, 7.00 ms): MET",
        "measured median 4.119 ms, quartiles 4.091 to 4.160", "proven optimal, 15,625 of 15,625 networks in 4.31 ms",
        "gap 0", "accuracy 91.54 % fine-tuned, 85.87 % before", "(the RAPL counters are not readable)",
        "40 networks: Spearman"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(ReportTerminalTest, SaysWhatTranslates) {
  const std::string text = RenderTerminalSummary(TranslationReport());
  for (const char* part :
       {"Network   Encoder, width 512: 4 heads + 8 heads + 4 heads\n", "          Decoder, width 640: 8 heads + ",
        "Test      BLEU 27.50 fine-tuned, 11.25 before, 40 sentences\n",
        "          token accuracy 58.12 % fine-tuned, 41.50 % before, 321 tokens\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(ReportTerminalTest, ColumnsAreAligned) {
  std::vector<std::string> lines = Lines(RenderTerminalSummary(SampleReport()));
  auto header = std::find_if(lines.begin(), lines.end(),
                             [](const std::string& l) { return l.find("predicted") != std::string::npos; });
  ASSERT_NE(header, lines.end());
  size_t end = header->find("predicted") + 9;
  for (const char* metric : {"accuracy [%]", "latency [ms]", "energy [mJ]", "flops [MMAC]", "parameters"}) {
    auto line = std::find_if(header, lines.end(), [&](const std::string& l) { return l.rfind(metric, 0) == 0; });
    ASSERT_NE(line, lines.end()) << metric;
    EXPECT_NE((*line)[end - 1], ' ') << *line;
    EXPECT_EQ((*line)[end], ' ') << *line;
  }
}

}  // namespace
}  // namespace mathnas::report
