// mathnas bench predict: many predictions next to a copy of as many bytes; mathnas bench sweep: 10^9 networks.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "bindings/cli/bench.h"
#include "bindings/cli/estimator_options.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/predict_many.h"
#include "mathnas/core/statistics.h"
#include "mathnas/core/sweep.h"

namespace mathnas::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  Common common;
  EstimatorChoice estimator;
  std::string table;
  std::vector<std::string> metrics, limits;
  int64_t rows = 1 << 23;
  int repetitions = 15;
  int nodes = 9, candidates = 10;
};

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

// Larger candidates cost more and lose less, with five or four digits, as measured tables have them.
core::BlockTable ShapedTable(int nodes, int candidates, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto grid = [&](double largest, double digits, bool falls) {
    core::Grid values;
    for (int i = 0; i < nodes; ++i) {
      values.emplace_back();
      for (int j = 0; j < candidates; ++j) {
        const double size = (j + std::uniform_real_distribution<double>(0, 1)(random)) / candidates;
        values.back().push_back(std::round(largest * (falls ? 1 - size : size) * digits) / digits);
      }
    }
    return values;
  };
  core::BlockTable table;
  table.space = fmt::format("{}x{}", nodes, candidates);
  for (int i = 0; i < nodes; ++i) {
    table.nodes.push_back({fmt::format("node{}", i), {}, candidates - 1, {}});
    for (int j = 0; j < candidates; ++j) table.nodes.back().candidates.push_back(fmt::format("b{}", j));
  }
  const auto add = [&](const char* name, const char* unit, core::Goal goal, core::Form form, double base,
                       core::Grid values) {
    core::Metric metric;
    metric.unit = unit;
    metric.goal = goal;
    metric.form = form;
    metric.slices.push_back({.base = base, .values = std::move(values)});
    table.metrics[name] = std::move(metric);
  };
  add("accuracy", "%", core::Goal::kMax, core::Form::kSaving, 79.23, grid(2, 1e5, true));
  add("latency", "ms", core::Goal::kMin, core::Form::kCost, 1.5, grid(10, 1e4, false));
  add("energy", "mJ", core::Goal::kMin, core::Form::kCost, 4.2, grid(30, 1e4, false));
  add("flops", "MMAC", core::Goal::kMin, core::Form::kCost, 24.1, grid(60, 1e3, false));
  return table;
}

absl::StatusOr<core::BlockTable> TableOf(const Options& o, int nodes, int candidates) {
  if (!o.table.empty()) return core::Load(o.table);
  return ShapedTable(nodes, candidates, o.common.seed);
}

std::vector<std::string> InstructionSets() {
  std::vector<std::string> sets;
  for (const char* isa : {"portable", "avx2", "avx512"})
    if (core::InstructionSet(isa) == isa) sets.emplace_back(isa);
  return sets;
}

void Free(void* p) { std::free(p); }

// Aligned and written to, so that every page is there.
std::unique_ptr<char, void (*)(void*)> Buffer(int64_t bytes) {
  const size_t size = (static_cast<size_t>(bytes) + 63) / 64 * 64;
  std::unique_ptr<char, void (*)(void*)> buffer(static_cast<char*>(std::aligned_alloc(64, size)), Free);
  std::memset(buffer.get(), 1, size);
  return buffer;
}

// memcpy that reads and writes `bytes` in all.
double Copy(char* to, const char* from, int64_t bytes, int threads) {
  const Clock::time_point start = Clock::now();
  std::vector<std::thread> others;
  const auto work = [&](int t) {
    const int64_t begin = bytes / 2 * t / threads, end = bytes / 2 * (t + 1) / threads;
    std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
  };
  for (int t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  for (std::thread& other : others) other.join();
  return Seconds(start);
}

// Times of predictions and copies that take turns, of one instruction set and one type of values.
template <typename Value>
absl::StatusOr<Json> Measure(const Options& o, const core::ManyPredictor& predictor, const std::string& isa,
                             const std::vector<uint8_t>& choices, int64_t metrics) {
  const int threads = o.common.thread_count();
  const int64_t out = o.rows * metrics * static_cast<int64_t>(sizeof(Value)),
                bytes = out + static_cast<int64_t>(choices.size());
  auto values = Buffer(out), from = Buffer(bytes / 2), to = Buffer(bytes / 2);
  std::vector<double> predict, copy, ratio;
  for (int r = -2; r < o.repetitions; ++r) {
    if (Interrupted()->load()) return absl::CancelledError("benchmark interrupted");
    const double copied = Copy(to.get(), from.get(), bytes, threads);
    const Clock::time_point start = Clock::now();
    absl::Status status = predictor.Predict(core::ChoiceRows<uint8_t>{.data = choices.data(), .rows = o.rows},
                                            core::ValueColumns<Value>{.data = reinterpret_cast<Value*>(values.get())},
                                            {.threads = threads, .isa = isa});
    if (!status.ok()) return status;
    if (r < 0) continue;
    predict.push_back(Seconds(start));
    copy.push_back(copied);
    ratio.push_back(copied / predict.back());
  }
  const double seconds = *core::Quantile(predict, 0.25), copy_seconds = *core::Quantile(copy, 0.25);
  return Json{{"isa", isa},
              {"values", sizeof(Value) == 8 ? "float64" : "float32"},
              {"rows_per_second", static_cast<double>(o.rows) / seconds},
              {"gigabytes_per_second", static_cast<double>(bytes) / seconds / 1e9},
              {"copy_gigabytes_per_second", static_cast<double>(bytes) / copy_seconds / 1e9},
              {"ratio", copy_seconds / seconds},
              {"ratio_quartiles", {*core::Quantile(ratio, 0.25), *core::Quantile(ratio, 0.75)}}};
}

absl::StatusOr<Answer> Predict(const Options& o) {
  auto table = TableOf(o, 6, 5);  // as NAS-Bench-201
  if (!table.ok()) return table.status();
  auto options = o.estimator.Make();
  if (!options.ok()) return options.status();
  auto estimator = core::Estimator::Create(*table, *options);
  if (!estimator.ok()) return estimator.status();
  auto metrics = o.metrics;
  if (metrics.empty())
    for (const auto& [name, metric] : table->metrics) metrics.push_back(name);
  auto predictor = core::ManyPredictor::Create(*estimator, metrics);
  if (!predictor.ok()) return predictor.status();
  std::mt19937_64 random(o.common.seed);
  std::vector<uint8_t> choices;
  choices.reserve(static_cast<size_t>(o.rows) * table->nodes.size());
  for (int64_t r = 0; r < o.rows; ++r)
    for (const core::Node& node : table->nodes)
      choices.push_back(static_cast<uint8_t>(random() % std::min<size_t>(256, node.candidates.size())));
  Answer answer;
  answer.json = {{"rows", o.rows},
                 {"metrics", metrics},
                 {"estimator", o.estimator.kind},
                 {"threads", o.common.thread_count()},
                 {"repetitions", o.repetitions},
                 {"measured", Json::array()}};
  answer.text = fmt::format("{} rows of {}, {}, {}, {} threads\n", o.rows, table->space, fmt::join(metrics, " "),
                            o.estimator.kind, o.common.thread_count());
  for (const std::string& isa : InstructionSets()) {
    for (const bool narrow : {false, true}) {
      const auto count = std::ssize(metrics);
      auto measured = narrow ? Measure<float>(o, *predictor, isa, choices, count)
                             : Measure<double>(o, *predictor, isa, choices, count);
      if (!measured.ok()) return measured.status();
      const Json& m = *measured;
      answer.text += fmt::format(
          "{:8} {}: {:7.1f} million networks/s, {:6.2f} GB/s, copy {:6.2f} GB/s, ratio {:.2f} ({:.2f} to {:.2f})\n",
          isa, m["values"].get<std::string>(), m["rows_per_second"].get<double>() / 1e6,
          m["gigabytes_per_second"].get<double>(), m["copy_gigabytes_per_second"].get<double>(),
          m["ratio"].get<double>(), m["ratio_quartiles"][0].get<double>(), m["ratio_quartiles"][1].get<double>());
      answer.json["measured"].push_back(m);
    }
  }
  return answer;
}

absl::StatusOr<Answer> Sweep(const Options& o) {
  auto table = TableOf(o, o.nodes, o.candidates);
  if (!table.ok()) return table.status();
  auto options = o.estimator.Make();
  if (!options.ok()) return options.status();
  core::SweepRequest request;
  request.estimator = *options;
  request.top = 10;
  request.threads = o.common.thread_count();
  request.cancel = Interrupted();
  for (const std::string& text : o.limits) {
    auto limits = core::ParseLimits(text);
    if (!limits.ok()) return limits.status();
    request.limits.insert(request.limits.end(), limits->begin(), limits->end());
  }
  if (o.limits.empty() && o.table.empty())
    request.limits = {{.metric = "latency", .op = core::LimitOp::kAtMost, .value = 4.5 * o.nodes},
                      {.metric = "energy", .op = core::LimitOp::kAtMost, .value = 15.0 * o.nodes}};
  Answer answer;
  answer.json = {{"space", table->space},
                 {"estimator", o.estimator.kind},
                 {"threads", o.common.thread_count()},
                 {"measured", Json::array()}};
  for (const std::string& isa : InstructionSets()) {
    for (const bool skip : {false, true}) {
      request.isa = isa;
      request.skip = skip;
      std::vector<double> seconds;
      absl::StatusOr<core::SweepResult> result;
      for (int r = 0; r < o.repetitions; ++r) {
        result = core::Sweep(*table, request);
        if (!result.ok()) return result.status();
        seconds.push_back(result->seconds);
      }
      const double quartile = *core::Quantile(seconds, 0.25), slowest = *core::Quantile(seconds, 1);
      const auto all = static_cast<double>(result->networks + result->undefined);
      answer.json["measured"].push_back({{"isa", isa},
                                         {"skip", skip},
                                         {"networks", result->networks},
                                         {"within", result->within},
                                         {"computed", result->computed},
                                         {"seconds", quartile},
                                         {"slowest_seconds", slowest},
                                         {"networks_per_second", all / quartile}});
      answer.text += fmt::format(
          "{:8} {}: {} networks, {} within, {:.1f} % computed: {:.3f} s (slowest {:.3f}), {:.0f} million/s\n", isa,
          skip ? "bounds" : "plain ", result->networks, result->within,
          100 * static_cast<double>(result->computed) / all, quartile, slowest, all / quartile / 1e6);
    }
  }
  return answer;
}

}  // namespace

void AddEstimatorBench(CLI::App& bench) {
  static Options o, s;
  CLI::App* predict =
      AddCommand(bench, "predict", "Many predictions at once, next to a copy of as many bytes",
                 "mathnas bench predict --metrics accuracy latency --threads 2", o.common, [] { return Predict(o); });
  predict->add_option("--table", o.table, "A block table (default: one of the shape of NAS-Bench-201)");
  predict->add_option("--metrics", o.metrics, "Default: all");
  predict->add_option("--rows", o.rows, "Networks")->capture_default_str()->check(CLI::Range(1, 1 << 28));
  predict->add_option("--repetitions", o.repetitions, "Predictions and copies, in turn")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  o.estimator.AddTo(predict);
  s.repetitions = 3;
  CLI::App* sweep = AddCommand(bench, "sweep", "A whole space, with bounds and without",
                               "mathnas bench sweep --nodes 9 --candidates 10", s.common, [] { return Sweep(s); });
  sweep->add_option("--table", s.table, "A block table (default: random numbers)");
  sweep->add_option("--limit", s.limits, "METRIC<=VALUE or METRIC>=VALUE; repeatable");
  sweep->add_option("--nodes", s.nodes, "Of the random table")->capture_default_str()->check(CLI::Range(1, 64));
  sweep->add_option("--candidates", s.candidates, "Of each node")->capture_default_str()->check(CLI::Range(1, 1000));
  sweep->add_option("--repetitions", s.repetitions, "Sweeps of each kind")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  s.estimator.AddTo(sweep);
}

}  // namespace mathnas::cli
