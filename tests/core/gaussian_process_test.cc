#include "mathnas/core/internal/gaussian_process.h"

#include <cmath>
#include <numbers>
#include <random>

#include "gtest/gtest.h"

namespace mathnas::core::internal {
namespace {

// n rows of d normal numbers.
std::vector<double> RandomRows(int n, int d, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<double> x(static_cast<size_t>(n) * d);
  for (double& v : x) v = normal(random);
  return x;
}

// The kernel as the header writes it.
double NaiveKernel(const Hyperparameters& h, const double* x, const double* y, int d) {
  double inner = 0, square = 0;
  for (int k = 0; k < d; ++k) {
    inner += x[k] * y[k];
    square += (x[k] - y[k]) * (x[k] - y[k]);
  }
  const double r = std::sqrt(square) / h.length;
  return 1 + h.linear * inner / d + h.signal * (1 + std::sqrt(3) * r) * std::exp(-std::sqrt(3) * r);
}

// Gauss-Jordan with pivoting; returns the determinant, leaves the solution in b.
double NaiveSolve(std::vector<std::vector<double>> a, std::vector<double>& b) {
  const size_t n = b.size();
  double determinant = 1;
  for (size_t c = 0; c < n; ++c) {
    size_t pivot = c;
    for (size_t r = c; r < n; ++r) {
      if (std::abs(a[r][c]) > std::abs(a[pivot][c])) pivot = r;
    }
    if (pivot != c) determinant = -determinant;
    std::swap(a[c], a[pivot]);
    std::swap(b[c], b[pivot]);
    determinant *= a[c][c];
    for (size_t r = 0; r < n; ++r) {
      if (r == c) continue;
      const double f = a[r][c] / a[c][c];
      for (size_t k = c; k < n; ++k) a[r][k] -= f * a[c][k];
      b[r] -= f * b[c];
    }
  }
  for (size_t c = 0; c < n; ++c) b[c] /= a[c][c];
  return determinant;
}

struct Problem {
  static constexpr int kRows = 12, kFeatures = 4;
  explicit Problem(int seed) : random(seed), x(RandomRows(kRows, kFeatures, random)), y(RandomRows(kRows, 1, random)) {}
  std::vector<std::vector<double>> Matrix(const Hyperparameters& h) const {
    std::vector<std::vector<double>> k(kRows, std::vector<double>(kRows));
    for (int i = 0; i < kRows; ++i) {
      for (int j = 0; j < kRows; ++j) {
        k[i][j] = NaiveKernel(h, &x[i * kFeatures], &x[j * kFeatures], kFeatures) + (i == j ? h.noise : 0);
      }
    }
    return k;
  }
  double LogLikelihood(const Hyperparameters& h) const {
    std::vector<double> weights = y;
    const double determinant = NaiveSolve(Matrix(h), weights);
    double fit = 0;
    for (int i = 0; i < kRows; ++i) fit += y[i] * weights[i];
    return -0.5 * fit - 0.5 * std::log(determinant) - 0.5 * kRows * std::log(2 * std::numbers::pi);
  }
  std::mt19937_64 random;
  std::vector<double> x, y;
};

TEST(GaussianProcess, IsTheDenseSolution) {
  for (int seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    Problem p(seed);
    constexpr int n = Problem::kRows, d = Problem::kFeatures;
    const Hyperparameters h{.length = 1.7, .signal = 0.8, .linear = 2.5, .noise = 0.05};
    const auto process = GaussianProcess::Condition(p.x, p.y, d, h);
    ASSERT_TRUE(process.ok()) << process.status();
    EXPECT_NEAR(process->log_likelihood(), p.LogLikelihood(h), 1e-4);  // the diagonal's 1e-8 is not in the oracle
    const std::vector<double> at = RandomRows(1, d, p.random);
    std::vector<double> k(n), weights = p.y;
    for (int i = 0; i < n; ++i) k[i] = NaiveKernel(h, at.data(), &p.x[i * d], d);
    std::vector<double> solved = k;
    NaiveSolve(p.Matrix(h), weights);
    NaiveSolve(p.Matrix(h), solved);
    double mean = 0, variance = NaiveKernel(h, at.data(), at.data(), d);
    for (int i = 0; i < n; ++i) {
      mean += k[i] * weights[i];
      variance -= k[i] * solved[i];
    }
    const GaussianProcess::Posterior posterior = process->At(at);
    EXPECT_NEAR(posterior.mean, mean, 1e-5);
    EXPECT_NEAR(posterior.variance, variance, 1e-5);
    EXPECT_EQ(process->Mean(at), posterior.mean);
  }
}

TEST(GaussianProcess, FindsALocalMaximumOfThePosterior) {
  for (int seed = 0; seed < 5; ++seed) {
    SCOPED_TRACE(seed);
    const Problem p(seed);
    const auto process = GaussianProcess::Fit(p.x, p.y, Problem::kFeatures);
    ASSERT_TRUE(process.ok()) << process.status();
    const Hyperparameters centre = PriorCentre(Problem::kFeatures);
    const auto log_posterior = [&](const Hyperparameters& h) {
      const auto square = [](double a, double b) { return std::pow(std::log(a / b), 2); };
      return p.LogLikelihood(h) - 0.5 * square(h.length, centre.length) - 0.5 * square(h.signal, centre.signal) -
             0.5 * square(h.linear, centre.linear) - 0.25 * square(h.noise, centre.noise);
    };
    const Hyperparameters found = process->hyperparameters();
    for (double Hyperparameters::*parameter :
         {&Hyperparameters::length, &Hyperparameters::signal, &Hyperparameters::linear, &Hyperparameters::noise}) {
      for (const double factor : {0.95, 1.05}) {
        Hyperparameters moved = found;
        moved.*parameter *= factor;
        EXPECT_LE(log_posterior(moved), log_posterior(found) + 1e-4);
      }
    }
  }
}

// Every chosen row has the greatest variance given those before it, computed densely.
TEST(GaussianProcess, SpreadsOutWhereLeastIsKnown) {
  std::mt19937_64 random(3);
  constexpr int n = 40, d = 3;
  const std::vector<double> x = RandomRows(n, d, random);
  const Hyperparameters h = PriorCentre(d);
  const std::vector<int> known = {5, 6};
  const auto usable = [](int i) { return i % 2 == 0; };
  const std::vector<int> chosen = SpreadOut(x, d, h, known, 6, usable);
  ASSERT_EQ(chosen.size(), 6U);
  std::vector<int> measured = known;
  const auto variance = [&](int i) {
    const size_t m = measured.size();
    std::vector<std::vector<double>> k(m, std::vector<double>(m));
    std::vector<double> b(m);
    for (size_t a = 0; a < m; ++a) {
      b[a] = NaiveKernel(h, &x[i * d], &x[measured[a] * d], d);
      for (size_t c = 0; c < m; ++c) {
        k[a][c] = NaiveKernel(h, &x[measured[a] * d], &x[measured[c] * d], d) + (a == c ? h.noise : 0);
      }
    }
    std::vector<double> solved = b;
    NaiveSolve(k, solved);
    double v = NaiveKernel(h, &x[i * d], &x[i * d], d);
    for (size_t a = 0; a < m; ++a) v -= b[a] * solved[a];
    return v;
  };
  for (int c : chosen) {
    EXPECT_TRUE(usable(c));
    for (int i = 0; i < n; i += 2) EXPECT_LE(variance(i), variance(c) + 1e-9) << i;
    measured.push_back(c);
  }
  EXPECT_EQ(SpreadOut(x, d, h, known, n, usable).size(), 20U);
}

TEST(GaussianProcess, Refusals) {
  EXPECT_FALSE(GaussianProcess::Fit({}, {}, 2).ok());
  EXPECT_FALSE(GaussianProcess::Fit({1, 2, 3}, {1, 2}, 2).ok());
  EXPECT_FALSE(GaussianProcess::Fit({std::nan(""), 2}, {1}, 2).ok());
}

}  // namespace
}  // namespace mathnas::core::internal
