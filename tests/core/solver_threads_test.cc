// The solver on several threads: against brute force, against known optima, and always the solution of one thread.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "gtest/gtest.h"
#include "mathnas/core/solver.h"
#include "tests/core/solver_instances.h"
#include "tests/core/solver_oracle.h"

namespace mathnas::core {
namespace {

// Parts are divided to the end, and threads begin at once.
constexpr SolverOptions::Effort kManyParts = {.few_networks = 1, .first_parts = 1, .alone = 0};

// Numbers that are small and strongly correlated: bounds prove little, and many networks are equally good.
Program CorrelatedProgram(std::mt19937_64& random) {
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  Program p;
  const int m = 4 + static_cast<int>(below(3)), k = static_cast<int>(below(4));
  p.f0 = 1 + below(9);
  p.limits.assign(k, 0);
  for (int i = 0; i < m; ++i) {
    Program::Node n;
    n.w.resize(k);
    for (int j = 0; j < 5; ++j) {
      int64_t sum = below(20);
      for (auto& w : n.w) {
        w.push_back(1 + below(30));
        sum += w.back() / k;
      }
      n.a.push_back(60 - sum + below(3));
      n.f.push_back(20 + sum / 2);
    }
    p.nodes.push_back(std::move(n));
  }
  for (int64_t& limit : p.limits) limit = m * (7 + below(12));
  if (below(2) == 0) {
    p.chains = {{1, 3, {below(90), below(40)}, {below(20), below(9)}, std::vector<std::vector<int64_t>>(k)}};
    for (auto& w : p.chains[0].end_w) w = {below(9), below(9)};
  }
  return p;
}

void ExpectSame(const Solution& s, const Solution& t) {
  EXPECT_EQ(s.status, t.status);
  EXPECT_EQ(s.x, t.x);
  EXPECT_EQ(s.runners_up, t.runners_up);
  EXPECT_EQ(s.bound, t.bound);
  EXPECT_EQ(s.explored, t.explored);
}

TEST(SolverThreads, AgreeWithBruteForce) {
  const char* text = std::getenv("MATHNAS_TEST_CASES");
  const int64_t cases = text != nullptr ? std::atoll(text) : 400;
  int64_t in_rounds = 0, infeasible = 0, tied = 0;
  for (int64_t seed = 0; seed < cases; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(static_cast<uint64_t>(seed));
    const Program p = CorrelatedProgram(random);
    const bool refuse = random() % 4 == 0, break_ties = random() % 2 == 0;
    std::vector<Network> networks = BruteForce(p, refuse);
    SolverOptions options;
    options.keep = std::array{1, 1, 3, 40}[random() % 4];
    options.effort = kManyParts;
    if (random() % 2 == 0) options.effort.few_networks = 30;
    if (refuse) options.accept = [](std::span<const int> x) { return !Refused(x); };
    // Not the solver's own order.
    const auto before = [](std::span<const int> x, std::span<const int> y) {
      return std::lexicographical_compare(y.begin(), y.end(), x.begin(), x.end());
    };
    if (break_ties) options.before = before;
    const auto first = networks.begin() + std::min<ptrdiff_t>(options.keep, std::ssize(networks));
    std::partial_sort(networks.begin(), first, networks.end(), [&](const Network& u, const Network& v) {
      if (LessRatio(u.totals.a, u.totals.f, v.totals.a, v.totals.f)) return true;
      if (LessRatio(v.totals.a, v.totals.f, u.totals.a, u.totals.f)) return false;
      return before(u.x, v.x);
    });
    options.threads = 3;
    const auto s = Solve(p, options);
    ASSERT_TRUE(s.ok()) << s.status();
    ExpectHonest(p, *s);
    ASSERT_EQ(s->status, networks.empty() ? SolutionStatus::kInfeasible : SolutionStatus::kOptimal);
    infeasible += networks.empty() ? 1 : 0;
    in_rounds += s->explored > 20 ? 1 : 0;
    if (!networks.empty()) {
      std::vector<std::vector<int>> found = s->runners_up;
      found.insert(found.begin(), s->x);
      ASSERT_EQ(std::ssize(found), first - networks.begin());
      for (size_t n = 0; n < found.size(); ++n) {
        const Totals t = Evaluate(p, found[n]), &best = networks[n].totals;
        ASSERT_FALSE(LessRatio(best.a, best.f, t.a, t.f) || LessRatio(t.a, t.f, best.a, best.f)) << "number " << n;
        if (break_ties) {
          ASSERT_EQ(found[n], networks[n].x) << "number " << n;
        }
        if (n > 0) {
          const Totals& better = networks[n - 1].totals;
          tied += LessRatio(better.a, better.f, best.a, best.f) ? 0 : 1;
        }
      }
    }
    for (const int threads : {1, 2}) {
      options.threads = threads;
      const auto t = Solve(p, options);
      ASSERT_TRUE(t.ok()) << t.status();
      ExpectSame(*s, *t);
    }
  }
  EXPECT_GT(in_rounds, cases / 4);
  EXPECT_GT(infeasible, cases / 100);
  EXPECT_GT(tied, cases);
}

TEST(SolverThreads, KnownOptima) {
  static constexpr const char* kNames[] = {"D-50x20-k5-t1",  "R-50x20-k5-t3",   "S-6x8-k5-t2",  "S-10x10-k3-t1",
                                           "D-100x50-k3-t2", "R-200x200-k2-t1", "D-10x10-k5-t1"};
  int found = 0;
  for (const SolverInstance& i : LoadSolverInstances(SolverInstanceFolder())) {
    if (std::find(std::begin(kNames), std::end(kNames), i.name) == std::end(kNames) || i.status != "optimal") continue;
    SCOPED_TRACE(i.name);
    ++found;
    SolverOptions options;
    options.keep = i.name.starts_with("S") ? 1 : 5;
    options.effort = {.few_networks = 20'000, .first_parts = 4, .alone = 0};
    options.threads = 1;
    const auto s = Solve(i.program, options);
    options.threads = 4;
    const auto t = Solve(i.program, options);
    ASSERT_TRUE(s.ok() && t.ok());
    EXPECT_EQ(t->status, SolutionStatus::kOptimal);
    EXPECT_FALSE(LessRatio(t->a, t->f, i.a, i.f) || LessRatio(i.a, i.f, t->a, t->f)) << t->a << "/" << t->f;
    EXPECT_EQ(std::ssize(t->runners_up), options.keep - 1);
    ExpectHonest(i.program, *t);
    ExpectSame(*s, *t);
  }
  EXPECT_GE(found, 5);
}

// An instance that takes minutes.
Program LongProgram() {
  for (SolverInstance& i : LoadSolverInstances(SolverInstanceFolder())) {
    if (i.name == "S-50x20-k5-t2") return std::move(i.program);
  }
  ADD_FAILURE() << "no S-50x20-k5-t2";
  return {};
}

TEST(SolverThreads, StopWhenAsked) {
  const Program program = LongProgram();
  std::atomic<bool> cancel = false;
  std::thread other([&cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    cancel = true;
  });
  const auto s = Solve(program, {.cancel = &cancel, .threads = 3});
  other.join();
  EXPECT_TRUE(absl::IsCancelled(s.status())) << s.status();
}

TEST(SolverThreads, StopInTimeWithABound) {
  const Program program = LongProgram();
  const auto s = Solve(program, {.time_limit = 0.2, .threads = 3});
  ASSERT_TRUE(s.ok()) << s.status();
  EXPECT_EQ(s->status, SolutionStatus::kFeasible);
  ExpectHonest(program, *s);
}

TEST(SolverThreads, RefuseLessThanNone) {
  Program p;
  p.nodes = {{{3, 2}, {1, 1}, {}}};
  EXPECT_EQ(Solve(p, {.threads = -1}).status().message(), "threads: expected a number from 0 on, found -1");
}

}  // namespace
}  // namespace mathnas::core
