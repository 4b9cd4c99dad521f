#include "mathnas/core/cell_features.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core {
namespace {

constexpr int kNone = -1;

void FindWays(const CellStructure& cell, int vertex, std::vector<int>& way, std::vector<std::vector<int>>& ways) {
  if (vertex == cell.output) {
    ways.push_back(way);
    return;
  }
  for (int e = 0; e < std::ssize(cell.edges); ++e) {
    if (cell.edges[e].from != vertex) continue;
    way.push_back(e);
    FindWays(cell, cell.edges[e].to, way, ways);
    way.pop_back();
  }
}

// Least, greatest and mean of a count over the ways.
struct Spread {
  double least = std::numeric_limits<double>::infinity(), most = 0, sum = 0;
  void Add(double count) {
    least = std::min(least, count);
    most = std::max(most, count);
    sum += count;
  }
};

}  // namespace

bool CellFeatures::Apply(const BlockTable& table) {
  if (!table.structure.cell || table.structure.shared || !table.structure.depth.empty()) return false;
  const auto flops = table.metrics.find(kFlopsMetric);
  if (flops == table.metrics.end() || flops->second.form != Form::kCost) return false;
  std::vector<int> uses(table.nodes.size(), 0);
  for (const CellStructure::Edge& edge : table.structure.cell->edges) ++uses[edge.node];
  if (std::any_of(uses.begin(), uses.end(), [](int n) { return n != 1; })) return false;
  for (const auto& row : flops->second.slices[0].values) {
    if (std::any_of(row.begin(), row.end(), [](double f) { return !(f >= 0); })) return false;
  }
  return true;
}

absl::StatusOr<CellFeatures> CellFeatures::Create(const BlockTable& table, const std::optional<std::string>& identity) {
  if (absl::Status status = Validate(table); !status.ok()) return status;
  if (!Apply(table)) {
    return absl::InvalidArgumentError(
        "structure: expected a cell whose edges are the nodes of the table, with measured flops of form cost");
  }
  CellFeatures features;
  features.cell_ = *table.structure.cell;
  std::vector<int> way;
  FindWays(features.cell_, features.cell_.input, way, features.ways_);
  const Grid& flops = table.metrics.find(kFlopsMetric)->second.slices[0].values;
  double unit = std::numeric_limits<double>::infinity();
  for (const CellStructure::Edge& edge : features.cell_.edges) {
    const Node& node = table.nodes[edge.node];
    std::vector<int>& operation_of = features.operation_of_.emplace_back();
    for (int j = 0; j < std::ssize(node.candidates); ++j) {
      operation_of.push_back(kNone);
      if (j == edge.none) continue;
      auto& all = features.operations_;
      auto it = std::find_if(all.begin(), all.end(), [&](const Operation& o) { return o.name == node.candidates[j]; });
      if (it == all.end()) it = all.insert(all.end(), {.name = node.candidates[j]});
      const double f = flops[edge.node][j];
      it->computes = it->computes || f > 0;
      if (f > 0) unit = std::min(unit, f);
      operation_of.back() = static_cast<int>(it - all.begin());
    }
    features.flops_.push_back(flops[edge.node]);
  }
  for (auto& row : features.flops_) {
    for (double& f : row) f = std::isfinite(unit) ? f / unit : 0;
  }
  bool found = false;
  for (Operation& o : features.operations_) {
    const bool named = identity
                           ? o.name == *identity
                           : o.name.find("skip") != std::string::npos || o.name.find("identity") != std::string::npos;
    o.identity = named && !o.computes && !found;
    found = found || o.identity;
  }
  if (identity && !found) {
    return absl::InvalidArgumentError(
        fmt::format("identity: expected a candidate without FLOPs other than `none`, found '{}'", *identity));
  }
  features.size_ = 12;
  for (const Operation& o : features.operations_) features.size_ += o.computes ? 3 : o.identity ? 1 : 4;
  return features;
}

int CellFeatures::OperationAt(int edge, const Choice& choice) const {
  return operation_of_[edge][choice[cell_.edges[edge].node]];
}

bool CellFeatures::Compute(const Choice& choice, std::span<double> features) const {
  constexpr size_t kMost = 64;
  const size_t operations = operations_.size();
  std::vector<Spread> heap(operations > kMost ? operations : 0);
  std::array<Spread, kMost> stack;
  std::array<int, CellStructure::kMaxEdges> at;
  for (int e = 0; e < std::ssize(cell_.edges); ++e) at[e] = OperationAt(e, choice);
  const std::span<Spread> spread(heap.empty() ? stack.data() : heap.data(), operations);
  std::fill(features.begin(), features.end(), 0.0);
  Spread computing, length;
  uint32_t live = 0;
  double ways = 0, pure = 0, free = 0, clean = 0, clean_computing = 0;
  std::vector<double> counts(operations);
  for (const std::vector<int>& way : ways_) {
    if (std::any_of(way.begin(), way.end(), [&](int e) { return at[e] == kNone; })) continue;
    std::fill(counts.begin(), counts.end(), 0.0);
    double computes = 0, other_free = 0;
    for (int e : way) {
      const Operation& o = operations_[at[e]];
      ++counts[at[e]];
      computes += o.computes;
      other_free += !o.computes && !o.identity;
      live |= uint32_t{1} << e;
    }
    for (size_t o = 0; o < operations; ++o) spread[o].Add(counts[o]);
    computing.Add(computes);
    length.Add(static_cast<double>(way.size()));
    ++ways;
    if (computes == 0) (other_free == 0 ? pure : free) = 1;
    if (other_free > 0) continue;
    ++clean;
    clean_computing += computes > 0;
  }
  if (ways == 0) return false;
  double flops = 0;
  std::fill(counts.begin(), counts.end(), 0.0);
  for (int e = 0; e < std::ssize(cell_.edges); ++e) {
    if ((live >> e & 1) == 0) continue;
    ++counts[at[e]];
    flops += flops_[e][choice[cell_.edges[e].node]];
  }
  double* out = features.data();
  for (size_t o = 0; o < operations; ++o) {
    *out++ = counts[o];
    if (operations_[o].identity) continue;
    *out++ = spread[o].most;
    *out++ = spread[o].sum / ways;
    if (!operations_[o].computes) *out++ = spread[o].least;
  }
  for (const double f : {computing.least, computing.most, computing.sum / ways, computing.most > 0 ? 1.0 : 0.0,
                         std::log(ways), length.most, pure, free, clean, clean_computing, flops, std::log1p(flops)}) {
    *out++ = f;
  }
  return true;
}

std::string CellFeatures::Expression(const Choice& choice) const {
  int vertices = std::max(cell_.input, cell_.output) + 1;
  for (const CellStructure::Edge& edge : cell_.edges) vertices = std::max({vertices, edge.from + 1, edge.to + 1});
  std::vector<std::vector<std::string>> terms(vertices);  // of each vertex; a sum
  const auto sum = [&](int vertex) {
    std::vector<std::string>& t = terms[vertex];
    std::sort(t.begin(), t.end());
    std::string text;
    for (const std::string& term : t) text += (text.empty() ? "" : "+") + term;
    return text;
  };
  terms[cell_.input].push_back("x");
  for (int v = 0; v < vertices; ++v) {  // edges point to greater vertices
    for (int e = 0; e < std::ssize(cell_.edges); ++e) {
      if (cell_.edges[e].to != v || v == cell_.input || terms[cell_.edges[e].from].empty()) continue;
      const int o = OperationAt(e, choice);
      if (o == kNone) continue;
      const std::vector<std::string> from = terms[cell_.edges[e].from];
      if (operations_[o].identity) {
        terms[v].insert(terms[v].end(), from.begin(), from.end());
      } else {
        terms[v].push_back(fmt::format("{}({})", o, sum(cell_.edges[e].from)));
      }
    }
  }
  if (terms[cell_.output].empty()) return "";
  // Two operations of their own are not one whose output is used twice.
  int own = 0;
  const uint32_t live = LiveEdges(cell_, CarryingEdges(cell_, choice));
  for (int e = 0; e < std::ssize(cell_.edges); ++e) {
    own += (live >> e & 1) != 0 && !operations_[OperationAt(e, choice)].identity;
  }
  return fmt::format("{}, {} operations", sum(cell_.output), own);
}

}  // namespace mathnas::core
