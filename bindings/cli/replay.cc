// mathnas replay --space nasbench201 --architectures A.csv --truth T.csv --column NAME ...
#include "mathnas/replay/replay.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "bindings/cli/command.h"
#include "fmt/format.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/sampling.h"
#include "mathnas/replay/csv.h"
#include "supernet/inflating_file.h"
#include "supernet/nasbench201/architecture.h"
#include "supernet/nasbench201/space.h"

namespace mathnas::cli {
namespace {

constexpr int64_t kLargestTable = int64_t{1} << 28;  // bytes of text
constexpr int kListed = 20;                          // networks that the answer names

struct Options {
  Common common;
  std::string space, architectures, truth, column, estimator = "eq6", fixed = "exclude", goal = "max", unit = "%";
  std::string flops_column, identity;
  std::vector<std::string> limits, costs;
  int64_t evaluations = 31;
  double fraction = 0, chance = std::nan("");
};

absl::StatusOr<replay::CsvTable> LoadTable(const std::string& path) {
  auto text = supernet::ReadText(path, kLargestTable);
  if (!text.ok()) return text.status();
  return replay::CsvTable::Parse(*std::move(text), path);
}

// For every row of `left` the row of `right` with the same key, or -1. The key is the first column of `right` that
// `left` has too.
absl::StatusOr<std::vector<int64_t>> Join(const replay::CsvTable& left, const replay::CsvTable& right) {
  for (size_t r = 0; r < right.names().size(); ++r) {
    const auto l = left.Column(right.names()[r]);
    if (!l.ok()) continue;
    std::unordered_map<std::string_view, int64_t> rows;
    for (size_t row = 0; row < right.row_count(); ++row) {
      if (rows.try_emplace(right.Field(row, r), row).second) continue;
      return absl::InvalidArgumentError(fmt::format("{}: expected every value once, found '{:.100}' again",
                                                    right.Place(row, r), right.Field(row, r)));
    }
    std::vector<int64_t> joined;
    for (size_t row = 0; row < left.row_count(); ++row) {
      const auto it = rows.find(left.Field(row, *l));
      joined.push_back(it == rows.end() ? -1 : it->second);
    }
    return joined;
  }
  return absl::InvalidArgumentError(
      fmt::format("{}: expected a column that {} has too (e.g. index), found none", right.source(), left.source()));
}

// A table beside the architectures, and which of its rows belongs to each of them.
struct Joined {
  const replay::CsvTable* table;
  std::vector<int64_t> rows;

  absl::StatusOr<std::vector<double>> Numbers(size_t column) const {
    std::vector<double> numbers;
    for (int64_t row : rows) {
      auto number = row < 0 ? absl::StatusOr<double>(std::nan("")) : table->Number(row, column);
      if (!number.ok()) return number.status();
      numbers.push_back(*number);
    }
    return numbers;
  }
};

// The column that a limit means: of this name, or the only one that begins with it ("flops" is flops_m_cifar10).
absl::StatusOr<std::vector<double>> Cost(const std::vector<Joined>& tables, const std::string& name) {
  std::vector<std::pair<const Joined*, size_t>> found;
  std::string names;
  for (const bool exact : {true, false}) {
    for (const Joined& t : tables) {
      for (size_t c = 0; c < t.table->names().size(); ++c) {
        const std::string& column = t.table->names()[c];
        if (exact ? column != name : !column.starts_with(name)) continue;
        found.emplace_back(&t, c);
        names += (names.empty() ? "" : ", ") + column;
      }
    }
    if (!found.empty()) break;
  }
  if (found.size() == 1) return found[0].first->Numbers(found[0].second);
  return absl::InvalidArgumentError(
      fmt::format("{:.100}: expected one column of this name or beginning with it, found {}", name,
                  names.empty() ? "none" : names));
}

absl::StatusOr<core::BlockTable> NasBench201Table() {
  auto space = supernet::NasBench201({});
  if (!space.ok()) return space.status();
  core::BlockTable table;
  table.space = (*space)->name();
  for (const supernet::SpaceNode& n : (*space)->nodes()) table.nodes.push_back({n.name, n.candidates, n.reference});
  const auto cell = (*space)->cell();
  core::CellStructure& structure = table.structure.cell.emplace();
  structure.input = cell->input;
  structure.output = cell->output;
  for (const supernet::SpaceCell::Edge& e : cell->edges) structure.edges.push_back({e.node, e.from, e.to, e.none});
  return table;
}

// The architectures of a file as choices.
absl::Status ReadArchitectures(const replay::CsvTable& csv, size_t column, bool digits,
                               std::vector<core::Choice>& choices) {
  for (size_t row = 0; row < csv.row_count(); ++row) {
    const std::string_view field = csv.Field(row, column);
    core::Choice& choice = choices.emplace_back();
    if (!digits) {
      const auto architecture = supernet::ParseArchitecture(field);
      if (!architecture.ok()) {
        return absl::InvalidArgumentError(
            fmt::format("{}: {}", csv.Place(row, column), std::string(architecture.status().message())));
      }
      for (blocks::CellOp op : *architecture) choice.push_back(static_cast<int>(op));
      continue;
    }
    for (char c : field) choice.push_back(c - '0');
    const bool all_digits = std::all_of(field.begin(), field.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (field.empty() || !all_digits || choice.size() != choices[0].size()) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: expected digits, one per layer and as many as before, found '{:.100}'", csv.Place(row, column), field));
    }
  }
  if (choices.empty())
    return absl::InvalidArgumentError(fmt::format("{}: expected networks, found none", csv.source()));
  return absl::OkStatus();
}

// Layers in a chain: candidate j of a layer is its digit j.
core::BlockTable ChainTable(const std::vector<core::Choice>& choices) {
  core::BlockTable table;
  table.space = "digits";
  for (size_t i = 0; i < choices[0].size(); ++i) {
    int most = 0;
    for (const core::Choice& c : choices) most = std::max(most, c[i]);
    core::Node& node = table.nodes.emplace_back();
    node.name = fmt::format("layer{}", i + 1);
    for (int j = 0; j <= most; ++j) node.candidates.push_back(fmt::format("{}", j));
    node.reference = most;
  }
  return table;
}

absl::StatusOr<size_t> ArchitectureColumn(const replay::CsvTable& csv) {
  if (auto column = csv.Column("arch_str"); column.ok()) return column;
  return csv.Column("arch");
}

// N~ has the block with the most FLOPs in every node (mathnas.md 1.1), where the space does not say it.
void LargestAsReference(core::BlockTable& table) {
  const core::Grid& flops = table.metrics.find(core::kFlopsMetric)->second.slices[0].values;
  for (size_t i = 0; i < flops.size(); ++i) {
    table.nodes[i].reference = static_cast<int>(std::max_element(flops[i].begin(), flops[i].end()) - flops[i].begin());
  }
}

absl::StatusOr<Answer> Replay(const Options& o) {
  replay::ReplayOptions options{.evaluations = o.evaluations, .seed = o.common.seed};
  auto estimator = replay::ParseReplayEstimator(o.estimator);
  if (!estimator.ok()) return estimator.status();
  options.estimator = *estimator;
  auto fixed = core::ParseFlopsFixed(o.fixed);
  if (!fixed.ok()) return fixed.status();
  options.flops_fixed = *fixed;
  if (!std::isnan(o.chance)) options.chance = o.chance;
  if (!o.identity.empty()) options.identity = o.identity;
  for (const std::string& text : o.limits) {
    auto limits = core::ParseLimits(text);
    if (!limits.ok()) return limits.status();
    for (core::Limit& limit : *limits) {
      if (!limit.unit.empty())
        return absl::InvalidArgumentError(fmt::format("--limit {}: expected no unit, tables have none", text));
      options.limits.push_back(std::move(limit));
    }
  }
  const bool digits = o.space == "digits";
  if (!digits && o.space != "nasbench201")
    return absl::InvalidArgumentError(fmt::format("--space {:.100}: expected nasbench201 or digits", o.space));
  if (o.goal != "max" && o.goal != "min")
    return absl::InvalidArgumentError(fmt::format("--goal {:.100}: expected max or min", o.goal));

  // The tables, side by side.
  std::vector<std::string> paths = {o.architectures, o.truth};
  paths.insert(paths.end(), o.costs.begin(), o.costs.end());
  std::vector<replay::CsvTable> csv;
  for (const std::string& path : paths) {
    auto table = LoadTable(path);
    if (!table.ok()) return table.status();
    csv.push_back(*std::move(table));
  }
  std::vector<Joined> joined;
  for (size_t t = 0; t < csv.size(); ++t) {
    std::vector<int64_t> rows(csv[0].row_count());
    for (size_t r = 0; r < rows.size(); ++r) rows[r] = static_cast<int64_t>(r);
    if (paths[t] != paths[0]) {
      auto other = Join(csv[0], csv[t]);
      if (!other.ok()) return other.status();
      rows = *std::move(other);
    } else if (t > 0) {
      continue;  // the same file again
    }
    joined.push_back({&csv[t], std::move(rows)});
  }
  const auto truth_column = csv[1].Column(o.column);
  if (!truth_column.ok()) return truth_column.status();
  const Joined& truth_table = paths[1] == paths[0] ? joined[0] : joined[1];
  auto truth = truth_table.Numbers(*truth_column);
  if (!truth.ok()) return truth.status();

  const auto column = ArchitectureColumn(csv[0]);
  if (!column.ok()) return column.status();
  std::vector<core::Choice> choices;
  if (absl::Status s = ReadArchitectures(csv[0], *column, digits, choices); !s.ok()) return s;
  replay::Benchmark benchmark;
  if (digits) {
    benchmark.table = ChainTable(choices);
  } else {
    auto table = NasBench201Table();
    if (!table.ok()) return table.status();
    benchmark.table = *std::move(table);
  }
  benchmark.unit = o.unit;
  benchmark.goal = o.goal == "max" ? core::Goal::kMax : core::Goal::kMin;
  auto flops = Cost({joined[0]}, o.flops_column.empty() ? "flops" : o.flops_column);
  if (!flops.ok()) return flops.status();
  auto metric = core::AdditiveCost(benchmark.table, choices, *flops);
  if (!metric.ok())
    return absl::InvalidArgumentError(
        fmt::format("{}, FLOPs: {}", csv[0].source(), std::string(metric.status().message())));
  benchmark.table.metrics[std::string(core::kFlopsMetric)] = *std::move(metric);
  if (digits) LargestAsReference(benchmark.table);

  // Networks whose truth and costs are known.
  std::map<std::string, std::vector<double>> costs;
  for (const core::Limit& limit : options.limits) {
    auto cost = Cost(joined, limit.metric);
    if (!cost.ok()) return cost.status();
    costs[limit.metric] = *std::move(cost);
  }
  std::vector<std::string> names;
  for (size_t r = 0; r < choices.size(); ++r) {
    bool known = !std::isnan((*truth)[r]);
    for (const auto& [name, cost] : costs) known = known && !std::isnan(cost[r]);
    if (!known) continue;
    benchmark.networks.push_back(choices[r]);
    benchmark.truth.push_back((*truth)[r]);
    for (const auto& [name, cost] : costs) benchmark.costs[name].push_back(cost[r]);
    names.emplace_back(csv[0].Field(r, *column));
  }
  if (o.fraction > 0)
    options.evaluations = std::llround(std::ceil(o.fraction * static_cast<double>(benchmark.networks.size())));

  auto result = replay::Replay(benchmark, options);
  if (absl::IsNotFound(result.status()))
    return Answer{{{"status", "infeasible"}, {"reason", std::string(result.status().message())}},
                  std::string(result.status().message()) + "\n",
                  1};
  if (!result.ok()) return result.status();
  const auto network = [&](int k, bool with_prediction) {
    Json json = {{"arch", names[k]}, {"choice", benchmark.networks[k]}};
    if (with_prediction) json["predicted"] = result->predicted[k];
    json["truth"] = benchmark.truth[k];
    for (const auto& [name, cost] : benchmark.costs) json[name] = cost[k];
    return json;
  };
  Answer answer;
  answer.json = {{"estimator", replay::Name(options.estimator)},
                 {"networks", result->networks},
                 {"evaluations", result->evaluations},
                 {"spearman", result->spearman},
                 {"kendall", result->kendall},
                 {"rmse", result->rmse},
                 {"mae", result->mae},
                 {"chosen", network(result->chosen, true)},
                 {"best", network(result->best, false)},
                 {"regret", result->regret},
                 {"undefined", result->undefined},
                 {"without_truth", choices.size() - benchmark.networks.size()},
                 {"seconds", result->seconds}};
  if (!result->missing.empty()) {
    answer.json["missing"] = result->missing.size();
    for (size_t k = 0; k < std::min<size_t>(result->missing.size(), kListed); ++k)
      answer.json["missing_choices"].push_back(result->missing[k]);
  }
  answer.text = fmt::format(
      "{} of {}: {} networks, {} evaluations\nSpearman {:.4f}, Kendall {:.4f}, RMSE {:.4g}, MAE {:.4g}\n"
      "chosen {}: {:.6g}, predicted {:.6g}\nbest   {}: {:.6g}\nregret {:.4g}\n",
      replay::Name(options.estimator), o.column, result->networks, result->evaluations, result->spearman,
      result->kendall, result->rmse, result->mae, names[result->chosen], benchmark.truth[result->chosen],
      result->predicted[result->chosen], names[result->best], benchmark.truth[result->best], result->regret);
  if (result->undefined > 0)
    answer.text += fmt::format("{} networks without a prediction count as the worst one\n", result->undefined);
  if (!result->missing.empty())
    answer.text += fmt::format("{} networks that were to be evaluated are not in the table\n", result->missing.size());
  return answer;
}

}  // namespace

void AddReplay(CLI::App& app) {
  static Options o;
  CLI::App* command =
      AddCommand(app, "replay", "The method against a table of known networks: evaluating is looking up",
                 "mathnas replay --space nasbench201 --architectures architectures.csv.gz --truth "
                 "accuracy.csv.gz --column cifar10_test_e200 --estimator interaction --limit 'flops<=60'",
                 o.common, [] { return Replay(o); });
  command->add_option("--space", o.space, "nasbench201, or digits: column arch has one digit per layer")->required();
  command->add_option("--architectures", o.architectures, "CSV (or .csv.gz) with arch_str or arch, and FLOPs")
      ->required();
  command->add_option("--truth", o.truth, "CSV (or .csv.gz) with --column; joined by its first common column")
      ->required();
  command->add_option("--column", o.column, "The column of the truth")->required();
  command->add_option("--estimator", o.estimator, "linear, eq5, eq6, full, partial or interaction")
      ->capture_default_str();
  command->add_option("--evaluations", o.evaluations, "Networks that partial and interaction may look up")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}));
  command->add_option("--fraction", o.fraction, "The same as a part of all networks, above 0 to 1")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--limit", o.limits,
                      "COLUMN<=VALUE or COLUMN>=VALUE; repeatable. A name may be the beginning of one");
  command->add_option("--costs", o.costs, "More CSV files with columns to be limited; repeatable");
  command->add_option("--goal", o.goal, "max or min of the truth")->capture_default_str();
  command->add_option("--unit", o.unit, "Unit of the truth; %: what is missing to 100 is an error")
      ->capture_default_str();
  command->add_option("--chance", o.chance, "Truth of a network that computes nothing, where known (interaction)");
  command->add_option("--identity", o.identity, "Candidate that hands its input on (interaction)");
  command->add_option("--flops-column", o.flops_column,
                      "The FLOPs, additive over the nodes; default: begins with flops");
  command->add_option("--flops-fixed", o.fixed, "Whether the FLOPs of the fixed part count: include or exclude")
      ->capture_default_str();
}

}  // namespace mathnas::cli
