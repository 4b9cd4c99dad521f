// A network of a search space against a case of the forward golden file.
#ifndef MATHNAS_TESTS_SUPERNET_GOLDEN_NETWORK_H_
#define MATHNAS_TESTS_SUPERNET_GOLDEN_NETWORK_H_

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "supernet/search_space.h"
#include "tests/supernet/golden.h"

namespace mathnas::supernet {

// Reference values in double; float32 differs by rounding: relative to the L2 norm.
inline void CheckSummary(const nlohmann::json& golden, const std::vector<double>& values, double tolerance,
                         const std::string& what) {
  const double l2 = golden["l2"].get<double>();
  EXPECT_NEAR(L2(values), l2, tolerance * l2) << what;
  EXPECT_NEAR(Sum(values), golden["sum"].get<double>(), tolerance * l2 * std::sqrt(values.size())) << what;
  const auto first = golden["first"].get<std::vector<double>>();
  ASSERT_LE(first.size(), values.size()) << what;
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_NEAR(values[i], first[i], tolerance * l2) << what << " element " << i;
  }
}

// The case, its network, and the supernet's tensors.
struct GoldenCase {
  std::string name;
  const nlohmann::json& golden;
  std::shared_ptr<const SearchSpace> space;
  Choice choice;
  kernels::TensorMap shared;
  // What the graph calls an activation of the file; null: the same.
  std::function<std::string(const std::string&)> activation = {};
};

// Logits and activations, over shared or own tensors.
inline void CheckForward(const GoldenCase& c, Weights weights, const kernels::TensorMap& tensors,
                         kernels::Device& device, double tolerance) {
  SCOPED_TRACE(c.name + " on " + std::string(device.name()) + (weights == Weights::kOwn ? ", extracted" : ""));
  const auto input = c.golden["input"].get<std::vector<int64_t>>();
  const NetworkGraph network = c.space->Network(
      c.choice, {.batch = input[0], .weights = weights, .real = device.real(), .image_size = input[2]});
  ASSERT_TRUE(network.graph.status().ok()) << network.graph.status();
  std::vector<kernels::PlanOutput> outputs = {{"logits", network.logits}};
  for (const auto& [activation, summary] : c.golden["acts"].items()) {
    outputs.push_back({activation, network.graph.Find(c.activation ? c.activation(activation) : activation)});
    ASSERT_TRUE(outputs.back().value.valid()) << activation;
  }
  for (const kernels::PlanOptions options : {kernels::PlanOptions{}, kernels::PlanOptions{.constant_weights = true}}) {
    auto plan = kernels::Plan::Create(network.graph, outputs, device, options);
    ASSERT_TRUE(plan.ok()) << plan.status();
    auto context = kernels::Context::Create(*plan, {&tensors});
    ASSERT_TRUE(context.ok()) << context.status();
    const kernels::Tensor images = SyntheticImages("input", input, device.real());
    std::memcpy((*context)->Input("image")->data, images.data(), images.desc().bytes());
    ASSERT_TRUE((*context)->Run().ok());

    const std::vector<double> logits = ToDoubles(*(*context)->Output("logits"));
    CheckSummary(c.golden["summary"], logits, tolerance, "logits");
    const auto first = c.golden["logits_first16"].get<std::vector<double>>();
    for (size_t i = 0; i < first.size(); ++i) {
      EXPECT_NEAR(logits[i], first[i], tolerance * L2(logits)) << "logit " << i;
    }
    for (const auto& [activation, summary] : c.golden["acts"].items()) {
      CheckSummary(summary, ToNchw(*(*context)->Output(activation)), tolerance, activation);
    }
  }
}

// Logits for the synthetic input {N,C,H,W}.
inline std::vector<double> Logits(const SearchSpace& space, const Choice& choice, Weights kind,
                                  const kernels::TensorMap& tensors, kernels::Device& device,
                                  const std::vector<int64_t>& input) {
  const NetworkGraph network = space.Network(choice, {.batch = input[0], .weights = kind, .real = device.real()});
  auto plan = kernels::Plan::Create(network.graph, {{"logits", network.logits}}, device);
  auto context = kernels::Context::Create(*plan, {&tensors});
  EXPECT_TRUE(context.ok()) << context.status();
  const kernels::Tensor images = SyntheticImages("input", input, device.real());
  std::memcpy((*context)->Input("image")->data, images.data(), images.desc().bytes());
  EXPECT_TRUE((*context)->Run().ok());
  return ToDoubles(*(*context)->Output("logits"));
}

}  // namespace mathnas::supernet

#endif  // MATHNAS_TESTS_SUPERNET_GOLDEN_NETWORK_H_
