// The dynamic programme over one limit: against brute force, with sums that are far apart, and with too many of them.
#include <cstdlib>
#include <random>

#include "gtest/gtest.h"
#include "mathnas/core/solver.h"
#include "tests/core/solver_oracle.h"

namespace mathnas::core {
namespace {

// Nothing but the dynamic programme, whatever it takes.
constexpr SolverOptions::Effort kSumsAlone = {.before_sums = 0, .sums = 1e300};

// Strongly correlated: whether a network within the limit is better is decided by single units of it. Costs are
// multiples of `unit`, some below zero.
Program OneLimit(std::mt19937_64& random, int64_t unit) {
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  Program p;
  const int m = 7;  // more networks than are searched without a relaxation
  p.f0 = 1 + below(9);
  p.limits = {0};
  for (int i = 0; i < m; ++i) {
    Program::Node n;
    n.w.resize(1);
    for (int j = 0; j < 6; ++j) {
      const int64_t w = below(40) - 8;
      n.w[0].push_back(w * unit);
      n.a.push_back(60 - w + below(3));
      n.f.push_back(20 + w / 2);
    }
    p.nodes.push_back(std::move(n));
  }
  p.limits[0] = (m * (below(20) - 4) * unit) + below(unit);
  return p;
}

TEST(SolverSums, AgreeWithBruteForce) {
  const char* text = std::getenv("MATHNAS_TEST_CASES");
  const int64_t cases = text != nullptr ? std::atoll(text) : 40;
  int64_t by_sums = 0, infeasible = 0;
  for (int64_t seed = 0; seed < cases; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(static_cast<uint64_t>(seed));
    const Program p = OneLimit(random, seed % 2 == 0 ? 1 : 1'000'003);
    const Network* best = nullptr;
    const std::vector<Network> networks = BruteForce(p, false);
    for (const Network& n : networks) {
      if (best == nullptr || LessRatio(n.totals.a, n.totals.f, best->totals.a, best->totals.f)) best = &n;
    }
    SolverOptions options;
    options.effort = kSumsAlone;
    const auto s = Solve(p, options);
    ASSERT_TRUE(s.ok()) << s.status();
    ExpectHonest(p, *s);
    by_sums += s->explored == 0 ? 1 : 0;
    infeasible += best == nullptr ? 1 : 0;
    if (best == nullptr) {
      EXPECT_EQ(s->status, SolutionStatus::kInfeasible);
      continue;
    }
    ASSERT_EQ(s->status, SolutionStatus::kOptimal);
    EXPECT_FALSE(LessRatio(best->totals.a, best->totals.f, s->a, s->f))
        << s->a << "/" << s->f << ", not " << best->totals.a << "/" << best->totals.f;
  }
  EXPECT_GT(by_sums, cases / 2);
  EXPECT_GT(infeasible, 0);
}

// Sums that do not fit are left to the search.
TEST(SolverSums, TooMany) {
  std::mt19937_64 random(4);
  Program p = OneLimit(random, 1'000'000'007);
  for (size_t i = 0; i < p.nodes.size(); ++i) ++p.nodes[i].w[0][i % 6];  // no common divisor
  SolverOptions options;
  const auto t = Solve(p, options);
  options.effort = kSumsAlone;
  const auto s = Solve(p, options);
  ASSERT_TRUE(s.ok() && t.ok());
  EXPECT_GT(s->explored, 0);
  EXPECT_EQ(s->status, SolutionStatus::kOptimal);
  EXPECT_EQ(s->status, t->status);
  EXPECT_EQ(s->x, t->x);
}

}  // namespace
}  // namespace mathnas::core
