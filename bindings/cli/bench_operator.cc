// mathnas bench operator LINE.. or --shapes FILE: single operators, as lines of the notation of bench/BENCH.md
#include <fstream>
#include <set>
#include <utility>

#include "bindings/cli/bench.h"
#include "bindings/cli/bench_records.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "mathnas/benchmark/compare.h"
#include "mathnas/benchmark/operator_bench.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  RecordOptions records;
  std::vector<std::string> lines, files;
  std::string only;
};

// An operator, where it was written, and its line as it would be written by LineOf: what records are called and
// compared by, however it was given.
struct Shape {
  std::string line, where, name = {};
};

absl::StatusOr<std::vector<Shape>> ReadShapeFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(fmt::format("--shapes {}: cannot be read", path));
  std::vector<Shape> shapes;
  std::string text;
  for (int number = 1; std::getline(file, text); ++number) {
    text = text.substr(0, text.find('#'));
    const size_t end = text.find_last_not_of(" \t\r");
    if (end == std::string::npos) continue;
    shapes.push_back({text.substr(0, end + 1), fmt::format("{}:{}", path, number)});
  }
  if (file.bad()) return absl::DataLossError(fmt::format("--shapes {}: cannot be read to its end", path));
  if (shapes.empty()) return absl::InvalidArgumentError(fmt::format("--shapes {}: no line with a shape", path));
  return shapes;
}

absl::StatusOr<std::vector<Shape>> AllShapes(const Options& o, double most_bytes) {
  std::vector<Shape> all;
  for (const std::string& line : o.lines) all.push_back({line, fmt::format("\"{}\"", line)});
  for (const std::string& path : o.files) {
    auto shapes = ReadShapeFile(path);
    if (!shapes.ok()) return shapes.status();
    all.insert(all.end(), shapes->begin(), shapes->end());
  }
  if (all.empty())
    return absl::InvalidArgumentError("nothing to measure: expected a line with a shape, or --shapes FILE");
  std::vector<Shape> chosen;
  std::set<std::string> seen;  // what several networks have is measured once
  for (Shape& s : all) {
    const auto problem = kernels::testing::ParseProblem(s.line, most_bytes);
    if (!problem.ok()) return kernels::Annotate(problem.status(), s.where);
    auto name =
        kernels::testing::LineOf(problem->op, kernels::testing::InputDescs(*problem, kernels::DType::kF32, true));
    if (!name.ok()) return kernels::Annotate(name.status(), s.where);
    s.name = *std::move(name);
    if ((o.only.empty() || NameOf(problem->op) == o.only) && seen.insert(s.name).second) chosen.push_back(std::move(s));
  }
  if (chosen.empty()) return absl::InvalidArgumentError(fmt::format("--only {}: no line has this operator", o.only));
  return chosen;
}

absl::StatusOr<Answer> Operators(const Options& o) {
  if (auto s = o.records.Check(); !s.ok()) return s;
  const auto passes = o.records.Passes();
  const double most_bytes = benchmark::MostBytes();
  auto shapes = AllShapes(o, most_bytes);
  if (!shapes.ok()) return shapes.status();
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  std::vector<BenchItem> items;
  for (const Shape& shape : *shapes) {
    for (benchmark::Pass pass : *passes) {
      auto problems = benchmark::ProblemsOf(shape.line, pass, most_bytes);  // all of them, before anything long begins
      if (!problems.ok()) return kernels::Annotate(problems.status(), shape.where);
      const bool constant = pass == benchmark::Pass::kInference;
      items.push_back({.name = shape.name,
                       .pass = pass,
                       .prepare = [&o, constant, d = *device,
                                   p = *problems]() -> absl::StatusOr<std::shared_ptr<benchmark::Timed>> {
                         auto timed = benchmark::PrepareOperators(*d, p, constant, o.common.seed);
                         if (!timed.ok()) return timed.status();
                         return std::shared_ptr<benchmark::Timed>(*std::move(timed));
                       },
                       .check = [&o, constant, d = *device,
                                 p = *problems] { return benchmark::CheckOperators(*d, p, constant, o.common.seed); }});
    }
  }
  return RunBench(o.common, o.records, **device, items);
}

struct CompareOptions {
  Common common;
  std::string before, after;
  double noise = 5;
};

absl::StatusOr<Answer> CompareRuns(const CompareOptions& o) {
  auto before = LoadRun(o.before);
  if (!before.ok()) return before.status();
  auto after = LoadRun(o.after);
  if (!after.ok()) return after.status();
  auto comparison = benchmark::Compare(*before, *after, o.noise / 100);
  if (!comparison.ok()) return kernels::Annotate(comparison.status(), fmt::format("{} and {}", o.before, o.after));
  return Answer{Json::parse(benchmark::ToJson(*comparison)), benchmark::ToText(*comparison),
                comparison->has_slower() ? 1 : 0};
}

}  // namespace

void AddOperatorBench(CLI::App& bench) {
  static Options o;
  CLI::App* command =
      AddCommand(bench, "operator", "Time of single operators: GFLOP/s, GB/s, share of what the machine can do",
                 "mathnas bench operator 'conv2d n8 h56 w56 c24 o144 k1' --pass forward,backward --correctness\n"
                 "  mathnas bench operator --shapes bench/shapes/mobilenetv3.txt --out old.json --plot roofline.svg\n"
                 "  mathnas bench operator --shapes bench/shapes/mobilenetv3.txt --compare old.json",
                 o.common, [] { return Operators(o); });
  command->add_option("line", o.lines, "Operators with their shapes, as bench/BENCH.md describes them");
  command->add_option("--shapes", o.files, "A file with a line for each; may be given several times");
  command->add_option("--only", o.only, "Only lines of this operator");
  o.records.AddTo(command, "inference");
  command->add_flag("--correctness", o.records.correctness,
                    "Also compares each with exact arithmetic (slow), and ends with 1 if one is wrong");

  static CompareOptions c;
  CLI::App* compare =
      AddCommand(bench, "compare", "What got slower or faster between two files that --out wrote",
                 "mathnas bench compare old.json new.json --noise 3", c.common, [] { return CompareRuns(c); });
  compare->add_option("before", c.before, "The older file")->required();
  compare->add_option("after", c.after, "The newer file")->required();
  compare->add_option("--noise", c.noise, "Medians that differ by less than so many % are the same")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 100.0));
}

}  // namespace mathnas::cli
