// What a GPU is seen to do (Device::Observe): how long, how much of it at work, and every reason not to know it.
#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cuda/intervals.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "kernels/step_times.h"
#include "tests/kernels/cuda_emulation.h"

namespace mathnas::kernels {
namespace {

using cuda::Cover;
using cuda::CoverOf;
using cuda::Interval;
using testing::EmulationCounters;
using testing::EmulationSettings;
using Clock = std::chrono::steady_clock;

TEST(Intervals, KnownCovers) {
  const auto expect = [](const std::vector<Interval>& intervals, uint64_t span, uint64_t busy) {
    const Cover cover = CoverOf(intervals);
    EXPECT_EQ(cover.span, span);
    EXPECT_EQ(cover.busy, busy);
  };
  expect({}, 0, 0);
  expect({{7, 7}}, 0, 0);
  expect({{5, 9}}, 4, 4);
  expect({{20, 30}, {5, 9}}, 25, 14);                // a gap of 11, in any order
  expect({{0, 10}, {10, 20}}, 20, 20);               // one behind the other
  expect({{0, 10}, {4, 12}}, 12, 12);                // side by side
  expect({{0, 100}, {10, 20}, {30, 40}}, 100, 100);  // inside of another
  expect({{0, 5}, {9, 9}}, 9, 5);                    // nothing, at the end
}

// Against counting every tick.
TEST(Intervals, CoverIsThatOfATickByTickCount) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::vector<Interval> intervals(1 + random() % 9);
    std::vector<bool> ticks(70);
    uint64_t first = 70, last = 0;
    for (Interval& i : intervals) {
      i.start = random() % 60;
      i.end = i.start + random() % 10;
      for (uint64_t t = i.start; t < i.end; ++t) ticks[t] = true;
      first = std::min(first, i.start);
      last = std::max(last, i.end);
    }
    const Cover cover = CoverOf(intervals);
    ASSERT_EQ(cover.span, last - first) << round;
    ASSERT_EQ(cover.busy, static_cast<uint64_t>(std::count(ticks.begin(), ticks.end(), true))) << round;
  }
}

// A context of own kernels with an input and an output, run often enough to be replayed.
class CudaRecords : public ::testing::Test {
 protected:
  void SetUp() override {
    auto device = CudaDevice();
    if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << Message(device.status());
    device_ = *device;
    Graph g;
    const Value x = g.Input("x", {300});
    const Value y = g.Apply(Relu{}, {g.Apply(Scale{3}, {g.Apply(Scale{2}, {x})[0]})[0]})[0];
    context_ = *Context::Create(*Plan::Create(g, {{"y", y}}, *device_), {});
    for (int run = 0; run < 3; ++run) ASSERT_TRUE(context_->Run().ok());
    const absl::Status status = Observe().status();
    if (Message(status) == "built without CUPTI") GTEST_SKIP() << Message(status);
    if (EmulationSettings() == nullptr && !status.ok()) GTEST_SKIP() << Message(status);
    ASSERT_TRUE(status.ok()) << Message(status);
  }

  absl::StatusOr<Occupation> Observe() {
    return device_->Observe([&] { return context_->Run(); });
  }
  // A run is three kernels, x to the device and y from it. A driver may make a kernel of a copy.
  static void ExpectRuns(int64_t runs, const Occupation& seen) {
    EXPECT_EQ(seen.kernels + seen.copies, 5 * runs);
    if (EmulationSettings() != nullptr) {
      EXPECT_EQ(seen.kernels, 3 * runs);
    }
  }
  void ExpectUnavailable(const std::string& reason) {
    const absl::Status status = Observe().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(Message(status), reason);
  }

  std::shared_ptr<Device> device_;
  std::unique_ptr<Context> context_;
};

TEST_F(CudaRecords, OfAReplayedRun) {
  const auto* counters = EmulationCounters();
  const auto before = counters == nullptr ? cuda::emulation::Counters{} : *counters;
  const Clock::time_point start = Clock::now();
  const auto seen = Observe();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  ASSERT_TRUE(seen.ok()) << Message(seen.status());
  ExpectRuns(1, *seen);
  EXPECT_GT(seen->busy_seconds, 0);
  EXPECT_LE(seen->busy_seconds, seen->span_seconds);
  EXPECT_LT(seen->span_seconds, seconds);
  if (counters == nullptr) return;
  EXPECT_EQ(counters->graph_launches - before.graph_launches, 2) << "once to begin with";
  EXPECT_EQ(counters->launches - before.launches, 2 * seen->kernels);
}

// Once more and once more: records of earlier runs are not among those of later ones.
TEST_F(CudaRecords, AreOfOneRun) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(context_->Run().ok());
    const auto seen = Observe();
    ASSERT_TRUE(seen.ok()) << Message(seen.status());
    ExpectRuns(1, *seen);
  }
}

// More than CUPTI delivers at once.
TEST_F(CudaRecords, OfManyRuns) {
  const auto seen = device_->Observe([&]() -> absl::Status {
    for (int run = 0; run < 40; ++run) {
      if (auto s = context_->Run(); !s.ok()) return s;
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(seen.ok()) << Message(seen.status());
  ExpectRuns(40, *seen);
}

// Updates that were only enqueued before are none of the work.
TEST_F(CudaRecords, WaitForUpdates) {
  const Tensor w = *device_->NewTensor({DType::kF32, {8}}), g = *device_->NewTensor({DType::kF32, {8}});
  ASSERT_TRUE(device_->SgdStep({{{.momentum = 0}, w.view(), g.view(), {{DType::kF32, {0}}, nullptr}, true}}).ok());
  const auto seen = Observe();
  ASSERT_TRUE(seen.ok()) << Message(seen.status());
  ExpectRuns(1, *seen);
}

TEST_F(CudaRecords, GapsAreSeen) {
  auto* settings = EmulationSettings();
  if (settings == nullptr) GTEST_SKIP() << "a GPU has gaps as it likes";
  settings->idle_us = 2000;
  const Clock::time_point start = Clock::now();
  const auto seen = Observe();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  settings->idle_us = 0;
  ASSERT_TRUE(seen.ok()) << Message(seen.status());
  const double gaps = 4 * 2e-3;  // between five kernels and copies
  EXPECT_GE(seen->span_seconds - seen->busy_seconds, gaps);
  EXPECT_LT(seen->span_seconds, seconds - gaps) << "two runs, each with these";
}

TEST_F(CudaRecords, ReasonsForNone) {
  auto* settings = EmulationSettings();
  if (settings == nullptr) GTEST_SKIP() << "what CUPTI does cannot be set";
  const auto expect_again = [&] {
    const auto seen = Observe();
    ASSERT_TRUE(seen.ok()) << Message(seen.status());
    ExpectRuns(1, *seen);
  };
  const int64_t room = std::exchange(settings->cupti_room, 7);
  ExpectUnavailable("CUPTI dropped 3 records");
  settings->cupti_room = 2;
  ExpectUnavailable("CUPTI dropped 3 records");
  settings->cupti_room = room;
  expect_again();
  settings->cupti_untimed = 1;
  ExpectUnavailable("CUPTI has no times for 1 of 5 records");
  expect_again();
  settings->cupti_error = 35;
  ExpectUnavailable("cuptiActivityEnable: CUPTI_ERROR_INSUFFICIENT_PRIVILEGES");
  settings->cupti_error = 0;
  expect_again();
  const auto nothing = device_->Observe([] { return absl::OkStatus(); });
  EXPECT_EQ(nothing.status(), absl::UnavailableError("CUPTI recorded nothing"));
  expect_again();
}

// Errors of the work are its own, the first time and the second, and what it did is forgotten.
TEST_F(CudaRecords, OfWorkThatFails) {
  for (int failing : {1, 2}) {
    int calls = 0;
    const auto seen = device_->Observe([&]() -> absl::Status {
      if (auto s = context_->Run(); !s.ok()) return s;
      return ++calls == failing ? absl::DataLossError("lost") : absl::OkStatus();
    });
    EXPECT_EQ(seen.status(), absl::DataLossError("lost"));
    EXPECT_EQ(calls, failing);
    const auto next = Observe();
    ASSERT_TRUE(next.ok()) << Message(next.status());
    ExpectRuns(1, *next);
  }
}

// What is not observed leaves no records.
TEST_F(CudaRecords, EndWithTheWork) {
  auto* settings = EmulationSettings();
  if (settings == nullptr) GTEST_SKIP() << "what CUPTI keeps cannot be seen";
  const int64_t before = settings->cupti_room;
  ASSERT_TRUE(context_->Run().ok());
  EXPECT_EQ(settings->cupti_room, before);
}

TEST_F(CudaRecords, AsTimesOfRuns) {
  StepTimes times(*device_);
  for (int run = 0; run < 5; ++run) {
    const absl::Status status = times.Run(*context_);
    ASSERT_TRUE(status.ok()) << Message(status);
    EXPECT_GT(times.BusyOf(run), 0);
    EXPECT_LE(times.BusyOf(run), times.SecondsOf(run));
  }
  EXPECT_EQ(times.runs(), 5);
}

}  // namespace
}  // namespace mathnas::kernels
