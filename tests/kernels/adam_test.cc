// Adam in both forms against the formulas of spec/training-golden.md 2, written out in double.
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/optimizer_kernels.h"
#include "kernels/random.h"

namespace mathnas::kernels {
namespace {

constexpr size_t kSize = 1003;  // no multiple of a vector
constexpr int kSteps = 5;

std::vector<double> Uniform(Random& random) {
  std::vector<double> values(kSize);
  for (double& x : values) x = static_cast<float>(2 * random.Uniform() - 1);
  return values;
}

// The weights after some steps with random gradients.
std::vector<double> Expected(const AdamParameters& p) {
  Random random(1, 2);
  std::vector<double> w = Uniform(random), m(kSize), v(kSize);
  for (int t = 1; t <= kSteps; ++t) {
    const std::vector<double> gradient = Uniform(random);
    for (size_t i = 0; i < kSize; ++i) {
      const double g = p.gradient_scale * gradient[i];
      m[i] = p.beta1 * m[i] + (1 - p.beta1) * g;
      v[i] = p.beta2 * v[i] + (1 - p.beta2) * g * g;
      w[i] -= p.learning_rate * p.weight_decay * w[i];
      const double c1 = 1 - std::pow(p.beta1, t), c2 = 1 - std::pow(p.beta2, t);
      w[i] -= p.form == AdamForm::kFairseq
                  ? p.learning_rate * std::sqrt(c2) / c1 * m[i] / (std::sqrt(v[i]) + p.epsilon)
                  : p.learning_rate / c1 * m[i] / (std::sqrt(v[i]) / std::sqrt(c2) + p.epsilon);
    }
  }
  return w;
}

template <typename T>
std::vector<double> Computed(const AdamParameters& p, int threads) {
  Random random(1, 2);
  const auto converted = [&random] {
    const std::vector<double> values = Uniform(random);
    return std::vector<T>(values.begin(), values.end());
  };
  std::vector<T> w = converted(), m(kSize), v(kSize);
  for (int t = 1; t <= kSteps; ++t) {
    std::vector<T> g = converted();
    const AdamUpdate<absl::Span<T>> update = {
        p, absl::MakeSpan(w), absl::MakeSpan(g), absl::MakeSpan(m), absl::MakeSpan(v), t};
    AdamStep({&update, 1}, threads);
    for (T x : g) EXPECT_EQ(x, 0);
  }
  return {w.begin(), w.end()};
}

TEST(Adam, BothForms) {
  for (AdamForm form : {AdamForm::kPyTorch, AdamForm::kFairseq}) {
    const AdamParameters p = {.learning_rate = 1e-2,
                              .beta2 = 0.98,
                              .epsilon = 1e-3,
                              .weight_decay = 0.1,
                              .gradient_scale = 0.25,
                              .form = form};
    const std::vector<double> expected = Expected(p), exact = Computed<double>(p, 1), single = Computed<float>(p, 2);
    for (size_t i = 0; i < kSize; ++i) {
      EXPECT_NEAR(exact[i], expected[i], 1e-14) << i;
      // A few roundings of weights up to 1 in each step.
      EXPECT_NEAR(single[i], expected[i], kSteps * 4 * 0x1p-24) << i;
    }
  }
}

TEST(Gradients, SumsAndCombinations) {
  Random random(3, 4);
  const size_t size = 200'003;
  std::vector<float> x(size), y(size);
  for (size_t i = 0; i < size; ++i) {
    x[i] = static_cast<float>(2 * random.Uniform() - 1);
    y[i] = static_cast<float>(2 * random.Uniform() - 1);
  }
  std::vector<double> x2(x.begin(), x.end());
  const std::vector<double> y2(y.begin(), y.end());
  double squares = 0, product = 0;
  for (size_t i = 0; i < size; ++i) squares += x2[i] * x2[i], product += x2[i] * y2[i];
  for (int threads : {1, 2, 100}) {
    const auto of_floats = absl::MakeConstSpan(x), others = absl::MakeConstSpan(y);
    const auto of_doubles = absl::MakeConstSpan(x2);
    // Terms of both signs: the error is measured by the sum of their absolute values, which is below that of squares.
    EXPECT_NEAR(DotProduct(of_floats, of_floats, threads), squares, 1e-6 * squares);
    EXPECT_NEAR(DotProduct(of_floats, others, threads), product, 1e-6 * squares);
    EXPECT_NEAR(DotProduct(of_doubles, absl::MakeConstSpan(y2), threads), product, 1e-12 * squares);

    std::vector<float> g = x, h = y, average = y;
    const GradientPair<absl::Span<float>> pair = {0.75, absl::MakeSpan(g), absl::MakeSpan(h)};
    const AveragedWeight<absl::Span<float>> averaged_weight = {absl::MakeSpan(x), absl::MakeSpan(average)};
    CombineGradients({&pair, 1}, threads);
    MoveAverage(0.9, {&averaged_weight, 1}, threads);
    std::vector<double> g2 = x2, h2 = y2, average2 = y2;
    const GradientPair<absl::Span<double>> pair2 = {0.75, absl::MakeSpan(g2), absl::MakeSpan(h2)};
    const AveragedWeight<absl::Span<double>> averaged_weight2 = {absl::MakeSpan(x2), absl::MakeSpan(average2)};
    CombineGradients({&pair2, 1}, threads);
    MoveAverage(0.9, {&averaged_weight2, 1}, threads);
    for (size_t i = 0; i < size; ++i) {
      const double combined = 0.75 * x2[i] + y2[i], averaged = 0.9 * y2[i] + 0.1 * x2[i];
      ASSERT_NEAR(g[i], combined, 0x1p-23) << i;
      ASSERT_NEAR(average[i], averaged, 0x1p-23) << i;
      ASSERT_NEAR(g2[i], combined, 1e-15) << i;
      ASSERT_NEAR(average2[i], averaged, 1e-15) << i;
      ASSERT_EQ(h[i], 0) << i;
      ASSERT_EQ(h2[i], 0) << i;
    }
  }
}

}  // namespace
}  // namespace mathnas::kernels
