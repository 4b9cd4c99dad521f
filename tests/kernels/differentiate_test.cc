#include "kernels/differentiate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/status.h"

namespace mathnas::kernels {
namespace {

// A graph with a loss, its parameters at random values, and what a plan on the reference device makes of them.
class Model {
 public:
  explicit Model(int64_t batch, int64_t classes) : batch_(batch), classes_(classes) {}

  Graph graph{DType::kF64};
  TensorMap tensors;

  // Mean cross-entropy of {batch, classes} logits.
  Value Loss(Value logits) {
    loss_ = graph.Apply(SoftmaxCrossEntropy{}, {logits, graph.Labels("labels", batch_)})[0];
    return loss_;
  }

  // Gradients by name of the parameter; those that are "none" are missing.
  std::map<std::string, std::vector<double>> Differentiated() {
    const std::vector<ParameterGradient> gradients = Differentiate(graph, loss_);
    EXPECT_TRUE(graph.status().ok()) << Message(graph.status());
    std::vector<PlanOutput> outputs = {{"loss", loss_}};
    for (const ParameterGradient& g : gradients) {
      EXPECT_EQ(graph.desc(g.gradient), graph.desc(g.parameter));
      outputs.push_back({graph.info(g.parameter).name, g.gradient});
    }
    Fill();
    context_ = Make(outputs);
    Run();
    std::map<std::string, std::vector<double>> result;
    for (const ParameterGradient& g : gradients) {
      const std::string& name = graph.info(g.parameter).name;
      const auto values = context_->Output(name)->as<double>();
      result[name].assign(values.begin(), values.end());
    }
    return result;
  }

  // Checks some elements of every gradient against central differences; none must equal a difference of zero.
  void ExpectFiniteDifferences() {
    const auto gradients = Differentiated();
    Random random(5);
    for (Value p : graph.Leaves(ValueKind::kParameter)) {
      const std::string& name = graph.info(p).name;
      const std::span<double> x = tensors.Find(name)->as<double>();
      for (int k = 0; k < 8; ++k) {
        const size_t i = random.Below(static_cast<uint32_t>(x.size()));
        constexpr double kStep = 1e-5;
        const double at = x[i];
        x[i] = at + kStep;
        const double above = Run();
        x[i] = at - kStep;
        const double below = Run();
        x[i] = at;
        const auto g = gradients.find(name);
        EXPECT_NEAR(g == gradients.end() ? 0 : g->second[i], (above - below) / (2 * kStep), 2e-9)
            << name << "[" << i << "]";
      }
    }
  }

 private:
  void Fill() {
    Random random(3);
    for (ValueKind kind : {ValueKind::kParameter, ValueKind::kState}) {
      for (Value v : graph.Leaves(kind)) {
        Tensor tensor(graph.desc(v));
        for (double& x : tensor.as<double>()) x = 2 * random.Uniform() - 1;
        tensors.Put(graph.info(v).name, std::move(tensor));
      }
    }
  }

  std::unique_ptr<Context> Make(const std::vector<PlanOutput>& outputs) {
    auto plan = Plan::Create(graph, outputs, *ReferenceDevice(DType::kF64));
    EXPECT_TRUE(plan.ok()) << Message(plan.status());
    const TensorMap* const bound[] = {&tensors};
    auto context = Context::Create(*plan, bound);
    EXPECT_TRUE(context.ok()) << Message(context.status());
    Random random(4);
    for (const Plan::Port& port : (*plan)->inputs()) {
      const TensorView view = *(*context)->Input(port.name);
      if (port.desc.dtype == DType::kI64) {
        for (int64_t& x : view.as<int64_t>()) x = random.Below(static_cast<uint32_t>(classes_));
      } else {
        for (double& x : view.as<double>()) x = 2 * random.Uniform() - 1;
      }
    }
    return *std::move(context);
  }

  double Run() {
    EXPECT_TRUE(context_->Run().ok());
    return context_->Output("loss")->as<double>()[0];
  }

  int64_t batch_, classes_;
  Value loss_;
  std::unique_ptr<Context> context_;
};

// Edges of a cell: two convolutions, a pooling, a skip and a zero, out of a shared ReLU into one sum.
TEST(Differentiate, NetworkWithFanOutMatchesFiniteDifferences) {
  Model m(3, 4);
  Graph& g = m.graph;
  const auto norm = [&](Value x, const std::string& name) {
    const int64_t c = g.desc(x).shape[3];
    return g.Apply(BatchNormTraining{.track = false},
                   {x, g.Parameter(name + ".gamma", {c}), g.Parameter(name + ".beta", {c})})[0];
  };
  const Value x = g.Input("x", {3, 6, 6, 2});
  const Value stem = norm(Convolve(g, x, g.Parameter("stem", {4, 2, 3, 3}), Value{}, 1, 1), "bn0");
  const Value relu = g.Apply(Relu{}, {stem})[0];
  const Value a = norm(Convolve(g, relu, g.Parameter("a", {4, 4, 3, 3}), Value{}, 1, 1), "bn_a");
  const Value b =
      Convolve(g, g.Apply(Relu{}, {stem})[0], g.Parameter("b", {4, 1, 3, 3}), g.Parameter("b.bias", {4}), 1, 1, 4);
  const Value pool = g.Apply(AvgPool2d{.kernel = 3, .stride = 1, .padding = 1}, {stem})[0];
  const Value none = g.Apply(Zero{}, {stem})[0];
  const Value sum = g.Apply(Add{}, {a, b, pool, none, stem, g.Apply(Scale{-0.5}, {stem})[0]})[0];
  const Value down = Convolve(g, sum, g.Parameter("down", {5, 4, 2, 2}), Value{}, 2, 0);
  const Value features = g.Apply(GlobalAvgPool{}, {down})[0];
  m.Loss(g.Apply(Linear{}, {features, g.Parameter("w", {4, 5}), g.Parameter("w.bias", {4})})[0]);
  ASSERT_TRUE(g.status().ok()) << Message(g.status());
  m.ExpectFiniteDifferences();
}

// d/dx of (x + x) and of a value that is used as two inputs of one operator.
TEST(Differentiate, InputsUsedTwiceAddUp) {
  Model m(3, 4);
  Graph& g = m.graph;
  const Value x = g.Parameter("x", {3, 4}), w = g.Parameter("w", {4, 4});
  const Value doubled = g.Apply(Add{}, {x, x, x})[0];
  const Value twice = g.Apply(Linear{false}, {g.Apply(Linear{false}, {doubled, w})[0], w})[0];
  const Value squared = g.Apply(Linear{false}, {w, w})[0];  // w w^T, {4, 4}
  m.Loss(g.Apply(Linear{false}, {twice, squared})[0]);
  ASSERT_TRUE(g.status().ok()) << Message(g.status());
  m.ExpectFiniteDifferences();
}

TEST(Differentiate, NoneIsNotZero) {
  Model m(2, 3);
  Graph& g = m.graph;
  const Value x = g.Input("x", {2, 3});
  const Value used = g.Apply(Linear{false}, {x, g.Parameter("used", {3, 3})})[0];
  const Value dead =
      g.Apply(Linear{}, {g.Apply(Relu{}, {g.Apply(Linear{false}, {x, g.Parameter("dead0", {3, 3})})[0]})[0],
                         g.Parameter("dead1", {3, 3}), g.Parameter("dead1.bias", {3})})[0];
  g.Apply(Linear{false}, {used, g.Parameter("unused", {3, 3})});
  g.Parameter("alone", {7});
  m.Loss(g.Apply(Add{}, {used, g.Apply(Zero{}, {dead})[0]})[0]);
  const auto gradients = m.Differentiated();
  ASSERT_EQ(gradients.size(), 4u);
  EXPECT_FALSE(gradients.contains("unused"));
  EXPECT_FALSE(gradients.contains("alone"));
  for (const char* name : {"dead0", "dead1", "dead1.bias"}) {
    ASSERT_TRUE(gradients.contains(name)) << name;
    EXPECT_EQ(gradients.at(name), std::vector<double>(gradients.at(name).size(), 0.0)) << name;
  }
  EXPECT_TRUE(std::ranges::any_of(gradients.at("used"), [](double x_i) { return x_i != 0; }));
}

// A parameter that reaches the loss both through a zero and otherwise has the other gradient.
TEST(Differentiate, AZeroPathAddsNothing) {
  Model m(2, 3);
  Graph& g = m.graph;
  const Value y = g.Apply(Linear{false}, {g.Input("x", {2, 3}), g.Parameter("w", {3, 3})})[0];
  m.Loss(g.Apply(Add{}, {g.Apply(Zero{}, {y})[0], y})[0]);
  m.ExpectFiniteDifferences();
}

TEST(Differentiate, AllPathsThroughZero) {
  Model m(2, 3);
  Graph& g = m.graph;
  const Value y = g.Apply(Linear{false}, {g.Input("x", {2, 3}), g.Parameter("w", {3, 3})})[0];
  m.Loss(g.Apply(Relu{}, {g.Apply(Zero{}, {y})[0]})[0]);
  const auto gradients = m.Differentiated();
  ASSERT_EQ(gradients.size(), 1u);
  EXPECT_EQ(gradients.at("w"), std::vector<double>(9, 0.0));
}

TEST(Differentiate, GradientsComeInTheOrderOfTheParameters) {
  Graph g;
  const Value x = g.Input("x", {2, 3});
  const Value late = g.Parameter("b", {3, 3}), early = g.Parameter("a", {3, 3});
  const Value y = g.Apply(Linear{false}, {g.Apply(Linear{false}, {x, early})[0], late})[0];
  const Value loss = g.Apply(SoftmaxCrossEntropy{}, {y, g.Labels("labels", 2)})[0];
  const auto gradients = Differentiate(g, loss);
  ASSERT_EQ(gradients.size(), 2u);
  EXPECT_EQ(gradients[0].parameter, late);
  EXPECT_EQ(gradients[1].parameter, early);
}

TEST(Differentiate, NoGradientOfTheImage) {
  Graph g;
  const Value x = g.Input("x", {2, 4, 4, 3});
  const Value y = Convolve(g, x, g.Parameter("w", {3, 3, 1, 1}), Value{}, 1, 0);
  const Value loss = g.Apply(SoftmaxCrossEntropy{}, {g.Apply(GlobalAvgPool{}, {y})[0], g.Labels("labels", 2)})[0];
  Differentiate(g, loss);
  ASSERT_TRUE(g.status().ok());
  for (const Graph::Node& n : g.nodes()) EXPECT_NE(NameOf(n.op), "conv2d_backward_data");
}

TEST(Differentiate, NodesBelongToTheBlockTheyDifferentiate) {
  Graph g;
  g.SetBlock("stem");
  const Value y = g.Apply(Linear{false}, {g.Input("x", {2, 3}), g.Parameter("w", {3, 3})})[0];
  g.SetBlock("head");
  const Value z = g.Apply(Linear{false}, {y, g.Parameter("v", {3, 3})})[0];
  const Value loss = g.Apply(SoftmaxCrossEntropy{}, {z, g.Labels("labels", 2)})[0];
  Differentiate(g, loss);
  ASSERT_TRUE(g.status().ok());
  int stem = 0;
  for (const Graph::Node& n : g.nodes()) {
    if (NameOf(n.op) == "linear_backward_data") {
      EXPECT_EQ(g.blocks()[n.block], "head");
    }
    stem += g.blocks()[n.block] == "stem" && NameOf(n.op) == "linear_backward_weights";
  }
  EXPECT_EQ(stem, 1);
}

TEST(Differentiate, ErrorsAreClear) {
  {
    Graph g;
    const Value x = g.Parameter("x", {2, 3});
    EXPECT_TRUE(Differentiate(g, g.Apply(Relu{}, {x})[0]).empty());
    EXPECT_NE(Message(g.status()).find("scalar"), std::string::npos) << Message(g.status());
  }
  {
    Graph g;
    const Value x = g.Parameter("x", {2, 3}), mean = g.State("mean", {3}), var = g.State("var", {3});
    const Value y = g.Apply(BatchNormInference{.affine = false}, {x, mean, var})[0];
    Differentiate(g, g.Apply(SoftmaxCrossEntropy{}, {y, g.Labels("labels", 2)})[0]);
    EXPECT_NE(Message(g.status()).find("batch_norm_inference"), std::string::npos) << Message(g.status());
  }
}

// Gradients of several losses add up in states, and a parameter without gradient has no state.
TEST(AccumulateGradients, AddsToStates) {
  Graph g(DType::kF64);
  const Value y = g.Apply(Linear{false}, {g.Input("x", {2, 3}), g.Parameter("w", {3, 3})})[0];
  g.Parameter("unused", {3});
  const Value loss = g.Apply(SoftmaxCrossEntropy{}, {y, g.Labels("labels", 2)})[0];
  const auto gradients = Differentiate(g, loss);
  AccumulateGradients(g, gradients);
  ASSERT_TRUE(g.status().ok()) << Message(g.status());
  EXPECT_TRUE(g.Find(GradientName("w")).valid());
  EXPECT_FALSE(g.Find(GradientName("unused")).valid());

  TensorMap tensors;
  tensors.Put("w", Tensor(DType::kF64, {3, 3}));
  tensors.Put(GradientName("w"), Tensor(DType::kF64, {3, 3}));
  const std::span<double> sum = tensors.Find(GradientName("w"))->as<double>();
  sum[0] = 10;
  auto plan = Plan::Create(g, {{"gradient", gradients[0].gradient}}, *ReferenceDevice(DType::kF64));
  ASSERT_TRUE(plan.ok()) << Message(plan.status());
  const TensorMap* const bound[] = {&tensors};
  auto context = Context::Create(*plan, bound);
  ASSERT_TRUE(context.ok()) << Message(context.status());
  for (double& x : (*context)->Input("x")->as<double>()) x = 1;
  (*context)->Input("labels")->as<int64_t>()[1] = 2;
  for (int run = 1; run <= 3; ++run) {
    ASSERT_TRUE((*context)->Run().ok());
    const auto gradient = (*context)->Output("gradient")->as<double>();
    for (size_t i = 0; i < sum.size(); ++i) EXPECT_NEAR(sum[i], (i == 0 ? 10 : 0) + run * gradient[i], 1e-12);
  }
}

}  // namespace
}  // namespace mathnas::kernels
