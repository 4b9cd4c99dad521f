#include "tests/kernels/training_graph.h"

#include <utility>

#include "kernels/differentiate.h"
#include "kernels/random.h"

namespace mathnas::kernels::testing {

TrainingGraph::TrainingGraph(DType real) : graph(real) {
  Graph& g = graph;
  const auto norm = [&](Value x, const std::string& name) {
    const Shape c = {g.desc(x).shape[3]};
    return g.Apply(BatchNormTraining{}, {x, g.Parameter(name + ".gamma", c), g.Parameter(name + ".beta", c),
                                         g.State(name + ".mean", c), g.State(name + ".var", c)})[0];
  };
  g.SetBlock("stem");
  const Value stem =
      norm(Convolve(g, g.Input("x", {3, 8, 8, 3}), g.Parameter("stem", {16, 3, 3, 3}), Value{}, 1, 1), "bn");
  g.SetBlock("cell");
  const Value a =
      norm(Convolve(g, g.Apply(Relu{}, {stem})[0], g.Parameter("a", {16, 16, 3, 3}), Value{}, 1, 1), "bn_a");
  const Value b =
      norm(Convolve(g, g.Apply(Relu{}, {stem})[0], g.Parameter("b", {16, 16, 1, 1}), Value{}, 1, 0), "bn_b");
  const Value pool = g.Apply(AvgPool2d{.kernel = 3, .stride = 1, .padding = 1}, {a})[0];
  const Value none = g.Apply(Zero{}, {b})[0];
  const Value sum = g.Apply(Add{}, {a, none, pool, stem})[0];
  const Value last = g.Apply(Relu{}, {norm(sum, "last")})[0];
  g.SetBlock("head");
  const Value wide = Convolve(g, last, g.Parameter("wide", {24, 16, 2, 2}), g.Parameter("wide.bias", {24}), 2, 0);
  const Value features = g.Apply(GlobalAvgPool{}, {g.Apply(Relu{}, {wide})[0]})[0];
  const Value logits = g.Apply(Linear{}, {features, g.Parameter("w", {4, 24}), g.Parameter("w.bias", {4})})[0];
  const Value loss = g.Apply(SoftmaxCrossEntropy{.label_smoothing = 0.1}, {logits, g.Labels("labels", 3)})[0];
  const std::vector<ParameterGradient> gradients = Differentiate(g, loss);
  // Zero gradients are left out: their sums do not change.
  std::vector<ParameterGradient> moving;
  for (const ParameterGradient& p : gradients) {
    const int32_t node = g.info(p.gradient).node;
    if (!std::holds_alternative<Fill>(g.nodes()[static_cast<size_t>(node)].op)) moving.push_back(p);
  }
  AccumulateGradients(g, moving);
  outputs = {{"loss", loss}, {"logits", logits}, {"features", features}};
  for (const ParameterGradient& p : gradients)
    outputs.push_back({"gradient of " + g.info(p.parameter).name, p.gradient});
}

TensorMap RandomTensors(const Graph& graph, uint64_t seed) {
  TensorMap tensors;
  Random random(seed);
  for (ValueKind kind : {ValueKind::kParameter, ValueKind::kState}) {
    for (Value v : graph.Leaves(kind)) {
      const std::string& name = graph.info(v).name;
      const bool positive = name.ends_with("var") || name.ends_with("gamma");
      Tensor tensor(graph.desc(v));
      const auto fill = [&](auto elements) {
        for (auto& x : elements) {
          x = static_cast<std::decay_t<decltype(x)>>((positive ? 1.5 : 0) + random.Uniform() - 0.5);
        }
      };
      if (tensor.desc().dtype == DType::kF64) {
        fill(tensor.as<double>());
      } else {
        fill(tensor.as<float>());
      }
      tensors.Put(name, std::move(tensor));
    }
  }
  return tensors;
}

void FillInputs(const Context& context, uint64_t seed) {
  Random random(seed);
  for (const Plan::Port& port : context.plan().inputs()) {
    const TensorView view = *context.Input(port.name);
    switch (port.desc.dtype) {
      case DType::kI64:
        for (int64_t& x : view.as<int64_t>()) x = random.Below(4);
        break;
      case DType::kF64:
        for (double& x : view.as<double>()) x = 2 * random.Uniform() - 1;
        break;
      default:
        for (float& x : view.as<float>()) x = static_cast<float>(2 * random.Uniform() - 1);
    }
  }
}

}  // namespace mathnas::kernels::testing
