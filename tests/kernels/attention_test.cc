// Attention where it must not look, where its keys are shared, and where its probabilities are dropped.
#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "kernels/testing/operator_runner.h"

namespace mathnas::kernels::testing {
namespace {

std::vector<std::shared_ptr<Device>> Devices() {
  std::vector<std::shared_ptr<Device>> devices = {ReferenceDevice(DType::kF64), ReferenceDevice(DType::kF32)};
  if (auto cpu = CpuDevice(2); cpu.ok()) devices.push_back(*cpu);
  if (auto cuda = CudaDevice(); cuda.ok()) devices.push_back(*cuda);
  return devices;
}

Tensors Evaluate(Device& device, const Problem& problem, const Tensors& inputs) {
  auto run = RunOperator(device, problem, inputs);
  EXPECT_TRUE(run.ok()) << Message(run.status());
  return run.ok() ? std::move(run->results) : Tensors();
}

void ExpectNear(const std::vector<double>& a, const std::vector<double>& b, double tolerance, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) {
      ASSERT_NEAR(a[i], b[i], tolerance) << what << " " << i;
    }
  }
}

// A cache with room for 40 entries, of which some are not valid, at the end, between and, for the second example, all.
constexpr int64_t kRoom = 40, kHeads = 2, kFeatures = 32, kQueries = 3, kPadding = 0;
bool IsValid(int64_t example, int64_t entry) { return example == 0 && entry < 21 && entry != 0 && entry % 7 != 3; }

Problem CacheProblem() {
  return {Attention{.heads = kHeads, .masked = true, .padding = kPadding},
          {{InputSpec::kActivation, {2, kQueries, kFeatures}},
           {InputSpec::kState, {2, kRoom, kFeatures}},
           {InputSpec::kState, {2, kRoom, kFeatures}},
           {InputSpec::kLabels, {2, kRoom}, 0, 2}}};
}

void SetInvalid(Tensors& inputs, float garbage) {
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t s = 0; s < kRoom; ++s) {
      inputs[3].as<int64_t>()[static_cast<size_t>(b * kRoom + s)] = IsValid(b, s) ? 1 : kPadding;
      if (IsValid(b, s)) continue;
      for (size_t k : {1, 2}) {
        std::fill_n(inputs[k].as<float>().data() + (b * kRoom + s) * kFeatures, kFeatures, garbage);
      }
    }
  }
}

TEST(Attention, MaskedEntriesOfACacheDoNotLeak) {
  for (const auto& device : Devices()) {
    const Problem problem = CacheProblem();
    Tensors inputs = RandomInputs(problem, Random(1));
    SetInvalid(inputs, 0);
    const Tensors expected = Evaluate(*device, problem, inputs);
    for (float garbage : {std::nanf(""), std::numeric_limits<float>::infinity(), 3e38F}) {
      SetInvalid(inputs, garbage);
      const Tensors got = Evaluate(*device, problem, inputs);
      for (size_t r : {0, 1}) ExpectNear(ToDoubles(got[r]), ToDoubles(expected[r]), 0, std::string(device->name()));
    }
    const std::vector<double> y = ToDoubles(expected[0]);
    for (size_t i = kQueries * kFeatures; i < y.size(); ++i) EXPECT_EQ(y[i], 0) << "no key takes part";
  }
}

// The same attention over the valid entries alone.
TEST(Attention, MaskedIsAsIfTheRestWereNotThere) {
  for (const auto& device : Devices()) {
    const Problem problem = CacheProblem();
    Tensors inputs = RandomInputs(problem, Random(2));
    SetInvalid(inputs, std::nanf(""));
    const std::vector<double> masked = ToDoubles(Evaluate(*device, problem, inputs)[0]);
    std::vector<int64_t> valid;
    for (int64_t s = 0; s < kRoom; ++s) {
      if (IsValid(0, s)) valid.push_back(s);
    }
    const auto count = static_cast<int64_t>(valid.size());
    const Problem dense = {Attention{.heads = kHeads},
                           {{InputSpec::kActivation, {1, kQueries, kFeatures}},
                            {InputSpec::kActivation, {1, count, kFeatures}},
                            {InputSpec::kActivation, {1, count, kFeatures}}}};
    Tensors dense_inputs = RandomInputs(dense, Random(1));
    std::copy_n(inputs[0].as<float>().data(), kQueries * kFeatures, dense_inputs[0].as<float>().data());
    for (size_t k : {1, 2}) {
      for (int64_t s = 0; s < count; ++s) {
        std::copy_n(inputs[k].as<float>().data() + valid[static_cast<size_t>(s)] * kFeatures, kFeatures,
                    dense_inputs[k].as<float>().data() + s * kFeatures);
      }
    }
    const std::vector<double> y = ToDoubles(Evaluate(*device, dense, dense_inputs)[0]);
    ExpectNear({masked.begin(), masked.begin() + kQueries * kFeatures}, y, 1e-6, std::string(device->name()));
  }
}

TEST(Attention, MaskedEntriesDoNotLeakIntoGradients) {
  for (const auto& device : Devices()) {
    Problem problem = CacheProblem();
    Tensors inputs = RandomInputs(problem, Random(1));
    SetInvalid(inputs, 0);
    Tensors y = Evaluate(*device, problem, inputs);
    problem.op = AttentionBackward{.heads = kHeads, .masked = true, .padding = kPadding};
    for (size_t k : {0, 1}) {
      problem.inputs.push_back({InputSpec::kActivation, y[k].shape()});
      inputs.push_back(Mapped(y[k], DType::kF32, [](double x) { return x; }));
    }
    problem.inputs.push_back({InputSpec::kActivation, y[0].shape()});
    inputs.push_back(Mapped(inputs[0], DType::kF32, [](double x) { return x * x - 0.3; }));
    const Tensors expected = Evaluate(*device, problem, inputs);
    SetInvalid(inputs, std::nanf(""));
    const Tensors got = Evaluate(*device, problem, inputs);
    for (size_t r : {0, 1, 2}) {
      ExpectNear(ToDoubles(got[r]), ToDoubles(expected[r]), 0, std::string(device->name()));
      if (r == 0) continue;
      const std::vector<double> diff = ToDoubles(got[r]);
      for (int64_t i = 0; i < 2 * kRoom * kFeatures; ++i) {
        if (!IsValid(i / (kRoom * kFeatures), i / kFeatures % kRoom)) {
          ASSERT_EQ(diff[static_cast<size_t>(i)], 0);
        }
      }
    }
  }
}

// Rows that share keys give what copies of the keys give.
TEST(Attention, SharedKeysAreCopies) {
  constexpr int64_t kShare = 3;
  const auto problem = [](int64_t batch) {
    return Problem{Attention{.heads = 4, .masked = true, .padding = 3},
                   {{InputSpec::kActivation, {2 * kShare, 2, 32}},
                    {InputSpec::kActivation, {batch, 10, 32}},
                    {InputSpec::kActivation, {batch, 10, 16}},
                    {InputSpec::kLabels, {batch, 5}, 0, 4}}};
  };
  for (const auto& device : Devices()) {
    const Tensors shared = RandomInputs(problem(2), Random(3));
    Tensors copied = RandomInputs(problem(2 * kShare), Random(4));
    std::copy_n(shared[0].as<float>().data(), shared[0].desc().elements(), copied[0].as<float>().data());
    for (size_t k : {1, 2, 3}) {
      const auto bytes = static_cast<int64_t>(shared[k].desc().bytes() / 2);
      for (int64_t b = 0; b < 2 * kShare; ++b) {
        std::copy_n(static_cast<const std::byte*>(shared[k].data()) + b / kShare * bytes, bytes,
                    static_cast<std::byte*>(copied[k].data()) + b * bytes);
      }
    }
    ExpectNear(ToDoubles(Evaluate(*device, problem(2), shared)[0]),
               ToDoubles(Evaluate(*device, problem(2 * kShare), copied)[0]), 1e-6, std::string(device->name()));
  }
}

// With values that are unit vectors, y shows the probabilities: those that Dropout drops with the same seed and stream.
TEST(Attention, DropsProbabilitiesAsDropoutDoes) {
  constexpr int64_t kBatch = 2, kTokens = 16, kHeadCount = 2;
  for (const auto& device : Devices()) {
    Problem problem = {Attention{.heads = kHeadCount},
                       {{InputSpec::kActivation, {kBatch, kTokens, 8}},
                        {InputSpec::kActivation, {kBatch, kTokens, 8}},
                        {InputSpec::kActivation, {kBatch, kTokens, kHeadCount * kTokens}}}};
    Tensors inputs = RandomInputs(problem, Random(5));
    for (int64_t i = 0; i < inputs[2].desc().elements(); ++i) {
      inputs[2].as<float>()[static_cast<size_t>(i)] = i % kTokens == i / (kHeadCount * kTokens) % kTokens ? 1.0F : 0.0F;
    }
    const std::vector<double> kept = ToDoubles(Evaluate(*device, problem, inputs)[0]);
    problem.op = Attention{.heads = kHeadCount, .rate = 0.25, .stream = 6};
    problem.inputs.push_back({InputSpec::kLabels, {1}});
    inputs.emplace_back(DType::kI64, Shape{1});
    inputs[3].as<int64_t>()[0] = 99;
    const std::vector<double> dropped = ToDoubles(Evaluate(*device, problem, inputs)[0]);
    const DropoutMask mask(99, 6, 0.25);
    for (int64_t b = 0; b < kBatch; ++b) {
      for (int64_t t = 0; t < kTokens; ++t) {
        for (int64_t h = 0; h < kHeadCount; ++h) {
          for (int64_t s = 0; s < kTokens; ++s) {
            const auto i = static_cast<size_t>(((b * kTokens + t) * kHeadCount + h) * kTokens + s);
            if (mask.Drops(static_cast<uint32_t>(((b * kHeadCount + h) * kTokens + t) * kTokens + s))) {
              ASSERT_EQ(dropped[i], 0) << device->name();
            } else {
              ASSERT_NEAR(dropped[i], kept[i] / 0.75, 1e-6) << device->name();
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace mathnas::kernels::testing
