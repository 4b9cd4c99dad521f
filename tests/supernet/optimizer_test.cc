// The optimiser's rules and its state: what decays, steps counted by tensor, a state that goes on to the bit, and
// states that are refused.
#include "supernet/training/optimizer.h"

#include <span>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::Tensor;
using kernels::TensorMap;

TEST(Optimizer, Decays) {
  const struct {
    const char* name;
    size_t rank;
    bool weights, matrices;
  } cases[] = {{"blocks.1.conv.weight", 4, true, true},
               {"blocks.1.bn.bn.weight", 1, false, false},
               {"blocks.14.attn.q.linear.bias", 1, false, false},
               {"blocks.14.norm1.weight", 1, true, false},
               {"blocks.14.rescale_attn", 3, true, false},
               // The reference's own list of exceptions replaces the one that would spare it (training-golden.md 5).
               {"blocks.14.attn.relative_position_bias_table", 2, false, true}};
  for (const auto& c : cases) {
    EXPECT_TRUE(Decays(Decay::kAll, c.name, c.rank)) << c.name;
    EXPECT_EQ(Decays(Decay::kWeights, c.name, c.rank), c.weights) << c.name;
    EXPECT_EQ(Decays(Decay::kMatrices, c.name, c.rank), c.matrices) << c.name;
  }
}

TEST(Optimizer, Names) {
  for (Algorithm a : {Algorithm::kSgd, Algorithm::kAdam, Algorithm::kFairseqAdam})
    EXPECT_EQ(*ParseAlgorithm(Name(a)), a);
  EXPECT_NE(kernels::Message(ParseAlgorithm("lamb").status()).find("adamw"), std::string::npos);
}

// Steps of "a", and in every other one of "b" too.
void Steps(Optimizer& optimizer, const TensorMap& weights, int from, int to) {
  const auto device = kernels::ReferenceDevice(DType::kF32);
  for (int i = from; i < to; ++i) {
    const std::string names[] = {"a", "b"};
    std::vector<Tensor> gradients;
    std::vector<Optimizer::Parameter> parameters;
    for (const std::string& name : std::span(names).first(i % 2 == 1 ? 1 : 2)) {
      const Tensor& gradient = gradients.emplace_back(DType::kF32, kernels::Shape{3});
      for (int k = 0; k < 3; ++k) gradient.as<float>()[k] = static_cast<float>((i * 7 + k * 3) % 5 - 2);
      parameters.push_back({name, weights.Find(name)->view(), gradient.view()});
    }
    const auto s = optimizer.Step(parameters, 0.1, 0.5, *device);
    ASSERT_TRUE(s.ok()) << kernels::Message(s);
    for (const Tensor& gradient : gradients) {
      for (float g : gradient.as<float>()) EXPECT_EQ(g, 0);
    }
  }
}

TEST(Optimizer, GoesOnToTheBit) {
  for (Algorithm algorithm : {Algorithm::kSgd, Algorithm::kAdam, Algorithm::kFairseqAdam}) {
    const OptimizerOptions options = {.algorithm = algorithm, .weight_decay = 0.01};
    TensorMap whole, parts;
    for (TensorMap* map : {&whole, &parts}) {
      for (const char* name : {"a", "b"}) map->Put(name, Tensor(DType::kF32, {3}));
    }
    Optimizer all(options), first(options), second(options);
    Steps(all, whole, 0, 6);
    Steps(first, parts, 0, 3);
    ASSERT_TRUE(Optimizer::CheckState(first.state(), parts).ok());
    second.Restore(first.state());
    Steps(second, parts, 3, 6);
    for (const char* name : {"a", "b"}) {
      for (int k = 0; k < 3; ++k) {
        EXPECT_EQ(whole.Find(name)->as<float>()[k], parts.Find(name)->as<float>()[k]) << Name(algorithm) << name;
      }
    }
    for (const TensorMap::Entry& e : all.state().entries()) EXPECT_TRUE(Optimizer::IsState(e.name)) << e.name;
    if (algorithm == Algorithm::kSgd) continue;
    EXPECT_EQ(second.state().Find("steps.a")->as<int64_t>()[0], 6);
    EXPECT_EQ(second.state().Find("steps.b")->as<int64_t>()[0], 3);
  }
}

TEST(Optimizer, StatesThatDoNotFitAreRefused) {
  TensorMap weights;
  weights.Put("a", Tensor(DType::kF32, {3}));
  const auto adam = [] {
    TensorMap state;
    state.Put("first_moment.a", Tensor(DType::kF32, {3}));
    state.Put("second_moment.a", Tensor(DType::kF32, {3}));
    state.Put("steps.a", Tensor(DType::kI64, kernels::Shape()));
    state.Find("steps.a")->as<int64_t>()[0] = 2;
    return state;
  };
  EXPECT_TRUE(Optimizer::CheckState(adam(), weights).ok());
  const auto expect = [&](const TensorMap& state, const char* words) {
    const absl::Status status = Optimizer::CheckState(state, weights);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(kernels::Message(status).find(words), std::string::npos) << kernels::Message(status);
  };
  TensorMap state = adam();
  state.Put("second_moment.a", Tensor(DType::kF64, {3}));
  expect(state, "second_moment.a");
  state = adam();
  state.Find("steps.a")->as<int64_t>()[0] = 0;
  expect(state, "at least 1");
  state = adam();
  state.Put("momentum.b", Tensor(DType::kF32, {3}));
  expect(state, "momentum.b");
  TensorMap half;
  half.Put("first_moment.a", Tensor(DType::kF32, {3}));
  expect(half, "missing");
}

}  // namespace
}  // namespace mathnas::supernet
