#include "mathnas/core/internal/solver/dynamic_programme.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace mathnas::core::internal {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

double DynamicProgramme::Prepare(const Part& part, const DualPoint& point, double error) {
  budget_ = incumbents_.Budget(point.value, error);
  exchanges_.clear();
  rows_.assign(space_.m + 1, Row{});
  const std::vector<int64_t>& w = space_.exact_w[0];
  int64_t room = incumbents_.limits()[0], unit = 0;
  for (int i = 0; i < space_.m; ++i) {
    int64_t least = std::numeric_limits<int64_t>::max();
    for (int p = part.start[i]; p < part.start[i + 1]; ++p) least = std::min(least, w[part.candidates[p]]);
    room -= least;
    int64_t widest = 0;
    rows_[i].exchange = exchanges_.size();
    for (int p = part.start[i]; p < part.start[i + 1]; ++p) {
      const double excess = point.values.candidates[p] - point.minimum.node[i];
      if (excess > budget_) continue;
      const int c = part.candidates[p];
      exchanges_.push_back({w[c] - least, excess, space_.candidate[c]});
      unit = std::gcd(unit, w[c] - least);
      widest = std::max(widest, w[c] - least);
    }
    rows_[i + 1].high = rows_[i].high + widest;
  }
  rows_.back().exchange = exchanges_.size();
  unit = std::max<int64_t>(unit, 1);
  for (Exchange& exchange : exchanges_) exchange.sum /= unit;
  most_ = room >= 0 ? room / unit : -1;
  price_ = point.u[0] / space_.scale[0] * static_cast<double>(unit);

  // What is further below the limit at the end than the budget pays for is not looked for.
  const double unused = price_ > 0 ? budget_ / price_ : kInfinity;
  const int64_t all = rows_.back().high / unit;
  const int64_t least_end = unused < static_cast<double>(most_) ? most_ - static_cast<int64_t>(unused) - 1 : 0;
  double sums = 0, additions = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    Row& row = rows_[i];
    const int64_t before = row.high / unit;
    row.high = std::min(before, most_);
    row.low = std::max<int64_t>(0, least_end - (all - before));
    row.begin = static_cast<size_t>(sums);
    const double width = static_cast<double>(std::max<int64_t>(0, row.high - row.low + 1));
    sums += width;
    if (i > 0) additions += width * static_cast<double>(row.exchange - rows_[i - 1].exchange);
    if (sums > kMostSums) return kInfinity;
  }
  return additions + sums;
}

DynamicProgramme::End DynamicProgramme::Finish(absl::FunctionRef<bool()> stop) {
  for (const Row& row : rows_) {
    if (row.low > row.high) return kProven;
  }
  const Row& last = rows_.back();
  least_.assign(last.begin + static_cast<size_t>(last.high - last.low + 1), kInfinity);
  least_[0] = 0;
  for (size_t i = 1; i < rows_.size(); ++i) {
    if (stop()) return kUnknown;
    const Row &from = rows_[i - 1], &to = rows_[i];
    for (size_t e = from.exchange; e < to.exchange; ++e) {
      const int64_t sum = exchanges_[e].sum;
      const double excess = exchanges_[e].excess;
      const int64_t low = std::max(to.low, from.low + sum), high = std::min(to.high, from.high + sum);
      if (low > high) continue;
      const double* old = &least_[from.begin + static_cast<size_t>(low - sum - from.low)];
      double* least = &least_[to.begin + static_cast<size_t>(low - to.low)];
#pragma omp simd
      for (int64_t s = 0; s <= high - low; ++s) least[s] = std::min(least[s], old[s] + excess);
    }
  }
  double best = kInfinity;
  int64_t best_sum = last.low;
  for (int64_t s = last.low; s <= last.high; ++s) {
    const double excess =
        least_[last.begin + static_cast<size_t>(s - last.low)] + price_ * static_cast<double>(most_ - s);
    if (excess < best) {
      best = excess;
      best_sum = s;
    }
  }
  if (best > budget_) return kProven;
  const double lambda = incumbents_.lambda();
  Offer(best_sum);
  return incumbents_.lambda() < lambda ? kBetter : kUnknown;
}

// The network of the least excess at a sum.
void DynamicProgramme::Offer(int64_t sum) {
  std::vector<int> x(space_.m);
  const auto at = [&](const Row& row, int64_t s) {
    return s < row.low || s > row.high ? kInfinity : least_[row.begin + static_cast<size_t>(s - row.low)];
  };
  for (size_t i = rows_.size() - 1; i > 0; --i) {
    const Row& from = rows_[i - 1];
    size_t e = from.exchange;
    while (at(from, sum - exchanges_[e].sum) + exchanges_[e].excess != at(rows_[i], sum)) ++e;
    x[i - 1] = exchanges_[e].candidate;
    sum -= exchanges_[e].sum;
  }
  incumbents_.Offer(x);
}

}  // namespace mathnas::core::internal
