// The report against its own struct: every document is parsed here, by a checker that knows nothing of the renderer.
#include "mathnas/report/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "mathnas/report/agreement.h"
#include "mathnas/report/cell_drawing.h"
#include "mathnas/report/numbers.h"
#include "mathnas/report/svg.h"

namespace mathnas::report {
namespace {

using namespace std::string_literals;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// ---- Documents ----

struct Element {
  std::string tag;
  std::map<std::string, std::string> attributes;
  std::string text;  // between this tag and the next one
};

struct Document {
  std::vector<Element> elements;
  std::string error;  // "" = well formed

  std::vector<const Element*> Find(const std::string& tag, const std::string& style = "") const {
    std::vector<const Element*> found;
    for (const Element& e : elements) {
      auto it = e.attributes.find("class");
      if (e.tag == tag && (style.empty() || (it != e.attributes.end() && it->second == style))) found.push_back(&e);
    }
    return found;
  }
};

// XML rules: all elements closed in order, attributes quoted and not repeated, only known entities, no stray < > &.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Document Parse() {
    Eat("<!DOCTYPE html>");
    while (document_.error.empty() && at_ < text_.size()) text_[at_] == '<' ? Tag() : Text();
    if (document_.error.empty() && !open_.empty()) Fail("never closed: " + open_.back());
    return document_;
  }

 private:
  void Fail(const std::string& why) {
    if (document_.error.empty()) document_.error = why + " before: " + std::string(text_.substr(at_, 80));
    at_ = text_.size();
  }
  bool Eat(std::string_view what) {
    if (text_.substr(at_, what.size()) != what) return false;
    at_ += what.size();
    return true;
  }
  std::string Unescaped(std::string_view raw) {
    std::string text;
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '<' || raw[i] == '>') Fail("stray angle bracket");
      if (static_cast<unsigned char>(raw[i]) < 0x20 && raw[i] != '\n' && raw[i] != '\t') Fail("control character");
      if (raw[i] != '&') {
        text += raw[i];
        continue;
      }
      size_t end = raw.find(';', i);
      static const std::map<std::string_view, std::string> known = {{"&amp", "&"},   {"&lt", "<"},  {"&gt", ">"},
                                                                    {"&quot", "\""}, {"&#39", "'"}, {"&#160", " "}};
      auto entity = known.find(raw.substr(i, end == std::string_view::npos ? 0 : end - i));
      if (entity == known.end()) {
        Fail("stray ampersand");
        return text;
      }
      text += entity->second;
      i = end;
    }
    return text;
  }
  void Text() {
    size_t end = std::min(text_.find('<', at_), text_.size());
    std::string_view raw = text_.substr(at_, end - at_);
    if (!open_.empty() && open_.back() == "style") {
      document_.elements.back().text = raw;
    } else if (!document_.elements.empty()) {
      document_.elements.back().text += Unescaped(raw);
    }
    if (document_.error.empty()) at_ = end;
  }
  std::string Name() {
    size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '-')) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  void Tag() {
    if (Eat("</")) {
      std::string name = Name();
      if (open_.empty() || open_.back() != name || !Eat(">")) return Fail("unexpected end of " + name);
      open_.pop_back();
      // Text behind an inner element belongs to nothing that is looked at here.
      document_.elements.push_back({"/" + name, {}, ""});
      return;
    }
    ++at_;
    Element element;
    element.tag = Name();
    if (element.tag.empty()) return Fail("tag without a name");
    while (Eat(" ")) {
      std::string name = Name();
      if (!Eat("=\"")) return Fail("attribute without a quoted value: " + name);
      size_t end = text_.find('"', at_);
      if (end == std::string_view::npos) return Fail("attribute that never ends");
      if (!element.attributes.emplace(name, Unescaped(text_.substr(at_, end - at_))).second)
        return Fail("twice: " + name);
      if (!document_.error.empty()) return;
      at_ = end + 1;
    }
    bool closed = Eat("/");
    if (!Eat(">")) return Fail("tag that never ends: " + element.tag);
    if (!closed) open_.push_back(element.tag);
    document_.elements.push_back(std::move(element));
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<std::string> open_;
  Document document_;
};

Document Parsed(const std::string& html) { return Parser(html).Parse(); }

TEST(CheckerTest, RefusesWhatIsNotWellFormed) {
  EXPECT_EQ(Parsed("<p>a &amp; b<br/></p>").error, "");
  for (std::string bad :
       {"<p>", "<p></b>", "</p>", "<p a=1></p>", "<p>a & b</p>", "<p>a > b</p>", "<p a=\"1\" a=\"2\"></p>",
        "<p a=\"<\"></p>", "<p>\x01</p>", "<p", "<p a=\"", "<p>&bogus;</p>"}) {
    EXPECT_NE(Parsed(bad).error, "") << bad;
  }
}

// ---- Reports ----

const std::vector<std::string> kOperators = {"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"};

double Noise(uint64_t seed) {  // in [-1, 1), splitmix64
  uint64_t z = seed * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) / static_cast<double>(1ull << 52) - 1;
}

core::Metric BlockMetric(const std::string& unit, core::Goal goal, core::Form form, double base,
                         std::vector<double> by_operator, double spread) {
  core::Metric metric;
  metric.unit = unit;
  metric.goal = goal;
  metric.form = form;
  metric.slices.resize(1);
  metric.slices[0].base = base;
  metric.device = "cpu";
  metric.threads = 2;
  metric.batch = 64;
  core::MetricSlice& slice = metric.slices[0];
  for (size_t node = 0; node < 6; ++node) {
    slice.values.emplace_back(), slice.samples.emplace_back(), slice.stddev.emplace_back();
    for (size_t j = 0; j < 5; ++j) {
      double value = by_operator[j] * (1 + 0.35 * Noise(17 * node + j + 1));
      slice.values.back().push_back(value);
      slice.samples.back().push_back(5 + static_cast<int64_t>(node));
      slice.stddev.back().push_back(spread * (1.5 + Noise(node * 31 + j)));
    }
  }
  return metric;
}

Report SampleReport() {
  Report report;
  report.title = "Best network for fashion-mnist within 4.2 ms";
  report.space = "nasbench201";
  report.dataset = "fashion-mnist, 50,000 for training, 10,000 for the search, 10,000 for the test";
  report.created_at = "2026-03-14 15:09";
  report.command =
      "mathnas search-network nasbench201 --data fashion-mnist --limit 'latency<=4.2' --threads 2 --seed 1";
  report.environment = {.device = "cpu",
                        .machine = "Intel Xeon, AVX-512, 2 cores, 8 GB",
                        .threads = 2,
                        .versions = {{"compiler", "GCC 12.2"}, {"oneDNN", "2.6.3"}}};
  report.macro = {{"channels", "16, 32, 64"}, {"cells per stage", "2"}, {"classes", "10"}, {"input", "28 x 28 x 1"}};
  report.supernet.settings = {{"optimiser", "SGD, momentum 0.9, Nesterov"},
                              {"learning rate", "0.05, cosine to 0"},
                              {"weight decay", "5e-4"},
                              {"batch", "128"},
                              {"paths per step", "1, uniform"}};
  for (int e = 1; e <= 40; ++e) {
    double t = e / 40.0;
    report.supernet.epochs.push_back(
        {e,
         {0.42 + 1.5 * std::exp(-5 * t) + 0.03 * Noise(e)},
         {84 - 46 * std::exp(-5 * t) + 0.8 * Noise(e + 100)},
         e % 4 ? Reading{.reason = "evaluated every 4 epochs"} : Reading{82 - 45 * std::exp(-5 * t) + Noise(e + 200)}});
  }
  report.supernet.epochs[30].loss = {kNan, "skipped"};
  report.fine_tuning.settings = {{"learning rate", "0.02, cosine to 0"}, {"epochs", "8"}};
  for (int e = 1; e <= 8; ++e) {
    report.fine_tuning.epochs.push_back(
        {e, {0.31 - 0.02 * e + 0.006 * Noise(e + 7)}, {88.2 + 0.8 * e}, {88 + 0.45 * e + 0.3 * Noise(e)}});
  }
  report.budgets = {{{"latency", core::LimitOp::kAtMost, 4.2, "ms"}, "60 % of the largest network, 7.00 ms"}};

  report.chosen.architecture = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|";
  report.chosen.choice = {3, 0, 2, 1, 0, 3};
  report.chosen.cell = CellFromArchitecture(report.chosen.architecture);
  report.chosen.metrics = {{.metric = "accuracy",
                            .unit = "%",
                            .goal = core::Goal::kMax,
                            .predicted = {86.4321},
                            .measured = {86.0123},
                            .method = "supernet weights, validation images, batch norm recalibrated"},
                           {.metric = "latency",
                            .unit = "ms",
                            .predicted = {4.0271},
                            .measured = {4.1188},
                            .measured_low = {4.0911},
                            .measured_high = {4.1604},
                            .samples = 200,
                            .method = "batch 64, 2 threads, 20 runs for warm-up"},
                           {.metric = "energy",
                            .unit = "mJ",
                            .predicted = {.reason = "not measurable here"},
                            .measured = {.reason = "the RAPL counters are not readable"}},
                           {.metric = "flops",
                            .unit = "MMAC",
                            .predicted = {15.2344},
                            .measured = {15.2344},
                            .method = "counted, convolutions and linear layers"},
                           {.metric = "parameters", .predicted = {181642}, .measured = {181642}, .method = "counted"}};
  report.chosen.tests = {{{85.87}, {91.54}, 10000}};
  report.proof = {.status = core::SearchStatus::kOptimal,
                  .objective_unit = "%",
                  .objective = {86.4321},
                  .bound = {86.4321},
                  .gap = {0},
                  .explored = 15625,
                  .networks = {15625},
                  .seconds = {0.00431},
                  .estimator = "eq6"};

  report.table.space = "nasbench201";
  for (const char* name : {"0->1", "0->2", "1->2", "0->3", "1->3", "2->3"})
    report.table.nodes.push_back({name, kOperators, 3, {}});
  report.table.metrics["accuracy"] =
      BlockMetric("%", core::Goal::kMax, core::Form::kSaving, 87.31, {3.2, 1.3, 0.42, 0, 1.9}, 0.08);
  report.table.metrics["latency"] =
      BlockMetric("ms", core::Goal::kMin, core::Form::kCost, 3.21, {-0.31, -0.27, 0.001, 0.71, 0.12}, 0.02);
  report.table.metrics["flops"] =
      BlockMetric("MMAC", core::Goal::kMin, core::Form::kCost, 1.04, {0, 0, 0.6, 5.4, 0.1}, 0);
  report.table.metrics["energy"] =
      BlockMetric("mJ", core::Goal::kMin, core::Form::kCost, kNan, std::vector<double>(5, kNan), kNan);
  report.table.metrics["accuracy"].slices[0].values[4][0] = kNan;

  const auto& accuracy = report.table.metrics["accuracy"].slices[0];
  const auto& latency = report.table.metrics["latency"].slices[0];
  Landscape& landscape = report.landscape;
  landscape.networks = {15625};
  std::vector<Audit> audits = {
      {"accuracy", "%", "drawn uniformly with seed 1, none seen while profiling; 10,000 validation images", {}},
      {"latency", "ms", "median of 200 runs, in random order", {}}};
  for (int code = 0; code < 15625; ++code) {
    double a = accuracy.base, l = latency.base, flops = 1;
    std::string arch;
    for (int node = 0, rest = code; node < 6; ++node, rest /= 5) {
      double loss = accuracy.values[node][rest % 5];
      a -= std::isfinite(loss) ? 1.4 * loss : 4, l += latency.values[node][rest % 5];
      flops += rest % 5 == 3 ? 5.4 : rest % 5 == 2 ? 0.6 : 0;
      arch += kOperators[rest % 5] + " ";
    }
    a -= 9 / flops;
    landscape.cloud.push_back({l, a});
    if (code % 391 == 7) {
      audits[0].networks.push_back({arch, a, a - 0.3 + 1.1 * Noise(code)});
      audits[1].networks.push_back({arch, l, 1.04 * l + 0.12 * Noise(code + 9)});
    }
  }
  report.audits = audits;
  std::vector<Point> sorted = landscape.cloud;
  std::sort(sorted.begin(), sorted.end(), [](Point p, Point q) { return p.x < q.x || (p.x == q.x && p.y > q.y); });
  for (Point p : sorted) {
    if (landscape.front.empty() || p.y > landscape.front.back().y) landscape.front.push_back(p);
  }
  report.stages = {{"train supernet", {2412.7}, ""},
                   {"profile accuracy", {318.2}, ""},
                   {"profile latency", {41.5}, ""},
                   {"search", {0.00431}, ""},
                   {"audit", {402.6}, "40 networks"},
                   {"fine-tune", {511.9}, ""},
                   {"energy", {.reason = "not measurable here"}, ""}};
  report.notes = {"The machine was busy during the latency profile: spread above 2 % for 3 of 30 blocks."};
  return report;
}

// Every text of the sample replaced by `text`.
Report WithTexts(const std::string& text) {
  Report r = SampleReport();
  r.title = r.space = r.dataset = r.created_at = r.command = text;
  r.environment = {text, text, 2, {{text, text}}};
  r.macro = r.supernet.settings = r.fine_tuning.settings = {{text, text}};
  r.supernet.epochs[2].loss = {kNan, text};
  r.fine_tuning.epochs[2].validation_accuracy = {kNan, text};
  r.budgets[0] = {{text, core::LimitOp::kAtMost, 4.2, text}, text};
  r.chosen.architecture = text;
  for (CellEdge& edge : r.chosen.cell) edge.op = text;
  r.chosen.stacks = {{text, {{text, text}}}};
  r.chosen.tests[0].name = r.chosen.tests[0].unit = r.chosen.tests[0].items = r.supernet.quality = text;
  for (Comparison& c : r.chosen.metrics) c.metric = c.unit = c.method = text;
  r.chosen.metrics[2].measured.reason = r.chosen.metrics[2].predicted.reason = text;
  r.chosen.metrics[1].measured_low = {kNan, text};
  r.chosen.tests[0].inherited = {kNan, text};
  r.proof.objective_metric = r.proof.objective_unit = r.proof.estimator = text;
  r.landscape.x_metric = r.landscape.y_metric = r.landscape.x_unit = r.landscape.y_unit = text;
  for (Audit& audit : r.audits) {
    audit.metric = audit.unit = audit.method = text;
    for (AuditedNetwork& n : audit.networks) n.architecture = text;
  }
  core::Metric metric = r.table.metrics["latency"];
  metric.unit = text;
  metric.device = metric.convention = metric.measured_at = text;
  r.table.metrics = {{text, metric}};
  for (core::Node& node : r.table.nodes) {
    node.name = text;
    for (std::string& candidate : node.candidates) candidate = text;
  }
  for (Stage& stage : r.stages) stage.name = stage.note = text;
  r.stages.back().seconds.reason = text;
  r.notes = {text, text};
  return r;
}

// Every number of the sample replaced by `value`.
Report WithNumbers(double value) {
  Report r = SampleReport();
  auto set = [&](Reading& reading) { reading = {value, ""}; };
  for (Training* training : {&r.supernet, &r.fine_tuning}) {
    for (Epoch& e : training->epochs) set(e.loss), set(e.train_accuracy), set(e.validation_accuracy);
  }
  r.budgets[0].limit.value = value;
  for (Comparison& c : r.chosen.metrics) set(c.predicted), set(c.measured), set(c.measured_low), set(c.measured_high);
  set(r.chosen.tests[0].inherited), set(r.chosen.tests[0].fine_tuned);
  set(r.proof.objective), set(r.proof.bound), set(r.proof.gap), set(r.proof.networks), set(r.proof.seconds);
  set(r.landscape.networks);
  for (std::vector<Point>* points : {&r.landscape.front, &r.landscape.cloud}) {
    for (Point& p : *points) p = {value, value};
  }
  for (Audit& audit : r.audits) {
    for (AuditedNetwork& n : audit.networks) n.predicted = n.measured = value;
  }
  for (auto& [name, metric] : r.table.metrics) {
    for (core::MetricSlice& slice : metric.slices) {
      slice.base = value;
      for (core::Grid* grid : {&slice.values, &slice.stddev}) {
        for (auto& row : *grid) std::fill(row.begin(), row.end(), value);
      }
    }
  }
  for (Stage& stage : r.stages) set(stage.seconds);
  return r;
}

std::set<double> DataValues(const Document& document) {
  std::set<double> values;
  for (const Element* e : document.Find("data")) values.insert(std::strtod(e->attributes.at("value").c_str(), nullptr));
  return values;
}

// ---- HTML ----

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

// An encoder of three layers, and a decoder whose layers look at one, three and more of them than there are.
Report TranslationReport() {
  Report report = SampleReport();
  report.chosen.cell.clear();
  report.chosen.stacks = {
      {"Encoder, width 512", {{"1", "4 heads", 0.5}, {"2", "8 heads", 1}, {"3", "4 heads", 0.25}}},
      {"Decoder, width 640", {{"1", "8 heads", 1, 1}, {"2", "4 heads", kNan, 3}, {"3", "4 heads", 1, 5}}}};
  report.chosen.tests = {{{11.25}, {27.5}, 40, "BLEU", "", "sentences"},
                         {{41.5}, {58.125}, 321, "token accuracy", "%", "tokens"}};
  report.supernet.quality = report.fine_tuning.quality = "token accuracy";
  return report;
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

// ---- Cells ----

TEST(CellTest, ReadsArchitectures) {
  auto cell = CellFromArchitecture("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|");
  ASSERT_EQ(cell.size(), 6u);
  std::vector<std::array<int, 2>> edges;
  for (const CellEdge& e : cell) edges.push_back({e.from, e.to});
  EXPECT_EQ(edges, (std::vector<std::array<int, 2>>{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}}));
  EXPECT_EQ(cell[3].op, "avg_pool_3x3");
  for (const char* bad :
       {"", "|", "||", "|a~0", "|a~1|", "|a~0|+|b~0|", "|a~0|+|b~0|c~0|", "a~0", "|~0|", "|a~0~0|", "{\"d\": [4]}"}) {
    EXPECT_TRUE(CellFromArchitecture(bad).empty()) << bad;
  }
}

TEST(CellTest, KnowsWhichEdgesMatter) {
  auto live = [](const char* architecture) { return LiveEdges(CellFromArchitecture(architecture)); };
  using Flags = std::vector<bool>;
  EXPECT_EQ(live("|a~0|+|a~0|a~1|+|a~0|a~1|a~2|"), Flags(6, true));
  EXPECT_EQ(live("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"), Flags(6, false));
  EXPECT_EQ(live("|none~0|+|a~0|a~1|+|a~0|a~1|a~2|"),
            (Flags{false, true, false, true, false, true}));  // node 1 gets nothing
  EXPECT_EQ(live("|a~0|+|a~0|a~1|+|a~0|none~1|none~2|"),
            (Flags{false, false, false, true, false, false}));  // node 2 leads nowhere
  EXPECT_EQ(live("|a~0|+|none~0|a~1|+|none~0|none~1|a~2|"), (Flags{true, false, true, false, false, true}));
}

TEST(CellTest, DrawsEveryEdgeWithItsOperator) {
  auto cell = CellFromArchitecture("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|");
  Document document = Parsed(DrawCell(cell));
  EXPECT_EQ(document.error, "");
  EXPECT_EQ(document.Find("circle", "node").size(), 4u);
  EXPECT_EQ(document.Find("path", "edge dead").size(), 2u);
  EXPECT_EQ(document.Find("path", "edge conv").size(), 2u);
  std::multiset<std::string> labels;
  for (const Element& e : document.elements) {
    if (e.tag == "text" && e.attributes.at("class").rfind("edge-label", 0) == 0) labels.insert(e.text);
  }
  EXPECT_EQ(labels, (std::multiset<std::string>{"conv 3x3", "none", "skip", "avg pool 3x3", "none", "conv 1x1"}));
  EXPECT_EQ(DrawCell({}), "");
}

// ---- Statistics and budgets ----

TEST(AgreementTest, OfAPerfectOffset) {
  Audit audit{.metric = "latency", .networks = {{"", 1, 2}, {"", 2, 3}, {"", 3, 4}, {"", kNan, 5}}};
  Agreement a = ComputeAgreement(audit);
  EXPECT_EQ(a.networks, 3);
  EXPECT_EQ(a.left_out, 1);
  EXPECT_DOUBLE_EQ(a.spearman.value, 1);
  EXPECT_DOUBLE_EQ(a.kendall.value, 1);
  EXPECT_DOUBLE_EQ(a.mae.value, 1);
  EXPECT_DOUBLE_EQ(a.bias.value, -1);
  EXPECT_DOUBLE_EQ(a.mape.value, (1 / 2.0 + 1 / 3.0 + 1 / 4.0) / 3);
  EXPECT_FALSE(IsKnown(a.spearman_low));
}

TEST(AgreementTest, IntervalOfSpearman) {
  // Ranks 1 to 5 with one neighbouring pair exchanged: rho = 1 - 6 * 2 / (5 * 24) = 0.9; z = 1.4722, se = 0.83815.
  Audit audit{.metric = "x", .networks = {{"", 1, 1}, {"", 2, 2}, {"", 3, 4}, {"", 4, 3}, {"", 5, 5}}};
  Agreement a = ComputeAgreement(audit);
  EXPECT_NEAR(a.spearman.value, 0.9, 1e-12);
  EXPECT_NEAR(a.spearman_low.value, std::tanh(1.472219 - 1.959964 * 0.838153), 1e-5);
  EXPECT_NEAR(a.spearman_high.value, std::tanh(1.472219 + 1.959964 * 0.838153), 1e-5);
}

TEST(AgreementTest, SaysWhyThereIsNone) {
  EXPECT_EQ(ComputeAgreement({}).spearman.reason, "no network has both numbers");
  Audit constant{.metric = "x", .networks = {{"", 1, 1}, {"", 1, 2}}};
  EXPECT_FALSE(IsKnown(ComputeAgreement(constant).spearman));
  EXPECT_NE(ComputeAgreement(constant).spearman.reason, "");
}

TEST(BudgetTest, IsJudgedByMedianAndQuartiles) {
  auto check = [](core::LimitOp op, double limit, Reading median, Reading low, Reading high) {
    ChosenNetwork network;
    network.metrics = {{.metric = "latency",
                        .unit = "ms",
                        .predicted = {3},
                        .measured = median,
                        .measured_low = low,
                        .measured_high = high}};
    return CheckBudget({{"latency", op, limit, ""}, ""}, network);
  };
  constexpr auto kAtMost = core::LimitOp::kAtMost;
  EXPECT_EQ(check(kAtMost, 4, {3.5}, {3.4}, {3.6}).verdict, Verdict::kMet);
  EXPECT_EQ(check(kAtMost, 4, {4}, {}, {}).verdict, Verdict::kMet);
  EXPECT_EQ(check(kAtMost, 4, {3.9}, {3.4}, {4.1}).verdict, Verdict::kMetInMedian);
  EXPECT_EQ(check(kAtMost, 4, {4.0001}, {3.4}, {4.1}).verdict, Verdict::kMissed);
  EXPECT_EQ(check(kAtMost, 4, {}, {3.4}, {4.1}).verdict, Verdict::kUnknown);
  EXPECT_EQ(check(core::LimitOp::kAtLeast, 4, {4.5}, {3.9}, {5}).verdict, Verdict::kMetInMedian);
  EXPECT_EQ(check(core::LimitOp::kAtLeast, 4, {3.5}, {3.4}, {5}).verdict, Verdict::kMissed);
  BudgetCheck met = check(kAtMost, 4, {3}, {2.9}, {3.1});
  EXPECT_DOUBLE_EQ(met.margin.value, 0.25);
  EXPECT_EQ(met.text, "measured median 3 ms, quartiles 2.900 to 3.100, 25.0 % below the limit");
  EXPECT_EQ(check(kAtMost, 4, {5}, {}, {}).text, "measured 5 ms, spread not recorded, 25.0 % above the limit");
  EXPECT_EQ(CheckBudget({{"energy", kAtMost, 4, ""}, ""}, {}).verdict, Verdict::kUnknown);
}

TEST(ProofTest, IsThatOfTheSearch) {
  core::SearchResult result;
  result.status = core::SearchStatus::kOptimal;
  result.networks.resize(1);
  result.networks[0].objective = 71.5;
  result.bound = 71.5;
  result.explored = 12;
  result.seconds = 0.5;
  Proof proof = ProofOf(result, SampleReport().table, "accuracy");
  EXPECT_EQ(proof.objective.value, 71.5);
  EXPECT_EQ(proof.objective_unit, "%");
  EXPECT_EQ(proof.estimator, "eq6");
  EXPECT_EQ(proof.explored, 12);
  result.networks.clear();
  result.status = core::SearchStatus::kInfeasible;
  EXPECT_FALSE(IsKnown(ProofOf(result, {}, "accuracy").bound));
}

// ---- Numbers and ticks ----

TEST(NumbersTest, AreShort) {
  EXPECT_EQ(Short(15625), "15,625");
  EXPECT_EQ(Short(-1234567), "-1,234,567");
  EXPECT_EQ(Short(999), "999");
  EXPECT_EQ(Short(91.54321), "91.54");
  EXPECT_EQ(Short(4.0271), "4.027");
  EXPECT_EQ(Short(12345.6), "12,346");
  EXPECT_EQ(Short(0.00123456), "0.001235");
  EXPECT_EQ(Short(1.5e-7), "1.500e-07");
  EXPECT_EQ(Short(kNan), "-");
  EXPECT_EQ(Short(-0.0), "0");
  EXPECT_EQ(Short(91.54321, 3), "91.5");
  EXPECT_EQ(AsGiven(4.2), "4.2");
  EXPECT_EQ(AsGiven(1500), "1,500");
  EXPECT_EQ(AsGiven(1.0 / 3), "0.3333");
  EXPECT_EQ(Fixed(-0.0004, 2), "0.00");
  EXPECT_EQ(Fixed(12345.678, 1), "12,345.7");
  EXPECT_EQ(Difference(-0.41981, 86.01), "-0.42");
  EXPECT_EQ(Difference(0.0917, 4.1188), "+0.092");
  EXPECT_EQ(Difference(0.000123456, 86.01), "+0.00012");
  EXPECT_EQ(Difference(0, 86.01), "0");
  EXPECT_EQ(Difference(-1.1e-14, 26.7), "0");
  EXPECT_EQ(Difference(-1200, 181642), "-1,200");
  EXPECT_EQ(Signed(0.5), "+0.5000");
  EXPECT_EQ(Signed(-2), "-2");
  EXPECT_EQ(Percent(0.0512), "5.12 %");
  EXPECT_EQ(Percent(0.25), "25.0 %");
  EXPECT_EQ(Duration(0.0043), "4.30 ms");
  EXPECT_EQ(Duration(12.34), "12.3 s");
  EXPECT_EQ(Duration(119.99), "2 min 00 s");
  EXPECT_EQ(Duration(845), "14 min 05 s");
  EXPECT_EQ(Duration(11520), "3 h 12 min");
  EXPECT_EQ(Duration(kInfinity), "-");
}

TEST(TicksTest, AreRoundAndWithinTheRange) {
  for (Range range : {Range{0, 1}, Range{-3.2, 8.7}, Range{88.1, 91.9}, Range{1e-9, 2e-9}, Range{4e8, 9e8},
                      Range{0, 1e-3}, Range{-1e99, 1e99}, Padded({5, 5}, 0.1), Padded({0, 0}, 0.1)}) {
    Ticks ticks = RoundTicks(range, 6);
    EXPECT_GE(ticks.positions.size(), 3u) << range.low;
    EXPECT_LE(ticks.positions.size(), 14u) << range.low;
    std::set<std::string> labels(ticks.labels.begin(), ticks.labels.end());
    EXPECT_EQ(labels.size(), ticks.labels.size()) << range.low;
    for (double p : ticks.positions)
      EXPECT_TRUE(p >= range.low - 1e-6 * (range.high - range.low) &&
                  p <= range.high + 1e-6 * (range.high - range.low));
  }
}

// ---- Terminal ----

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
