#include "bindings/cli/bench_records.h"

#include <algorithm>
#include <set>
#include <utility>

#include "bindings/cli/progress.h"
#include "fmt/format.h"
#include "kernels/machine.h"
#include "kernels/status.h"
#include "mathnas/benchmark/compare.h"
#include "mathnas/benchmark/roofline.h"
#include "mathnas/benchmark/sampling.h"
#include "supernet/atomic_file.h"

namespace mathnas::cli {
namespace {

absl::StatusOr<benchmark::Record> Measure(const BenchItem& item, const std::string& cache, const RecordOptions& o,
                                          benchmark::Timed& timed, kernels::CacheSweep* sweep) {
  const benchmark::SamplingOptions sampling = {.least_seconds = std::min(0.2, o.seconds / 2),
                                               .most_seconds = o.seconds,
                                               .precision = o.precision / 100,
                                               .cancel = Interrupted()};
  const std::function<void()> before = cache == "cold" ? std::function<void()>([sweep] { sweep->Run(); }) : nullptr;
  auto samples = benchmark::Sample([&timed] { return timed.Run(); }, before, sampling);
  if (!samples.ok()) return samples.status();
  for (double& s : samples->seconds) s *= 1e6;
  auto summary = benchmark::Summarize(samples->seconds);
  if (!summary.ok()) return summary.status();
  const benchmark::Work work = timed.work();
  return benchmark::Record{.name = item.name,
                           .pass = std::string(Name(item.pass)),
                           .type = o.type,
                           .cache = cache,
                           .microseconds = *summary,
                           .runs_per_sample = samples->runs_per_sample,
                           .stable = samples->stable,
                           .multiply_adds = work.multiply_adds,
                           .bytes = work.bytes,
                           .implementation = timed.implementation()};
}

// One of the records: which item, with which caches.
struct Task {
  const BenchItem* item;
  std::string cache;
};

class Bench {
 public:
  Bench(const RecordOptions& options, int threads) : options_(options), sweep_(MakeSweep(options, threads)) {}

  absl::StatusOr<benchmark::Record> Take(const Task& task) {
    auto timed = task.item->prepare();
    if (!timed.ok()) return kernels::Annotate(timed.status(), task.item->name);
    auto record = Measure(*task.item, task.cache, options_, **timed, sweep_.get());
    if (!record.ok()) return kernels::Annotate(record.status(), task.item->name);
    return record;
  }

 private:
  static std::unique_ptr<kernels::CacheSweep> MakeSweep(const RecordOptions& o, int threads) {
    const bool cold = std::find(o.caches.begin(), o.caches.end(), "cold") != o.caches.end();
    return cold ? std::make_unique<kernels::CacheSweep>(threads) : nullptr;
  }

  const RecordOptions& options_;
  std::unique_ptr<kernels::CacheSweep> sweep_;
};

absl::Status WriteFiles(const RecordOptions& o, const benchmark::BenchmarkRun& run) {
  const std::pair<const std::string&, std::string (*)(const benchmark::BenchmarkRun&)> files[] = {
      {o.out, benchmark::ToJson}, {o.csv, benchmark::ToCsv}, {o.plot, benchmark::RooflineSvg}};
  for (const auto& [path, text_of] : files) {
    if (path.empty()) continue;
    if (auto s = supernet::AtomicWriteFile(path, text_of(run)); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// Measures again what seems slower than before.
absl::StatusOr<benchmark::Comparison> CompareWith(const benchmark::BenchmarkRun& before, const RecordOptions& o,
                                                  const std::vector<Task>& tasks, Bench& bench,
                                                  benchmark::BenchmarkRun& run) {
  constexpr int kTries = 2;
  auto comparison = benchmark::Compare(before, run, o.noise / 100);
  for (int attempt = 0; attempt < kTries && comparison.ok() && comparison->has_slower(); ++attempt) {
    std::set<std::tuple<std::string, std::string, std::string>> slower;
    for (const benchmark::Change& c : comparison->changes) {
      if (c.verdict == benchmark::Verdict::kSlower) slower.emplace(c.after.name, c.after.pass, c.after.cache);
    }
    for (size_t i = 0; i < tasks.size(); ++i) {
      benchmark::Record& record = run.records[i];
      if (!slower.contains({record.name, record.pass, record.cache})) continue;
      auto again = bench.Take(tasks[i]);
      if (!again.ok()) return again.status();
      if (again->microseconds.median >= record.microseconds.median) continue;
      again->correctness = record.correctness;
      record = *std::move(again);
    }
    comparison = benchmark::Compare(before, run, o.noise / 100);
  }
  return comparison;
}

}  // namespace

void RecordOptions::AddTo(CLI::App* command, const std::string& default_pass) {
  default_pass_ = default_pass;
  command
      ->add_option(
          "--pass", passes,
          fmt::format("inference, forward, backward, step; several separated by commas (default {})", default_pass))
      ->delimiter(',');
  command->add_option("--cache", caches, "warm, cold (emptied before every run), or both: warm,cold (default warm)")
      ->delimiter(',')
      ->check(CLI::IsMember({"warm", "cold"}));
  command->add_option("--type", type, "Type of values: f32 (default)");
  command->add_option("--seconds", seconds, "At most so long for each record")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 3600.0));
  command
      ->add_option("--precision", precision,
                   "Measured until the 95 % interval of the median is within so many % of it to either side")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 100.0));
  command->add_option("--out", out, "Also the JSON document into this file, for --compare");
  command->add_option("--csv", csv, "Also a table into this file");
  command->add_option("--plot", plot, "Also the roofline into this file (SVG)");
  command->add_option(
      "--compare", compare,
      "A file that --out wrote: says what got slower or faster, and ends with 1 if anything got slower");
  command->add_option("--noise", noise, "With --compare: medians that differ by less than so many % are the same")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 100.0));
  command->add_flag("--verbose", verbose, "Also hits, misses and sizes of the caches");
}

absl::Status RecordOptions::Check() const {
  if (type != "f32") {
    return absl::InvalidArgumentError(
        fmt::format("--type {}: the device has no kernels of this type; expected f32", type));
  }
  if (auto p = Passes(); !p.ok()) return p.status();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<benchmark::Pass>> RecordOptions::Passes() const {
  std::vector<benchmark::Pass> result;
  for (const std::string& name : passes.empty() ? std::vector<std::string>{default_pass_} : passes) {
    auto pass = benchmark::ParsePass(name);
    if (!pass.ok()) return kernels::Annotate(pass.status(), "--pass");
    if (std::find(result.begin(), result.end(), *pass) == result.end()) result.push_back(*pass);
  }
  return result;
}

absl::StatusOr<benchmark::BenchmarkRun> LoadRun(const std::string& path) {
  auto text = InlineOrFile("@" + path);
  if (!text.ok()) return text.status();
  auto run = benchmark::RunFromJson(*text);
  if (!run.ok()) return kernels::Annotate(run.status(), path);
  return run;
}

namespace {

// A run without records: what the device is and can do.
absl::StatusOr<benchmark::BenchmarkRun> EmptyRun(const Common& common, kernels::Device& device) {
  benchmark::BenchmarkRun run = {.created = Now()};
  if (device.name() != "cpu") {
    auto peaks = benchmark::MeasurePeaksOf(device);
    if (!peaks.ok()) return peaks.status();
    run.peaks = *std::move(peaks);
    run.machine = {device.description(), std::string(device.name()), std::string(device.name()), 1};
    return run;
  }
  const auto machine = kernels::DescribeMachine();
  if (!machine.ok()) return machine.status();
  auto peaks = benchmark::MeasurePeaks(common.thread_count());
  if (!peaks.ok()) return peaks.status();
  run.machine = {machine->processor, machine->instruction_set, machine->library, common.thread_count()};
  run.peaks = *std::move(peaks);
  return run;
}

}  // namespace

absl::StatusOr<Answer> RunBench(const Common& common, const RecordOptions& o, kernels::Device& device,
                                const std::vector<BenchItem>& items) {
  absl::StatusOr<benchmark::BenchmarkRun> before = benchmark::BenchmarkRun();
  if (!o.compare.empty()) before = LoadRun(o.compare);  // before anything long begins
  if (!before.ok()) return kernels::Annotate(before.status(), "--compare");
  if (device.name() != "cpu" && std::ranges::find(o.caches, "cold") != o.caches.end()) {
    return absl::InvalidArgumentError(fmt::format("--cache cold: expected warm on device {}", device.name()));
  }
  auto made = EmptyRun(common, device);
  if (!made.ok()) return made.status();
  benchmark::BenchmarkRun run = *std::move(made);
  std::vector<Task> tasks;
  for (const BenchItem& item : items) {
    for (const std::string& cache : std::set<std::string>(o.caches.begin(), o.caches.end())) {
      tasks.push_back({&item, cache});
    }
  }
  Bench bench(o, common.thread_count());
  Progress progress;
  for (const Task& task : tasks) {
    progress.Fraction(task.item->name, static_cast<double>(run.records.size()) / static_cast<double>(tasks.size()));
    auto record = bench.Take(task);
    if (!record.ok()) return record.status();
    if (o.correctness && task.item->check) {
      auto correctness = task.item->check();
      if (!correctness.ok()) return kernels::Annotate(correctness.status(), task.item->name);
      record->correctness = *std::move(correctness);
    }
    run.records.push_back(*std::move(record));
  }
  Answer answer;
  if (!o.compare.empty()) {
    auto comparison = CompareWith(*before, o, tasks, bench, run);
    if (!comparison.ok()) return kernels::Annotate(comparison.status(), fmt::format("--compare {}", o.compare));
    answer.json = Json::parse(benchmark::ToJson(run));
    answer.json["comparison"] = Json::parse(benchmark::ToJson(*comparison));
    answer.text = benchmark::ToText(run) + "\n" + benchmark::ToText(*comparison);
    if (comparison->has_slower()) answer.exit_status = 1;
  } else {
    answer.json = Json::parse(benchmark::ToJson(run));
    answer.text = benchmark::ToText(run);
  }
  progress.End();
  if (auto s = WriteFiles(o, run); !s.ok()) return s;
  for (const benchmark::Record& r : run.records) {
    if (r.correctness && !r.correctness->correct) answer.exit_status = 1;
  }
  if (o.verbose) AddCacheStatistics(device, answer);
  return answer;
}

void AddCacheStatistics(kernels::Device& device, Answer& answer) {
  const kernels::KernelCache::Stats k = device.cache().stats();
  const kernels::PackedWeights::Stats p = device.packed()->stats();
  answer.json["caches"] = {
      {"kernels",
       {{"hits", k.hits},
        {"misses", k.misses},
        {"evictions", k.evictions},
        {"size", k.size},
        {"capacity", k.capacity}}},
      {"packed_weights", {{"hits", p.hits}, {"misses", p.misses}, {"size", p.size}, {"bytes", p.bytes}}}};
  answer.text += fmt::format(
      "kernels: {} of at most {} kept, {} hits, {} misses, {} evicted\n"
      "packed weights: {} in use, {:.1f} MiB, {} hits, {} misses\n",
      k.size, k.capacity, k.hits, k.misses, k.evictions, p.size, static_cast<double>(p.bytes) / 0x1p20, p.hits,
      p.misses);
}

}  // namespace mathnas::cli
