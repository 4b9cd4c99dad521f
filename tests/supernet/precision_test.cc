// Networks of all spaces in bfloat16 and float16: the logits of float32 up to rounding, and a kernel of its own for
// every operator.
#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/lower_precision.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "supernet/evaluation.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/recalibration.h"
#include "supernet/supertransformer/space.h"
#include "supernet/supervit/space.h"
#include "supernet/training/sampling.h"
#include "supernet/weights.h"
#include "tests/kernels/precision_device.h"

namespace mathnas::supernet {
namespace {

using kernels::Precision;

struct Result {
  std::vector<float> logits;
  int convolutions = 0;  // and linear layers, that read 16 bits
};

Result Run(const kernels::FoldedGraph& network, const std::shared_ptr<kernels::Device>& device, int64_t tokens) {
  Result result;
  const auto plan = kernels::Plan::Create(network.graph, network.outputs, *device, {.constant_weights = true});
  EXPECT_TRUE(plan.ok()) << kernels::Message(plan.status());
  if (!plan.ok()) return result;
  for (const kernels::Plan::Step& step : (*plan)->steps()) {
    if (step.input_descs.empty() || !IsLow(step.input_descs[0].dtype)) continue;
    const std::string name = step.kernel->implementation();
    for (const char* naive : {"ref", "simple"}) {
      EXPECT_EQ(name.find(naive), std::string::npos) << NameOf(step.op) << ": " << name;
    }
    const bool product =
        std::holds_alternative<kernels::Conv2d>(step.op) || std::holds_alternative<kernels::Linear>(step.op);
    result.convolutions += product ? 1 : 0;
  }
  const auto context = kernels::Context::Create(*plan, {&network.weights});
  EXPECT_TRUE(context.ok()) << kernels::Message(context.status());
  if (!context.ok()) return result;
  kernels::Random random(5);
  for (const kernels::Plan::Port& port : (*plan)->inputs()) {
    const kernels::TensorView view = *(*context)->Input(port.name);
    if (view.desc.dtype == kernels::DType::kI64) {
      for (int64_t& id : view.as<int64_t>()) id = 4 + random.Below(static_cast<uint32_t>(tokens - 4));
    } else {
      for (float& v : view.as<float>()) v = static_cast<float>(random.Normal());
    }
  }
  EXPECT_TRUE((*context)->Run().ok());
  const auto logits = (*context)->Output("logits")->as<float>();
  result.logits.assign(logits.begin(), logits.end());
  return result;
}

double Norm(const std::vector<float>& a, const std::vector<float>& b) {
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) squares += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return std::sqrt(squares);
}

// The size of activations of a few images, as trained networks have it; with the statistics that a network begins with
// they get smaller from layer to layer, below what float16 has. Means stay 0: subtracting them would amplify errors.
void TakeStatistics(const SearchSpace& space, const Choice& choice, kernels::TensorMap& weights,
                    const std::shared_ptr<kernels::Device>& device) {
  const kernels::Shape side = space.input_shape(choice);
  const kernels::Tensor images(kernels::DType::kF32, {8, side[0], side[1], side[2]});
  kernels::Random random(6);
  for (float& v : images.as<float>()) v = static_cast<float>(random.Normal());
  Recalibration recalibration(space, choice, weights, device);
  ASSERT_TRUE(recalibration.Add(images.view()).ok());
  ASSERT_TRUE(recalibration.Finish().ok());
  constexpr std::string_view kVariance = "running_var";
  for (const kernels::TensorMap::Entry& e : weights.entries()) {
    if (!e.name.ends_with(kVariance)) continue;
    const std::string module = e.name.substr(0, e.name.size() - kVariance.size());
    const auto variance = e.tensor.as<float>(), mean = weights.Find(module + "running_mean")->as<float>();
    for (size_t c = 0; c < mean.size(); ++c) variance[c] += mean[c] * mean[c], mean[c] = 0;
  }
}

// Every convolution and linear layer rounds its weights and its result, by r = 2^-8 (float16: 2^-11) of each number at
// most and by r / sqrt(3) / 1.4 in the quadratic mean over mantissas. The errors are independent of each other, so that
// their squares add up: of L layers, which do not amplify what is relative, at most sqrt(2 L) r of the norm of the
// logits.
void ExpectRoundingAlone(const SearchSpace& space, const Choice& choice, int64_t batch, Precision precision,
                         const std::shared_ptr<kernels::Device>& device) {
  kernels::TensorMap weights = AllocateWeights(space.Network(choice, {}).graph);
  InitializeWeights(weights, 3, space.initialization());
  if (!space.translates()) TakeStatistics(space, choice, weights, device);
  const auto wide = FoldedNetwork(space, choice, weights, batch);
  const auto low = FoldedNetwork(space, choice, weights, batch, precision);
  ASSERT_TRUE(wide.ok() && low.ok()) << wide.status() << low.status();
  EXPECT_EQ(kernels::PrecisionOf(low->graph), precision);
  const Result expected = Run(*wide, device, space.classes()), result = Run(*low, device, space.classes());
  EXPECT_EQ(expected.convolutions, 0);
  EXPECT_GT(result.convolutions, 0);
  ASSERT_EQ(result.logits.size(), expected.logits.size());
  const double relative =
      Norm(result.logits, expected.logits) / Norm(expected.logits, std::vector<float>(expected.logits.size()));
  std::cout << space.name() << ": " << result.convolutions << " layers, off by " << relative << "\n";
  EXPECT_LT(relative, std::sqrt(2.0 * result.convolutions) * kernels::testing::RoundingOf(precision));
  EXPECT_GT(relative, 0);
}

class LowPrecision : public ::testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    if (device_ == nullptr) GTEST_SKIP() << "no device computes in " << kernels::Name(GetParam());
  }
  // The first of the networks that a generator draws; on a GPU, which may be an emulated one, one in the place of many.
  void Test(const SearchSpace& space, int64_t networks, int64_t batch) {
    if (device_->name() == "cuda") networks = 1;
    for (int64_t i = 0; i < networks; ++i) {
      ExpectRoundingAlone(space, RandomChoice(space, 7, i), i % 2 == 0 ? 1 : batch, GetParam(), device_);
    }
  }

  const std::shared_ptr<kernels::Device> device_ = kernels::testing::DeviceFor(GetParam());
};

TEST_P(LowPrecision, NasBench201) { Test(**NasBench201({.cells = 2}), 4, 8); }
TEST_P(LowPrecision, MobileNetV3) { Test(**MobileNetV3({.resolutions = {96, 128}}), 3, 4); }
TEST_P(LowPrecision, SuperVit) { Test(**SuperVit({}), 1, 1); }
TEST_P(LowPrecision, SuperTransformer) {
  const auto space = *SuperTransformer({.source_vocabulary = 500, .target_vocabulary = 500});
  ExpectRoundingAlone(*space, RandomChoice(*space, 7, 0), 2, GetParam(), device_);
}

INSTANTIATE_TEST_SUITE_P(Types, LowPrecision, ::testing::Values(Precision::kBfloat16, Precision::kFloat16),
                         [](const auto& test) { return std::string(kernels::Name(test.param)); });

}  // namespace
}  // namespace mathnas::supernet
