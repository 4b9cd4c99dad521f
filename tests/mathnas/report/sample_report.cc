#include "tests/mathnas/report/sample_report.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "mathnas/report/cell_drawing.h"

namespace mathnas::report {
namespace {

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

}  // namespace

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

}  // namespace mathnas::report
