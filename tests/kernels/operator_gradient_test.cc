// The gradient rule of every operator against central finite differences in double, on the reference device. The loss
// is sum_i w_i y_i with random w, which enters the rule as the gradient of the output.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/graph.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "tests/kernels/operator_test_fixture.h"

namespace mathnas::kernels::testing {
namespace {

class OperatorGradientTest : public OperatorShapeTest {};

// An operator alone in a graph: everything that may have a gradient is a parameter.
struct OperatorGraph {
  Graph graph{DType::kF64};
  Values inputs;
  Values outputs;
  Gradients gradients;  // of the inputs, from the graph input "w"

  explicit OperatorGraph(const Problem& problem) {
    for (size_t i = 0; i < problem.inputs.size(); ++i) {
      const InputSpec& spec = problem.inputs[i];
      const std::string name = fmt::format("x{}", i);
      switch (spec.role) {
        case InputSpec::kLabels:
          inputs.push_back(graph.Integers(name, spec.shape));
          break;
        case InputSpec::kState:
          inputs.push_back(graph.State(name, spec.shape));
          break;
        default:
          inputs.push_back(graph.Parameter(name, spec.shape));
      }
    }
    outputs = graph.Apply(problem.op, inputs);
    if (!graph.status().ok()) return;
    Values flowing(outputs.size());
    flowing[0] = graph.Input("w", graph.desc(outputs[0]).shape);
    std::visit(
        [&](const auto& op) {
          if constexpr (requires(const GradientRequest& r) { Gradient(op, r); }) {
            gradients = Gradient(op, GradientRequest{graph, inputs, outputs, flowing, {}});
          }
        },
        problem.op);
  }
};

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

TEST_P(OperatorGradientTest, FiniteDifferences) {
  SCOPED_TRACE(Repeat());
  const Problem problem = GetParam().problem();
  const OperatorGraph g(problem);
  ASSERT_TRUE(g.graph.status().ok()) << Message(g.graph.status());
  ASSERT_EQ(g.gradients.size(), g.inputs.size());

  std::vector<PlanOutput> outputs;
  for (size_t i = 0; i < g.inputs.size(); ++i) {
    const bool has =
        problem.inputs[i].role == InputSpec::kActivation || problem.inputs[i].role == InputSpec::kParameter;
    ASSERT_EQ(g.gradients[i].valid(), has) << "input " << i;
    if (has) outputs.push_back({fmt::format("x{}", i), g.gradients[i]});
  }
  const auto device = ReferenceDevice(DType::kF64);
  auto forward = Plan::Create(g.graph, {{"y", g.outputs[0]}}, *device);
  auto backward = Plan::Create(g.graph, outputs, *device);
  ASSERT_TRUE(forward.ok()) << Message(forward.status());
  ASSERT_TRUE(backward.ok()) << Message(backward.status());

  TensorMap tensors;
  Tensors inputs = RandomInputs(problem, random());
  std::vector<Tensor> labels;
  for (size_t i = 0; i < inputs.size(); ++i) {
    tensors.Put(fmt::format("x{}", i), Mapped(inputs[i], DType::kF64, [](double x) { return x; }));
  }
  const TensorMap* const bound[] = {&tensors};
  auto forward_context = Context::Create(*forward, bound);
  auto backward_context = Context::Create(*backward, bound);
  ASSERT_TRUE(forward_context.ok()) << Message(forward_context.status());
  ASSERT_TRUE(backward_context.ok()) << Message(backward_context.status());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (problem.inputs[i].role != InputSpec::kLabels) continue;
    for (Context* context : {forward_context->get(), backward_context->get()}) {
      const auto view = context->Input(fmt::format("x{}", i));
      ASSERT_TRUE(view.ok());
      std::ranges::copy(inputs[i].as<int64_t>(), view->as<int64_t>().begin());
    }
  }

  Random weights = random(1);
  std::vector<double> w;
  const auto w_view = (*backward_context)->Input("w");
  const auto y_view = (*forward_context)->Output("y");
  ASSERT_TRUE(w_view.ok() && y_view.ok());
  for (double& x : w_view->as<double>()) w.push_back(x = 2 * weights.Uniform() - 1);
  ASSERT_TRUE((*backward_context)->Run().ok());
  double size = 0;  // sum |w_i y_i|: what the rounding of the loss is measured by
  const auto loss = [&] {
    EXPECT_TRUE((*forward_context)->Run().ok());
    double sum = 0;
    size = 0;
    const auto y = y_view->as<double>();
    for (size_t i = 0; i < y.size(); ++i) sum += w[i] * y[i], size += std::abs(w[i] * y[i]);
    return sum;
  };

  const double step = entry().gradient_step;
  for (const PlanOutput& output : outputs) {
    const auto view = (*backward_context)->Output(output.name);
    ASSERT_TRUE(view.ok());
    const std::vector<double> gradient(view->as<double>().begin(), view->as<double>().end());
    const std::span<double> x = tensors.Find(output.name)->as<double>();
    const std::vector<double> at(x.begin(), x.end());
    double largest = 0;
    for (double v : gradient) largest = std::max(largest, std::abs(v));

    const auto check = [&](const std::vector<double>& direction, const std::string& what) {
      for (size_t i = 0; i < at.size(); ++i) x[i] = at[i] + step * direction[i];
      const double above = loss();
      for (size_t i = 0; i < at.size(); ++i) x[i] = at[i] - step * direction[i];
      const double below = loss();
      std::ranges::copy(at, x.begin());
      const double norm = std::sqrt(Dot(direction, direction) * static_cast<double>(std::max<size_t>(at.size(), 1)));
      const double rounding = 64 * std::numeric_limits<double>::epsilon() * size / step;
      EXPECT_NEAR(Dot(gradient, direction), (above - below) / (2 * step),
                  1e-6 * largest * std::min(norm, 1e3) + rounding)
          << "gradient of " << output.name << ", " << what;
    };
    // One element after the other, and all of them along one random direction.
    const size_t elements = at.size();
    for (size_t k = 0; k < std::min<size_t>(elements, 12); ++k) {
      const size_t i = k == 0 ? 0 : k == 1 ? elements - 1 : weights.Below(static_cast<uint32_t>(elements));
      std::vector<double> direction(elements, 0.0);
      direction[i] = 1;
      check(direction, fmt::format("element {}", i));
    }
    std::vector<double> direction(elements);
    for (double& d : direction) d = 2 * weights.Uniform() - 1;
    check(direction, "along a random direction");
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, OperatorGradientTest, ::testing::ValuesIn(DifferentiableShapes()),
                         [](const auto& test) { return test.param.name(); });

}  // namespace
}  // namespace mathnas::kernels::testing
