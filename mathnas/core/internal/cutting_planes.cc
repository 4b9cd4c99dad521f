#include "mathnas/core/internal/cutting_planes.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mathnas::core::internal {
namespace {

constexpr int kMostExchanges = 20;  // in the basis before its inverse is computed anew: rounding errors add up

}  // namespace

void CuttingPlanes::Clear() {
  alpha_.clear();
  gradient_.clear();
  basis_.clear();
  inverse_.clear();
}

void CuttingPlanes::Add(double alpha, const std::vector<double>& gradient) {
  alpha_.push_back(alpha);
  gradient_.insert(gradient_.end(), gradient.begin(), gradient.end());
  if (!basis_.empty()) return;
  // The first cut alone: its gradient leads to one corner of the box.
  for (size_t l = 0; l < k_; ++l) basis_.push_back(gradient[l] > 0 ? HighColumn(l) : LowColumn(l));
  basis_.push_back(0);
}

double CuttingPlanes::Cost(int column) const {
  if (column >= 0) return alpha_[column];
  const auto l = static_cast<size_t>((-1 - column) / 2);
  return column == HighColumn(l) ? high[l] : -low[l];
}

double CuttingPlanes::Entry(int column, size_t row) const {
  if (column >= 0) return row == k_ ? 1 : gradient_[static_cast<size_t>(column) * k_ + row];
  const auto l = static_cast<size_t>((-1 - column) / 2);
  if (row != l) return 0;
  return column == HighColumn(l) ? -1 : 1;
}

bool CuttingPlanes::Invert() {
  exchanges_ = 0;
  const size_t n = k_ + 1;
  left_.resize(n * n);
  std::vector<double>& left = left_;
  inverse_.assign(n * n, 0);
  for (size_t r = 0; r < n; ++r) {
    inverse_[r * n + r] = 1;
    for (size_t c = 0; c < n; ++c) left[r * n + c] = Entry(basis_[c], r);
  }
  for (size_t p = 0; p < n; ++p) {
    size_t pivot = p;
    for (size_t r = p + 1; r < n; ++r) {
      if (std::abs(left[r * n + p]) > std::abs(left[pivot * n + p])) pivot = r;
    }
    if (std::abs(left[pivot * n + p]) < 1e-12) {
      inverse_.clear();
      return false;
    }
    for (size_t c = 0; c < n; ++c) {
      std::swap(left[p * n + c], left[pivot * n + c]);
      std::swap(inverse_[p * n + c], inverse_[pivot * n + c]);
    }
    const double scale = 1 / left[p * n + p];
    for (size_t c = 0; c < n; ++c) {
      left[p * n + c] *= scale;
      inverse_[p * n + c] *= scale;
    }
    for (size_t r = 0; r < n; ++r) {
      const double factor = left[r * n + p];
      if (r == p || factor == 0) continue;
      for (size_t c = 0; c < n; ++c) {
        left[r * n + c] -= factor * left[p * n + c];
        inverse_[r * n + c] -= factor * inverse_[p * n + c];
      }
    }
  }
  return true;
}

double CuttingPlanes::Maximise(std::vector<double>& u) {
  const size_t n = k_ + 1;
  dual_.resize(n);
  direction_.resize(n);
  column_.resize(n);
  std::vector<double>&dual = dual_, &direction = direction_;
  double value = 0;
  for (int pivots = 0; pivots < 100; ++pivots) {
    if ((inverse_.empty() || exchanges_ >= kMostExchanges) && !Invert()) break;
    for (size_t r = 0; r < n; ++r) {
      dual[r] = 0;
      for (size_t b = 0; b < n; ++b) dual[r] += Cost(basis_[b]) * inverse_[b * n + r];
    }
    for (size_t l = 0; l < k_; ++l) u[l] = std::clamp(-dual[l], low[l], high[l]);
    value = dual[k_];

    int entering = 0;
    double least = -1e-10 * (1 + std::abs(value));
    bool optimal = true;
    const auto consider = [&](int column, double reduced) {
      if (reduced >= least) return;
      least = reduced;
      entering = column;
      optimal = false;
    };
    for (size_t t = 0; t < alpha_.size(); ++t) {
      double reduced = alpha_[t] - value;
      const double* gradient = &gradient_[t * k_];
      for (size_t l = 0; l < k_; ++l) reduced -= dual[l] * gradient[l];
      consider(static_cast<int>(t), reduced);
    }
    for (size_t l = 0; l < k_; ++l) {
      consider(HighColumn(l), high[l] + dual[l]);
      consider(LowColumn(l), -low[l] - dual[l]);
    }
    if (optimal) break;

    // The basic values are the last column of the inverse, the right-hand side being 1 in the last row.
    size_t leaving = n;
    double step = 0;
    for (size_t r = 0; r < n; ++r) column_[r] = Entry(entering, r);
    for (size_t b = 0; b < n; ++b) {
      direction[b] = 0;
      for (size_t r = 0; r < n; ++r) direction[b] += inverse_[b * n + r] * column_[r];
      if (direction[b] <= 1e-11) continue;
      const double ratio = std::max(0.0, inverse_[b * n + k_]) / direction[b];
      if (leaving == n || ratio < step) {
        leaving = b;
        step = ratio;
      }
    }
    if (leaving == n) break;
    basis_[leaving] = entering;
    double* row = &inverse_[leaving * n];
    for (size_t r = 0; r < n; ++r) row[r] /= direction[leaving];
    for (size_t b = 0; b < n; ++b) {
      if (b == leaving) continue;
      for (size_t r = 0; r < n; ++r) inverse_[b * n + r] -= direction[b] * row[r];
    }
    ++exchanges_;
  }
  return value;
}

std::vector<std::pair<size_t, double>> CuttingPlanes::Mix() const {
  std::vector<std::pair<size_t, double>> mix;
  const size_t n = k_ + 1;
  for (size_t b = 0; b < basis_.size() && !inverse_.empty(); ++b) {
    const double weight = inverse_[b * n + k_];
    if (basis_[b] >= 0 && weight > 1e-9) mix.emplace_back(static_cast<size_t>(basis_[b]), weight);
  }
  return mix;
}

}  // namespace mathnas::core::internal
