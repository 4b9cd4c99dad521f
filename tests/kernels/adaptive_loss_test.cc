// The adaptive loss and its gradient against naive loops over the formulas of spec/search-spaces.md 5.8. The gradient
// is that of -sum_k c_k log softmax(logits)_k with constant c, not the derivative of the value.
#include <algorithm>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "kernels/plan.h"
#include "kernels/random.h"

namespace mathnas::kernels {
namespace {

using Rows = std::vector<std::vector<double>>;

std::vector<double> Softmax(const std::vector<double>& z) {
  std::vector<double> p;
  double sum = 0;
  for (double x : z) p.push_back(std::exp(x)), sum += p.back();
  for (double& x : p) x /= sum;
  return p;
}

struct Expected {
  double loss = 0;
  Rows gradient;
  int of_minus_one = 0;  // rows where alpha = -1 has the larger divergence
};

Expected Naive(const Rows& student, const Rows& teacher) {
  Expected e;
  const auto n = static_cast<double>(student.size());
  for (size_t i = 0; i < student.size(); ++i) {
    const std::vector<double> q = Softmax(student[i]), p = Softmax(teacher[i]);
    double minus = 0, plus = 0, sum = 0;
    for (size_t k = 0; k < q.size(); ++k) {
      const double u = std::min(1 / (p[k] / q[k]), 5.0), w = p[k] / q[k];
      minus += q[k] * (u / 2 - 0.5);
      plus += q[k] * w * std::log(w);
    }
    const bool is_minus = minus > plus;
    e.of_minus_one += is_minus;
    std::vector<double> c;
    for (size_t k = 0; k < q.size(); ++k) {
      const double u = std::min(q[k] / p[k], 5.0);
      c.push_back(q[k] * (is_minus ? -u + 0.5 : p[k] / q[k]));
      e.loss -= c[k] * std::log(q[k]) / n;
      sum += c[k];
    }
    std::vector<double>& row = e.gradient.emplace_back();
    for (size_t k = 0; k < q.size(); ++k) row.push_back((q[k] * sum - c[k]) / n);
  }
  return e;
}

Rows Draw(Random& random, size_t rows, size_t classes, double range) {
  Rows z(rows, std::vector<double>(classes));
  for (auto& row : z) {
    for (double& x : row) x = static_cast<float>(range * (2 * random.Uniform() - 1));
  }
  return z;
}

template <typename T>
void Check(Device& device, const Rows& student, const Rows& teacher, double tolerance) {
  const auto rows = static_cast<int64_t>(student.size()), classes = static_cast<int64_t>(student[0].size());
  Graph g(device.real());
  const Value logits = g.Parameter("logits", {rows, classes});
  const Value targets = g.Apply(AdaptiveTargets{}, {logits, g.Input("teacher", {rows, classes})})[0];
  const Value loss = g.Apply(SoftTargetCrossEntropy{}, {logits, targets})[0];
  const auto gradients = Differentiate(g, loss);
  ASSERT_TRUE(g.status().ok()) << g.status();
  ASSERT_EQ(gradients.size(), 1u);
  auto plan = Plan::Create(g, {{"loss", loss}, {"gradient", gradients[0].gradient}}, device);
  ASSERT_TRUE(plan.ok()) << plan.status();
  TensorMap tensors;
  tensors.Put("logits", Tensor(device.real(), {rows, classes}));
  const TensorMap* const bound[] = {&tensors};
  auto context = Context::Create(*plan, bound);
  ASSERT_TRUE(context.ok()) << context.status();
  const auto fill = [&](std::span<T> to, const Rows& from) {
    size_t i = 0;
    for (const auto& row : from) {
      for (double x : row) to[i++] = static_cast<T>(x);
    }
  };
  fill(tensors.Find("logits")->as<T>(), student);
  fill((*context)->Input("teacher")->as<T>(), teacher);
  ASSERT_TRUE((*context)->Run().ok());
  const Expected expected = Naive(student, teacher);
  EXPECT_NEAR((*context)->Output("loss")->as<T>()[0], expected.loss, tolerance * (1 + std::abs(expected.loss)));
  const auto gradient = (*context)->Output("gradient")->as<T>();
  for (int64_t i = 0; i < rows * classes; ++i) {
    const double value = expected.gradient[static_cast<size_t>(i / classes)][static_cast<size_t>(i % classes)];
    EXPECT_NEAR(gradient[static_cast<size_t>(i)], value, tolerance) << i;
  }
}

TEST(AdaptiveLoss, ValueAndGradient) {
  Random random(5, 6);
  auto cpu = CpuDevice(2);
  int of_minus_one = 0, rows = 0;
  // Peaked students of flat teachers and the other way round: the two sides, clipped and not.
  for (const auto& [student_range, teacher_range] : {std::pair{0.5, 0.5}, {6.0, 0.5}, {0.5, 6.0}, {3.0, 3.0}}) {
    const Rows student = Draw(random, 9, 40, student_range), teacher = Draw(random, 9, 40, teacher_range);
    of_minus_one += Naive(student, teacher).of_minus_one;
    rows += 9;
    Check<double>(*ReferenceDevice(DType::kF64), student, teacher, 1e-14);
    // A softmax of 40 classes with logits within 12 of each other: (40 + 8 + 12) 2 u, see error_bounds.cc.
    if (cpu.ok()) Check<float>(**cpu, student, teacher, 120 * 0x1p-24);
  }
  EXPECT_GT(of_minus_one, 0);
  EXPECT_LT(of_minus_one, rows);
}

}  // namespace
}  // namespace mathnas::kernels
