// bench_solver: the exact solver on the instances of tests/solver-instances, one JSON object a line, then a table; and
// fronts of the published tables.
#include "mathnas/core/solver.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "fmt/format.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/search.h"
#include "nlohmann/json.hpp"
#include "tests/core/solver_instances.h"

namespace mathnas::core {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

std::string_view Name(SolutionStatus status) {
  static constexpr std::string_view kNames[] = {"optimal", "feasible", "infeasible", "unknown"};
  return kNames[static_cast<int>(status)];
}

// The whole program, also of those that a generator makes: for other solvers.
Json ProgramJson(const SolverInstance& i) {
  const Program& p = i.program;
  Json json = {{"name", i.name}, {"file", i.file}, {"a0", p.a0}, {"f0", p.f0}, {"limits", p.limits}};
  for (const auto& n : p.nodes) json["nodes"].push_back({{"a", n.a}, {"f", n.f}, {"w", n.w}});
  json["chains"] = Json::array();
  for (const auto& c : p.chains) {
    json["chains"].push_back(
        {{"first", c.first}, {"length", c.length}, {"end_a", c.end_a}, {"end_f", c.end_f}, {"end_w", c.end_w}});
  }
  return json;
}

// "wrong" if a proof contradicts what is known, "better" if the known value was beaten.
std::string_view Verdict(const SolverInstance& i, const Solution& s) {
  const bool known = i.status == "optimal" || i.status == "best known";
  if (!s.x.empty() && i.status == "infeasible") return "wrong";
  if (!s.x.empty() && known && LessRatio(s.a, s.f, i.a, i.f)) return i.status == "optimal" ? "wrong" : "better";
  if (s.status == SolutionStatus::kInfeasible) return known ? "wrong" : "as known";
  if (s.status == SolutionStatus::kOptimal && known && LessRatio(i.a, i.f, s.a, s.f)) return "wrong";
  return "as known";
}

struct Figures {
  std::vector<double> ms, gaps;
  int proven = 0;
};

double Median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v.empty() ? 0 : v[(v.size() - 1) / 2];
}

// Whole searches with the linear model, from a table in memory to networks with names.
absl::Status TimeFronts(const std::string& tables, double seconds) {
  struct Case {
    const char *table, *metric, *resolution;
  };
  static constexpr Case kCases[] = {{"mobilenetv3-gpu", "latency_tx2gpu", ""},
                                    {"mobilenetv3-cpu", "latency_raspberrypi", ""},
                                    {"supervit", "flops", "192"},
                                    {"supervit", "flops", "224"},
                                    {"supervit", "flops", "256"},
                                    {"supervit", "flops", "288"},
                                    {"supertransformer-xeon", "latency", ""}};
  fmt::print(stderr, "{:<36} {:>7} {:>12}\n", "front of accuracy and", "points", "ms");
  for (const Case& c : kCases) {
    const auto table = Load(fmt::format("{}/{}.json", tables, c.table));
    if (!table.ok()) return table.status();
    SearchRequest request;
    request.estimator.kind = EstimatorKind::kLinear;
    request.fronts = {c.metric};
    if (*c.resolution != 0) request.fixed = {{"resolution", c.resolution}};
    double ms = std::numeric_limits<double>::infinity();
    size_t points = 0;
    const auto begin = Clock::now();
    do {
      const auto start = Clock::now();
      const absl::StatusOr<SearchResult> result = Search(*table, request);
      ms = std::min(ms, 1e3 * std::chrono::duration<double>(Clock::now() - start).count());
      if (!result.ok()) return result.status();
      points = result->front.size();
    } while (std::chrono::duration<double>(Clock::now() - begin).count() < seconds);
    fmt::print(stderr, "{:<36} {:>7} {:>12.4f}\n", fmt::format("{} {} {}", c.table, c.metric, c.resolution), points,
               ms);
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app("The exact solver on instances with known optima. A time is the least of the repetitions.");
  std::string folder = MATHNAS_TEST_DATA "/../solver-instances", tables = MATHNAS_TEST_DATA "/../../mathnas/tables";
  std::string file, name, write;
  double time_limit = 1, seconds = 0.05;
  int threads = 1;
  app.add_option("--instances", folder, "Folder of instance files")->capture_default_str();
  app.add_option("--tables", tables, "Folder of the published tables")->capture_default_str();
  app.add_option("--file", file, "Only this file, e.g. published, or fronts");
  app.add_option("--name", name, "Only instances whose name begins so, e.g. R-200x200-k3");
  app.add_option("--time-limit", time_limit, "Seconds for one solution")->capture_default_str();
  app.add_option("--threads", threads, "Of one solution; 0: as many as the machine has")->capture_default_str();
  app.add_option("--seconds", seconds, "Repeat for this long")->capture_default_str();
  app.add_option("--write", write, "Also writes the whole programs to this file, one a line");
  CLI11_PARSE(app, argc, argv);

  std::ofstream programs;
  if (!write.empty()) programs.open(write);
  std::map<std::string, Figures> families;
  int wrong = 0;
  for (const SolverInstance& i : LoadSolverInstances(folder)) {
    if ((!file.empty() && i.file != file) || !i.name.starts_with(name)) continue;
    if (programs.is_open()) programs << ProgramJson(i) << "\n";
    double ms = std::numeric_limits<double>::infinity();
    absl::StatusOr<Solution> s;
    const auto begin = Clock::now();
    do {
      const auto start = Clock::now();
      s = Solve(i.program, {.time_limit = time_limit, .threads = threads});
      ms = std::min(ms, 1e3 * std::chrono::duration<double>(Clock::now() - start).count());
    } while (s.ok() && std::chrono::duration<double>(Clock::now() - begin).count() < seconds);
    if (!s.ok()) {
      fmt::print(stderr, "{}: {}\n", i.name, s.status().ToString());
      return 1;
    }
    const double ratio = static_cast<double>(s->a) / static_cast<double>(s->f);
    const double gap = s->x.empty() ? 0 : std::abs(ratio - s->bound) / std::abs(ratio);
    const bool proven = s->status == SolutionStatus::kOptimal || s->status == SolutionStatus::kInfeasible;
    Json json = {
        {"file", i.file}, {"name", i.name},          {"status", Name(s->status)}, {"ms", ms}, {"gap", gap}, {"a", s->a},
        {"f", s->f},      {"explored", s->explored}, {"verdict", Verdict(i, *s)}};
    fmt::print("{}\n", json.dump());
    std::fflush(stdout);
    wrong += Verdict(i, *s) == "wrong" ? 1 : 0;
    // "R-50x20-k3-t1-edge" is of the family "R 50x20 k3".
    const size_t tightness = i.name.find("-t");
    std::string family = i.file == "published" ? "published" : i.name.substr(0, tightness);
    if (s->status == SolutionStatus::kInfeasible) family = "infeasible";
    Figures& figures = families[family];
    figures.ms.push_back(ms);
    figures.gaps.push_back(gap);
    figures.proven += proven ? 1 : 0;
  }
  fmt::print(stderr, "{:<14} {:>9} {:>12} {:>12} {:>10}\n", "family", "proven", "median ms", "worst ms", "worst gap");
  for (const auto& [family, f] : families) {
    fmt::print(stderr, "{:<14} {:>4}/{:<4} {:>12.4f} {:>12.4f} {:>10.2e}\n", family, f.proven, f.ms.size(),
               Median(f.ms), *std::max_element(f.ms.begin(), f.ms.end()),
               *std::max_element(f.gaps.begin(), f.gaps.end()));
  }
  fmt::print(stderr, "wrong: {}\n", wrong);
  if ((file.empty() && name.empty()) || file == "fronts") {
    if (const absl::Status status = TimeFronts(tables, std::max(seconds, 0.2)); !status.ok()) {
      fmt::print(stderr, "{}\n", status.ToString());
      return 1;
    }
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace mathnas::core

int main(int argc, char** argv) { return mathnas::core::Main(argc, argv); }
