#include "mathnas/core/internal/selection.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace mathnas::core::internal {
namespace {

constexpr size_t kLately = 32;     // points that are compared at once
constexpr size_t kWaiting = 4096;  // points that are compared together

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

void Front::Offer(const Rank& rank, std::span<const double> front_keys) {
  if (front_keys.size() == 1) {
    OfferPair(rank, front_keys[0]);
  } else {
    OfferTriple(rank, front_keys[0], front_keys[1]);
  }
}

void Front::OfferPair(const Rank& rank, double front_key) {
  for (const Keys& keys : lately_) {
    if (keys.objective < rank.objective_key && keys.front <= front_key) return;
  }
  auto next = by_key_.upper_bound(front_key);
  if (next != by_key_.begin()) {
    const auto previous = std::prev(next);  // the best objective among front keys that are no worse
    const double best = previous->second.objective_key;
    if (best < rank.objective_key) {
      lately_[next_lately_] = {best, previous->first};
      next_lately_ = (next_lately_ + 1) % std::size(lately_);
      return;
    }
    if (best == rank.objective_key && previous->first < front_key) return;
    if (best == rank.objective_key && !Better(rank, previous->second.rank())) return;
    if (previous->first == front_key) next = by_key_.erase(previous);
  }
  while (next != by_key_.end() && next->second.objective_key >= rank.objective_key) next = by_key_.erase(next);
  by_key_.emplace_hint(next, front_key, Copy(rank));
}

void Front::OfferTriple(const Rank& rank, double first, double second) {
  // Most networks are dominated by one of the points that dominated others lately.
  for (size_t p = 0; p < std::min(points_.size(), kLately); ++p) {
    const double* keys = points_[p].keys;
    if (keys[0] > rank.objective_key || keys[1] > first || keys[2] > second) continue;
    const bool equal = keys[0] == rank.objective_key && keys[1] == first && keys[2] == second;
    if (equal && Better(rank, points_[p].network.rank())) continue;
    if (p > 0) std::swap(points_[p], points_[p / 2]);
    return;
  }
  waiting_.push_back({{rank.objective_key, first, second}, Copy(rank)});
  if (waiting_.size() >= std::max(kWaiting, points_.size())) Merge();
}

void Front::Merge() {
  std::move(waiting_.begin(), waiting_.end(), std::back_inserter(points_));
  waiting_.clear();
  std::sort(points_.begin(), points_.end(), [](const Point& a, const Point& b) {
    if (const auto order = std::lexicographical_compare_three_way(a.keys, a.keys + 3, b.keys, b.keys + 3); order != 0) {
      return order < 0;
    }
    return Better(a.network.rank(), b.network.rank());
  });
  // In this order only earlier ones dominate: stairs of the second key over the first.
  std::map<double, double> stairs;
  std::vector<Point> kept;
  for (Point& point : points_) {
    auto next = stairs.upper_bound(point.keys[1]);
    if (next != stairs.begin() && std::prev(next)->second <= point.keys[2]) continue;
    while (next != stairs.end() && next->second >= point.keys[2]) next = stairs.erase(next);
    stairs.insert_or_assign(point.keys[1], point.keys[2]);
    kept.push_back(std::move(point));
  }
  points_ = std::move(kept);
}

std::vector<Ranked> Front::Take() {
  std::vector<Ranked> networks;
  networks.reserve(size());
  for (auto& [key, network] : by_key_) networks.push_back(std::move(network));
  by_key_.clear();
  std::fill(std::begin(lately_), std::end(lately_), Keys());
  if (!waiting_.empty()) Merge();
  // By objective from worst to best: they may have been swapped since the last merge.
  std::sort(points_.begin(), points_.end(), [](const Point& a, const Point& b) {
    return std::lexicographical_compare(b.keys, b.keys + 3, a.keys, a.keys + 3);
  });
  for (Point& point : points_) networks.push_back(std::move(point.network));
  points_.clear();
  return networks;
}

}  // namespace mathnas::core::internal
