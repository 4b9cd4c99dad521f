// The oracle of searches: every vector of indices, straight from the definitions, in long double. Slow and simple, and
// shares nothing with the code under test but the table.
#ifndef MATHNAS_TESTS_CORE_BRUTE_FORCE_H_
#define MATHNAS_TESTS_CORE_BRUTE_FORCE_H_

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"

namespace mathnas::core::testing {

struct BruteNetwork {
  Choice choice;
  int shared = 0;
};

// Depth by Eq 9: behind the first absent node of a group every node must be at its absent candidate.
inline bool IsCanonical(const BlockTable& table, const Choice& choice) {
  for (const DepthGroup& group : table.structure.depth) {
    for (size_t p = 0; p < group.nodes.size(); ++p) {
      for (size_t q = p + 1; q < group.nodes.size(); ++q) {
        const bool cut = group.absent[p] >= 0 && choice[group.nodes[p]] == group.absent[p];
        if (cut && choice[group.nodes[q]] != group.absent[q]) return false;
      }
    }
  }
  return true;
}

// Whether an earlier node of its group is absent.
inline bool BehindCut(const BlockTable& table, const Choice& choice, int node) {
  for (const DepthGroup& group : table.structure.depth) {
    bool earlier = false;
    for (size_t p = 0; p < group.nodes.size(); ++p) {
      if (group.nodes[p] == node) return earlier;
      earlier = earlier || (group.absent[p] >= 0 && choice[group.nodes[p]] == group.absent[p]);
    }
  }
  return false;
}

inline std::vector<BruteNetwork> AllNetworks(const BlockTable& table) {
  std::vector<BruteNetwork> networks;
  for (int shared = 0; shared < table.SharedCount(); ++shared) {
    Choice choice(table.nodes.size(), 0);
    while (true) {
      if (IsCanonical(table, choice)) networks.push_back({choice, shared});
      int i = static_cast<int>(choice.size()) - 1;
      while (i >= 0 && ++choice[i] == static_cast<int>(table.nodes[i].candidates.size())) choice[i--] = 0;
      if (i < 0) break;
    }
  }
  return networks;
}

inline long double BlockSum(const BlockTable& table, const Grid& grid, const BruteNetwork& network) {
  long double sum = 0;
  for (size_t i = 0; i < network.choice.size(); ++i) {
    if (!BehindCut(table, network.choice, static_cast<int>(i))) sum += grid[i][network.choice[i]];
  }
  return sum;
}

class BruteEstimator {
 public:
  BruteEstimator(const BlockTable& table, EstimatorOptions options) : table_(table), options_(options) {
    for (const BruteNetwork& network : AllNetworks(table)) {
      const long double flops = Flops(network);
      if (std::isnan(flops)) continue;
      total_[network.shared] += flops;
      ++count_[network.shared];
      for (size_t i = 0; i < network.choice.size(); ++i) {
        if (BehindCut(table, network.choice, static_cast<int>(i))) continue;
        auto& [sum, number] = containing_[{network.shared, static_cast<int>(i), network.choice[i]}];
        sum += flops;
        ++number;
      }
    }
  }

  // NaN = not measured or undefined.
  long double Value(const std::string& name, const BruteNetwork& network) const {
    const Metric& metric = table_.metrics.at(name);
    const MetricSlice& slice = metric.slices[network.shared];
    const long double sign = metric.form == Form::kSaving ? -1 : 1;
    const bool divided = metric.goal == Goal::kMax && options_.kind != EstimatorKind::kLinear;
    if (!divided) return slice.base + sign * BlockSum(table_, slice.values, network);
    const long double flops = Flops(network);
    if (!(flops > 0)) return NAN;
    if (options_.kind == EstimatorKind::kEq6) {
      const long double mean = total_.at(network.shared) / count_.at(network.shared);
      return slice.base + sign * mean * BlockSum(table_, slice.values, network) / flops;
    }
    long double sum = 0;
    for (size_t i = 0; i < network.choice.size(); ++i) {
      if (BehindCut(table_, network.choice, static_cast<int>(i))) continue;
      const auto& [total, number] = containing_.at({network.shared, static_cast<int>(i), network.choice[i]});
      sum += slice.values[i][network.choice[i]] * total / number;
    }
    return slice.base + sign * sum / flops;
  }

 private:
  struct Key {
    int shared, node, candidate;
    auto operator<=>(const Key&) const = default;
  };

  long double Flops(const BruteNetwork& network) const {
    const MetricSlice& slice = table_.metrics.at("flops").slices[network.shared];
    const long double fixed = options_.flops_fixed == FlopsFixed::kInclude ? slice.base : 0;
    return fixed + BlockSum(table_, slice.values, network);
  }

  const BlockTable& table_;
  EstimatorOptions options_;
  std::map<int, long double> total_;
  std::map<int, int64_t> count_;
  std::map<Key, std::pair<long double, int64_t>> containing_;
};

}  // namespace mathnas::core::testing

#endif  // MATHNAS_TESTS_CORE_BRUTE_FORCE_H_
