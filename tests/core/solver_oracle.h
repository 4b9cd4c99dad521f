// What the solver is tested against: every network of a small program, one after the other, decided in integers.
#ifndef MATHNAS_TESTS_CORE_SOLVER_ORACLE_H_
#define MATHNAS_TESTS_CORE_SOLVER_ORACLE_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "mathnas/core/program.h"
#include "mathnas/core/solver.h"

namespace mathnas::core {

// What every answer must be, whatever its status: within the limits, as good as it says, not below its bound.
inline void ExpectHonest(const Program& program, const Solution& s) {
  if (s.status == SolutionStatus::kInfeasible || s.status == SolutionStatus::kUnknown) {
    EXPECT_TRUE(s.x.empty());
    return;
  }
  ASSERT_EQ(s.x.size(), program.nodes.size());
  const Totals totals = Evaluate(program, s.x);
  EXPECT_EQ(totals.a, s.a);
  EXPECT_EQ(totals.f, s.f);
  for (size_t l = 0; l < program.limits.size(); ++l) EXPECT_LE(totals.w[l], program.limits[l]);
  EXPECT_LE(s.bound, static_cast<double>(s.a) / static_cast<double>(s.f));
}

struct Network {
  std::vector<int> x;
  Totals totals;
};

// An arbitrary part of all choices, the same for the same choice.
inline bool Refused(std::span<const int> x) {
  uint64_t hash = 7;
  for (int j : x) hash = hash * 31 + static_cast<uint64_t>(j + 2);
  return hash * 0x9E3779B97F4A7C15 >> 61 == 0;
}

// Every network of the program, one after the other.
inline std::vector<Network> BruteForce(const Program& p, bool refuse) {
  const int m = static_cast<int>(p.nodes.size());
  std::vector<int> x(m, Program::kAbsent);
  std::vector<Network> networks;
  const auto allowed = [&] {
    for (const auto& c : p.chains) {
      int depth = 0;
      while (depth < c.length && x[c.first + depth] != Program::kAbsent) ++depth;
      if (depth == 0 || (c.depths >> depth & 1) == 0) return false;
      // All behind an absent node are absent.
      for (int t = depth; t < c.length; ++t) {
        if (x[c.first + t] != Program::kAbsent) return false;
      }
    }
    for (int i = 0; i < m; ++i) {
      if (x[i] == Program::kAbsent && std::none_of(p.chains.begin(), p.chains.end(), [i](const Program::Chain& c) {
            return i >= c.first && i < c.first + c.length;
          })) {
        return false;
      }
    }
    return true;
  };
  for (;;) {
    if (allowed()) {
      Totals t = Evaluate(p, x);
      bool within = t.f > 0 && !(refuse && Refused(x));
      for (size_t l = 0; l < p.limits.size(); ++l) within = within && t.w[l] <= p.limits[l];
      if (within) networks.push_back({x, std::move(t)});
    }
    int i = 0;
    while (i < m && ++x[i] == static_cast<int>(p.nodes[i].a.size())) x[i++] = Program::kAbsent;
    if (i == m) return networks;
  }
}

}  // namespace mathnas::core

#endif  // MATHNAS_TESTS_CORE_SOLVER_ORACLE_H_
