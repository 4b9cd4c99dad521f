// Repetitions until stable, on a clock that stands still unless it is told: no test here depends on the time.
#include "mathnas/benchmark/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "kernels/random.h"
#include "kernels/status.h"

namespace mathnas::benchmark {
namespace {

// Something that takes the times it is given, one after the other, and then again.
struct Synthetic {
  std::vector<double> durations;
  double now = 0;
  size_t runs = 0;

  absl::StatusOr<Samples> Take(const SamplingOptions& options, const std::function<void()>& before = nullptr) {
    const auto run = [this] {
      now += durations[runs++ % durations.size()];
      return absl::OkStatus();
    };
    return Sample(run, before, options, [this] { return now; });
  }
};

TEST(Sample, StopsWhenTheMedianIsKnown) {
  Synthetic constant = {{1e-3}};
  const auto samples = constant.Take({.least_seconds = 0.05, .most_seconds = 10});
  ASSERT_TRUE(samples.ok());
  EXPECT_TRUE(samples->stable);
  EXPECT_EQ(samples->runs_per_sample, 1);
  EXPECT_GE(samples->seconds.size(), 50u);
  EXPECT_LE(samples->seconds.size(), 60u);
  for (double s : samples->seconds) EXPECT_NEAR(s, 1e-3, 1e-12);
}

TEST(Sample, TakesAsManyAsTheTimeAllowsOfWhatIsNotStable) {
  kernels::Random random(1);
  Synthetic wild = {{}};
  for (int i = 0; i < 997; ++i) wild.durations.push_back(1e-3 * (1 + 9 * random.Uniform()));
  const auto samples = wild.Take({.most_seconds = 1, .precision = 0.001});
  ASSERT_TRUE(samples.ok());
  EXPECT_FALSE(samples->stable);
  EXPECT_NEAR(wild.now, 1, 0.1);
}

TEST(Sample, MoreNoiseTakesMoreSamples) {
  const auto samples_of = [](double noise) {
    kernels::Random random(7);
    Synthetic noisy = {{}};
    for (int i = 0; i < 9973; ++i) noisy.durations.push_back(1e-3 * (1 + noise * random.Uniform()));
    const auto samples = noisy.Take({.least_seconds = 0.01, .most_seconds = 100});
    EXPECT_TRUE(samples.ok() && samples->stable);
    return samples.ok() ? samples->seconds.size() : 0;
  };
  EXPECT_LT(4 * samples_of(0.05), samples_of(1));
}

TEST(Sample, TimesShortRunsSeveralAtOnce) {
  Synthetic shorts = {{1e-6}};
  const auto samples = shorts.Take({.least_sample_seconds = 50e-6});
  ASSERT_TRUE(samples.ok());
  EXPECT_NEAR(samples->runs_per_sample, 50, 1);
  EXPECT_NEAR(samples->seconds[0], 1e-6, 1e-12);
}

// Every run of a cold measurement is preceded by the sweep, whose time is not part of it.
TEST(Sample, DoesNotTimeWhatComesBefore) {
  Synthetic cold = {{1e-6}};
  size_t sweeps = 0;
  const auto samples = cold.Take({.most_seconds = 1}, [&] { ++sweeps, cold.now += 5e-3; });
  ASSERT_TRUE(samples.ok());
  EXPECT_EQ(samples->runs_per_sample, 1);
  EXPECT_EQ(sweeps, cold.runs);
  for (double s : samples->seconds) EXPECT_NEAR(s, 1e-6, 1e-12);
  EXPECT_LE(cold.now, 1.3);
}

TEST(Sample, EndsWithErrorsAndWhenCancelled) {
  const auto failing = Sample([] { return absl::InternalError("broken"); }, nullptr, {}, [] { return 0.0; });
  EXPECT_EQ(kernels::Message(failing.status()), "broken");
  const std::atomic<bool> cancel = true;
  Synthetic constant = {{1e-3}};
  EXPECT_TRUE(absl::IsCancelled(constant.Take({.cancel = &cancel}).status()));
}

TEST(Summarize, ByHand) {
  const auto s = Summarize(std::vector<double>{5, 1, 4, 2, 3});
  ASSERT_TRUE(s.ok());
  EXPECT_EQ(s->minimum, 1);
  EXPECT_EQ(s->lower_quartile, 2);
  EXPECT_EQ(s->median, 3);
  EXPECT_EQ(s->upper_quartile, 4);
  EXPECT_EQ(s->low, 1);
  EXPECT_EQ(s->high, 5);
  EXPECT_EQ(s->samples, 5);
  EXPECT_EQ(*Summarize(std::vector<double>{7}), (Summary{7, 7, 7, 7, 7, 7, 1}));
  EXPECT_FALSE(Summarize({}).ok());
  EXPECT_FALSE(Summarize(std::vector<double>{1, std::numeric_limits<double>::quiet_NaN()}).ok());
}

// The interval holds the true median as often as it says: 95 % of 2000 draws, whatever the distribution (a binomial
// with 95 % of 2000 has a deviation of 10; more than 95 % is fine, since ranks are whole).
TEST(Summarize, TheIntervalHoldsTheMedian) {
  kernels::Random random(3);
  for (const int n : {11, 30, 200}) {
    int inside = 0;
    for (int draw = 0; draw < 2000; ++draw) {
      std::vector<double> samples;
      for (int i = 0; i < n; ++i) samples.push_back(-std::log((random.Next() + 1.0) * 0x1p-32));  // median log 2
      const auto s = Summarize(samples);
      ASSERT_TRUE(s.ok());
      inside += s->low <= std::log(2) && std::log(2) <= s->high;
    }
    EXPECT_GE(inside, 1900 - 40) << n;
    EXPECT_LT(inside, 2000) << n;
  }
}

}  // namespace
}  // namespace mathnas::benchmark
