// The reference kernels, which everything else is compared with, against numbers that PyTorch 2.15 computed in float64
// with the operators of the same names. Inputs are small fractions made of their positions, so they need no file.
#include <numeric>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "kernels/testing/operator_runner.h"

namespace mathnas::kernels::testing {
namespace {

// Element i is ((i * step + 3) mod modulus - modulus / 2) / 4 + offset, row-major.
Tensor Pattern(Shape shape, int64_t step = 7, int64_t modulus = 11, double offset = 0) {
  Tensor tensor(DType::kF32, std::move(shape));
  int64_t i = 0;
  for (float& x : tensor.as<float>()) {
    x = static_cast<float>(static_cast<double>((i++ * step + 3) % modulus - modulus / 2) / 4 + offset);
  }
  return tensor;
}

Tensors Evaluate(const Operator& op, Tensors inputs, std::vector<InputSpec::Role> roles = {}) {
  Problem problem = {op, {}};
  roles.resize(inputs.size(), InputSpec::kActivation);
  for (size_t i = 0; i < inputs.size(); ++i) problem.inputs.push_back({roles[i], inputs[i].shape()});
  auto run = RunOperator(*ReferenceDevice(DType::kF64), problem, inputs);
  EXPECT_TRUE(run.ok()) << Message(run.status());
  return run.ok() ? std::move(run->results) : Tensors();
}

template <typename... T>
Tensors List(T... tensors) {
  Tensors list;
  (list.push_back(std::move(tensors)), ...);
  return list;
}

// First, middle and last element, the sum, and the sum of element i times (5 i + 1) mod 7 - 3.
void Expect(const Tensors& results, const std::vector<double>& expected) {
  ASSERT_FALSE(results.empty());
  const std::vector<double> v = ToDoubles(results[0]);
  double probe = 0;
  for (size_t i = 0; i < v.size(); ++i) probe += v[i] * static_cast<double>(static_cast<int64_t>((i * 5 + 1) % 7) - 3);
  const std::vector<double> got = {v.front(), v[v.size() / 2], v.back(), std::accumulate(v.begin(), v.end(), 0.0),
                                   probe};
  for (size_t k = 0; k < got.size(); ++k) EXPECT_NEAR(got[k], expected[k], 1e-12) << k;
}

Tensors Convolution(const Conv2d& op, int64_t kernel_h, int64_t kernel_w) {
  return Evaluate(op,
                  List(Pattern({2, 5, 4, 4}), Pattern({8, 4 / op.groups, kernel_h, kernel_w}, 5, 13), Pattern({8}, 3)));
}

TEST(KnownAnswers, Conv2d) {
  const Conv2d bias = {.has_bias = true};
  Conv2d op = bias;
  op.padding = 1;
  Expect(Convolution(op, 3, 3), {3.1875, 1.5625, 4.625, 19.8125, 18.9375});
  op = bias, op.stride = 2, op.padding = 1, op.groups = 2;
  Expect(Convolution(op, 3, 3), {-1.5625, -3.3125, 3.75, 34.5625, 8.8125});
  op = bias, op.stride = 3, op.padding = 2, op.groups = 4;
  Expect(Convolution(op, 3, 2), {-0.5, -0.5, -0.75, 10.25, 19.0});
  op = bias, op.stride = 2;
  Expect(Convolution(op, 1, 1), {0.3125, 0.8125, -0.75, 3.625, -15.0});
}

TEST(KnownAnswers, AvgPool2d) {
  const auto run = [](const AvgPool2d& op) { return Evaluate(op, List(Pattern({2, 5, 4, 4}))); };
  Expect(run({3, 1, 1, false}), {-0.1875, 0.25, 0.375, 0.3333333333333335, -10.125000000000007});
  Expect(run({3, 2, 1, true}),
         {-0.08333333333333333, 0.1111111111111111, 0.05555555555555555, -0.22222222222222218, -0.055555555555555414});
  Expect(run({2, 2, 1, false}), {-0.5, -0.75, -0.25, 1.625, 4.9375});
}

TEST(KnownAnswers, GlobalAvgPool) {
  Expect(Evaluate(GlobalAvgPool{}, List(Pattern({2, 5, 4, 4}))), {0.0, 0.025, 0.05, 0.06250000000000001, -0.275});
}

TEST(KnownAnswers, BatchNorm) {
  const auto inputs = [] {
    return List(Pattern({2, 5, 4, 4}), Pattern({4}, 3, 11, 2), Pattern({4}, 5), Pattern({4}), Pattern({4}, 7, 11, 3));
  };
  using enum InputSpec::Role;
  const Tensors training =
      Evaluate(BatchNormTraining{}, inputs(), {kActivation, kParameter, kParameter, kState, kState});
  Expect(training,
         {-1.470091400573588, -1.9433067179265575, 0.45215173468971026, -4.3298697960381105e-15, 17.805159690018947});
  ASSERT_EQ(training.size(), 5u);
  const std::vector<double> mean = ToDoubles(training[3]), variance = ToDoubles(training[4]);
  const double expected_mean[] = {-0.44875000000000004, 1.1225, 0.225625, -0.67125};
  const double expected_variance[] = {2.314407051282051, 3.8906410256410258, 2.9873357371794875, 2.0879967948717946};
  for (size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(mean[c], expected_mean[c], 1e-14);
    EXPECT_NEAR(variance[c], expected_variance[c], 1e-14);
  }
  Expect(Evaluate(BatchNormInference{}, inputs()),
         {-0.5, -0.7371703501724025, 0.9999988888925926, -31.43889419184606, 6.001660841068136});
}

TEST(KnownAnswers, Linear) {
  Expect(Evaluate(Linear{}, List(Pattern({3, 5}), Pattern({4, 5}, 5, 13), Pattern({4}, 3))),
         {1.3125, 1.5, -0.8125, 3.5625, 8.5});
}

TEST(KnownAnswers, SoftmaxCrossEntropy) {
  const auto run = [](double smoothing) {
    Tensor labels(DType::kI64, {6});
    for (int64_t i = 0; i < 6; ++i) labels.as<int64_t>()[static_cast<size_t>(i)] = i % 5;
    return Evaluate(SoftmaxCrossEntropy{smoothing}, List(Pattern({6, 5}), std::move(labels)),
                    {InputSpec::kActivation, InputSpec::kLabels});
  };
  Tensors plain = run(0);
  EXPECT_NEAR(ToDoubles(plain[0])[0], 1.9184405269946634, 1e-14);
  EXPECT_NEAR(ToDoubles(run(0.1)[0])[0], 1.9151071936613302, 1e-14);
  plain.erase(plain.begin());
  Expect(plain, {0.0707609291931131, 0.38932921741379556, 0.3171284829717407, 6.0, 2.7659609105349183});
}

}  // namespace
}  // namespace mathnas::kernels::testing
