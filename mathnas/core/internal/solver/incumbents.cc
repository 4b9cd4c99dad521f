#include "mathnas/core/internal/solver/incumbents.h"

#include <algorithm>
#include <utility>

#include "mathnas/core/internal/solver/part.h"

namespace mathnas::core::internal {

bool Incumbents::Better::operator()(const Network& p, const Network& q) const {
  if (LessRatio(p.a, p.f, q.a, q.f)) return true;
  if (LessRatio(q.a, q.f, p.a, p.f)) return false;
  return options->before ? options->before(p.x, q.x) : p.x < q.x;
}

bool Incumbents::Start() {
  const Program& program = space_.program;
  const std::vector<uint64_t> depths = AllDepths(program);
  const auto least = [&](int64_t sign, const Extremes& extremes, const auto& of_chain) {
    Minimum<int64_t> minimum;
    for (int i = 0; i < space_.m; ++i) {
      minimum.node.push_back(sign > 0 ? extremes.low[i] : -extremes.high[i]);
      minimum.total += minimum.node.back();
    }
    MinimiseChains(program, depths, Ends(program, sign, of_chain), minimum);
    return minimum.total;
  };
  const auto end_a = [](const Program::Chain& c) -> const auto& { return c.end_a; };
  const auto end_f = [](const Program::Chain& c) -> const auto& { return c.end_f; };
  const int64_t most_a = program.a0 - least(-1, space_.extremes_a, end_a);
  const int64_t least_a = program.a0 + least(1, space_.extremes_a, end_a);
  const int64_t most_f = program.f0 - least(-1, space_.extremes_f, end_f);
  if (most_f <= 0) return false;
  const int64_t least_f = program.f0 + least(1, space_.extremes_f, end_f);
  always_positive_ = least_f > 0;
  least_f_ = std::max<int64_t>(1, least_f);
  worst_a_ = most_a + 1;
  worst_f_ = most_a >= 0 ? least_f_ : most_f;
  AimBelowWorst();
  least_ratio_ = static_cast<double>(least_a) / static_cast<double>(least_a >= 0 ? most_f : least_f_);
  return true;
}

void Incumbents::StartFrom(const Incumbents& known) {
  kept_.clear();
  limits_ = known.limits_;
  worst_a_ = known.worst_a_;
  worst_f_ = known.worst_f_;
  least_f_ = known.least_f_;
  least_ratio_ = known.least_ratio_;
  always_positive_ = known.always_positive_;
  lambda_ = known.lambda_;
  margin_ = known.margin_;
  ties_ = known.ties_;
  ties_seen_ = known.ties_seen_;
}

Incumbents::Networks Incumbents::TakeKept() { return std::exchange(kept_, Networks(Better{&options_})); }

bool Incumbents::Offer(const std::vector<int>& x, const Totals& totals) {
  if (totals.f <= 0) return false;
  for (size_t l = 0; l < space_.k; ++l) {
    if (totals.w[l] > space_.program.limits[l]) return false;
  }
  if (!MayBeKept(totals.a, totals.f)) return false;
  if (options_.accept && !options_.accept(x)) return false;
  if (ties_) ++ties_seen_;
  if (!kept_.insert({x, totals.a, totals.f}).second) return false;
  if (!full()) return false;
  if (std::ssize(kept_) > options_.keep) kept_.erase(std::prev(kept_.end()));
  const Network& worst = *std::prev(kept_.end());
  if (ties_) TightenTieLimit(worst.x);
  if (!LessRatio(worst.a, worst.f, worst_a_, worst_f_)) return false;
  worst_a_ = worst.a;
  worst_f_ = worst.f;
  if (Ratio() > lambda_) return false;
  AimBelowWorst();
  return true;
}

void Incumbents::AimAtTies() {
  ties_ = true;
  lambda_ = Ratio();
  TightenTieLimit(kept_.begin()->x);
}

void Incumbents::TightenTieLimit(const std::vector<int>& x) {
  if (options_.tie_limit < 0 || options_.keep != 1) return;
  limits_[options_.tie_limit] = Evaluate(space_.program, x).w[options_.tie_limit];
}

}  // namespace mathnas::core::internal
