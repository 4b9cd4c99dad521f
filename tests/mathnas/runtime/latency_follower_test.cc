// When a measured latency calls for another network, with a clock that the test moves.
#include "mathnas/runtime/latency_follower.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/mathnas/runtime/runtime_test.h"

namespace mathnas::runtime {
namespace {

using Verdict = LatencyFollower::Verdict;

// A machine on which networks 0 .. n-1 take table[i] * residual[i] * load ms: the larger the better. Chooses as the
// dynamic network does: the largest that is predicted to be fast enough.
struct Machine {
  std::vector<double> table, residual;
  double limit = 10;
  LatencyFollower follower;
  size_t present = 0;
  double now = 0;
  int switches = 0;

  Machine(FollowOptions options, std::vector<double> t, std::vector<double> r)
      : table(std::move(t)), residual(std::move(r)), follower(std::move(options)) {
    follower.SetLimit(limit);
    present = Choose(0);
    follower.Switched(table[present], Verdict::kStay, now);
  }
  size_t Choose(double margin) const {
    size_t best = 0;
    for (size_t i = 0; i < table.size(); ++i) {
      if (table[i] * follower.factor() <= limit * (1 - margin)) best = i;
    }
    return best;
  }
  void Run(double seconds, double load) {
    for (const double end = now + seconds; now < end;) {
      const double ms = table[present] * residual[present] * load;
      now += ms / 1e3;
      const Verdict verdict = follower.Measured(ms, now);
      if (verdict == Verdict::kStay) continue;
      const size_t next = Choose(follower.options().margin);
      if (next == present) {
        follower.Stayed(now);
        continue;
      }
      present = next;
      ++switches;
      follower.Switched(table[present], verdict, now);
    }
  }
};

TEST(LatencyFollower, FollowsASlowMachineAndComesBack) {
  Machine machine({}, {2, 4, 6, 8, 9.5}, {1, 1, 1, 1, 1});
  EXPECT_EQ(machine.present, 4u);
  machine.Run(30, 1);
  EXPECT_EQ(machine.switches, 0);
  machine.Run(3, 2);  // twice as slow: 4 would take 19 ms, 1 takes 8
  EXPECT_EQ(machine.present, 1u);
  EXPECT_EQ(machine.switches, 1);
  EXPECT_DOUBLE_EQ(machine.follower.factor(), 2);
  machine.Run(30, 2);
  EXPECT_EQ(machine.switches, 1);
  machine.Run(30, 1);
  EXPECT_EQ(machine.present, 4u);
  EXPECT_EQ(machine.switches, 2);
  machine.Run(30, 1.03);  // within the band
  EXPECT_EQ(machine.switches, 2);
}

// The table is 12 % wrong about the network at the limit: it is taken when there is room, and given up.
TEST(LatencyFollower, DoesNotFlapWhereTheTableIsWrong) {
  const FollowOptions options = {.dwell = 1, .longest_patience = 64};
  Machine machine(options, {2, 4, 6, 8, 9.5}, {1, 1, 1, 1, 1.12});
  machine.Run(2 * options.longest_patience, 1);
  EXPECT_GE(machine.switches, 3) << "the case is none";
  EXPECT_LE(machine.switches, 2 * std::log2(options.longest_patience / options.dwell) + 2);
  EXPECT_DOUBLE_EQ(machine.follower.patience(), options.longest_patience);
  const int before = machine.switches;
  machine.Run(10 * options.longest_patience, 1);
  EXPECT_LE(machine.switches - before, 2 * 10);
  // A slow machine is still followed at once.
  machine.Run(3, 3);
  EXPECT_LE(machine.table[machine.present] * 3, 10 * 1.05);
}

TEST(LatencyFollower, DwellsAndIgnoresTheFirstRuns) {
  LatencyFollower follower({.warmup = 3, .window = 4, .dwell = 5, .longest_patience = 5});
  follower.SetLimit(10);
  follower.Switched(8, Verdict::kStay, 100);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(follower.Measured(1000, 101), Verdict::kStay);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(follower.Measured(20, 102), Verdict::kStay);
  EXPECT_FALSE(follower.measured_ms());
  EXPECT_EQ(follower.Measured(1e6, 102), Verdict::kStay) << "too early";
  EXPECT_DOUBLE_EQ(*follower.measured_ms(), 20) << "the median";
  EXPECT_DOUBLE_EQ(follower.factor(), 2.5);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(follower.Measured(20, 105), Verdict::kStay);
  EXPECT_EQ(follower.Measured(20, 105), Verdict::kTooSlow);
  follower.SetLimit(std::nullopt);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(follower.Measured(20, 200), Verdict::kStay);
}

// The loop of the reference: ten batches of warm-up, the mean of twenty, out of [latency_min, limit] means another.
TEST(LatencyFollower, ReferenceDemo) {
  const FollowOptions demo = FollowOptions::ReferenceDemo(500, 400);
  EXPECT_TRUE(Check(demo).ok());
  LatencyFollower follower(demo);
  follower.SetLimit(500);
  follower.Switched(480, Verdict::kStay, 0);
  const auto run = [&](double ms, int times) {
    Verdict verdict = Verdict::kStay;
    for (int i = 0; i < times; ++i) verdict = follower.Measured(ms, 0);
    return verdict;
  };
  EXPECT_EQ(run(501, 29), Verdict::kStay);
  EXPECT_EQ(run(501, 1), Verdict::kTooSlow);
  EXPECT_EQ(run(500, 20), Verdict::kStay);
  EXPECT_EQ(run(400, 20), Verdict::kStay);
  EXPECT_EQ(run(399, 20), Verdict::kRoom);
  EXPECT_DOUBLE_EQ(follower.factor(), 399.0 / 480);
}

TEST(FollowOptions, SaysWhatIsWrong) {
  ExpectError(Check({.window = 0}), absl::StatusCode::kInvalidArgument, {"follow.window: 0", "at least 1"});
  ExpectError(Check({.under = 0.1, .margin = 0.1}), absl::StatusCode::kInvalidArgument, {"follow.margin: 0.1"});
  ExpectError(Check({.dwell = 9, .longest_patience = 8}), absl::StatusCode::kInvalidArgument, {"longest_patience"});
  ExpectError(Check({.over = std::nan("")}), absl::StatusCode::kInvalidArgument, {"follow.over"});
}

}  // namespace
}  // namespace mathnas::runtime
