#include "mathnas/core/mean_flops.h"

#include <cmath>
#include <limits>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core {
namespace {

constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

// Mean over the measured candidates other than `except`; count 0 and mean NaN if there are none.
struct RowMean {
  double mean = kNotMeasured;
  double count = 0;
};

RowMean MeanOfRow(const std::vector<double>& row, int except) {
  double sum = 0;
  double count = 0;
  for (int j = 0; j < std::ssize(row); ++j) {
    if (j == except || std::isnan(row[j])) continue;
    sum += row[j];
    ++count;
  }
  return {.mean = count > 0 ? sum / count : kNotMeasured, .count = count};
}

// A depth group as a sum over prefixes. tail[p] is the mean FLOPs of nodes p and later, given that node p is reached.
class GroupMeans {
 public:
  GroupMeans(const DepthGroup& group, const Grid& flops) : group_(group), flops_(flops) {
    const size_t size = group.nodes.size();
    rows_.resize(size);
    tail_.assign(size + 1, 0);
    double networks = 1;  // that continue from the node behind p
    for (size_t p = size; p-- > 0;) {
      rows_[p] = MeanOfRow(flops[group.nodes[p]], group.absent[p]);
      const double cut = CutFlops(p);
      const double cuts = std::isnan(cut) ? 0 : 1;
      const double longer = rows_[p].count * networks;
      if (longer + cuts == 0) failed_node_ = group.nodes[p];
      // The share of longer networks in a form that survives an infinite count.
      const double share = longer > 0 ? 1 / (1 + cuts / longer) : 0;
      tail_[p] = (share > 0 ? share * (rows_[p].mean + tail_[p + 1]) : 0) + (cuts > 0 ? (1 - share) * cut : 0);
      networks = longer + cuts;
    }
  }

  double mean() const { return tail_[0]; }
  int failed_node() const { return failed_node_; }

  // Adds `others`, the mean of all nodes outside the group.
  void FillBlocks(double others, Grid& block) const {
    double before = others;
    for (size_t p = 0; p < group_.nodes.size(); ++p) {
      const int i = group_.nodes[p];
      for (int j = 0; j < std::ssize(flops_[i]); ++j) {
        block[i][j] = before + flops_[i][j] + (j == group_.absent[p] ? 0 : tail_[p + 1]);
      }
      before += rows_[p].mean;
    }
  }

 private:
  double CutFlops(size_t p) const {
    const int absent = group_.absent[p];
    return absent == DepthGroup::kCannotBeCut ? kNotMeasured : flops_[group_.nodes[p]][absent];
  }

  const DepthGroup& group_;
  const Grid& flops_;
  std::vector<RowMean> rows_;
  std::vector<double> tail_;
  int failed_node_ = -1;
};

absl::Status NothingMeasured(const BlockTable& table, int node) {
  return absl::FailedPreconditionError(
      fmt::format("node '{}': expected measured FLOPs of a candidate, found none", table.nodes[node].name));
}

}  // namespace

absl::StatusOr<MeanFlops> ComputeMeanFlops(const BlockTable& table, const Grid& flops) {
  MeanFlops means;
  means.block = flops;
  std::vector<bool> grouped(table.nodes.size(), false);
  std::vector<GroupMeans> groups;
  for (const DepthGroup& group : table.structure.depth) {
    for (int node : group.nodes) grouped[node] = true;
    groups.emplace_back(group, flops);
    if (groups.back().failed_node() >= 0) return NothingMeasured(table, groups.back().failed_node());
    means.space += groups.back().mean();
  }
  std::vector<double> node_means(table.nodes.size(), 0);
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    if (grouped[i]) continue;
    const RowMean row = MeanOfRow(flops[i], DepthGroup::kCannotBeCut);
    if (row.count == 0) return NothingMeasured(table, static_cast<int>(i));
    node_means[i] = row.mean;
    means.space += row.mean;
  }
  for (const GroupMeans& group : groups) group.FillBlocks(means.space - group.mean(), means.block);
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    if (grouped[i]) continue;
    for (double& value : means.block[i]) value += means.space - node_means[i];
  }
  return means;
}

}  // namespace mathnas::core
