#include "mathnas/exchange/export_milp.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/exchange/internal/milp_writer.h"

namespace mathnas::exchange {

using namespace core;  // what is exchanged is the core's
namespace {

using internal::Milp;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kNoColumn = -1;

class Exporter {
 public:
  Exporter(const BlockTable& table, const SearchRequest& request) : table_(table), request_(request) {}

  absl::StatusOr<Milp> Make() {
    if (absl::Status status = Resolve(); !status.ok()) return status;
    if (absl::Status status = AddChoices(); !status.ok()) return status;
    if (denominator_) {
      if (absl::Status status = FindRange(); !status.ok()) return status;
    }
    milp_.comments.push_back(
        fmt::format("The best {}{}, as a program that minimises.", sign_ < 0 ? "-" : "", request_.objective));
    AddObjective();
    AddNodeRows(x_, one_, "node");
    if (objective_->divided) {
      AddCharnesCooper();
    } else if (denominator_) {  // a limit is multiplied by F(N), which must be positive
      Milp::Row& row = milp_.AddRow("positive", '>', least_);
      AddSum(*denominator_, 1, x_, one_, row);
      row.Scale();
    }
    for (size_t l = 0; l < request_.limits.size(); ++l) AddLimit(static_cast<int>(l));
    for (size_t p = 0; p < pairs_.size(); ++p) {
      Milp::Row& row = milp_.AddRow(fmt::format("pair_{}", p), '<', 1);
      std::map<int, int> columns;  // how often each says that one of the two is reported
      AddReported(pairs_[p].node, pairs_[p].candidate, columns);
      AddReported(pairs_[p].other_node, pairs_[p].other, columns);
      for (const auto& [column, times] : columns) row.Add(column, times);
    }
    return std::move(milp_);
  }

 private:
  // ---- what is asked for

  absl::Status Resolve() {
    if (table_.structure.cell) {
      return absl::InvalidArgumentError("structure: expected no cell (its dead edges have no linear form), found one");
    }
    NetworkFilter filter = AllowAll(table_);
    if (absl::Status status = ApplyFixed(table_, request_.fixed, filter); !status.ok()) return status;
    if (absl::Status status = ApplyForbidden(table_, request_.forbidden, filter); !status.ok()) return status;
    if (absl::Status status = ApplyForbiddenPairs(table_, request_.forbidden_pairs, filter); !status.ok())
      return status;
    pairs_ = std::move(filter.forbidden_pairs);
    allowed_ = std::move(filter.candidates);
    absent_.assign(table_.nodes.size(), DepthGroup::kCannotBeCut);
    for (const DepthGroup& group : table_.structure.depth) {
      bool rest = true;  // may all later nodes be reported as absent?
      for (size_t p = group.nodes.size(); p-- > 0;) {
        const int node = group.nodes[p], absent = group.absent[p];
        absent_[node] = absent;
        if (absent != DepthGroup::kCannotBeCut) allowed_[node][absent] = rest = rest && allowed_[node][absent];
      }
    }
    const auto shared = std::count(filter.shared.begin(), filter.shared.end(), true);
    if (shared != 1) {
      return absl::InvalidArgumentError(
          fmt::format("{}: expected one value for the whole network, fixed in the request, found {}",
                      table_.structure.shared ? table_.structure.shared->name : "shared choice", shared));
    }
    shared_ = static_cast<int>(std::find(filter.shared.begin(), filter.shared.end(), true) - filter.shared.begin());
    absl::StatusOr<const MetricForm*> form = FormOf(request_.objective);
    if (!form.ok()) return form.status();
    objective_ = *form;
    sign_ = table_.metrics.find(request_.objective)->second.goal == Goal::kMax ? -1 : 1;
    for (size_t l = 0; l < request_.limits.size(); ++l) {
      const Limit& limit = request_.limits[l];
      form = FormOf(limit.metric);
      if (!form.ok()) return form.status();
      limited_.push_back(*form);
      const std::string& unit = table_.metrics.find(limit.metric)->second.unit;
      if (!std::isfinite(limit.value) || (!limit.unit.empty() && limit.unit != unit)) {
        return absl::InvalidArgumentError(
            fmt::format("limits[{}]: expected a finite number of {}, found {} {}", l, unit, limit.value, limit.unit));
      }
    }
    return absl::OkStatus();
  }

  // Candidates that the metric or its denominator lacks are not allowed.
  absl::StatusOr<const MetricForm*> FormOf(const std::string& metric) {
    if (!estimator_) {
      auto estimator = Estimator::Create(table_, request_.estimator);
      if (!estimator.ok()) return estimator.status();
      estimator_ = *std::move(estimator);
    }
    const absl::StatusOr<const MetricForm*> form = estimator_->FormOf(metric, shared_);
    if (!form.ok()) return form;
    Require((*form)->sum.terms);
    if ((*form)->divided) {
      denominator_ = &(*form)->denominator;
      Require(denominator_->terms);
    }
    return form;
  }

  void Require(const Grid& terms) {
    for (size_t i = 0; i < terms.size(); ++i) {
      for (size_t j = 0; j < terms[i].size(); ++j) {
        if (std::isnan(terms[i][j])) allowed_[i][j] = false;
      }
    }
  }

  // ---- columns x

  absl::Status AddChoices() {
    one_ = milp_.AddColumn("one", 1, 1);
    x_ = Columns("x", 1);
    for (size_t i = 0; i < x_.size(); ++i) {
      bool any = false;
      for (const int column : x_[i]) any = any || column != kNoColumn;
      if (!any && !IsBehindAnEnd(static_cast<int>(i))) {
        return absl::FailedPreconditionError(
            fmt::format("{}: expected a candidate that is allowed and measured, found none", table_.nodes[i].name));
      }
      for (size_t j = 0; j < x_[i].size(); ++j) {
        if (x_[i][j] == kNoColumn) continue;
        milp_.columns[x_[i][j]].binary = true;
        milp_.comments.push_back(
            fmt::format("x_{}_{}: {} = {}", i, j, table_.nodes[i].name, table_.nodes[i].candidates[j]));
      }
    }
    return absl::OkStatus();
  }

  std::vector<std::vector<int>> Columns(std::string_view letter, double upper) {
    std::vector<std::vector<int>> columns(allowed_.size());
    for (size_t i = 0; i < allowed_.size(); ++i) {
      for (size_t j = 0; j < allowed_[i].size(); ++j) {
        columns[i].push_back(allowed_[i][j] ? milp_.AddColumn(fmt::format("{}_{}_{}", letter, i, j), 0, upper)
                                            : kNoColumn);
      }
    }
    return columns;
  }

  // Whether the network may end before an earlier node.
  bool IsBehindAnEnd(int node) const {
    for (const DepthGroup& group : table_.structure.depth) {
      bool end = false;
      for (size_t p = 0; p < group.nodes.size(); ++p) {
        if (group.nodes[p] == node) return end;
        end = end || (group.absent[p] >= 0 && x_[group.nodes[p]][group.absent[p]] != kNoColumn);
      }
    }
    return false;
  }

  // ---- rows

  // The columns of which one is 1 where the candidate is reported: an absent one also behind an earlier end.
  void AddReported(int node, int candidate, std::map<int, int>& columns) const {
    if (x_[node][candidate] != kNoColumn) ++columns[x_[node][candidate]];
    for (const DepthGroup& group : table_.structure.depth) {
      const auto at = std::find(group.nodes.begin(), group.nodes.end(), node);
      if (at == group.nodes.end() || group.absent[at - group.nodes.begin()] != candidate) continue;
      for (auto before = group.nodes.begin(); before != at; ++before) {
        const int absent = group.absent[before - group.nodes.begin()];
        if (absent >= 0 && x_[*before][absent] != kNoColumn) ++columns[x_[*before][absent]];
      }
    }
  }

  // sum_j x_ij = 1, in a depth group with the ends before node i (Eq 9). Also for y, with z in place of 1.
  void AddNodeRows(const std::vector<std::vector<int>>& columns, int whole, std::string_view name) {
    std::vector<std::vector<int>> ends(columns.size());
    for (const DepthGroup& group : table_.structure.depth) {
      std::vector<int> before;
      for (size_t p = 0; p < group.nodes.size(); ++p) {
        ends[group.nodes[p]] = before;
        if (group.absent[p] >= 0) before.push_back(columns[group.nodes[p]][group.absent[p]]);
      }
    }
    for (size_t i = 0; i < columns.size(); ++i) {
      Milp::Row& row = milp_.AddRow(fmt::format("{}_{}", name, i), '=', whole == one_ ? 1 : 0);
      for (const int column : ends[i]) row.Add(column, 1);
      for (const int column : columns[i]) row.Add(column, 1);
      if (whole != one_) row.Add(whole, -1);
    }
  }

  // Adds factor * form, its constant times the column `whole`; on the right side for `one`.
  void AddSum(const LinearForm& form, double factor, const std::vector<std::vector<int>>& columns, int whole,
              Milp::Row& row, const LinearForm* other = nullptr, double other_factor = 0) const {
    const auto value = [&](double term, double other_term) {
      return term / form.scale * factor + (other != nullptr ? other_term / other->scale * other_factor : 0);
    };
    const double constant = value(form.constant, other != nullptr ? other->constant : 0);
    whole == one_ ? void(row.right -= constant) : row.Add(whole, constant);
    for (size_t i = 0; i < columns.size(); ++i) {
      for (size_t j = 0; j < columns[i].size(); ++j) {
        if (columns[i][j] == kNoColumn) continue;
        row.Add(columns[i][j], value(form.terms[i][j], other != nullptr ? other->terms[i][j] : 0));
      }
    }
  }

  void AddObjective() {
    const MetricForm& form = *objective_;
    if (form.divided) {
      z_ = milp_.AddColumn("z", unit_ / greatest_, unit_ / least_);
      y_ = Columns("y", unit_ / least_);
    }
    Milp::Row& row = milp_.AddRow("objective", 'N', 0);
    if (form.divided) {
      row.Add(one_, sign_ * form.base);
      AddSum(form.sum, -sign_ * form.factor / unit_, y_, z_, row);
    } else {
      AddSum(form.sum, sign_, x_, one_, row);
      row.Add(one_, -std::exchange(row.right, 0));
    }
  }

  void AddCharnesCooper() {
    Milp::Row& normalisation = milp_.AddRow("normalisation", '=', unit_);
    AddSum(*denominator_, 1, y_, z_, normalisation);
    normalisation.Scale();
    AddNodeRows(y_, z_, "share");
    const double greatest_z = unit_ / least_;
    for (size_t i = 0; i < y_.size(); ++i) {
      for (size_t j = 0; j < y_[i].size(); ++j) {
        const int x = x_[i][j], y = y_[i][j];
        if (y == kNoColumn) continue;
        const std::string suffix = fmt::format("_{}_{}", i, j);
        AddRow("zero" + suffix, '<', 0, y, x, -greatest_z);
        AddRow("most" + suffix, '<', 0, y, z_, -1);
        AddRow("least" + suffix, '>', -greatest_z, y, z_, -1).Add(x, -greatest_z);
      }
    }
  }

  // y + coefficient * other against the right side.
  Milp::Row& AddRow(std::string name, char sense, double right, int y, int other, double coefficient) {
    Milp::Row& row = milp_.AddRow(std::move(name), sense, right);
    row.Add(y, 1);
    row.Add(other, coefficient);
    return row;
  }

  void AddLimit(int l) {
    const Limit& limit = request_.limits[l];
    const MetricForm& form = *limited_[l];
    for (const bool over_y : {false, true}) {
      if (over_y && !objective_->divided) return;
      const auto& columns = over_y ? y_ : x_;
      const int whole = over_y ? z_ : one_;
      Milp::Row& row =
          milp_.AddRow(fmt::format("limit_{}{}", l, over_y ? "_z" : ""), limit.op == LimitOp::kAtMost ? '<' : '>', 0);
      if (form.divided) {  // base - factor * n / f <= L as -factor * n + (base - L) * f <= 0
        AddSum(form.sum, -form.factor, columns, whole, row, &form.denominator, form.base - limit.value);
      } else {
        LinearForm sum = form.sum;
        sum.constant -= limit.value * sum.scale;
        AddSum(sum, 1, columns, whole, row);
      }
      row.Scale();
    }
  }

  // ---- least positive and greatest F(N)

  // The two smallest different sums of sign * F, of some nodes.
  struct Smallest {
    double first = kInfinity, second = kInfinity;

    void Offer(double value) {
      if (value < first) second = std::exchange(first, value);
      if (value > first && value < second) second = value;
    }
  };

  static Smallest Plus(const Smallest& a, const Smallest& b) {
    Smallest sum;
    for (const double value : {a.first + b.first, a.first + b.second, a.second + b.first}) sum.Offer(value);
    return sum;
  }

  Smallest OfNode(int i, double sign, bool absent) const {
    Smallest result;
    for (int j = 0; j < std::ssize(x_[i]); ++j) {
      if (x_[i][j] == kNoColumn || (j == absent_[i]) != absent) continue;
      result.Offer(sign * denominator_->terms[i][j] / denominator_->scale);
    }
    return result;
  }

  Smallest OfNetworks(double sign) const {
    Smallest total;
    total.Offer(sign * denominator_->constant / denominator_->scale);
    std::vector<bool> grouped(x_.size(), false);
    for (const DepthGroup& group : table_.structure.depth) {
      Smallest rest;
      rest.Offer(0);
      for (size_t p = group.nodes.size(); p-- > 0;) {
        const int node = group.nodes[p];
        grouped[node] = true;
        rest = Plus(OfNode(node, sign, false), rest);
        const Smallest end = OfNode(node, sign, true);
        rest.Offer(end.first);
      }
      total = Plus(total, rest);
    }
    for (int i = 0; i < std::ssize(x_); ++i) {
      if (!grouped[i]) total = Plus(total, OfNode(i, sign, false));
    }
    return total;
  }

  absl::Status FindRange() {
    const Smallest flops = OfNetworks(1);
    least_ = flops.first == 0 ? flops.second : flops.first;
    greatest_ = -OfNetworks(-1).first;
    if (!(least_ > 0) || !(greatest_ >= least_) || std::isinf(least_)) {
      return absl::FailedPreconditionError(fmt::format(
          "flops: expected networks with FLOPs of 0 or more, some above 0, found {} to {}", flops.first, greatest_));
    }
    unit_ = internal::PowerOfTwoNear(least_);
    return absl::OkStatus();
  }

  const BlockTable& table_;
  const SearchRequest& request_;
  std::vector<CandidatePair> pairs_;
  std::optional<Estimator> estimator_;
  std::vector<std::vector<bool>> allowed_;  // by node and candidate
  std::vector<int> absent_;                 // by node
  int shared_ = 0;
  const MetricForm* objective_ = nullptr;
  double sign_ = 1;  // of the objective: -1 if more is better
  std::vector<const MetricForm*> limited_;
  const LinearForm* denominator_ = nullptr;  // F(N); null if nothing is divided by it
  double least_ = 0, greatest_ = 0;          // F(N)
  double unit_ = 1;                          // of 1 / z
  Milp milp_;
  int one_ = 0, z_ = kNoColumn;
  std::vector<std::vector<int>> x_, y_;  // columns by node and candidate
};

}  // namespace

absl::StatusOr<MilpFormat> ParseMilpFormat(std::string_view name) {
  if (name == "lp") return MilpFormat::kLp;
  if (name == "mps") return MilpFormat::kMps;
  return absl::InvalidArgumentError(fmt::format("format: expected lp or mps, found '{}'", name));
}

absl::StatusOr<std::string> ExportMilp(const BlockTable& table, const SearchRequest& request, MilpFormat format) {
  const absl::StatusOr<Milp> milp = Exporter(table, request).Make();
  if (!milp.ok()) return milp.status();
  return format == MilpFormat::kLp ? internal::ToLp(*milp) : internal::ToMps(*milp);
}

}  // namespace mathnas::exchange
