// The best networks so far, and the ratio that others must be below: lambda of Dinkelbach (On Nonlinear Fractional
// Programming, 1967).
#ifndef MATHNAS_CORE_INTERNAL_SOLVER_INCUMBENTS_H_
#define MATHNAS_CORE_INTERNAL_SOLVER_INCUMBENTS_H_

#include <cstdint>
#include <iterator>
#include <set>
#include <span>
#include <vector>

#include "mathnas/core/internal/solver/space.h"
#include "mathnas/core/solver.h"

namespace mathnas::core::internal {

class Incumbents {
 public:
  struct Network {
    std::vector<int> x;
    int64_t a, f;
  };
  struct Better {
    const SolverOptions* options;
    bool operator()(const Network& p, const Network& q) const;
  };
  using Networks = std::set<Network, Better>;  // best first

  Incumbents(const Space& space, const SolverOptions& options)
      : space_(space), options_(options), kept_(Better{&options}), limits_(space.program.limits) {}

  // To be called first: finds a ratio above all others, for any network to be better. False if there is no network
  // with a positive denominator.
  bool Start();

  // To be called instead of Start: looks for what `known` looks for, but keeps only networks of its own. `known` is of
  // the same space.
  void StartFrom(const Incumbents& known);
  // Those kept so far, which are not any more.
  Networks TakeKept();

  const Networks& kept() const { return kept_; }
  bool full() const { return std::ssize(kept_) >= options_.keep; }
  // Of the worst kept network, once there are as many as asked for; above all ratios before.
  double Ratio() const { return static_cast<double>(worst_a_) / static_cast<double>(worst_f_); }
  double least_ratio() const { return least_ratio_; }        // no network is below
  int64_t least_f() const { return least_f_; }               // no network is below
  bool always_positive() const { return always_positive_; }  // whether every choice has a positive denominator

  // What networks are looked for: those with a - lambda f below zero.
  double lambda() const { return lambda_; }
  void AimAt(double lambda) {
    lambda_ = lambda;
    margin_ = 0;
  }
  // With integers, a ratio below a / f means a' - lambda f' <= -1 / f.
  void AimBelowWorst() {
    lambda_ = Ratio();
    margin_ = 1 / static_cast<double>(worst_f_);
  }
  // Whether a part over which a - lambda f is not below `value`, give or take `error`, has none of them.
  bool Proven(double value, double error) const {
    return ties_ ? value - error > 0 : value - error >= -margin_ * (1 - 1e-9);
  }

  // How far above `value` a network may be that is not proven to be none of them.
  double Budget(double value, double error) const { return error - value - (ties_ ? 0 : margin_ * (1 - 1e-9)); }

  // From now on networks as good as the worst are looked for, too: they may come before it.
  void AimAtTies();
  bool ties() const { return ties_; }
  bool EnoughTies() const { return ties_seen_ >= kMaxTies; }

  // What a network must hold to be looked for: the program's, or less when ties are sought.
  std::span<const int64_t> limits() const { return limits_; }

  // Exactly: keeps x, whose sums are `totals`, if it holds the limits and is among the best so far; true if lambda
  // became smaller.
  bool Offer(const std::vector<int>& x, const Totals& totals);
  bool Offer(const std::vector<int>& x) { return Offer(x, Evaluate(space_.program, x)); }
  // Whether Offer would look at it, limits aside.
  bool MayBeKept(int64_t a, int64_t f) const { return f > 0 && !LessRatio(worst_a_, worst_f_, a, f); }

 private:
  void TightenTieLimit(const std::vector<int>& x);

  const Space& space_;
  const SolverOptions& options_;
  Networks kept_;
  std::vector<int64_t> limits_;
  int64_t worst_a_ = 0, worst_f_ = 1;
  int64_t least_f_ = 1;
  double least_ratio_ = 0;
  bool always_positive_ = false;
  double lambda_ = 0, margin_ = 0;  // a - lambda f <= -margin is looked for
  bool ties_ = false;
  int64_t ties_seen_ = 0;
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SOLVER_INCUMBENTS_H_
