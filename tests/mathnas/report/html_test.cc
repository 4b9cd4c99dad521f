// The report against its own struct.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mathnas/report/report.h"
#include "tests/mathnas/report/document.h"
#include "tests/mathnas/report/sample_report.h"

namespace mathnas::report {
namespace {

using namespace std::string_literals;

TEST(CheckerTest, RefusesWhatIsNotWellFormed) {
  EXPECT_EQ(Parsed("<p>a &amp; b<br/></p>").error, "");
  for (std::string bad :
       {"<p>", "<p></b>", "</p>", "<p a=1></p>", "<p>a & b</p>", "<p>a > b</p>", "<p a=\"1\" a=\"2\"></p>",
        "<p a=\"<\"></p>", "<p>\x01</p>", "<p", "<p a=\"", "<p>&bogus;</p>"}) {
    EXPECT_NE(Parsed(bad).error, "") << bad;
  }
}

TEST(ReportHtmlTest, IsWellFormed) {
  EXPECT_EQ(Parsed(RenderHtml(SampleReport())).error, "");
  EXPECT_EQ(Parsed(RenderHtml(Report())).error, "");
}

TEST(ReportHtmlTest, LoadsNothing) {
  std::string html = RenderHtml(SampleReport());
  for (std::string_view outside :
       {"http:", "https:", "//", "src=", "href=", "@import", "url(", "<script", "<link", "<iframe"}) {
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
  EXPECT_LT(html.size(), 300'000u);
}

TEST(ReportHtmlTest, HasEverySectionAndPicture) {
  Document document = Parsed(RenderHtml(SampleReport()));
  EXPECT_EQ(document.Find("section").size(), 6u);
  EXPECT_EQ(document.Find("svg", "plot").size(), 7u);  // front, two audits, loss and accuracy twice
  EXPECT_EQ(document.Find("svg", "cell").size(), 1u);
  EXPECT_EQ(document.Find("path", "front").size(), 2u);  // and its swatch
  EXPECT_EQ(document.Find("path", "rule").size(), 1u);
  EXPECT_EQ(document.Find("circle", "audited").size(), 80u);
}

TEST(ReportHtmlTest, DrawsStacksAndNamesScores) {
  const std::string html = RenderHtml(TranslationReport());
  const Document document = Parsed(html);
  EXPECT_EQ(document.error, "");
  EXPECT_EQ(document.Find("svg", "stacks").size(), 1u);
  EXPECT_TRUE(document.Find("svg", "cell").empty());
  EXPECT_EQ(document.Find("rect", "layer").size(), 6u);
  EXPECT_EQ(document.Find("path", "source").size(), 1u + 3 + 3);
  // All boxes stand on the same ground, one above the other; bars are as wide as they are told.
  std::map<double, int> left, top;
  for (const Element* e : document.Find("rect", "layer")) {
    ++left[std::strtod(e->attributes.at("x").c_str(), nullptr)],
        ++top[std::strtod(e->attributes.at("y").c_str(), nullptr)];
  }
  for (const auto& [x, boxes] : left) EXPECT_EQ(boxes, 3) << x;
  for (const auto& [y, boxes] : top) EXPECT_EQ(boxes, 2) << y;
  const auto width = [](const Element* e) { return std::strtod(e->attributes.at("width").c_str(), nullptr); };
  const auto boxes = document.Find("rect", "layer"), bars = document.Find("rect", "layer-size");
  ASSERT_EQ(bars.size(), 6u);
  EXPECT_NEAR(width(bars[0]), 0.5 * width(boxes[0]), 0.1);
  EXPECT_NEAR(width(bars[2]), 0.25 * width(boxes[2]), 0.1);
  EXPECT_EQ(width(bars[4]), 0);
  for (const char* text : {"Test BLEU, fine-tuned", "Test token accuracy, fine-tuned", "sentences", "tokens",
                           "training token accuracy", "token accuracy [%]", "Decoder, width 640", "1: 8 heads"}) {
    EXPECT_NE(html.find(text), std::string::npos) << text;
  }
  const std::set<double> shown = DataValues(document);
  for (double value : {11.25, 27.5, 40.0, 41.5, 58.125, 321.0}) EXPECT_EQ(shown.count(value), 1u) << value;
}

TEST(ReportHtmlTest, EscapesHostileText) {
  for (std::string hostile :
       {std::string("\"><script>alert('1')</script>&amp;<b onload=\"x"), std::string("</style></title><p>"),
        "a\0b\x01\x1b[31m\xff\xc0\x80\xed\xa0\x80 \xf4\x90\x80\x80 ]]>"s, std::string("{} {0} %s"),
        std::string("\xe2\x80\xae reversed, ünïcödé, 網路")}) {
    std::string html = RenderHtml(WithTexts(hostile));
    Document document = Parsed(html);
    EXPECT_EQ(document.error, "") << hostile;
    EXPECT_TRUE(document.Find("script").empty());
    EXPECT_TRUE(document.Find("b", "").size() == Parsed(RenderHtml(WithTexts("x"))).Find("b", "").size());
    EXPECT_EQ(html.find('\0'), std::string::npos);
    EXPECT_EQ(html.find("\xe2\x80\xae"), std::string::npos) << "text that turns its surroundings around";
    // As many elements as with harmless text: none was added and none swallowed.
    EXPECT_EQ(document.elements.size(), Parsed(RenderHtml(WithTexts("x"))).elements.size()) << hostile;
  }
  std::string html = RenderHtml(WithTexts("a<b>&\"c'"));
  EXPECT_NE(html.find("<title>a&lt;b&gt;&amp;&quot;c&#39;</title>"), std::string::npos);
}

TEST(ReportHtmlTest, SurvivesEveryKindOfNumber) {
  for (double value : {kNan, kInfinity, -kInfinity, 0.0, -0.0, 1.0, -1.5, 1e308, -1e308, 5e-324, 1e15, 123456.789}) {
    std::string html = RenderHtml(WithNumbers(value));
    Document document = Parsed(html);
    EXPECT_EQ(document.error, "") << value;
    for (const Element& e : document.elements) {
      if (e.tag == "style") continue;
      for (const auto& [name, text] : e.attributes) {
        if (name == "aria-label" || name == "class" || name == "title" || name == "name" || name == "content") continue;
        EXPECT_EQ(text.find("nan"), std::string::npos) << e.tag << " " << name << "=" << text << " for " << value;
        EXPECT_EQ(text.find("inf"), std::string::npos) << e.tag << " " << name << "=" << text << " for " << value;
        EXPECT_LT(text.size(), 200'000u);
      }
    }
  }
}

TEST(ReportHtmlTest, MissingNumbersShowADashAndTheReason) {
  std::string html = RenderHtml(SampleReport());
  EXPECT_NE(html.find("<span class=\"missing\">–&#160;<small>the RAPL counters are not readable</small></span>"),
            std::string::npos);
  EXPECT_NE(html.find("<small>not measurable here</small>"), std::string::npos);
  EXPECT_NE(html.find("30 of 40 epochs without (evaluated every 4 epochs)"), std::string::npos);
  html = RenderHtml(WithNumbers(kInfinity));
  EXPECT_NE(html.find("<small>not finite</small>"), std::string::npos);
  html = RenderHtml(Report());
  EXPECT_NE(html.find("no predictions recorded"), std::string::npos);
  EXPECT_NE(html.find("no network was chosen"), std::string::npos);
}

TEST(ReportHtmlTest, ToleratesTablesThatAreRagged) {
  Report report = SampleReport();
  report.chosen.choice = {99, -1};
  report.chosen.shared_index = -3;
  core::MetricSlice& slice = report.table.metrics["latency"].slices[0];
  slice.values.pop_back();
  slice.values[0].clear();
  slice.samples.clear();
  slice.stddev[1].resize(1);
  report.table.metrics["flops"].slices.clear();
  report.table.nodes[2].candidates.resize(2);
  EXPECT_EQ(Parsed(RenderHtml(report)).error, "");
  report.chosen.shared_index = 7;
  report.chosen.cell = {{2, 1, "x"}, {0, 4000, "y"}, {-1, 1, "z"}};
  EXPECT_EQ(Parsed(RenderHtml(report)).error, "");
}

TEST(ReportHtmlTest, NumbersAreThoseOfTheStruct) {
  Report report = SampleReport();
  Document document = Parsed(RenderHtml(report));
  std::set<double> shown = DataValues(document);
  auto expect = [&](const Reading& reading) {
    EXPECT_TRUE(!std::isfinite(reading.value) || shown.count(reading.value)) << reading.value;
  };
  for (const Comparison& c : report.chosen.metrics) {
    expect(c.predicted), expect(c.measured), expect(c.measured_low), expect(c.measured_high);
    expect({c.measured.value - c.predicted.value});
    if (c.samples > 0) expect({static_cast<double>(c.samples)});
  }
  expect(report.chosen.tests[0].inherited), expect(report.chosen.tests[0].fine_tuned), expect({10000});
  expect({report.budgets[0].limit.value});
  const Proof& proof = report.proof;
  expect(proof.objective), expect(proof.bound), expect(proof.gap), expect(proof.networks), expect(proof.seconds);
  for (const auto& [name, metric] : report.table.metrics) {
    const core::MetricSlice& slice = metric.slices[0];
    expect({slice.base});
    for (size_t i = 0; i < 6; ++i) {
      for (size_t j = 0; j < 5; ++j) {
        if (!std::isfinite(slice.values[i][j])) continue;
        expect({slice.values[i][j]}), expect({slice.stddev[i][j]}), expect({static_cast<double>(slice.samples[i][j])});
      }
    }
  }
  double total = 0;
  for (const Stage& stage : report.stages) {
    expect(stage.seconds);
    if (std::isfinite(stage.seconds.value)) total += stage.seconds.value;
  }
  expect({total});
  for (const Audit& audit : report.audits) {
    double error = 0;
    for (const AuditedNetwork& n : audit.networks) error += std::abs(n.predicted - n.measured) / 40;
    bool found = std::any_of(shown.begin(), shown.end(), [&](double v) { return std::abs(v - error) < 1e-9 * error; });
    EXPECT_TRUE(found) << error;
  }
  // What people read is what programs read, rounded.
  for (const Element* e : document.Find("data")) {
    double value = std::strtod(e->attributes.at("value").c_str(), nullptr);
    std::string text = e->text;
    text.erase(std::remove(text.begin(), text.end(), ','), text.end());
    char* end = nullptr;
    double read = std::strtod(text.c_str(), &end);
    std::string unit(end), number = text.substr(0, text.size() - unit.size());
    // Half a unit of the last digit that is shown.
    size_t point = number.find('.');
    double half =
        0.5 * std::pow(10, point == std::string::npos ? 0.0 : -static_cast<double>(number.size() - point - 1));
    double scale = unit == " %" ? 0.01 : unit == " ms" ? 0.001 : 1;
    if (number.find('e') == std::string::npos && (unit.empty() || unit == " %" || unit == " ms" || unit == " s")) {
      EXPECT_NEAR(read * scale, value, 1.001 * half * scale) << text << " for " << value;
    }
  }
}

TEST(ReportHtmlTest, FrontPutsPointsWhereTheAxesSay) {
  Report report = SampleReport();
  Document document = Parsed(RenderHtml(report));
  // Ticks of the first plot: the horizontal ones are centred, the vertical ones end at the axis.
  std::vector<std::array<double, 2>> x, y;  // position, value
  const Element* predicted = nullptr;
  const Element* measured = nullptr;
  const Element* rule = nullptr;
  bool in_plot = false;
  for (const Element& e : document.elements) {
    auto attribute = [&](const char* name) { return e.attributes.count(name) ? e.attributes.at(name) : std::string(); };
    if (e.tag == "svg" && attribute("class") == "plot") {
      if (in_plot) break;
      in_plot = true;
    }
    if (!in_plot) continue;
    if (e.tag == "text" && attribute("class") == "tick") {
      bool horizontal = attribute("text-anchor") == "middle";
      (horizontal ? x : y).push_back({std::stod(attribute(horizontal ? "x" : "y")), std::stod(e.text)});
    }
    if (!predicted && attribute("class") == "chosen-predicted") predicted = &e;
    if (!measured && attribute("class") == "chosen-measured") measured = &e;
    if (!rule && attribute("class") == "rule") rule = &e;
  }
  ASSERT_GE(x.size(), 3u);
  ASSERT_GE(y.size(), 3u);
  ASSERT_TRUE(predicted && measured && rule);
  auto at = [](const std::vector<std::array<double, 2>>& ticks, double position) {
    return ticks.front()[1] +
           (position - ticks.front()[0]) / (ticks.back()[0] - ticks.front()[0]) * (ticks.back()[1] - ticks.front()[1]);
  };
  double x_pixel = std::abs(at(x, 1) - at(x, 0)), y_pixel = std::abs(at(y, 1) - at(y, 0));
  EXPECT_NEAR(at(x, std::stod(predicted->attributes.at("cx"))), 4.0271, x_pixel);
  EXPECT_NEAR(at(y, std::stod(predicted->attributes.at("cy")) + 4), 86.4321, y_pixel);  // tick text: 4 below its tick
  double mx = 0, my = 0;
  ASSERT_EQ(std::sscanf(measured->attributes.at("d").c_str(), "M%lf %lf", &mx, &my), 2);
  EXPECT_NEAR(at(x, mx), 4.1188, x_pixel);
  EXPECT_NEAR(at(y, my + 7 + 4), 86.0123, y_pixel);
  double rx = 0;
  ASSERT_EQ(std::sscanf(rule->attributes.at("d").c_str(), "M%lf", &rx), 1);
  EXPECT_NEAR(at(x, rx), 4.2, x_pixel);
}

TEST(ReportHtmlTest, MarksChosenAndReferenceBlocks) {
  Report report = SampleReport();
  std::string html = RenderHtml(report);
  auto count = [&](std::string_view what) {
    size_t n = 0;
    for (size_t at = html.find(what); at != std::string::npos; at = html.find(what, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count("title=\"chosen\""), 4 * 6u);
  EXPECT_EQ(count("title=\"reference block\""), 4 * 6u);
}

}  // namespace
}  // namespace mathnas::report
