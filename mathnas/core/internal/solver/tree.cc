#include "mathnas/core/internal/solver/tree.h"

#include <utility>

#include "mathnas/core/internal/solver/branching.h"
#include "mathnas/core/internal/solver/local_search.h"

namespace mathnas::core::internal {
namespace {

constexpr int64_t kRepairEvery = 64;  // parts: it takes as long as many bounds

}  // namespace

void Tree::ProcessLast(int64_t number, std::vector<Part>& open) {
  Part part = std::move(open.back());
  open.pop_back();
  const bool root = part.bound == Part::kNoBound;
  if (!root && incumbents_.Proven(part.bound, dual_.Error(part.multiplier))) return;
  if (!KeepWithinLimits(space_, incumbents_.limits(), part)) return;
  KeepOneOfAbsent(space_, part);
  DualPoint point;
  point.u = part.multiplier;
  if (dual_.Raise(part, point)) return;
  dual_.Evaluate(part, point);
  if (root) root_multiplier_ = point.u;
  if (dual_.Proven(point)) return;

  const double lambda = incumbents_.lambda();
  dual_.OfferMinimum(part, point);
  if (number % kRepairEvery == 0) Repair(space_, whole_, ChoiceOf(space_, part, point.minimum), incumbents_);
  if (incumbents_.lambda() != lambda) {
    dual_.Evaluate(part, point);
    if (dual_.Proven(point)) return;
  }
  const double budget = incumbents_.Budget(point.value, 2 * dual_.Error(point.u));
  if (Drop(space_, point.values, point.minimum, budget, part)) dual_.Evaluate(part, point);
  // The least x may be another one by now, and the only one that is left.
  dual_.OfferMinimum(part, point);
  if (enumeration_.Finish(part, point, 2 * dual_.Error(point.u))) return;
  part.bound = point.value - dual_.Error(point.u);
  part.multiplier = point.u;
  Divide(space_, part, point, dual_.mix(), open);
}

}  // namespace mathnas::core::internal
