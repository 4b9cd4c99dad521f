#include "mathnas/core/internal/solver/lagrangian_dual.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

namespace mathnas::core::internal {
namespace {

constexpr double kFarthest = 1e100;  // of the box: sums stay finite
constexpr size_t kBlock = 1024;      // candidates whose values stay in the cache

}  // namespace

void LagrangianDual::Load(const Part& part) {
  if (part.candidates == candidates_ && part.start == start_) return;
  const size_t n = part.candidates.size(), k = space_.k;
  candidates_ = part.candidates;
  start_ = part.start;
  w_.resize(k);
  if (n == space_.a.size()) {
    a_ = space_.a.data();
    f_ = space_.f.data();
    for (size_t l = 0; l < k; ++l) w_[l] = space_.w[l].data();
  } else {
    gathered_.resize(n * (k + 2));
    double* to = gathered_.data();
    const auto gather = [&](std::span<const double> from) {
      for (size_t p = 0; p < n; ++p) to[p] = from[candidates_[p]];
      return std::exchange(to, to + n);
    };
    a_ = gather(space_.a);
    f_ = gather(space_.f);
    for (size_t l = 0; l < k; ++l) w_[l] = gather(space_.w[l]);
  }
  open_.clear();
  fixed_a_ = static_cast<double>(space_.program.a0);
  fixed_f_ = static_cast<double>(space_.program.f0);
  fixed_above_.resize(k);
  for (size_t l = 0; l < k; ++l) fixed_above_[l] = -static_cast<double>(space_.program.limits[l]) / space_.scale[l];
  for (int i = 0; i < space_.m; ++i) {
    if (part.count(i) > 1 || space_.chain_of[i] >= 0) {
      open_.push_back(i);
      continue;
    }
    const int p = start_[i];
    fixed_a_ += a_[p];
    fixed_f_ += f_[p];
    for (size_t l = 0; l < k; ++l) fixed_above_[l] += w_[l][p];
  }
}

void LagrangianDual::Evaluate(const Part& part, DualPoint& point, bool all) {
  const Program& program = space_.program;
  const double lambda = incumbents_.lambda();
  const size_t k = space_.k;
  const std::vector<double>& u = point.u;
  Load(part);
  work_ += std::ssize(candidates_);
  EvaluateCandidates(u, point.values.candidates);
  point.values.ends.resize(program.chains.size());
  for (size_t c = 0; c < program.chains.size(); ++c) {
    const Program::Chain& chain = program.chains[c];
    point.values.ends[c].assign(chain.length, 0);
    for (int t = 0; t + 1 < chain.length; ++t) {
      double v = static_cast<double>(chain.end_a[t]) - lambda * static_cast<double>(chain.end_f[t]);
      for (size_t l = 0; l < k; ++l) v += u[l] * static_cast<double>(chain.end_w[l][t]) / space_.scale[l];
      point.values.ends[c][t] = v;
    }
  }
  const Minimum<double>& minimum = point.minimum;
  Minimise(program, part, point.values, point.minimum, all);
  double value = minimum.total + static_cast<double>(program.a0) - lambda * static_cast<double>(program.f0);
  for (size_t l = 0; l < k; ++l) value -= u[l] * static_cast<double>(program.limits[l]) / space_.scale[l];
  point.value = value;
  point.lambda = lambda;
  point.a = fixed_a_;
  point.f = fixed_f_;
  point.above = fixed_above_;
  for (int i : open_) {
    if (!space_.Present(i, minimum.depth)) continue;
    const int p = minimum.arg[i];
    point.a += a_[p];
    point.f += f_[p];
    for (size_t l = 0; l < k; ++l) point.above[l] += w_[l][p];
  }
  for (size_t c = 0; c < program.chains.size(); ++c) {
    const Program::Chain& chain = program.chains[c];
    if (minimum.depth[c] == chain.length) continue;
    const int end = minimum.depth[c] - 1;
    point.a += static_cast<double>(chain.end_a[end]);
    point.f += static_cast<double>(chain.end_f[end]);
    for (size_t l = 0; l < k; ++l) point.above[l] += static_cast<double>(chain.end_w[l][end]) / space_.scale[l];
  }
}

// a - lambda f + u w, by candidate of the loaded part.
void LagrangianDual::EvaluateCandidates(const std::vector<double>& u, std::vector<double>& values) const {
  const double lambda = incumbents_.lambda();
  const size_t n = candidates_.size();
  values.resize(n);
  double* to = values.data();
  const double *a = a_, *f = f_;
  for (size_t begin = 0; begin < n; begin += kBlock) {
    const size_t end = std::min(n, begin + kBlock);
#pragma omp simd
    for (size_t p = begin; p < end; ++p) to[p] = a[p] - lambda * f[p];
    for (size_t l = 0; l < space_.k; ++l) {
      const double factor = u[l], *w = w_[l];
#pragma omp simd
      for (size_t p = begin; p < end; ++p) to[p] += factor * w[p];
    }
  }
}

bool LagrangianDual::IsOf(const Cut& cut, const Part& part, const DualPoint& point) const {
  if (cut.a != point.a || cut.f != point.f) return false;  // sums of integers, nearly always different
  for (int i = 0; i < space_.m; ++i) {
    const int j = space_.Present(i, point.minimum.depth) ? space_.candidate[part.candidates[point.minimum.arg[i]]]
                                                         : Program::kAbsent;
    if (cut.x[i] != j) return false;
  }
  return true;
}

bool LagrangianDual::OfferMinimum(const Part& part, const DualPoint& point) const {
  for (size_t l = 0; l < space_.k; ++l) {
    if (point.above[l] > space_.size_w[l] * 0x1p-50 * (space_.m + 16)) return false;
  }
  return incumbents_.Offer(ChoiceOf(space_, part, point.minimum));
}

double LagrangianDual::Error(const std::vector<double>& u) const {
  double size = space_.size_a + std::abs(incumbents_.lambda()) * space_.size_f;
  for (size_t l = 0; l < space_.k; ++l) size += u[l] * space_.size_w[l];
  return size * 0x1p-52 * static_cast<double>(space_.m + 2 * static_cast<int>(space_.k) + 16);
}

bool LagrangianDual::Raise(const Part& part, DualPoint& point, Aim aim) {
  const size_t k = space_.k;
  const bool root = part.bound == Part::kNoBound;
  std::vector<double>& u = point.u;
  CuttingPlanes& planes = planes_;
  planes.Clear();
  double reach = 0;  // half of the box
  std::vector<double> centre = u, best_u = u;
  const auto make_box = [&] {
    for (size_t l = 0; l < k; ++l) {
      planes.low[l] = std::max(0.0, centre[l] - reach);
      planes.high[l] = centre[l] + reach;
    }
  };
  for (double v : u) reach = std::max(reach, 0.25 * v);
  if (reach == 0) reach = (space_.size_a + std::abs(incumbents_.lambda()) * space_.size_f) / space_.m;
  make_box();
  Cuts own = part.cuts;
  Cuts& cuts = root ? root_cuts_ : own;  // whatever lambda is, those of the root hold
  for (const auto& cut : cuts) planes.Add(cut->a - incumbents_.lambda() * cut->f, cut->above);
  if (root && !cuts.empty()) planes.Maximise(u);
  double best = -std::numeric_limits<double>::infinity();
  for (int round = 0; round < (root ? 300 : 60); ++round) {
    Evaluate(part, point, false);
    if (aim == kProof && Proven(point)) return true;
    if (point.value > best) {
      best = point.value;
      best_u = u;
    }
    const bool better = OfferMinimum(part, point);
    if (k == 0) break;
    const bool known = std::any_of(cuts.begin(), cuts.end(), [&](const auto& cut) { return IsOf(*cut, part, point); });
    if (!known) {
      cuts.push_back(
          std::make_shared<const Cut>(Cut{point.a, point.f, point.above, ChoiceOf(space_, part, point.minimum)}));
      planes.Add(0, point.above);
    }
    const double lambda = incumbents_.lambda();
    for (size_t t = 0; t < cuts.size(); ++t) planes.SetAlpha(t, cuts[t]->a - lambda * cuts[t]->f);
    if (better) best = -std::numeric_limits<double>::infinity();
    const double most = planes.Maximise(u);
    // At the maximum of the planes a known x says that they are the dual there.
    const bool exact = known && round > 0;
    // Near a value of zero what counts is what it does to the ratio.
    const double near =
        root ? std::max(1e-4 * std::abs(best), 1e-6 * std::abs(lambda * point.f)) : 5e-2 * std::abs(best);
    if (better || (!exact && most - best > near)) continue;
    bool at_border = false;
    for (size_t l = 0; l < k; ++l) {
      at_border = at_border || u[l] >= planes.high[l] || (u[l] <= planes.low[l] && u[l] > 0);
    }
    if (!at_border || reach > kFarthest) break;
    centre = u;
    reach *= 4;
    make_box();
    planes.Maximise(u);
  }
  u = best_u;
  mix_.clear();
  for (const auto& [cut, share] : planes.Mix()) mix_.emplace_back(cuts[cut], share);
  return false;
}

}  // namespace mathnas::core::internal
