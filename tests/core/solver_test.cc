// The exact solver against instances with known optima and against brute force, decided in integers.
#include "mathnas/core/solver.h"

#include <cmath>
#include <cstdlib>
#include <random>

#include "gtest/gtest.h"
#include "tests/core/solver_instances.h"

namespace mathnas::core {
namespace {

// What every answer must be, whatever its status: within the limits, as good as it says, not below its bound.
void ExpectHonest(const Program& program, const Solution& s) {
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

TEST(Solver, KnownOptima) {
  // Strongly correlated and large instances take longer than a test should: an answer in the time given must be honest.
  const auto takes_long = [](const SolverInstance& i) {
    return i.program.nodes.size() > 20 || (i.name.starts_with("S-") && i.program.nodes.size() > 6);
  };
  const std::vector<SolverInstance> instances = LoadSolverInstances(SolverInstanceFolder());
  ASSERT_FALSE(instances.empty());
  for (const SolverInstance& i : instances) {
    SCOPED_TRACE(i.file + " " + i.name);
    SolverOptions options;
    if (takes_long(i)) options.time_limit = 0.1;
    const auto s = Solve(i.program, options);
    ASSERT_TRUE(s.ok()) << s.status();
    ExpectHonest(i.program, *s);
    if (!takes_long(i)) {
      EXPECT_TRUE(s->status == SolutionStatus::kOptimal || s->status == SolutionStatus::kInfeasible);
    }
    if (s->status == SolutionStatus::kInfeasible) {
      EXPECT_EQ(i.status, "infeasible");
    }
    if (i.status == "infeasible") {
      EXPECT_TRUE(s->x.empty());
    }
    if (i.status == "optimal") {
      const double optimum = static_cast<double>(i.a) / static_cast<double>(i.f);
      EXPECT_LE(s->bound, optimum + 1e-12 * std::abs(optimum));
      if (!s->x.empty()) {
        EXPECT_FALSE(LessRatio(s->a, s->f, i.a, i.f)) << "better than the known optimum";
      }
      if (s->status == SolutionStatus::kOptimal) {
        EXPECT_FALSE(LessRatio(i.a, i.f, s->a, s->f)) << s->a << "/" << s->f;
      }
    }
  }
}

// Small programs with every feature: chains, several limits, negative numbers, ties, numbers of any size.
Program RandomProgram(std::mt19937_64& random) {
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  Program p;
  const int m = 1 + static_cast<int>(below(5)), k = static_cast<int>(below(4));
  static constexpr int64_t kSizes[] = {2, 4, 20, 1000, 1000003, 3000000019};
  const int64_t size = kSizes[below(6)], flops = kSizes[below(6)];
  const bool linear = below(4) == 0;
  p.a0 = below(2) == 0 ? 0 : below(2 * size) - size;
  p.f0 = linear ? 1 : below(2) == 0 ? 1 : 1 + below(flops);
  std::vector<int64_t> least(k, 0), most(k, 0);
  for (int i = 0; i < m; ++i) {
    Program::Node n;
    const int64_t candidates = 1 + below(5);
    n.w.resize(k);
    for (int64_t j = 0; j < candidates; ++j) {
      n.a.push_back(below(2 * size) - size / 2);
      n.f.push_back(linear ? 0 : below(flops));
      for (int l = 0; l < k; ++l) n.w[l].push_back(below(2 * size) - (below(3) == 0 ? size : 0));
    }
    for (int l = 0; l < k; ++l) {
      least[l] += *std::min_element(n.w[l].begin(), n.w[l].end());
      most[l] += *std::max_element(n.w[l].begin(), n.w[l].end());
    }
    p.nodes.push_back(std::move(n));
  }
  for (int first = static_cast<int>(below(3)); first + 1 < m;) {
    const int length = 1 + static_cast<int>(below(m - first));
    Program::Chain c = {first, length, {}, {}, std::vector<std::vector<int64_t>>(k)};
    for (int t = 1; t < length; ++t) {
      c.end_a.push_back(below(size));
      c.end_f.push_back(linear ? 0 : below(2) * below(flops));
      for (int l = 0; l < k; ++l) c.end_w[l].push_back(below(3) == 0 ? below(size) : 0);
    }
    p.chains.push_back(std::move(c));
    first += length + static_cast<int>(below(2));
  }
  for (int l = 0; l < k; ++l) p.limits.push_back(least[l] + below(most[l] - least[l] + 2) - below(2));
  return p;
}

// Every structure, one after the other. False if none holds the limits.
bool BruteForce(const Program& p, int64_t& a, int64_t& f) {
  const int m = static_cast<int>(p.nodes.size());
  std::vector<int> x(m, Program::kAbsent);
  bool found = false;
  const auto allowed = [&] {
    for (int i = 0; i < m; ++i) {
      if (x[i] != Program::kAbsent) continue;
      bool in_chain = false;
      for (const auto& c : p.chains) {
        if (i > c.first && i < c.first + c.length) in_chain = true;
        // All behind an absent node are absent.
        if (i >= c.first && i + 1 < c.first + c.length && x[i + 1] != Program::kAbsent) return false;
      }
      if (!in_chain) return false;
    }
    return true;
  };
  for (;;) {
    if (allowed()) {
      const Totals t = Evaluate(p, x);
      bool within = true;
      for (size_t l = 0; l < p.limits.size(); ++l) within = within && t.w[l] <= p.limits[l];
      if (within && (!found || LessRatio(t.a, t.f, a, f))) {
        a = t.a;
        f = t.f;
        found = true;
      }
    }
    int i = 0;
    while (i < m && ++x[i] == static_cast<int>(p.nodes[i].a.size())) x[i++] = Program::kAbsent;
    if (i == m) return found;
  }
}

TEST(Solver, AgreesWithBruteForce) {
  const char* text = std::getenv("MATHNAS_TEST_CASES");
  const int64_t cases = text != nullptr ? std::atoll(text) : 20000;
  int64_t feasible = 0, infeasible = 0;
  for (int64_t seed = 0; seed < cases; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(static_cast<uint64_t>(seed));
    const Program p = RandomProgram(random);
    int64_t a = 0, f = 1;
    const bool found = BruteForce(p, a, f);
    const auto s = Solve(p);
    ASSERT_TRUE(s.ok()) << s.status();
    ExpectHonest(p, *s);
    ASSERT_EQ(s->status, found ? SolutionStatus::kOptimal : SolutionStatus::kInfeasible);
    if (found) {
      ASSERT_FALSE(LessRatio(a, f, s->a, s->f)) << s->a << "/" << s->f << ", brute force " << a << "/" << f;
      ASSERT_FALSE(LessRatio(s->a, s->f, a, f));
    }
    ++(found ? feasible : infeasible);
  }
  EXPECT_GT(feasible, cases / 4);
  EXPECT_GT(infeasible, cases / 100);
}

Program OneNode() {
  Program p;
  p.nodes = {{{3, 2}, {1, 1}, {}}};
  return p;
}

TEST(Solver, RefusesWhatIsNoProgram) {
  const Program good = OneNode();
  EXPECT_TRUE(Solve(good).ok());
  Program p = good;
  p.nodes[0].f = {1};
  EXPECT_EQ(Solve(p).status().message(), "nodes[0].f: 1 entries, expected 2");
  p = good;
  p.nodes.push_back({});
  EXPECT_EQ(Solve(p).status().message(), "nodes[1]: no candidates");
  p = good;
  p.f0 = -1;
  EXPECT_EQ(Solve(p).status().message(), "the denominator can be zero or negative, expected above zero");
  p = good;
  p.a0 = int64_t{1} << 61;
  EXPECT_EQ(Solve(p).status().message(), "sums reach 2^61, expected smaller integers");
  p = good;
  p.chains = {{0, 2, {1}, {0}, {}}};
  EXPECT_EQ(Solve(p).status().message(),
            "chains[0]: nodes 0 to 1, expected 1 to 63 nodes of the program after the chain before");
  p = good;
  p.limits = {3};
  EXPECT_EQ(Solve(p).status().message(), "nodes[0].w: 0 entries, expected 1");
}

TEST(Solver, StopsWhenAsked) {
  const std::atomic<bool> cancel = true;
  EXPECT_TRUE(absl::IsCancelled(Solve(OneNode(), {.cancel = &cancel}).status()));
}

TEST(Solver, NoTimeIsNoProof) {
  const auto s = Solve(OneNode(), {.time_limit = -1});
  ASSERT_TRUE(s.ok());
  EXPECT_TRUE(s->status == SolutionStatus::kFeasible || s->status == SolutionStatus::kUnknown);
  EXPECT_LE(s->bound, 2);
  ExpectHonest(OneNode(), *s);
}

}  // namespace
}  // namespace mathnas::core
