#include "mathnas/core/block_table.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core {
namespace {

absl::Status Expected(std::string_view path, std::string_view expected, std::string_view found) {
  return absl::InvalidArgumentError(fmt::format("{}: expected {}, found {}", path, expected, found));
}

// In short lists pairs are compared sooner than a set is made.
bool AreShortAndDifferent(const std::vector<std::string>& names) {
  if (names.size() > 32) return false;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) return false;
    for (size_t k = 0; k < i; ++k) {
      if (names[k] == names[i]) return false;
    }
  }
  return true;
}

// Names are keys of command lines and of JSON objects: not empty and each once.
template <typename PathOf>
absl::Status CheckNames(const std::vector<std::string>& names, PathOf path_of) {
  if (AreShortAndDifferent(names)) return absl::OkStatus();
  std::set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) return Expected(path_of(i), "a name", "an empty string");
    if (!seen.insert(names[i]).second) {
      return Expected(path_of(i), "a name that is not used before", fmt::format("'{}' again", names[i]));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNodes(const BlockTable& table) {
  if (table.nodes.empty()) return Expected("nodes", "at least one node", "none");
  std::vector<std::string> names;
  for (const Node& node : table.nodes) names.push_back(node.name);
  if (auto status = CheckNames(names, [](size_t i) { return fmt::format("nodes[{}].name", i); }); !status.ok()) {
    return status;
  }
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    const Node& node = table.nodes[i];
    if (node.candidates.empty()) {
      return Expected(fmt::format("nodes[{}].candidates", i), "at least one candidate", "none");
    }
    auto status = CheckNames(node.candidates, [i](size_t j) { return fmt::format("nodes[{}].candidates[{}]", i, j); });
    if (!status.ok()) return status;
    if (node.reference < 0 || node.reference >= std::ssize(node.candidates)) {
      return Expected(fmt::format("nodes[{}].reference", i),
                      fmt::format("a candidate index from 0 to {}", node.candidates.size() - 1),
                      fmt::format("{}", node.reference));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAbsent(const BlockTable& table, const DepthGroup& group, const std::string& path) {
  bool may_end_before = false;
  for (size_t p = 0; p < group.nodes.size(); ++p) {
    const std::string entry = fmt::format("{}.absent[{}]", path, p);
    const int absent = group.absent[p];
    const int candidates = static_cast<int>(table.nodes[group.nodes[p]].candidates.size());
    if (absent == DepthGroup::kCannotBeCut) {
      if (may_end_before) return Expected(entry, "a candidate, because an earlier node can be cut", "null");
      continue;
    }
    if (absent < 0 || absent >= candidates) {
      return Expected(entry, fmt::format("null or a candidate index from 0 to {}", candidates - 1),
                      fmt::format("{}", absent));
    }
    may_end_before = true;
  }
  return absl::OkStatus();
}

absl::Status CheckDepth(const BlockTable& table) {
  std::vector<bool> taken(table.nodes.size(), false);
  for (size_t g = 0; g < table.structure.depth.size(); ++g) {
    const DepthGroup& group = table.structure.depth[g];
    const std::string path = fmt::format("structure[depth {}]", g);
    if (group.nodes.empty()) return Expected(path + ".nodes", "at least one node", "none");
    for (size_t p = 0; p < group.nodes.size(); ++p) {
      const std::string entry = fmt::format("{}.nodes[{}]", path, p);
      const int node = group.nodes[p];
      if (node < 0 || node >= std::ssize(table.nodes)) {
        return Expected(entry, fmt::format("a node index from 0 to {}", table.nodes.size() - 1),
                        fmt::format("{}", node));
      }
      if (p > 0 && node <= group.nodes[p - 1]) {
        return Expected(entry, fmt::format("a node index above {}", group.nodes[p - 1]), fmt::format("{}", node));
      }
      if (taken[node]) return Expected(entry, "a node of no other depth group", fmt::format("{} again", node));
      taken[node] = true;
    }
    if (group.absent.size() != group.nodes.size()) {
      return Expected(path + ".absent", fmt::format("{} entries, one per node", group.nodes.size()),
                      fmt::format("{}", group.absent.size()));
    }
    if (auto status = CheckAbsent(table, group, path); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckCell(const BlockTable& table) {
  if (!table.structure.cell) return absl::OkStatus();
  const CellStructure& cell = *table.structure.cell;
  const std::string path = "structure[cell]";
  if (cell.edges.empty() || cell.edges.size() > CellStructure::kMaxEdges) {
    return Expected(path + ".edges", fmt::format("1 to {} edges", CellStructure::kMaxEdges),
                    fmt::format("{}", cell.edges.size()));
  }
  std::set<int> taken;
  for (const DepthGroup& group : table.structure.depth) taken.insert(group.nodes.begin(), group.nodes.end());
  for (size_t e = 0; e < cell.edges.size(); ++e) {
    const CellStructure::Edge& edge = cell.edges[e];
    const std::string entry = fmt::format("{}.edges[{}]", path, e);
    if (edge.node < 0 || edge.node >= std::ssize(table.nodes)) {
      return Expected(entry + ".node", fmt::format("a node index from 0 to {}", table.nodes.size() - 1),
                      fmt::format("{}", edge.node));
    }
    if (!taken.insert(edge.node).second) {
      return Expected(entry + ".node", "a node of no other edge and no depth group", fmt::format("{}", edge.node));
    }
    if (edge.from < 0 || edge.to <= edge.from) {
      return Expected(entry, "0 <= from < to", fmt::format("from {} to {}", edge.from, edge.to));
    }
    if (edge.none < 0 || edge.none >= std::ssize(table.nodes[edge.node].candidates)) {
      return Expected(entry + ".none", "a candidate index of the node", fmt::format("{}", edge.none));
    }
  }
  if (!IsConnected(cell, (uint32_t{1} << cell.edges.size()) - 1)) {
    return Expected(path, "edges that lead from input to output",
                    fmt::format("input {}, output {}", cell.input, cell.output));
  }
  return absl::OkStatus();
}

absl::Status CheckShared(const BlockTable& table) {
  if (!table.structure.shared) return absl::OkStatus();
  const SharedChoice& shared = *table.structure.shared;
  if (shared.name.empty()) return Expected("structure[shared].name", "a name", "an empty string");
  if (table.FindNode(shared.name)) {
    return Expected("structure[shared].name", "a name that no node has", fmt::format("'{}'", shared.name));
  }
  if (shared.values.empty()) return Expected("structure[shared].values", "at least one value", "none");
  std::set<double> seen;
  for (size_t s = 0; s < shared.values.size(); ++s) {
    const std::string entry = fmt::format("structure[shared].values[{}]", s);
    const std::string found = fmt::format("{}", shared.values[s]);
    if (!std::isfinite(shared.values[s])) return Expected(entry, "a finite number", found);
    if (!seen.insert(shared.values[s]).second) return Expected(entry, "a value that is not used before", found);
  }
  return absl::OkStatus();
}

// Rows and columns of anything shaped like the nodes; `check(path, entry)` looks at one entry.
template <typename Entry, typename Check>
absl::Status CheckRows(const BlockTable& table, const std::vector<std::vector<Entry>>& rows, const std::string& path,
                       Check check) {
  if (rows.size() != table.nodes.size()) {
    return Expected(path, fmt::format("{} rows, one per node", table.nodes.size()), fmt::format("{}", rows.size()));
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t candidates = table.nodes[i].candidates.size();
    if (rows[i].size() != candidates) {
      return Expected(fmt::format("{}[{}]", path, i), fmt::format("{} entries, one per candidate", candidates),
                      fmt::format("{}", rows[i].size()));
    }
    for (size_t j = 0; j < candidates; ++j) {
      const char* expected = check(rows[i][j]);
      if (expected) return Expected(fmt::format("{}[{}][{}]", path, i, j), expected, fmt::format("{}", rows[i][j]));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSlice(const BlockTable& table, const MetricSlice& slice, const std::string& path,
                        const std::string& index) {
  if (std::isinf(slice.base)) {
    return Expected(path + ".base" + index, "a finite number or null", fmt::format("{}", slice.base));
  }
  const auto finite = [](double v) { return std::isinf(v) ? "a finite number or null" : nullptr; };
  auto status = CheckRows(table, slice.values, path + ".values" + index, finite);
  if (status.ok() && !slice.stddev.empty()) {
    status = CheckRows(table, slice.stddev, path + ".stddev" + index, [](double v) {
      return std::isinf(v) || v < 0 ? "a finite number that is not negative, or null" : nullptr;
    });
  }
  if (status.ok() && !slice.samples.empty()) {
    status = CheckRows(table, slice.samples, path + ".samples" + index,
                       [](int64_t n) { return n < 0 ? "a count that is not negative" : nullptr; });
  }
  return status;
}

absl::Status CheckEvaluations(const BlockTable& table, const Metric& metric, const std::string& path) {
  if (table.structure.shared && !metric.evaluations.empty()) {
    return Expected(path, "none in a table with a shared choice", fmt::format("{}", metric.evaluations.size()));
  }
  std::set<Choice> seen;
  for (size_t k = 0; k < metric.evaluations.size(); ++k) {
    const Evaluation& evaluation = metric.evaluations[k];
    const std::string entry = fmt::format("{}[{}]", path, k);
    if (absl::Status status = CheckChoice(table, evaluation.choice); !status.ok()) {
      return absl::InvalidArgumentError(fmt::format("{}.{}", entry, std::string(status.message())));
    }
    if (!seen.insert(CanonicalChoice(table, evaluation.choice)).second) {
      return Expected(entry + ".choice", "a network that is not evaluated before", "one again");
    }
    if (!std::isfinite(evaluation.value)) {
      return Expected(entry + ".value", "a finite number", fmt::format("{}", evaluation.value));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMetric(const BlockTable& table, const std::string& name, const Metric& metric) {
  const std::string path = "metrics." + name;
  if (name.empty()) return Expected("metrics", "a metric name", "an empty string");
  if (std::ssize(metric.slices) != table.SharedCount()) {
    return Expected(path + ".values", fmt::format("{} tables, one per shared value", table.SharedCount()),
                    fmt::format("{}", metric.slices.size()));
  }
  for (const auto& [field, value] : {std::pair("batch", metric.batch), std::pair("threads", metric.threads)}) {
    if (value && *value < 1) return Expected(path + "." + field, "a positive integer", fmt::format("{}", *value));
  }
  for (size_t s = 0; s < metric.slices.size(); ++s) {
    const std::string index = table.structure.shared ? fmt::format("[{}]", s) : "";
    if (auto status = CheckSlice(table, metric.slices[s], path, index); !status.ok()) return status;
  }
  return CheckEvaluations(table, metric, path + ".evaluations");
}

absl::Status ValidateFields(const BlockTable& table) {
  if (table.space.empty()) return Expected("space", "the name of a space", "an empty string");
  if (auto status = CheckNodes(table); !status.ok()) return status;
  if (auto status = CheckDepth(table); !status.ok()) return status;
  if (auto status = CheckCell(table); !status.ok()) return status;
  if (auto status = CheckShared(table); !status.ok()) return status;
  if (table.metrics.empty()) return Expected("metrics", "at least one metric", "none");
  for (const auto& [name, metric] : table.metrics) {
    if (auto status = CheckMetric(table, name, metric); !status.ok()) return status;
  }
  return absl::OkStatus();
}

template <typename Items, typename Matches>
std::optional<int> IndexWhere(const Items& items, Matches matches) {
  const auto it = std::find_if(items.begin(), items.end(), matches);
  if (it == items.end()) return std::nullopt;
  return static_cast<int>(it - items.begin());
}

// Calls visit(node, absent candidate) for every node behind a cut.
template <typename Visit>
void ForEachNodeBehindCut(const BlockTable& table, const Choice& choice, Visit visit) {
  for (const DepthGroup& group : table.structure.depth) {
    bool cut = false;
    for (size_t p = 0; p < group.nodes.size(); ++p) {
      if (cut) {
        visit(group.nodes[p], group.absent[p]);
      } else {
        cut = choice[group.nodes[p]] == group.absent[p];
      }
    }
  }
}

}  // namespace

int BlockTable::SharedCount() const { return structure.shared ? static_cast<int>(structure.shared->values.size()) : 1; }

std::optional<int> BlockTable::FindNode(std::string_view name) const {
  return IndexWhere(nodes, [name](const Node& node) { return node.name == name; });
}

std::optional<int> BlockTable::FindCandidate(int node, std::string_view name) const {
  return IndexWhere(nodes[node].candidates, [name](const std::string& candidate) { return candidate == name; });
}

absl::Status Validate(const BlockTable& table, std::string_view source) {
  const absl::Status status = ValidateFields(table);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(fmt::format("{}: {}", source, std::string(status.message())));
}

absl::Status CheckChoice(const BlockTable& table, const Choice& choice, int shared) {
  if (choice.size() != table.nodes.size()) {
    return Expected("choice", fmt::format("{} entries, one per node", table.nodes.size()),
                    fmt::format("{}", choice.size()));
  }
  for (size_t i = 0; i < choice.size(); ++i) {
    const int candidates = static_cast<int>(table.nodes[i].candidates.size());
    if (choice[i] >= 0 && choice[i] < candidates) continue;
    return Expected(fmt::format("choice[{}]", i), fmt::format("a candidate index from 0 to {}", candidates - 1),
                    fmt::format("{}", choice[i]));
  }
  if (shared < 0 || shared >= table.SharedCount()) {
    return Expected("shared choice", fmt::format("an index from 0 to {}", table.SharedCount() - 1),
                    fmt::format("{}", shared));
  }
  return absl::OkStatus();
}

Choice CanonicalChoice(const BlockTable& table, Choice choice) {
  ForEachNodeBehindCut(table, choice, [&choice](int node, int absent) { choice[node] = absent; });
  if (const auto& cell = table.structure.cell) {
    const uint32_t live = LiveEdges(*cell, CarryingEdges(*cell, choice));
    for (size_t e = 0; e < cell->edges.size(); ++e) {
      if ((live >> e & 1) == 0) choice[cell->edges[e].node] = cell->edges[e].none;
    }
  }
  return choice;
}

bool ComputesSomething(const BlockTable& table, const Choice& choice) {
  const auto& cell = table.structure.cell;
  return !cell || IsConnected(*cell, CarryingEdges(*cell, choice));
}

std::vector<bool> ContributingNodes(const BlockTable& table, const Choice& choice) {
  std::vector<bool> contributes(table.nodes.size(), true);
  ForEachNodeBehindCut(table, choice, [&contributes](int node, int) { contributes[node] = false; });
  return contributes;
}

}  // namespace mathnas::core
