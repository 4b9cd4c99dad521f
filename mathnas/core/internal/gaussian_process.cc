#include "mathnas/core/internal/gaussian_process.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "absl/status/status.h"

namespace mathnas::core::internal {
namespace {

constexpr double kJitter = 1e-8;  // of the diagonal: rounding must not make equal rows indefinite
constexpr double kDeviations[] = {1, 1, 1, std::numbers::sqrt2};

using Logs = std::array<double, 4>;  // of length, signal, linear, noise

Logs ToLogs(const Hyperparameters& h) {
  return {std::log(h.length), std::log(h.signal), std::log(h.linear), std::log(h.noise)};
}

Hyperparameters FromLogs(const Logs& t) { return {std::exp(t[0]), std::exp(t[1]), std::exp(t[2]), std::exp(t[3])}; }

double Matern(double r) {
  const double s = std::numbers::sqrt3 * r;
  return (1 + s) * std::exp(-s);
}

// What the kernel needs of n points: all distances and inner products.
struct Pairs {
  Pairs(const std::vector<double>& x, int rows, int features)
      : n(rows), d(features), distance(rows * rows), inner(rows * rows) {
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j <= i; ++j) {
        double square = 0, product = 0;
        for (int k = 0; k < d; ++k) {
          const double a = x[i * d + k], b = x[j * d + k];
          square += (a - b) * (a - b);
          product += a * b;
        }
        distance[i * n + j] = std::sqrt(square);
        inner[i * n + j] = product;
      }
    }
  }
  int n, d;
  std::vector<double> distance, inner;  // lower triangles
};

// Factor of K + noise, K^-1 y and the log likelihood, or -infinity.
double Solve(const Pairs& pairs, const std::vector<double>& y, const Hyperparameters& h, std::vector<double>& factor,
             std::vector<double>& weights) {
  const int n = pairs.n;
  factor.resize(n * n);
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j <= i; ++j) {
      const int k = i * n + j;
      factor[k] = 1 + h.linear * pairs.inner[k] / pairs.d + h.signal * Matern(pairs.distance[k] / h.length);
    }
    factor[i * n + i] += h.noise + kJitter;
  }
  if (!Cholesky(factor, n)) return -std::numeric_limits<double>::infinity();
  weights = y;
  SolveLower(factor, weights);
  double log_likelihood = -0.5 * n * std::log(2 * std::numbers::pi);
  for (int i = 0; i < n; ++i) log_likelihood -= 0.5 * weights[i] * weights[i] + std::log(factor[i * n + i]);
  SolveUpper(factor, weights);
  return log_likelihood;
}

absl::Status CheckCounts(const std::vector<double>& x, const std::vector<double>& y, int d) {
  if (d > 0 && !y.empty() && x.size() == y.size() * d) return absl::OkStatus();
  return absl::InvalidArgumentError("Gaussian process: expected one row of features per value");
}

}  // namespace

bool Cholesky(std::vector<double>& a, int n) {
  for (int j = 0; j < n; ++j) {
    double pivot = a[j * n + j];
    for (int k = 0; k < j; ++k) pivot -= a[j * n + k] * a[j * n + k];
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    pivot = std::sqrt(pivot);
    a[j * n + j] = pivot;
    for (int i = j + 1; i < n; ++i) {
      double sum = a[i * n + j];
      for (int k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = sum / pivot;
    }
  }
  return true;
}

void SolveLower(const std::vector<double>& l, std::span<double> x) {
  const size_t n = x.size();
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) x[i] -= l[i * n + k] * x[k];
    x[i] /= l[i * n + i];
  }
}

void SolveUpper(const std::vector<double>& l, std::span<double> x) {
  const size_t n = x.size();
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) x[i] -= l[k * n + i] * x[k];
    x[i] /= l[i * n + i];
  }
}

Hyperparameters PriorCentre(int d) {
  return {.length = std::numbers::sqrt2 * std::sqrt(static_cast<double>(d)),
          .signal = 1,
          .linear = std::numbers::e,
          .noise = std::exp(-5.0)};
}

double Kernel(const Hyperparameters& h, std::span<const double> x, std::span<const double> y) {
  double square = 0, product = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    square += (x[k] - y[k]) * (x[k] - y[k]);
    product += x[k] * y[k];
  }
  return 1 + h.linear * product / static_cast<double>(x.size()) + h.signal * Matern(std::sqrt(square) / h.length);
}

absl::StatusOr<GaussianProcess> GaussianProcess::Condition(std::vector<double> x, std::vector<double> y, int d,
                                                           const Hyperparameters& h) {
  if (absl::Status status = CheckCounts(x, y, d); !status.ok()) return status;
  GaussianProcess process;
  process.d_ = d;
  process.h_ = h;
  const Pairs pairs(x, static_cast<int>(y.size()), d);
  process.log_likelihood_ = Solve(pairs, y, h, process.factor_, process.weights_);
  if (!std::isfinite(process.log_likelihood_)) {
    return absl::FailedPreconditionError("Gaussian process: expected features and values of moderate size");
  }
  process.x_ = std::move(x);
  return process;
}

absl::StatusOr<GaussianProcess> GaussianProcess::Fit(std::vector<double> x, std::vector<double> y, int d) {
  if (absl::Status status = CheckCounts(x, y, d); !status.ok()) return status;
  const Pairs pairs(x, static_cast<int>(y.size()), d);
  const Logs centre = ToLogs(PriorCentre(d));
  std::vector<double> factor, weights;
  const auto score = [&](const Logs& t) {
    double value = Solve(pairs, y, FromLogs(t), factor, weights);
    for (size_t k = 0; k < t.size(); ++k) value -= 0.5 * std::pow((t[k] - centre[k]) / kDeviations[k], 2);
    return value;
  };
  Logs best = centre;
  double best_score = score(best);
  for (double step = 1; step > 0.005;) {
    bool better = false;
    for (size_t k = 0; k < best.size(); ++k) {
      for (const double move : {step, -step}) {
        Logs t = best;
        t[k] += move;
        const double s = score(t);
        if (!(s > best_score)) continue;
        best = t;
        best_score = s;
        better = true;
        break;
      }
    }
    if (!better) step /= 2;
  }
  return Condition(std::move(x), std::move(y), d, FromLogs(best));
}

double GaussianProcess::Mean(std::span<const double> x) const {
  double mean = 0;
  for (size_t i = 0; i < weights_.size(); ++i) mean += weights_[i] * Kernel(h_, x, {&x_[i * d_], x.size()});
  return mean;
}

GaussianProcess::Posterior GaussianProcess::At(std::span<const double> x) const {
  std::vector<double> k(weights_.size());
  Posterior posterior{0, Kernel(h_, x, x)};
  for (size_t i = 0; i < k.size(); ++i) {
    k[i] = Kernel(h_, x, {&x_[i * d_], x.size()});
    posterior.mean += weights_[i] * k[i];
  }
  SolveLower(factor_, k);
  for (double v : k) posterior.variance -= v * v;
  posterior.variance = std::max(posterior.variance, 0.0);
  return posterior;
}

std::vector<int> SpreadOut(const std::vector<double>& candidates, int d, const Hyperparameters& h,
                           std::span<const int> known, int count, const std::function<bool(int)>& usable) {
  const int n = static_cast<int>(candidates.size()) / d;
  const auto row = [&](int i) { return std::span(&candidates[static_cast<size_t>(i) * d], d); };
  std::vector<double> variance(n);
  for (int i = 0; i < n; ++i) variance[i] = Kernel(h, row(i), row(i));
  std::vector<std::vector<double>> columns;  // of the factor, over all candidates
  const auto measure = [&](int pivot) {
    std::vector<double> column(n);
    const double scale = std::sqrt(variance[pivot] + h.noise);
    for (int i = 0; i < n; ++i) {
      double covariance = Kernel(h, row(i), row(pivot));
      for (const std::vector<double>& c : columns) covariance -= c[i] * c[pivot];
      column[i] = covariance / scale;
    }
    for (int i = 0; i < n; ++i) variance[i] = std::max(variance[i] - column[i] * column[i], 0.0);
    columns.push_back(std::move(column));
  };
  for (int k : known) measure(k);
  std::vector<int> chosen;
  std::vector<bool> taken(n, false);
  while (std::ssize(chosen) < count) {
    int best = -1;
    for (int i = 0; i < n; ++i) {
      if (!taken[i] && (best < 0 || variance[i] > variance[best]) && usable(i)) best = i;
    }
    if (best < 0) break;
    taken[best] = true;
    chosen.push_back(best);
    if (std::ssize(chosen) < count) measure(best);
  }
  return chosen;
}

}  // namespace mathnas::core::internal
