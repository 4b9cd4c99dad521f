#include "supernet/training/schedule.h"

#include <cmath>

#include "gtest/gtest.h"

namespace mathnas::supernet {
namespace {

const double kPi = std::acos(-1.0);

// spec/search-spaces.md 2.8: lr = 0.1 * (1 + cos(pi * epoch / epochs)) / 2, once per epoch.
TEST(Schedule, CosineOncePerEpoch) {
  for (int epochs : {1, 2, 12, 200}) {
    const LearningRateSchedule schedule = {.rate = 0.1, .epochs = epochs};
    for (int epoch = 0; epoch < epochs; ++epoch) {
      const double expected = 0.1 * (1 + std::cos(kPi * epoch / epochs)) / 2;
      for (int batch : {0, 1, 97}) EXPECT_NEAR(schedule.At(epoch, batch, 98), expected, 1e-15) << epoch << " " << batch;
    }
    EXPECT_NEAR(schedule.At(epochs, 0, 98), 0, 1e-15);
  }
}

// The reference's search: 0.025 to 0.001 (spec/search-spaces.md 2.5).
TEST(Schedule, EndsAtTheFinalRate) {
  const LearningRateSchedule schedule = {.rate = 0.025, .final_rate = 0.001, .epochs = 100};
  EXPECT_DOUBLE_EQ(schedule.At(0, 0, 10), 0.025);
  EXPECT_DOUBLE_EQ(schedule.At(50, 0, 10), 0.013);
  EXPECT_DOUBLE_EQ(schedule.At(100, 0, 10), 0.001);
  EXPECT_DOUBLE_EQ(schedule.At(1000, 0, 10), 0.001) << "stays there";
  for (int epoch = 1; epoch <= 100; ++epoch) EXPECT_LT(schedule.At(epoch, 0, 10), schedule.At(epoch - 1, 0, 10));
}

TEST(Schedule, PerStepIsTheSameCurveInMorePoints) {
  const LearningRateSchedule steps = {.rate = 0.1, .epochs = 3, .per_step = true};
  const LearningRateSchedule epochs = {.rate = 0.1, .epochs = 21};
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (int batch = 0; batch < 7; ++batch) {
      EXPECT_NEAR(steps.At(epoch, batch, 7), epochs.At(epoch * 7 + batch, 0, 1), 1e-15) << epoch << " " << batch;
    }
  }
}

TEST(Schedule, WarmUpRisesLinearlyToTheRate) {
  const LearningRateSchedule schedule = {.rate = 0.1, .epochs = 20, .warmup_epochs = 4};
  const double step = schedule.At(0, 0, 10);
  EXPECT_GT(step, 0) << "the first epoch counts";
  for (int epoch = 0; epoch <= 4; ++epoch) EXPECT_NEAR(schedule.At(epoch, 0, 10), (epoch + 1) * step, 1e-15);
  EXPECT_DOUBLE_EQ(schedule.At(4, 0, 10), 0.1);
  // Then the cosine over what is left.
  for (int epoch = 4; epoch <= 20; ++epoch) {
    EXPECT_NEAR(schedule.At(epoch, 0, 10), 0.1 * (1 + std::cos(kPi * (epoch - 4) / 16)) / 2, 1e-15) << epoch;
  }
}

TEST(Schedule, WarmUpPerStep) {
  const LearningRateSchedule schedule = {.rate = 0.1, .epochs = 20, .warmup_epochs = 4, .per_step = true};
  const double step = schedule.At(0, 0, 10);
  EXPECT_GT(step, 0);
  for (int i = 0; i <= 40; ++i) EXPECT_NEAR(schedule.At(i / 10, i % 10, 10), (i + 1) * step, 1e-15) << i;
  EXPECT_DOUBLE_EQ(schedule.At(4, 0, 10), 0.1);
}

TEST(Schedule, EdgeCases) {
  // One epoch: the whole rate when it changes once per epoch, the whole curve when it changes per step.
  EXPECT_DOUBLE_EQ((LearningRateSchedule{.rate = 0.1, .epochs = 1}.At(0, 5, 10)), 0.1);
  EXPECT_NEAR((LearningRateSchedule{.rate = 0.1, .epochs = 1, .per_step = true}.At(0, 5, 10)), 0.05, 1e-15);
  // Nothing but warm-up: it rises all the way and stays finite at the end.
  for (bool per_step : {false, true}) {
    const LearningRateSchedule schedule = {.rate = 0.1, .epochs = 3, .warmup_epochs = 3, .per_step = per_step};
    double before = 0;
    for (int epoch = 0; epoch < 3; ++epoch) {
      const double now = schedule.At(epoch, 9, 10);
      EXPECT_GT(now, before);
      EXPECT_LT(now, 0.1);
      before = now;
    }
    EXPECT_DOUBLE_EQ(schedule.At(3, 0, 10), 0.1);
  }
  EXPECT_TRUE(std::isfinite((LearningRateSchedule{.epochs = 2, .warmup_epochs = 1, .per_step = true}.At(0, 0, 0))));
}

}  // namespace
}  // namespace mathnas::supernet
