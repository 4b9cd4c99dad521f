#include "mathnas/core/networks.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core {
namespace {

using Mask = std::vector<std::vector<bool>>;  // by node and candidate

constexpr int kNoGroup = -1;

// suffix[p]: how many ways a depth group can go on from its position p when nothing was cut before. `allowed` says what
// may be reported, `choosable` (a subset) what may also contribute its values.
std::vector<double> GroupSuffixes(const DepthGroup& group, const Mask& allowed, const Mask& choosable) {
  std::vector<double> suffix(group.nodes.size() + 1, 1);
  bool rest_may_be_absent = true;
  for (size_t p = group.nodes.size(); p-- > 0;) {
    const int node = group.nodes[p];
    const int absent = group.absent[p];
    double longer = 0;
    for (int j = 0; j < std::ssize(choosable[node]); ++j) longer += j != absent && choosable[node][j];
    const bool cut = absent != DepthGroup::kCannotBeCut && choosable[node][absent] && rest_may_be_absent;
    suffix[p] = longer * suffix[p + 1] + (cut ? 1 : 0);
    rest_may_be_absent = rest_may_be_absent && absent != DepthGroup::kCannotBeCut && allowed[node][absent];
  }
  return suffix;
}

// Whether a set of edges that are not `none` is how a network is reported: all of them live, and the cell not cut.
bool IsReported(const CellStructure& cell, uint32_t carrying) {
  return IsConnected(cell, carrying) && LiveEdges(cell, carrying) == carrying;
}

// Ways to choose the edges of a cell.
double CountCell(const CellStructure& cell, const Mask& choosable) {
  double count = 0;
  for (uint32_t carrying = 0; carrying < uint32_t{1} << cell.edges.size(); ++carrying) {
    if (!IsReported(cell, carrying)) continue;
    double ways = 1;
    for (size_t e = 0; e < cell.edges.size(); ++e) {
      const std::vector<bool>& row = choosable[cell.edges[e].node];
      const bool none = row[cell.edges[e].none];
      const auto all = std::count(row.begin(), row.end(), true);
      ways *= (carrying >> e & 1) != 0 ? static_cast<double>(all - none) : static_cast<double>(none);
    }
    count += ways;
  }
  return count;
}

double CountMasked(const BlockTable& table, const Mask& allowed, const Mask& choosable) {
  double count = 1;
  std::vector<bool> grouped(table.nodes.size(), false);
  if (const auto& cell = table.structure.cell) {
    for (const CellStructure::Edge& edge : cell->edges) grouped[edge.node] = true;
    count = CountCell(*cell, choosable);
    if (count == 0) return 0;
  }
  for (const DepthGroup& group : table.structure.depth) {
    for (int node : group.nodes) grouped[node] = true;
    const double ways = GroupSuffixes(group, allowed, choosable)[0];
    if (ways == 0) return 0;  // before infinity times zero can happen
    count *= ways;
  }
  for (size_t i = 0; i < choosable.size(); ++i) {
    if (grouped[i]) continue;
    const auto ways = std::count(choosable[i].begin(), choosable[i].end(), true);
    if (ways == 0) return 0;
    count *= static_cast<double>(ways);
  }
  return count;
}

absl::Status CheckFilter(const BlockTable& table, const NetworkFilter& filter) {
  bool fits = filter.candidates.size() == table.nodes.size() && std::ssize(filter.shared) == table.SharedCount();
  for (size_t i = 0; fits && i < table.nodes.size(); ++i) {
    fits = filter.candidates[i].size() == table.nodes[i].candidates.size();
  }
  for (const CandidatePair& pair : filter.forbidden_pairs) {
    const auto known = [&table](int node, int candidate) {
      return node >= 0 && node < std::ssize(table.nodes) && candidate >= 0 &&
             candidate < std::ssize(table.nodes[node].candidates);
    };
    fits = fits && known(pair.node, pair.candidate) && known(pair.other_node, pair.other);
  }
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError("filter: expected one entry per candidate and shared value, found another shape");
}

// The forms of the requested metrics for one shared value, as parallel sums ("channels"). The denominator of divided
// metrics is the same for all of them and takes one channel. Metrics that are functions of the network take none.
class Channels {
 public:
  static absl::StatusOr<Channels> Create(const Estimator& estimator, std::span<const std::string> metrics, int shared) {
    Channels channels;
    channels.shared_ = shared;
    for (const std::string& metric : metrics) {
      if (const NetworkPredictors::Function* function = estimator.FunctionOf(metric)) {
        channels.metrics_.push_back({.function = function});
        continue;
      }
      const absl::StatusOr<const MetricForm*> form = estimator.FormOf(metric, shared);
      if (!form.ok()) return form.status();
      channels.metrics_.push_back({.form = *form, .sum = channels.sums_.size()});
      channels.sums_.push_back(&(*form)->sum);
    }
    for (const Source& metric : channels.metrics_) {
      if (metric.function != nullptr || !metric.form->divided) continue;
      channels.denominator_ = channels.sums_.size();
      channels.sums_.push_back(&metric.form->denominator);
      break;
    }
    return channels;
  }

  size_t size() const { return sums_.size(); }
  double Constant(size_t channel) const { return sums_[channel]->constant; }
  double Term(size_t channel, int node, int candidate) const { return sums_[channel]->terms[node][candidate]; }

  bool Measured(int node, int candidate) const {
    return std::none_of(sums_.begin(), sums_.end(),
                        [=](const LinearForm* sum) { return std::isnan(sum->terms[node][candidate]); });
  }

  // False if one of the values is undefined.
  bool Values(const Choice& choice, const double* totals, std::span<double> values) const {
    for (size_t k = 0; k < metrics_.size(); ++k) {
      const Source& metric = metrics_[k];
      values[k] = metric.function != nullptr ? (*metric.function)(choice, shared_)
                                             : ValueFromTotals(*metric.form, totals[metric.sum], totals[denominator_]);
      if (std::isnan(values[k])) return false;
    }
    return true;
  }

 private:
  struct Source {
    const MetricForm* form = nullptr;
    size_t sum = 0;  // channel
    const NetworkPredictors::Function* function = nullptr;
  };

  std::vector<Source> metrics_;
  std::vector<const LinearForm*> sums_;
  size_t denominator_ = 0;  // channel; any, where no metric is divided
  int shared_ = 0;
};

Mask Choosable(const Mask& allowed, const Channels& channels) {
  Mask choosable = allowed;
  for (int i = 0; i < std::ssize(choosable); ++i) {
    for (int j = 0; j < std::ssize(choosable[i]); ++j) {
      choosable[i][j] = allowed[i][j] && channels.Measured(i, j);
    }
  }
  return choosable;
}

// Depth-first over the nodes with running sums per level. Iterative, since the number of nodes is the caller's.
class Walker {
 public:
  Walker(const BlockTable& table, const NetworkFilter& filter, const Channels& channels, size_t metrics)
      : filter_(filter),
        cell_(table.structure.cell ? &*table.structure.cell : nullptr),
        channels_(channels),
        nodes_(table.nodes.size()),
        values_(metrics),
        choice_(table.nodes.size(), 0) {
    const Mask& allowed = filter.candidates;
    const Mask choosable = Choosable(allowed, channels);
    empty_ = CountMasked(table, allowed, choosable) == 0;
    cut_by_.assign(table.structure.depth.size(), -1);
    if (cell_ != nullptr) {
      for (uint32_t c = 0; c < uint32_t{1} << cell_->edges.size(); ++c) reported_.push_back(IsReported(*cell_, c));
    }
    for (int i = 0; i < std::ssize(nodes_); ++i) AddOptions(i, choosable[i]);
    for (int g = 0; g < std::ssize(table.structure.depth); ++g) {
      AddGroup(g, table.structure.depth[g], allowed, choosable);
    }
    sums_.resize((nodes_.size() + 1) * channels.size());
    for (size_t c = 0; c < channels.size(); ++c) sums_[c] = channels.Constant(c);
  }

  // False if `visit` stopped it.
  bool Run(int shared, absl::FunctionRef<bool(const NetworkView&)> visit, WalkReport& report) {
    if (empty_) return true;
    const int last = static_cast<int>(nodes_.size()) - 1;
    int level = 0;
    nodes_[0].next = 0;
    while (level >= 0) {
      if (!Advance(level)) {
        --level;
      } else if (level < last) {
        nodes_[++level].next = 0;
      } else if (!Emit(shared, visit, report)) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Option {
    int candidate;
    size_t terms;  // position in terms_
  };
  struct NodeState {
    std::vector<Option> options;
    size_t next = 0;
    int group = kNoGroup;
    int absent = DepthGroup::kCannotBeCut;
  };

  void AddOptions(int node, const std::vector<bool>& choosable) {
    for (int j = 0; j < std::ssize(choosable); ++j) {
      if (!choosable[j]) continue;
      nodes_[node].options.push_back({.candidate = j, .terms = terms_.size()});
      for (size_t c = 0; c < channels_.size(); ++c) terms_.push_back(channels_.Term(c, node, j));
    }
  }

  // Also drops options that lead nowhere, so that the walk is no longer than the networks it finds.
  void AddGroup(int g, const DepthGroup& group, const Mask& allowed, const Mask& choosable) {
    const std::vector<double> suffix = GroupSuffixes(group, allowed, choosable);
    bool rest_may_be_absent = true;
    for (size_t p = group.nodes.size(); p-- > 0;) {
      NodeState& node = nodes_[group.nodes[p]];
      node.group = g;
      node.absent = group.absent[p];
      std::erase_if(node.options, [&](const Option& option) {
        return option.candidate == node.absent ? !rest_may_be_absent : suffix[p + 1] == 0;
      });
      rest_may_be_absent =
          rest_may_be_absent && node.absent != DepthGroup::kCannotBeCut && allowed[group.nodes[p]][node.absent];
    }
  }

  // Takes the next option of the node; false when there is none left.
  bool Advance(int level) {
    NodeState& node = nodes_[level];
    if (node.group != kNoGroup) {
      int& cut_by = cut_by_[node.group];
      if (cut_by == level) cut_by = -1;
      if (cut_by >= 0) return AdvanceBehindCut(level);
    }
    if (node.next == node.options.size()) return false;
    const Option& option = node.options[node.next++];
    choice_[level] = option.candidate;
    if (node.group != kNoGroup && option.candidate == node.absent) cut_by_[node.group] = level;
    const double* sum = sums_.data() + level * channels_.size();  // there may be no channel at all
    double* next_sum = sums_.data() + (level + 1) * channels_.size();
    for (size_t c = 0; c < channels_.size(); ++c) next_sum[c] = sum[c] + terms_[option.terms + c];
    return true;
  }

  bool AdvanceBehindCut(int level) {
    NodeState& node = nodes_[level];
    if (node.next++ > 0) return false;
    choice_[level] = node.absent;
    const auto sum = sums_.begin() + static_cast<std::ptrdiff_t>(level * channels_.size());
    const auto size = static_cast<std::ptrdiff_t>(channels_.size());
    std::copy(sum, sum + size, sum + size);
    return true;
  }

  bool Emit(int shared, absl::FunctionRef<bool(const NetworkView&)> visit, WalkReport& report) {
    if (cell_ != nullptr && !reported_[CarryingEdges(*cell_, choice_)])
      return true;  // stands for another network, or none
    if (!HoldsPairs(filter_, choice_)) return true;
    if (!channels_.Values(choice_, sums_.data() + nodes_.size() * channels_.size(), values_)) {
      ++report.undefined;
      return true;
    }
    ++report.visited;
    return visit({.choice = choice_, .shared = shared, .values = values_});
  }

  const NetworkFilter& filter_;
  const CellStructure* cell_;   // null if there is none
  std::vector<bool> reported_;  // by the edges that carry something
  const Channels& channels_;
  std::vector<NodeState> nodes_;
  std::vector<double> terms_;
  std::vector<double> sums_;  // by level, then channel
  std::vector<double> values_;
  std::vector<int> cut_by_;  // by group: the node that cut it, or -1
  Choice choice_;
  bool empty_ = false;
};

}  // namespace

bool HoldsPairs(const NetworkFilter& filter, const Choice& choice) {
  return std::none_of(filter.forbidden_pairs.begin(), filter.forbidden_pairs.end(), [&](const CandidatePair& pair) {
    return choice[pair.node] == pair.candidate && choice[pair.other_node] == pair.other;
  });
}

NetworkFilter AllowAll(const BlockTable& table) {
  NetworkFilter filter;
  for (const Node& node : table.nodes) filter.candidates.emplace_back(node.candidates.size(), true);
  filter.shared.assign(table.SharedCount(), true);
  return filter;
}

double CountNetworks(const BlockTable& table, const NetworkFilter& filter) {
  if (!CheckFilter(table, filter).ok()) return 0;
  const auto shared = std::count(filter.shared.begin(), filter.shared.end(), true);
  return shared == 0 ? 0 : static_cast<double>(shared) * CountMasked(table, filter.candidates, filter.candidates);
}

double CountNetworks(const BlockTable& table) { return CountNetworks(table, AllowAll(table)); }

absl::StatusOr<double> CountNetworks(const Estimator& estimator, std::span<const std::string> metrics,
                                     const NetworkFilter& filter) {
  const BlockTable& table = estimator.table();
  if (absl::Status status = CheckFilter(table, filter); !status.ok()) return status;
  double count = 0;
  for (int shared = 0; shared < table.SharedCount(); ++shared) {
    if (!filter.shared[shared]) continue;
    const absl::StatusOr<Channels> channels = Channels::Create(estimator, metrics, shared);
    if (!channels.ok()) return channels.status();
    count += CountMasked(table, filter.candidates, Choosable(filter.candidates, *channels));
  }
  return count;
}

absl::StatusOr<WalkReport> ForEachNetwork(const Estimator& estimator, std::span<const std::string> metrics,
                                          const NetworkFilter& filter,
                                          absl::FunctionRef<bool(const NetworkView&)> visit) {
  const BlockTable& table = estimator.table();
  if (absl::Status status = CheckFilter(table, filter); !status.ok()) return status;
  WalkReport report;
  for (int shared = 0; shared < table.SharedCount(); ++shared) {
    if (!filter.shared[shared]) continue;
    const absl::StatusOr<Channels> channels = Channels::Create(estimator, metrics, shared);
    if (!channels.ok()) return channels.status();
    if (!Walker(table, filter, *channels, metrics.size()).Run(shared, visit, report)) break;
  }
  return report;
}

}  // namespace mathnas::core
