// Dropout: its draws are of the given rate and independent of each other, of those of other streams and of other seeds,
// and the masks are the same on every device.
//
// Each test takes the largest of many deviations in standard deviations; of a thousand normal ones the largest is
// beyond 5.5 in 1 of 25,000 cases. Seeds are fixed, so what passes once passes always.
#include <cmath>
#include <cstring>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "kernels/testing/operator_runner.h"

namespace mathnas::kernels::testing {
namespace {

constexpr double kLargest = 5.5;

// 1 where an element of ones was dropped, by the CPU's kernel where there is one.
std::vector<int> Mask(const Dropout& op, int64_t elements, int64_t seed) {
  auto cpu = CpuDevice(2);
  const auto device = cpu.ok() ? *cpu : ReferenceDevice(DType::kF32);
  const Problem problem = {op, {{InputSpec::kActivation, {elements}}, {InputSpec::kLabels, {1}}}};
  Tensors inputs;
  inputs.emplace_back(DType::kF32, Shape{elements});
  inputs.emplace_back(DType::kI64, Shape{1});
  std::fill_n(inputs[0].as<float>().data(), elements, 1.0F);
  inputs[1].as<int64_t>()[0] = seed;
  auto run = RunOperator(*device, problem, inputs);
  EXPECT_TRUE(run.ok()) << Message(run.status());
  std::vector<int> mask(static_cast<size_t>(elements));
  for (size_t i = 0; run.ok() && i < mask.size(); ++i) mask[i] = run->results[0].as<float>()[i] == 0;
  return mask;
}

// How far the number of dropped elements is off, in standard deviations.
double OffRate(const std::vector<int>& mask, double rate) {
  double dropped = 0;
  for (int m : mask) dropped += m;
  const double n = static_cast<double>(mask.size());
  return std::abs(dropped - n * rate) / std::sqrt(n * rate * (1 - rate));
}

// The correlation of a[i] with b[i + lag], in standard deviations of independent ones.
double Correlation(const std::vector<int>& a, const std::vector<int>& b, double rate, size_t lag = 0) {
  double sum = 0;
  const size_t n = a.size() - lag;
  for (size_t i = 0; i < n; ++i) sum += (a[i] - rate) * (b[i + lag] - rate);
  return std::abs(sum) / (rate * (1 - rate) * std::sqrt(static_cast<double>(n)));
}

TEST(Dropout, DropsAtItsRate) {
  for (double rate : {0.001, 0.1, 0.3, 0.375, 0.5, 0.9}) {
    for (int64_t seed : {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{1} << 62}) {
      for (int32_t stream : {0, 1, 77}) {
        EXPECT_LT(OffRate(Mask({rate, stream}, 200'000, seed), rate), kLargest) << rate << " " << seed << " " << stream;
      }
    }
  }
}

TEST(Dropout, NeighboursAreIndependent) {
  constexpr double kRate = 0.3;
  const std::vector<int> mask = Mask({kRate}, 300'000, 1);
  for (size_t lag = 1; lag < 70; ++lag) EXPECT_LT(Correlation(mask, mask, kRate, lag), kLargest) << lag;
  for (size_t lag = 128; lag < mask.size() / 2; lag *= 2) {
    EXPECT_LT(Correlation(mask, mask, kRate, lag), kLargest) << lag;
  }
}

// The 256 patterns of eight neighbours are equally likely: chi squared of 255 degrees of freedom.
TEST(Dropout, PatternsAreEquallyLikely) {
  for (int64_t seed = 0; seed < 8; ++seed) {
    const std::vector<int> mask = Mask({0.5, 3}, 8 * 40'000, seed);
    std::vector<double> counts(256, 0.0);
    for (size_t i = 0; i < mask.size(); i += 8) {
      size_t pattern = 0;
      for (size_t k = 0; k < 8; ++k) pattern = 2 * pattern + static_cast<size_t>(mask[i + k]);
      ++counts[pattern];
    }
    double chi = 0;
    const double expected = static_cast<double>(mask.size()) / 8 / 256;
    for (double c : counts) chi += (c - expected) * (c - expected) / expected;
    EXPECT_LT(std::abs(chi - 255) / std::sqrt(2 * 255.0), kLargest) << seed;
  }
}

TEST(Dropout, SeedsAndStreamsAreIndependent) {
  constexpr double kRate = 0.3;
  std::vector<std::vector<int>> masks;
  for (int64_t seed : {0, 1, 2, 3, 256, 1 << 30}) {
    for (int32_t stream : {0, 1, 2, 3, 64, 1 << 24}) masks.push_back(Mask({kRate, stream}, 50'000, seed));
  }
  for (size_t a = 0; a < masks.size(); ++a) {
    for (size_t b = 0; b < a; ++b) EXPECT_LT(Correlation(masks[a], masks[b], kRate), kLargest) << a << " " << b;
  }
}

// What one element meets from step to step, and what one sees of its neighbours' past.
TEST(Dropout, StepsAreIndependent) {
  constexpr double kRate = 0.25;
  std::vector<std::vector<int>> of_element(50);
  for (int64_t step = 0; step < 4000; ++step) {
    const std::vector<int> mask = Mask({kRate, 5}, 50, step);
    for (size_t i = 0; i < mask.size(); ++i) of_element[i].push_back(mask[i]);
  }
  for (size_t i = 0; i < of_element.size(); ++i) {
    EXPECT_LT(OffRate(of_element[i], kRate), kLargest) << i;
    for (size_t k = 0; k <= i; ++k) {
      EXPECT_LT(Correlation(of_element[k], of_element[i], kRate, 1), kLargest) << k << " " << i;
      if (k < i) {
        EXPECT_LT(Correlation(of_element[k], of_element[i], kRate), kLargest) << k << " " << i;
      }
    }
  }
}

// An element's mask depends on its index alone: any number of threads, the reference, and the head of a larger tensor.
TEST(Dropout, MaskIsTheSameEverywhere) {
  constexpr int64_t kElements = 150'001;
  const Dropout op = {.rate = 0.4, .stream = 9};
  const std::vector<int> expected = Mask(op, kElements, 42);
  const DropoutMask mask(42, 9, 0.4);
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(mask.Drops(static_cast<uint32_t>(i)), expected[i] == 1) << i;
  const std::vector<int> shorter = Mask(op, 777, 42);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), expected.begin()));
  const std::vector<int> grouped = Mask({.rate = 0.4, .stream = 9, .group = 11}, 11 * 1000, 42);
  for (size_t i = 0; i < grouped.size(); ++i) ASSERT_EQ(grouped[i], expected[i / 11]) << i;
}

TEST(Dropout, ValuesAreScaledAndDroppedOnesAreZeroWhateverTheyWere) {
  std::vector<std::shared_ptr<Device>> devices = {ReferenceDevice(DType::kF32), ReferenceDevice(DType::kF64)};
  for (int threads : {1, 2, 5}) {
    if (auto cpu = CpuDevice(threads); cpu.ok()) devices.push_back(*cpu);
  }
  for (const auto& device : devices) {
    for (int32_t group : {1, 50}) {
      const Problem problem = {Dropout{.rate = 0.5, .stream = 1, .group = group},
                               {{InputSpec::kActivation, {1000}}, {InputSpec::kLabels, {1}, 0, 10}}};
      Tensors inputs = RandomInputs(problem, Random(1));
      for (size_t i = 0; i < 1000; i += 3) inputs[0].as<float>()[i] = std::nanf("");
      inputs[1].as<int64_t>()[0] = 3;
      const DropoutMask mask(3, 1, 0.5);
      auto run = RunOperator(*device, problem, inputs);
      ASSERT_TRUE(run.ok()) << Message(run.status());
      const std::vector<double> y = ToDoubles(run->results[0]), x = ToDoubles(inputs[0]);
      for (size_t i = 0; i < x.size(); ++i) {
        if (mask.Drops(static_cast<uint32_t>(i) / static_cast<uint32_t>(group))) {
          ASSERT_EQ(y[i], 0) << device->name() << " " << i;
        } else if (std::isnan(x[i])) {
          ASSERT_TRUE(std::isnan(y[i])) << device->name() << " " << i;
        } else {
          ASSERT_EQ(y[i], 2 * x[i]) << device->name() << " " << i;
        }
      }
    }
  }
}

TEST(Dropout, RateZeroIsTheIdentity) {
  std::vector<std::shared_ptr<Device>> devices = {ReferenceDevice(DType::kF32)};
  if (auto cpu = CpuDevice(2); cpu.ok()) devices.push_back(*cpu);
  for (const auto& device : devices) {
    const Problem problem = {Dropout{}, {{InputSpec::kActivation, {3, 100}}, {InputSpec::kLabels, {1}, 0, 10}}};
    const Tensors inputs = RandomInputs(problem, Random(1));
    auto run = RunOperator(*device, problem, inputs);
    ASSERT_TRUE(run.ok()) << Message(run.status());
    EXPECT_EQ(std::memcmp(run->results[0].data(), inputs[0].data(), 300 * sizeof(float)), 0) << device->name();
  }
}

}  // namespace
}  // namespace mathnas::kernels::testing
