// Keeping the best networks of a stream: the top K and the front, under one order.
#ifndef MATHNAS_CORE_INTERNAL_SELECTION_H_
#define MATHNAS_CORE_INTERNAL_SELECTION_H_

#include <limits>
#include <map>
#include <span>
#include <vector>

#include "mathnas/core/block_table.h"
#include "mathnas/core/networks.h"

namespace mathnas::core::internal {

// What the order of SearchResult compares. Keys are signed so that smaller is better.
struct Rank {
  double objective_key = 0;
  double first_limited = 0;  // value of the first limited metric; 0 without limits
  const Choice* choice = nullptr;
  int shared = 0;
};

struct Ranked {
  double objective_key = 0;
  double first_limited = 0;
  Choice choice;
  int shared = 0;

  Rank rank() const { return {objective_key, first_limited, &choice, shared}; }
};

// Smaller objective key, then smaller first limited metric, then lexicographically smaller choice, then smaller shared.
bool Better(const Rank& a, const Rank& b);

class TopK {
 public:
  explicit TopK(size_t count) : count_(count) {}
  void Offer(const Rank& rank);
  // The worst that is kept, once there are `count` of them; null before. Only what is better than it can still get in.
  const Ranked* Threshold() const { return count_ > 0 && heap_.size() == count_ ? &heap_.front() : nullptr; }
  // Best first; leaves nothing behind.
  std::vector<Ranked> Take();

 private:
  size_t count_;
  std::vector<Ranked> heap_;  // worst on top
};

// The non-dominated points (objective key, keys of one or two front metrics), one network each.
class Front {
 public:
  void Offer(const Rank& rank, std::span<const double> front_keys);
  // At least as many as there are now.
  size_t size() const { return by_key_.size() + points_.size(); }
  // By objective from worst to best; leaves nothing behind.
  std::vector<Ranked> Take();

 private:
  struct Point {
    double keys[3];  // objective first
    Ranked network;
  };
  void OfferPair(const Rank& rank, double front_key);
  void OfferTriple(const Rank& rank, double first, double second);
  // Leaves what is not dominated of points_ and waiting_.
  void Merge();

  // One metric: objective keys fall strictly as front keys rise.
  std::map<double, Ranked> by_key_;
  // What dominated others lately: most networks are, by one of these, which saves the way through the map. May have
  // left it since, for something that dominates it.
  struct Keys {
    double objective = std::numeric_limits<double>::infinity(), front = 0;
  };
  Keys lately_[4];
  size_t next_lately_ = 0;
  // Two metrics: what is not dominated, and what came since, to be compared when there is enough of it.
  std::vector<Point> points_, waiting_;
};

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_SELECTION_H_
