// Regression with a Gaussian process for a few dozen points: dense, in double, the same result on every run.
//
//   k(x, x') = 1 + linear x.x' / d + signal (1 + sqrt(3) r) exp(-sqrt(3) r),  r = |x - x'| / length
//
// a constant, a plane and a Matern 3/2 surface over d features, plus `noise` where a value is compared with itself.
#ifndef MATHNAS_CORE_INTERNAL_GAUSSIAN_PROCESS_H_
#define MATHNAS_CORE_INTERNAL_GAUSSIAN_PROCESS_H_

#include <functional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

namespace mathnas::core::internal {

// The lower triangle of the symmetric n x n matrix `a` (row-major) becomes its Cholesky factor. False if the matrix is
// not positive definite.
bool Cholesky(std::vector<double>& a, int n);
// x := L^-1 x and x := L^-T x, with the factor from Cholesky.
void SolveLower(const std::vector<double>& l, std::span<double> x);
void SolveUpper(const std::vector<double>& l, std::span<double> x);

struct Hyperparameters {
  double length = 1, signal = 1, linear = 1, noise = 0;
};

// The centre of the priors, for d standardised features and a standardised target: the length grows with sqrt(d), as
// distances do, the plane comes first (e), the surface second (1), noise last (e^-5).
Hyperparameters PriorCentre(int d);

// k(x, x'), without noise.
double Kernel(const Hyperparameters& h, std::span<const double> x, std::span<const double> y);

class GaussianProcess {
 public:
  // `x`: n rows of d numbers; `y`: n numbers of mean 0 and variance 1. The most probable hyperparameters: marginal
  // likelihood times log-normal priors around PriorCentre (standard deviations 1, of log noise sqrt(2)), by compass
  // search. InvalidArgument: no rows, wrong counts. FailedPrecondition: numbers so extreme that no matrix is positive
  // definite.
  static absl::StatusOr<GaussianProcess> Fit(std::vector<double> x, std::vector<double> y, int d);
  // With given hyperparameters.
  static absl::StatusOr<GaussianProcess> Condition(std::vector<double> x, std::vector<double> y, int d,
                                                   const Hyperparameters& h);

  double Mean(std::span<const double> x) const;
  struct Posterior {
    double mean, variance;  // of the function, without noise
  };
  Posterior At(std::span<const double> x) const;

  const Hyperparameters& hyperparameters() const { return h_; }
  // log p(y | x, hyperparameters), without priors.
  double log_likelihood() const { return log_likelihood_; }

 private:
  int d_ = 0;
  Hyperparameters h_;
  double log_likelihood_ = 0;
  std::vector<double> x_, factor_, weights_;  // weights = K^-1 y
};

// Where to measure: indices of rows of `candidates` (n rows of d numbers), each the one about which least is known
// after `known` (indices of rows) and the ones before it. That is the greedy maximum of det K (D-optimal), computed as
// a Cholesky factorisation with pivots. Fewer than `count` if `usable` runs out. Ties: the smaller index.
std::vector<int> SpreadOut(const std::vector<double>& candidates, int d, const Hyperparameters& h,
                           std::span<const int> known, int count, const std::function<bool(int)>& usable);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_GAUSSIAN_PROCESS_H_
