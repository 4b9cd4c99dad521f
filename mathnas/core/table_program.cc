#include "mathnas/core/table_program.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core {
namespace {

using Mask = std::vector<std::vector<bool>>;  // by node and candidate

constexpr double kExactIntegers = 0x1p53;
constexpr double kLargestRow = 0x1p56;  // sums of a row that is rounded

absl::Status CannotExpress(std::string_view what) {
  return absl::FailedPreconditionError(fmt::format("search: {}", what));
}

// A row of numbers to be summed over a network: by node and candidate of the table, and the constant.
struct Row {
  int64_t constant = 0;
  std::vector<std::vector<int64_t>> terms;
};

// first * u + second * v, rounded; either form may be null (0).
Row Combined(const LinearForm* u, double first, const LinearForm* v, double second) {
  const LinearForm& shape = u != nullptr ? *u : *v;
  Row row;
  const auto value = [&](const LinearForm* form, double factor, int i, int j) {
    return form == nullptr ? 0 : factor * (i < 0 ? form->constant : form->terms[i][j]);
  };
  const auto rounded = [&](int i, int j) {
    const double sum = value(u, first, i, j) + value(v, second, i, j);
    return std::isnan(sum) ? 0 : static_cast<int64_t>(std::nearbyint(sum));  // not measured: never chosen
  };
  row.constant = rounded(-1, 0);
  row.terms.reserve(shape.terms.size());
  for (int i = 0; i < std::ssize(shape.terms); ++i) {
    row.terms.emplace_back(shape.terms[i].size(), 0);
    for (int j = 0; j < std::ssize(shape.terms[i]); ++j) row.terms[i][j] = rounded(i, j);
  }
  return row;
}

Row Times(const LinearForm& form, double sign) { return Combined(&form, sign, nullptr, 0); }

double LargestSum(const LinearForm& form) {
  double sum = std::abs(form.constant);
  for (const auto& row : form.terms) {
    double largest = 0;
    for (double term : row) largest = std::isnan(term) ? largest : std::max(largest, std::abs(term));
    sum += largest;
  }
  return sum;
}

// The last integer sum whose value meets the limit, in the direction of the limit; nullopt if all do or none does,
// which `always` says. Sums are below 2^53 in magnitude.
std::optional<int64_t> LastSum(const Limit& limit, double scale, bool& always) {
  const double direction = limit.op == LimitOp::kAtMost ? 1 : -1;
  const auto holds = [&](double sum) { return Holds(limit, sum / scale); };
  always = holds(direction * kExactIntegers);
  if (always || !holds(-direction * kExactIntegers)) return std::nullopt;
  // Holds is monotone in the sum; the product is off by a few units at most.
  double sum = std::nearbyint(limit.value * scale);
  while (!holds(sum)) sum -= direction;
  while (holds(sum + direction)) sum += direction;
  return static_cast<int64_t>(sum);
}

class Builder {
 public:
  Builder(const Estimator& estimator, const ProgramRequest& request, const NetworkFilter& filter, int shared)
      : table_(estimator.table()), estimator_(estimator), request_(request), filter_(filter), shared_(shared) {}

  absl::StatusOr<TableProgram> Run() {
    if (table_.structure.cell) return CannotExpress("a space with a cell is solved by enumeration only");
    if (request_.limits.size() + request_.fronts.size() + filter_.forbidden_pairs.size() >= Program::kMaxLimits) {
      return CannotExpress(fmt::format("expected at most {} limits and forbidden pairs", Program::kMaxLimits - 1));
    }
    choosable_ = filter_.candidates;
    for (const std::string& metric : request_.metrics) {
      if (absl::Status status = UseMetric(metric); !status.ok()) return status;
    }
    if (absl::Status status = LayOut(); !status.ok()) return status;
    if (out_.empty) return std::move(out_);
    if (absl::Status status = SetObjective(); !status.ok()) return status;
    for (const Limit& limit : request_.limits) {
      if (absl::Status status = AddLimit(limit); !status.ok()) return status;
    }
    for (const std::string& metric : request_.fronts) {
      const absl::StatusOr<const MetricForm*> form = Form(metric);
      if (!form.ok()) return form.status();
      if ((*form)->divided) return CannotExpress(fmt::format("'{}' is divided by the FLOPs", metric));
      const bool maximise = table_.metrics.find(metric)->second.goal == Goal::kMax;
      out_.front_rows.push_back(AddRow(Times((*form)->sum, maximise ? -1 : 1), int64_t{1} << 60));
      out_.exact.push_back(true);
    }
    if (flops_ != nullptr) AddPositiveFlops();
    for (const CandidatePair& pair : filter_.forbidden_pairs) AddPair(pair);
    return std::move(out_);
  }

 private:
  absl::StatusOr<const MetricForm*> Form(const std::string& metric) const {
    const absl::StatusOr<const MetricForm*> form = estimator_.FormOf(metric, shared_);
    if (!form.ok()) return form.status();
    if (!(*form)->sum.integers || ((*form)->divided && !(*form)->denominator.integers)) {
      return CannotExpress(fmt::format("the values of '{}' differ too much in size to be solved in integers", metric));
    }
    if ((*form)->divided && !((*form)->factor > 0)) return CannotExpress("the mean FLOPs are not positive");
    return form;
  }

  // What is not measured cannot be chosen.
  absl::Status UseMetric(const std::string& metric) {
    const absl::StatusOr<const MetricForm*> form = Form(metric);
    if (!form.ok()) return form.status();
    const auto require = [this](const LinearForm& sum) {
      for (size_t i = 0; i < choosable_.size(); ++i) {
        for (size_t j = 0; j < choosable_[i].size(); ++j) {
          if (std::isnan(sum.terms[i][j])) choosable_[i][j] = false;
        }
      }
    };
    require((*form)->sum);
    if ((*form)->divided) {
      flops_ = &(*form)->denominator;
      require(*flops_);
    }
    return absl::OkStatus();
  }

  // Nodes in the order of the table; those of a depth group that can be cut together, behind one that stands for none.
  absl::Status LayOut() {
    const int m = static_cast<int>(table_.nodes.size());
    out_.absent.assign(m, 0);
    std::vector<const DepthGroup*> group_of(m, nullptr);
    for (const DepthGroup& group : table_.structure.depth) {
      for (size_t p = 0; p < group.nodes.size(); ++p) {
        if (group.absent[p] == DepthGroup::kCannotBeCut) continue;
        group_of[group.nodes[p]] = &group;
        out_.absent[group.nodes[p]] = group.absent[p];
      }
    }
    std::vector<const DepthGroup*> done;
    for (int i = 0; i < m; ++i) {
      const DepthGroup* group = group_of[i];
      if (group == nullptr) {
        out_.empty |= !AddNode(i, DepthGroup::kCannotBeCut);
      } else if (std::find(done.begin(), done.end(), group) == done.end()) {
        done.push_back(group);
        if (absl::Status status = AddChain(*group); !status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  // With every candidate but `absent`; false if there is none, and then with one that must not be chosen.
  bool AddNode(int node, int absent) {
    std::vector<int> candidates;
    if (node >= 0) candidates.reserve(choosable_[node].size());
    for (int j = 0; node >= 0 && j < std::ssize(choosable_[node]); ++j) {
      if (j != absent && choosable_[node][j]) candidates.push_back(j);
    }
    const bool any = !candidates.empty();
    if (!any) candidates.push_back(0);
    Program::Node out;
    out.a.assign(candidates.size(), 0);
    out.f.assign(candidates.size(), 0);
    out_.program.nodes.push_back(std::move(out));
    out_.nodes.push_back(node);
    out_.candidates.push_back(std::move(candidates));
    return any;
  }

  absl::Status AddChain(const DepthGroup& group) {
    size_t first = 0;
    while (group.absent[first] == DepthGroup::kCannotBeCut) ++first;
    const size_t length = group.nodes.size() - first + 1;
    if (length > Program::kMaxChain) {
      return CannotExpress(fmt::format("expected depth groups of at most {} nodes", Program::kMaxChain - 1));
    }
    Program::Chain chain;
    chain.first = static_cast<int>(out_.program.nodes.size());
    chain.length = static_cast<int>(length);
    chain.end_a.assign(length - 1, 0);
    chain.end_f.assign(length - 1, 0);
    chain.depths = 0;
    AddNode(TableProgram::kNoNode, 0);
    // A cut is allowed if all that is reported of it is, and if its own values are measured.
    std::vector<bool> rest_may_be_absent(length, true);
    for (size_t p = group.nodes.size(); p-- > first;) {
      rest_may_be_absent[p - first] =
          rest_may_be_absent[p - first + 1] && filter_.candidates[group.nodes[p]][group.absent[p]];
    }
    bool reached = true;
    for (size_t p = first; p < group.nodes.size(); ++p) {
      const size_t t = p - first + 1;  // nodes of the chain before this one
      const bool cut = choosable_[group.nodes[p]][group.absent[p]] && rest_may_be_absent[t];
      if (reached && cut) chain.depths |= uint64_t{1} << t;
      cuts_.emplace_back(group.nodes[p], group.absent[p]);
      reached = AddNode(group.nodes[p], group.absent[p]) && reached;
    }
    if (reached) chain.depths |= uint64_t{1} << length;
    out_.empty |= chain.depths == 0;
    out_.program.chains.push_back(std::move(chain));
    return absl::OkStatus();
  }

  // Puts a row where `of_node` and `of_chain` say.
  template <typename OfNode, typename OfChain>
  void Put(const Row& row, const OfNode& of_node, const OfChain& of_chain) {
    for (size_t i = 0; i < out_.nodes.size(); ++i) {
      std::vector<int64_t>& values = of_node(out_.program.nodes[i]);
      values.assign(out_.candidates[i].size(), 0);
      if (out_.nodes[i] == TableProgram::kNoNode) continue;
      for (size_t j = 0; j < values.size(); ++j) values[j] = row.terms[out_.nodes[i]][out_.candidates[i][j]];
    }
    size_t cut = 0;
    for (Program::Chain& chain : out_.program.chains) {
      for (int64_t& end : of_chain(chain)) {
        end = row.terms[cuts_[cut].first][cuts_[cut].second];
        ++cut;
      }
    }
  }

  absl::Status SetObjective() {
    const auto put_a = [this](const Row& row) {
      out_.program.a0 = row.constant;
      Put(
          row, [](Program::Node & n) -> auto& { return n.a; }, [](Program::Chain & c) -> auto& { return c.end_a; });
    };
    if (request_.objective.empty()) return absl::OkStatus();
    const absl::StatusOr<const MetricForm*> form = Form(request_.objective);
    if (!form.ok()) return form.status();
    if (!(*form)->divided) {
      put_a(Times((*form)->sum, request_.maximise ? -1 : 1));
      return absl::OkStatus();
    }
    put_a(Times((*form)->sum, request_.maximise ? 1 : -1));  // value = base - factor * ratio
    const Row f = Times((*form)->denominator, 1);
    out_.program.f0 = f.constant;
    Put(
        f, [](Program::Node & n) -> auto& { return n.f; }, [](Program::Chain & c) -> auto& { return c.end_f; });
    return absl::OkStatus();
  }

  // row <= most - row.constant.
  int AddRow(const Row& row, int64_t most) {
    for (Program::Node& node : out_.program.nodes) node.w.emplace_back();
    for (Program::Chain& chain : out_.program.chains) {
      chain.end_w.emplace_back(static_cast<size_t>(chain.length - 1), 0);
    }
    Put(
        row, [](Program::Node & n) -> auto& { return n.w.back(); },
        [](Program::Chain & c) -> auto& { return c.end_w.back(); });
    out_.program.limits.push_back(most - row.constant);
    return static_cast<int>(out_.program.limits.size()) - 1;
  }

  absl::Status AddLimit(const Limit& limit) {
    const absl::StatusOr<const MetricForm*> found = Form(limit.metric);
    if (!found.ok()) return found.status();
    const MetricForm& form = **found;
    const double sign = limit.op == LimitOp::kAtMost ? 1 : -1;
    out_.rows.push_back(-1);
    if (!form.divided) {
      bool always = false;
      const std::optional<int64_t> last = LastSum(limit, form.sum.scale, always);
      if (last) {
        out_.rows.back() = AddRow(Times(form.sum, sign), static_cast<int64_t>(sign) * *last);
        out_.exact.push_back(true);
      } else {
        out_.empty |= !always;
      }
      return absl::OkStatus();
    }
    // base - factor * (A / sa) / (F / sf) >= L  <=>  factor sf / sa * A - (base - L) F <= 0, since F > 0.
    const double a = -sign * form.factor * form.denominator.scale / form.sum.scale;
    const double f = sign * (form.base - limit.value);
    const double size_a = std::abs(a) * LargestSum(form.sum);
    const double largest_f = LargestSum(form.denominator);
    const double largest = size_a + std::abs(f) * largest_f;
    const double scale = largest > 0 ? kLargestRow / largest : 1;
    // Rounding of the terms to integers; of the coefficients and of the value itself, in doubles.
    const double widened = static_cast<double>(table_.nodes.size()) + 2 +
                           0x1p-48 * scale * (size_a + (std::abs(form.base) + std::abs(limit.value)) * largest_f);
    if (!(widened < kLargestRow)) {
      return CannotExpress(fmt::format("limit of '{}': too far from its values", limit.metric));
    }
    out_.rows.back() =
        AddRow(Combined(&form.sum, a * scale, &form.denominator, f * scale), static_cast<int64_t>(std::ceil(widened)));
    out_.exact.push_back(false);
    return absl::OkStatus();
  }

  // A network without FLOPs has no value of a divided metric (estimator.h).
  void AddPositiveFlops() {
    double least = flops_->constant;
    for (size_t i = 0; i < flops_->terms.size(); ++i) {
      double least_term = 0;
      bool any = false;
      for (size_t j = 0; j < flops_->terms[i].size(); ++j) {
        if (!choosable_[i][j]) continue;
        least_term = any ? std::min(least_term, flops_->terms[i][j]) : flops_->terms[i][j];
        any = true;
      }
      least += InDepthGroup(static_cast<int>(i)) ? std::min(0.0, least_term) : least_term;
    }
    if (least > 0) return;
    AddRow(Times(*flops_, -1), -1);
    out_.exact.push_back(true);
  }

  // At most one of the two.
  void AddPair(const CandidatePair& pair) {
    Row none;
    for (const Node& node : table_.nodes) none.terms.emplace_back(node.candidates.size(), 0);
    const int row = AddRow(none, 1);
    out_.exact.push_back(true);
    for (const auto& [node, candidate] : {std::pair{pair.node, pair.candidate}, {pair.other_node, pair.other}}) {
      for (size_t i = 0; i < out_.nodes.size(); ++i) {
        if (out_.nodes[i] != node) continue;
        for (size_t j = 0; j < out_.candidates[i].size(); ++j) {
          if (out_.candidates[i][j] == candidate) ++out_.program.nodes[i].w[row][j];
        }
        // Absent: the chain ends before it, or at an earlier node.
        for (Program::Chain& chain : out_.program.chains) {
          const int position = static_cast<int>(i) - chain.first;
          if (position < 1 || position >= chain.length || candidate != out_.absent[node]) continue;
          for (int t = 1; t <= position; ++t) ++chain.end_w[row][t - 1];
        }
      }
    }
  }

  bool InDepthGroup(int node) const {
    for (const DepthGroup& group : table_.structure.depth) {
      if (std::find(group.nodes.begin(), group.nodes.end(), node) != group.nodes.end()) return true;
    }
    return false;
  }

  const BlockTable& table_;
  const Estimator& estimator_;
  const ProgramRequest& request_;
  const NetworkFilter& filter_;
  const int shared_;
  Mask choosable_;
  const LinearForm* flops_ = nullptr;      // the denominator of the divided metrics that are used
  std::vector<std::pair<int, int>> cuts_;  // node and absent candidate of every end of the chains, in order
  TableProgram out_;
};

}  // namespace

Choice TableProgram::ToChoice(std::span<const int> x) const {
  Choice choice = absent;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i] != kNoNode && x[i] != Program::kAbsent) choice[nodes[i]] = candidates[i][x[i]];
  }
  return choice;
}

absl::StatusOr<TableProgram> BuildProgram(const Estimator& estimator, const ProgramRequest& request,
                                          const NetworkFilter& filter, int shared) {
  return Builder(estimator, request, filter, shared).Run();
}

}  // namespace mathnas::core
