// The exact solver against instances with known optima and against brute force, decided in integers.
#include "mathnas/core/solver.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <random>

#include "gtest/gtest.h"
#include "tests/core/solver_instances.h"
#include "tests/core/solver_oracle.h"

namespace mathnas::core {
namespace {

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
  p.f0 = linear ? 1 : below(2) == 0 ? 1 : 1 + below(flops) - (below(8) == 0 ? 2 * flops : 0);
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
    // The full depth stays, so that there is one.
    if (below(3) == 0) c.depths = random() | uint64_t{1} << length;
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

TEST(Solver, AgreesWithBruteForce) {
  const char* text = std::getenv("MATHNAS_TEST_CASES");
  const int64_t cases = text != nullptr ? std::atoll(text) : 20000;
  int64_t feasible = 0, infeasible = 0, tied = 0;
  for (int64_t seed = 0; seed < cases; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(static_cast<uint64_t>(seed));
    const Program p = RandomProgram(random);
    const bool refuse = random() % 4 == 0, break_ties = random() % 2 == 0;
    std::vector<Network> networks = BruteForce(p, refuse);
    // Ties: the smaller first limit, then the lexicographically greatest, so that it is not the solver's own order.
    const auto before = [](const Network& u, const Network& v) {
      if (!u.totals.w.empty() && u.totals.w[0] != v.totals.w[0]) return u.totals.w[0] < v.totals.w[0];
      return u.x > v.x;
    };
    std::sort(networks.begin(), networks.end(), [&](const Network& u, const Network& v) {
      if (LessRatio(u.totals.a, u.totals.f, v.totals.a, v.totals.f)) return true;
      if (LessRatio(v.totals.a, v.totals.f, u.totals.a, u.totals.f)) return false;
      return before(u, v);
    });
    SolverOptions options;
    static constexpr int kKeep[] = {1, 1, 1, 2, 5, 100};
    options.keep = kKeep[random() % 6];
    if (refuse) options.accept = [](std::span<const int> x) { return !Refused(x); };
    if (break_ties) {
      options.before = [&](std::span<const int> u, std::span<const int> v) {
        const auto network = [&](std::span<const int> x) {
          return Network{std::vector(x.begin(), x.end()), Evaluate(p, x)};
        };
        return before(network(u), network(v));
      };
      if (!p.limits.empty()) options.tie_limit = 0;
    }
    const auto s = Solve(p, options);
    ASSERT_TRUE(s.ok()) << s.status();
    ExpectHonest(p, *s);
    ASSERT_EQ(s->status, networks.empty() ? SolutionStatus::kInfeasible : SolutionStatus::kOptimal);
    ++(networks.empty() ? infeasible : feasible);
    if (networks.empty()) continue;
    std::vector<std::vector<int>> found = s->runners_up;
    found.insert(found.begin(), s->x);
    ASSERT_EQ(std::ssize(found), std::min<ptrdiff_t>(options.keep, std::ssize(networks)));
    for (size_t n = 0; n < found.size(); ++n) {
      const Totals t = Evaluate(p, found[n]), &best = networks[n].totals;
      ASSERT_FALSE(LessRatio(best.a, best.f, t.a, t.f)) << t.a << "/" << t.f << ", not " << best.a << "/" << best.f;
      ASSERT_FALSE(LessRatio(t.a, t.f, best.a, best.f));
      if (break_ties) {
        ASSERT_EQ(found[n], networks[n].x) << "number " << n;
      }
      if (n > 0) {
        ASSERT_NE(found[n], found[n - 1]);
      }
    }
    if (networks.size() > 1) {
      const Totals &first = networks[0].totals, &second = networks[1].totals;
      tied += LessRatio(first.a, first.f, second.a, second.f) ? 0 : 1;
    }
  }
  EXPECT_GT(feasible, cases / 4);
  EXPECT_GT(infeasible, cases / 100);
  EXPECT_GT(tied, cases / 100);
}

// Three nodes with so many candidates that the solver prepares (Space::Small), most of them worse than another one.
Program WideProgram(std::mt19937_64& random) {
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  Program p;
  const int k = static_cast<int>(below(3));
  const int64_t flops = below(4) == 0 ? 1 : 6;
  p.a0 = below(40) - 20;
  p.f0 = below(3) == 0 ? -4 : 1;
  p.limits.assign(k, 0);
  for (int i = 0; i < 3; ++i) {
    Program::Node n;
    n.w.resize(k);
    for (int j = 0; j < 48; ++j) {
      n.a.push_back(below(60) - 20);
      n.f.push_back(below(flops));
      for (auto& w : n.w) w.push_back(below(9) - 3);
    }
    p.nodes.push_back(std::move(n));
  }
  for (int64_t& limit : p.limits) limit = below(12) - 8;
  if (below(2) == 0) {
    p.chains = {{1, 2, {below(30) - 10}, {below(flops)}, std::vector<std::vector<int64_t>>(k)}};
    for (auto& w : p.chains[0].end_w) w.push_back(below(5) - 2);
  }
  return p;
}

TEST(Solver, ManyDominatedCandidates) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const Program p = WideProgram(random);
    std::vector<Network> networks = BruteForce(p, false);
    SolverOptions options;
    options.keep = std::array{1, 2, 7}[seed % 3];
    options.before = [](std::span<const int> x, std::span<const int> y) {
      return std::lexicographical_compare(y.begin(), y.end(), x.begin(), x.end());
    };
    const auto first = networks.begin() + std::min<ptrdiff_t>(options.keep, std::ssize(networks));
    std::partial_sort(networks.begin(), first, networks.end(), [&](const Network& u, const Network& v) {
      if (LessRatio(u.totals.a, u.totals.f, v.totals.a, v.totals.f)) return true;
      if (LessRatio(v.totals.a, v.totals.f, u.totals.a, u.totals.f)) return false;
      return options.before(u.x, v.x);
    });
    const auto s = Solve(p, options);
    ASSERT_TRUE(s.ok()) << s.status();
    ExpectHonest(p, *s);
    ASSERT_EQ(s->status, networks.empty() ? SolutionStatus::kInfeasible : SolutionStatus::kOptimal);
    if (networks.empty()) continue;
    std::vector<std::vector<int>> found = s->runners_up;
    found.insert(found.begin(), s->x);
    ASSERT_EQ(std::ssize(found), first - networks.begin());
    for (size_t n = 0; n < found.size(); ++n) EXPECT_EQ(found[n], networks[n].x) << "number " << n;
  }
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
  p.a0 = int64_t{1} << 61;
  EXPECT_EQ(Solve(p).status().message(), "sums reach 2^61, expected smaller integers");
  p = good;
  p.chains = {{0, 2, {1}, {0}, {}, 2}};
  EXPECT_EQ(Solve(p).status().message(),
            "chains[0]: nodes 0 to 1, expected 1 to 63 nodes of the program after the chain before");
  p = good;
  p.chains = {{0, 1, {}, {}, {}, 1}};
  EXPECT_EQ(Solve(p).status().message(), "chains[0].depths: none from 1 to 1, expected one");
  p = good;
  p.limits = {3};
  EXPECT_EQ(Solve(p).status().message(), "nodes[0].w: 0 entries, expected 1");
}

TEST(Solver, NoPositiveDenominatorNoNetwork) {
  Program p = OneNode();
  p.f0 = -1;
  const auto s = Solve(p);
  ASSERT_TRUE(s.ok());
  EXPECT_EQ(s->status, SolutionStatus::kInfeasible);
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
