#include "mathnas/core/internal/selection.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace mathnas::core::internal {
namespace {

Ranked Copy(const Rank& rank) { return {rank.objective_key, rank.first_limited, *rank.choice, rank.shared}; }

bool BetterRanked(const Ranked& a, const Ranked& b) { return Better(a.rank(), b.rank()); }

}  // namespace

bool Better(const Rank& a, const Rank& b) {
  if (a.objective_key != b.objective_key) return a.objective_key < b.objective_key;
  if (a.first_limited != b.first_limited) return a.first_limited < b.first_limited;
  if (*a.choice != *b.choice) return *a.choice < *b.choice;
  return a.shared < b.shared;
}

void TopK::Offer(const Rank& rank) {
  if (heap_.size() == count_) {
    if (count_ == 0 || !Better(rank, heap_.front().rank())) return;
    std::pop_heap(heap_.begin(), heap_.end(), BetterRanked);
    heap_.pop_back();
  }
  heap_.push_back(Copy(rank));
  std::push_heap(heap_.begin(), heap_.end(), BetterRanked);
}

std::vector<Ranked> TopK::Take() {
  std::sort_heap(heap_.begin(), heap_.end(), BetterRanked);
  return std::exchange(heap_, {});
}

void Front::Offer(const Rank& rank, double front_key) {
  auto next = by_key_.upper_bound(front_key);
  if (next != by_key_.begin()) {
    const auto previous = std::prev(next);  // the best objective among front keys that are no worse
    const double best = previous->second.objective_key;
    if (best < rank.objective_key || (best == rank.objective_key && previous->first < front_key)) return;
    if (best == rank.objective_key && !Better(rank, previous->second.rank())) return;
    if (previous->first == front_key) next = by_key_.erase(previous);
  }
  while (next != by_key_.end() && next->second.objective_key >= rank.objective_key) next = by_key_.erase(next);
  by_key_.emplace_hint(next, front_key, Copy(rank));
}

std::vector<Ranked> Front::Take() {
  std::vector<Ranked> networks;
  for (auto& [key, network] : by_key_) networks.push_back(std::move(network));
  by_key_.clear();
  return networks;
}

}  // namespace mathnas::core::internal
