// mathnas table import --csv F --out T.json, mathnas table check T.json
#include <cmath>
#include <filesystem>

#include "bindings/cli/command.h"
#include "fmt/format.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/networks.h"
#include "mathnas/exchange/block_table_csv.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  std::string csv, out, space, table;
};

// How much of a metric is measured, and between which values.
struct Coverage {
  int64_t measured = 0, all = 0;
  double least = INFINITY, greatest = -INFINITY;
};

Coverage CoverageOf(const core::Metric& metric) {
  Coverage coverage;
  for (const core::MetricSlice& slice : metric.slices) {
    for (const auto& row : slice.values) {
      for (const double value : row) {
        ++coverage.all;
        if (std::isnan(value)) continue;
        ++coverage.measured;
        coverage.least = std::min(coverage.least, value);
        coverage.greatest = std::max(coverage.greatest, value);
      }
    }
  }
  return coverage;
}

Answer Description(const core::BlockTable& table) {
  size_t candidates = 0;
  for (const core::Node& node : table.nodes) candidates += node.candidates.size();
  const double networks = core::CountNetworks(table);
  Answer answer;
  answer.json = {{"space", table.space}, {"nodes", table.nodes.size()}, {"candidates", candidates}};
  answer.json["networks"] = std::isfinite(networks) ? Json(networks) : Json();
  answer.text = fmt::format("{}: {} nodes, {} candidates, {:.6g} networks\n", table.space, table.nodes.size(),
                            candidates, networks);
  for (const core::DepthGroup& group : table.structure.depth) {
    Json names = Json::array();
    for (const int node : group.nodes) names.push_back(table.nodes[node].name);
    answer.json["depth"].push_back(names);
    answer.text += fmt::format("depth group: {} to {}\n", table.nodes[group.nodes.front()].name,
                               table.nodes[group.nodes.back()].name);
  }
  if (const auto& shared = table.structure.shared) {
    answer.json["shared"] = {{"name", shared->name}, {"values", shared->values}};
    answer.text += fmt::format("shared choice: {} with {} values\n", shared->name, shared->values.size());
  }
  if (table.structure.cell) {
    answer.json["cell"] = table.structure.cell->edges.size();
    answer.text += fmt::format("cell: {} edges\n", table.structure.cell->edges.size());
  }
  for (const auto& [name, metric] : table.metrics) {
    const Coverage coverage = CoverageOf(metric);
    const char* goal = metric.goal == core::Goal::kMax ? "max" : "min";
    const char* form = metric.form == core::Form::kSaving ? "saving" : "cost";
    answer.json["metrics"][name] = {{"unit", metric.unit},
                                    {"goal", goal},
                                    {"form", form},
                                    {"measured", coverage.measured},
                                    {"values", coverage.all}};
    answer.text += fmt::format("{} [{}]: {} {}, {} of {} values measured", name, metric.unit, goal, form,
                               coverage.measured, coverage.all);
    if (coverage.measured > 0) answer.text += fmt::format(", {:.6g} to {:.6g}", coverage.least, coverage.greatest);
    if (!metric.evaluations.empty()) {
      answer.json["metrics"][name]["evaluations"] = metric.evaluations.size();
      answer.text += fmt::format(", {} networks measured whole", metric.evaluations.size());
    }
    answer.text += "\n";
  }
  return answer;
}

absl::StatusOr<Answer> Check(const Options& o) {
  auto table = core::Load(o.table);
  if (!table.ok()) return table.status();
  return Description(*table);
}

absl::StatusOr<Answer> Import(const Options& o) {
  const std::string space = o.space.empty() ? std::filesystem::path(o.csv).stem().string() : o.space;
  auto table = exchange::LoadCsv(o.csv, space);
  if (!table.ok()) return table.status();
  if (absl::Status status = core::Save(*table, o.out); !status.ok()) return status;
  Answer answer = Description(*table);
  answer.json["table"] = o.out;
  return answer;
}

}  // namespace

void AddTable(CLI::App& app) {
  static Options o;
  CLI::App* table = AddGroup(app, "table", "Makes block tables of measurements, and checks them");
  CLI::App* import = AddCommand(*table, "import", "A block table from CSV, one row per node and candidate",
                                "mathnas table import --csv measured.csv --out table.json\n\n"
                                "measured.csv:\n"
                                "  node,candidate,latency[ms],accuracy[%] max saving base=79.23\n"
                                "  stage1,small,12.5,0.31\n"
                                "  stage1,large,20.25,0\n"
                                "More columns: mathnas/exchange/block_table_csv.h, share/mathnas/tables/README.md.",
                                o.common, [] { return Import(o); });
  import->add_option("--csv", o.csv, "The measurements")->required();
  import->add_option("--out", o.out, "The block table to write")->required();
  import->add_option("--space", o.space, "Name of the space (default: the name of the file)");
  CLI::App* check = AddCommand(*table, "check", "Whether a block table is valid, and what is in it",
                               "mathnas table check table.json", o.common, [] { return Check(o); });
  check->add_option("table", o.table, "A block table")->required();
}

}  // namespace mathnas::cli
