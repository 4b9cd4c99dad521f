// Updates of whole tensors on the GPU against the same of the host in double.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "tests/kernels/cuda_emulation.h"

namespace mathnas::kernels {
namespace {

constexpr double kU = 0x1p-24;  // half the distance from 1 to the next float

using Doubles = std::vector<double>;

class CudaUpdates : public ::testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override {
    auto device = CudaDevice();
    if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << Message(device.status());
    device_ = *device;
  }

  Tensor Zeros(int64_t size = GetParam()) {
    auto tensor = device_->NewTensor({DType::kF32, {size}});
    EXPECT_TRUE(tensor.ok()) << Message(tensor.status());
    EXPECT_TRUE(device_->Reaches(tensor->data()));
    return *std::move(tensor);
  }
  static Tensor Filled(Tensor tensor, uint64_t stream) {
    Random random(1, stream);
    for (float& x : tensor.as<float>()) x = static_cast<float>(2 * random.Uniform() - 1);
    return tensor;
  }
  Tensor Uniform(uint64_t stream) { return Filled(Zeros(), stream); }
  Tensor OfHost(uint64_t stream) {
    Tensor tensor(DType::kF32, {GetParam()});
    EXPECT_FALSE(device_->Reaches(tensor.data()));
    return Filled(std::move(tensor), stream);
  }
  static Doubles Copy(const Tensor& tensor) { return {tensor.as<float>().begin(), tensor.as<float>().end()}; }
  static void ExpectZero(const Tensor& tensor) {
    for (float x : tensor.as<float>()) ASSERT_EQ(x, 0);
  }

  // |got - want| <= bound for all elements.
  static void ExpectNear(const Tensor& got, const Doubles& want, const Doubles& bound, const std::string& what) {
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_LE(std::abs(got.as<float>()[i] - want[i]), bound[i]) << what << " " << i;
    }
  }

  // Some steps, each from where the device is, so that errors do not add up.
  void CompareSgd(const SgdParameters& p, const Tensor& w, const Tensor& b) {
    for (int step = 0; step < 3; ++step) {
      const Tensor g = Uniform(10 + static_cast<uint64_t>(step));
      Doubles w2 = Copy(w), g2 = Copy(g), b2 = Copy(b);
      Doubles w_bound = w2, b_bound = b2;
      const bool first = step == 0;
      for (size_t i = 0; i < w2.size(); ++i) {
        // No term is rounded more than 12 times, parameters included.
        const double gradient = std::abs(p.gradient_scale * g2[i]) + std::abs(p.weight_decay * w2[i]);
        const double sum = (first || b2.empty() ? 0 : p.momentum * std::abs(b2[i])) + gradient;
        if (!b2.empty()) b_bound[i] = 12 * kU * sum;
        w_bound[i] = 12 * kU * (std::abs(w2[i]) + p.learning_rate * (gradient + (p.momentum + 1) * sum));
      }
      const SgdUpdate<absl::Span<double>> update = {p, absl::MakeSpan(w2), absl::MakeSpan(g2), absl::MakeSpan(b2),
                                                    first};
      SgdStep({&update, 1}, 1);
      const absl::Status status = device_->SgdStep({{p, w.view(), g.view(), b.view(), first}});
      ASSERT_TRUE(status.ok()) << Message(status);
      ASSERT_TRUE(device_->Wait().ok());
      ExpectNear(w, w2, w_bound, "w");
      ExpectNear(b, b2, b_bound, "b");
      ExpectZero(g);
    }
  }

  std::shared_ptr<Device> device_;
};

TEST_P(CudaUpdates, SgdStep) {
  for (bool nesterov : {true, false}) {
    const SgdParameters p = {.learning_rate = 0.3, .weight_decay = 0.01, .gradient_scale = 0.5, .nesterov = nesterov};
    // The first time b is not read: it may hold anything.
    Tensor b = Uniform(2);
    for (float& x : b.as<float>()) x = std::nanf("");
    CompareSgd(p, Uniform(1), b);
  }
}

TEST_P(CudaUpdates, SgdStepWithoutMomentumNeedsNoBuffer) {
  CompareSgd({.learning_rate = 0.3, .momentum = 0, .weight_decay = 0.01}, Uniform(1), Tensor(DType::kF32, {0}));
}

TEST_P(CudaUpdates, AdamStep) {
  for (AdamForm form : {AdamForm::kPyTorch, AdamForm::kFairseq}) {
    const AdamParameters p = {.learning_rate = 1e-2,
                              .beta2 = 0.98,
                              .epsilon = 1e-3,
                              .weight_decay = 0.1,
                              .gradient_scale = 0.25,
                              .form = form};
    const Tensor w = Uniform(1), m = Zeros(), v = Zeros();
    for (int64_t t = 1; t <= 3; ++t) {
      const Tensor g = Uniform(10 + static_cast<uint64_t>(t));
      Doubles w2 = Copy(w), g2 = Copy(g), m2 = Copy(m), v2 = Copy(v);
      const Doubles old_w = w2, old_m = m2, gradient = g2;
      const AdamUpdate<absl::Span<double>> update = {
          p, absl::MakeSpan(w2), absl::MakeSpan(g2), absl::MakeSpan(m2), absl::MakeSpan(v2), t};
      AdamStep({&update, 1}, 1);
      // No term of m is rounded more than 6 times, none of v more than 8: its root is off relatively by 5 u, what is
      // divided by it by 16 u more.
      Doubles w_bound = w2, m_bound = w2, v_bound = w2;
      for (size_t i = 0; i < w2.size(); ++i) {
        m_bound[i] = 6 * kU * (p.beta1 * std::abs(old_m[i]) + (1 - p.beta1) * std::abs(p.gradient_scale * gradient[i]));
        v_bound[i] = 8 * kU * v2[i];
        const double moved = std::abs(w2[i] - (1 - p.learning_rate * p.weight_decay) * old_w[i]);
        const double of_m = m2[i] == 0 ? 0 : moved / std::abs(m2[i]) * m_bound[i];
        w_bound[i] = 4 * kU * std::abs(old_w[i]) + of_m + 21 * kU * moved;
      }
      const absl::Status status = device_->AdamStep({{p, w.view(), g.view(), m.view(), v.view(), t}});
      ASSERT_TRUE(status.ok()) << Message(status);
      ASSERT_TRUE(device_->Wait().ok());
      ExpectNear(m, m2, m_bound, "m");
      ExpectNear(v, v2, v_bound, "v");
      ExpectNear(w, w2, w_bound, "w");
      ExpectZero(g);
    }
  }
}

TEST_P(CudaUpdates, CombineGradientsAndMoveAverage) {
  const Tensor g = Uniform(1), h = Uniform(2), w = Uniform(3), average = Uniform(4);
  Doubles g2 = Copy(g), h2 = Copy(h), average2 = Copy(average), g_bound = g2, average_bound = g2;
  Doubles w2 = Copy(w);
  for (size_t i = 0; i < g2.size(); ++i) {
    g_bound[i] = 3 * kU * (0.7 * std::abs(g2[i]) + std::abs(h2[i]));
    average_bound[i] = 4 * kU * (std::abs(average2[i]) + std::abs(w2[i]));
  }
  const GradientPair<absl::Span<double>> pair = {0.7, absl::MakeSpan(g2), absl::MakeSpan(h2)};
  CombineGradients({&pair, 1}, 1);
  const AveragedWeight<absl::Span<double>> averaged = {absl::MakeSpan(w2), absl::MakeSpan(average2)};
  MoveAverage(0.9, {&averaged, 1}, 1);
  ASSERT_TRUE(device_->CombineGradients({{0.7, g.view(), h.view()}}).ok());
  ASSERT_TRUE(device_->MoveAverage(0.9, {{w.view(), average.view()}}).ok());
  ASSERT_TRUE(device_->Wait().ok());
  ExpectNear(g, g2, g_bound, "g");
  ExpectZero(h);
  ExpectNear(average, average2, average_bound, "average");
}

// Products are exact in double, so what is left are the roundings of the sum, here and in the oracle.
void ExpectDotProduct(double got, const Tensor& x, const Tensor& y) {
  double sum = 0, absolute = 0;
  for (size_t i = 0; i < x.as<float>().size(); ++i) {
    const double product = static_cast<double>(x.as<float>()[i]) * y.as<float>()[i];
    sum += product;
    absolute += std::abs(product);
  }
  EXPECT_LE(std::abs(got - sum), 2 * static_cast<double>(x.desc().elements()) * 0x1p-53 * absolute);
}

TEST_P(CudaUpdates, DotProducts) {
  const Tensor x = Uniform(1), y = Uniform(2);
  const std::pair<TensorView, TensorView> pairs[] = {{x.view(), y.view()}, {x.view(), x.view()}};
  const auto products = device_->DotProducts(pairs);
  ASSERT_TRUE(products.ok()) << Message(products.status());
  ASSERT_EQ(products->size(), 2U);
  ExpectDotProduct((*products)[0], x, y);
  ExpectDotProduct((*products)[1], x, x);
  EXPECT_EQ(*device_->DotProducts(pairs), *products) << "other bits";
}

// Vectors, several blocks, more than a round of the grid, no multiples of anything.
INSTANTIATE_TEST_SUITE_P(Sizes, CudaUpdates, ::testing::Values(0, 1, 31, 256, 1003, 5000, 20'003),
                         [](const auto& test) { return std::to_string(test.param); });

class CudaUpdatesTogether : public CudaUpdates {};

// More pairs than one launch takes, of all sizes; the host waits once for those of a call.
TEST_P(CudaUpdatesTogether, DotProductsOfManyPairs) {
  std::vector<Tensor> x, y;
  std::vector<std::pair<TensorView, TensorView>> pairs;
  for (uint64_t i = 0; i < 150; ++i) {
    const auto size = static_cast<int64_t>(i * i * 7 % 9001);
    x.push_back(Filled(Zeros(size), 2 * i));
    y.push_back(Filled(Zeros(size), 2 * i + 1));
    pairs.emplace_back(x.back().view(), y.back().view());
  }
  const auto* counters = testing::EmulationCounters();
  const int64_t waits = counters == nullptr ? 0 : counters->waits;
  for (size_t count : {size_t{3}, pairs.size(), size_t{64}, size_t{65}, size_t{0}}) {
    const auto products = device_->DotProducts(absl::MakeConstSpan(pairs).first(count));
    ASSERT_TRUE(products.ok()) << Message(products.status());
    ASSERT_EQ(products->size(), count);
    for (size_t i = 0; i < count; ++i) ExpectDotProduct((*products)[i], x[i], y[i]);
  }
  EXPECT_TRUE(counters == nullptr || counters->waits - waits == 4);
}

// Steps of more tensors than one launch takes, of all sizes and each with parameters of its own, are those of one by
// one.
TEST_P(CudaUpdatesTogether, StepsOfManyTensors) {
  struct Tensors {
    Tensor w, g, m, v;
  };
  const auto tensors_of = [&](uint64_t i) {
    const auto size = static_cast<int64_t>(i * i * 7 % 9001);
    return Tensors{Filled(Zeros(size), 4 * i), Filled(Zeros(size), 4 * i + 1), Filled(Zeros(size), 4 * i + 2),
                   Zeros(size)};
  };
  constexpr uint64_t kCount = 150;
  std::vector<Tensors> together, alone;
  for (uint64_t i = 0; i < kCount; ++i) {
    together.push_back(tensors_of(i));
    alone.push_back(tensors_of(i));
  }
  const auto sgd = [](uint64_t i, const Tensors& t) {
    const SgdParameters p = {.learning_rate = 0.1 + 0.01 * static_cast<double>(i), .weight_decay = i % 2 ? 0.1 : 0};
    return SgdUpdate<TensorView>{p, t.w.view(), t.g.view(), t.m.view(), i % 3 == 0};
  };
  const auto adam = [](uint64_t i, const Tensors& t) {
    const AdamParameters p = {.learning_rate = 0.1 + 0.01 * static_cast<double>(i), .weight_decay = i % 2 ? 0.1 : 0};
    return AdamUpdate<TensorView>{p, t.w.view(), t.g.view(), t.m.view(), t.v.view(), static_cast<int64_t>(i) + 1};
  };
  const auto combine = [](uint64_t i, const Tensors& t) {
    return GradientPair<TensorView>{0.1 * static_cast<double>(i), t.w.view(), t.m.view()};
  };
  std::vector<SgdUpdate<TensorView>> sgd_updates;
  std::vector<AdamUpdate<TensorView>> adam_updates;
  std::vector<GradientPair<TensorView>> pairs;
  std::vector<AveragedWeight<TensorView>> averages;
  for (uint64_t i = 0; i < kCount; ++i) {
    const Tensors& t = together[i];
    sgd_updates.push_back(sgd(i, t));
    adam_updates.push_back(adam(i, t));
    pairs.push_back(combine(i, t));
    averages.push_back({t.w.view(), t.v.view()});
    const Tensors& a = alone[i];
    ASSERT_TRUE(device_->SgdStep({sgd(i, a)}).ok());
    ASSERT_TRUE(device_->AdamStep({adam(i, a)}).ok());
    ASSERT_TRUE(device_->CombineGradients({combine(i, a)}).ok());
    ASSERT_TRUE(device_->MoveAverage(0.7, {{a.w.view(), a.v.view()}}).ok());
  }
  ASSERT_TRUE(device_->Wait().ok());
  const auto* counters = testing::EmulationCounters();
  const int64_t launches = counters == nullptr ? 0 : counters->launches;
  ASSERT_TRUE(device_->SgdStep(sgd_updates).ok());
  ASSERT_TRUE(device_->AdamStep(adam_updates).ok());
  ASSERT_TRUE(device_->CombineGradients(pairs).ok());
  ASSERT_TRUE(device_->MoveAverage(0.7, averages).ok());
  ASSERT_TRUE(device_->Wait().ok());
  EXPECT_TRUE(counters == nullptr || counters->launches - launches <= 12);
  for (uint64_t i = 0; i < kCount; ++i) {
    for (Tensor Tensors::*member : {&Tensors::w, &Tensors::g, &Tensors::m, &Tensors::v}) {
      ASSERT_EQ(Copy(together[i].*member), Copy(alone[i].*member)) << i;
    }
  }
}

// Where a tensor is one of the host, the host computes, after what was enqueued before.
TEST_P(CudaUpdatesTogether, TensorsOfTheHostAfterThoseOfTheDevice) {
  const SgdParameters p = {.learning_rate = 1, .momentum = 0};
  const Tensor none(DType::kF32, {0}), ones = Zeros(), w = Uniform(2), host = OfHost(3);
  std::ranges::fill(ones.as<float>(), 1.F);
  const Doubles w2 = Copy(w);
  ASSERT_TRUE(device_->SgdStep({{p, w.view(), ones.view(), none.view(), true}}).ok());  // w - 1
  ASSERT_TRUE(device_->MoveAverage(0, {{w.view(), host.view()}}).ok());                 // host = w - 1
  for (size_t i = 0; i < w2.size(); ++i) ASSERT_NEAR(host.as<float>()[i], w2[i] - 1, 4 * kU * 2);
  ASSERT_TRUE(device_->CombineGradients({{2, w.view(), host.view()}}).ok());  // w = 3 (w - 1), host = 0
  ExpectZero(host);
  for (size_t i = 0; i < w2.size(); ++i) ASSERT_NEAR(w.as<float>()[i], 3 * (w2[i] - 1), 24 * kU * 2);

  const Tensor m = Zeros(), v = Zeros(), g = OfHost(6);
  const Doubles before = Copy(w);
  ASSERT_TRUE(device_->AdamStep({{{}, w.view(), g.view(), m.view(), v.view(), 1}}).ok());
  EXPECT_NE(Copy(w), before);
  ExpectZero(g);
  const std::pair<TensorView, TensorView> pairs[] = {{w.view(), w.view()}, {m.view(), host.view()}};
  const auto products = device_->DotProducts(pairs);
  ASSERT_TRUE(products.ok()) << Message(products.status());
  EXPECT_EQ((*products)[0], DotProduct(w.as<float>(), w.as<float>(), 1));
  EXPECT_EQ((*products)[1], 0);
}

// One after the other without waiting in between.
TEST_P(CudaUpdatesTogether, AreInTheOrderOfTheCalls) {
  const Tensor g = Uniform(1), h = Uniform(2), none(DType::kF32, {0}), w = Uniform(3);
  std::ranges::fill(g.as<float>(), 1.F);
  std::ranges::fill(h.as<float>(), 2.F);
  std::ranges::fill(w.as<float>(), 3.F);
  ASSERT_TRUE(device_->CombineGradients({{2, g.view(), h.view()}}).ok());  // g = 4, h = 0
  ASSERT_TRUE(device_->CombineGradients({{2, g.view(), h.view()}}).ok());  // g = 8
  ASSERT_TRUE(
      device_->SgdStep({{{.learning_rate = 1, .momentum = 0}, w.view(), g.view(), none.view(), true}}).ok());  // -5
  ASSERT_TRUE(device_->MoveAverage(0.5, {{w.view(), g.view()}}).ok());  // g = 0, then -2.5
  const std::pair<TensorView, TensorView> pairs[] = {{w.view(), g.view()}};
  EXPECT_EQ((*device_->DotProducts(pairs))[0], 12.5 * static_cast<double>(GetParam()));
}

// The host does not wait when its tensors go: the device does, before it gives their memory back.
TEST_P(CudaUpdatesTogether, TensorsMayGoBeforeTheirUpdates) {
  {
    const Tensor g = Uniform(1), h = Uniform(2);
    ASSERT_TRUE(device_->CombineGradients({{2, g.view(), h.view()}}).ok());
  }
  EXPECT_TRUE(device_->Wait().ok());
}

INSTANTIATE_TEST_SUITE_P(Sizes, CudaUpdatesTogether, ::testing::Values(1003),
                         [](const auto& test) { return std::to_string(test.param); });

}  // namespace
}  // namespace mathnas::kernels
