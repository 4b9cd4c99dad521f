// Graphs for inference, made by hand, with weights: what the tests of folding and of stored graphs work on.
#ifndef MATHNAS_TESTS_KERNELS_INFERENCE_GRAPHS_H_
#define MATHNAS_TESTS_KERNELS_INFERENCE_GRAPHS_H_

#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/device.h"
#include "kernels/graph.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/status.h"

namespace mathnas::kernels::testing {

// A graph under construction whose parameters get random values of a trained network's size.
struct Builder {
  explicit Builder(uint64_t seed) : random(seed) {}

  Value Input(Shape shape) { return graph.Input("images", std::move(shape)); }

  Value Parameter(const std::string& name, Shape shape, double mean, double spread, bool state = false) {
    if (!weights.contains(name)) {
      Tensor tensor(DType::kF32, shape);
      for (float& w : tensor.as<float>()) w = static_cast<float>(mean + spread * (2 * random.Uniform() - 1));
      weights.Put(name, std::move(tensor));
    }
    return state ? graph.State(name, shape) : graph.Parameter(name, shape);
  }

  int64_t Channels(Value x) const { return graph.desc(x).shape.back(); }

  // `name`.weight, and `name`.bias if asked for; padding keeps the extents at stride 1.
  Value Conv(const std::string& name, Value x, int64_t channels, int kernel, int stride = 1, int groups = 1,
             bool bias = false) {
    const int64_t in = Channels(x) / groups;
    const double spread = std::sqrt(3.0 / static_cast<double>(in * kernel * kernel));
    const Value weight = Parameter(name + ".weight", {channels, in, kernel, kernel}, 0, spread);
    return Convolve(graph, x, weight, bias ? Parameter(name + ".bias", {channels}, 0, 0.3) : Value{}, stride,
                    kernel / 2, groups);
  }

  Value Norm(const std::string& name, Value x, bool affine = true) {
    const Shape shape = {Channels(x)};
    Values inputs = {x};
    if (affine) {
      inputs.push_back(Parameter(name + ".weight", shape, 1, 0.3));
      inputs.push_back(Parameter(name + ".bias", shape, 0, 0.3));
    }
    inputs.push_back(Parameter(name + ".running_mean", shape, 0, 0.3, true));
    inputs.push_back(Parameter(name + ".running_var", shape, 1, 0.5, true));
    return graph.Apply(BatchNormInference{.affine = affine}, inputs)[0];
  }

  Value Relu(Value x) { return graph.Apply(kernels::Relu{}, {x})[0]; }
  Value Sum(const Values& terms) { return graph.Apply(Add{}, terms)[0]; }
  Value Zeros(Value x) { return graph.Apply(Zero{}, {x})[0]; }

  // ReLU, convolution, batch norm.
  Value ReluConvNorm(const std::string& name, Value x, int64_t channels, int kernel, int stride = 1) {
    return Norm(name + ".op.2", Conv(name + ".op.1", Relu(x), channels, kernel, stride));
  }

  // An edge of NAS-Bench-201 (spec/search-spaces.md 2.2).
  Value Edge(const std::string& name, int op, Value x) {
    switch (op) {
      case 0:
        return Zeros(x);
      case 1:
        return x;
      case 4:
        return graph.Apply(AvgPool2d{.kernel = 3, .stride = 1, .padding = 1}, {x})[0];
      default:
        return ReluConvNorm(name, x, Channels(x), op == 2 ? 1 : 3);
    }
  }

  // A cell with the operators of its six edges.
  Value Cell(const std::string& name, const std::vector<int>& ops, Value x) {
    std::vector<Value> nodes = {x};
    size_t edge = 0;
    for (int node = 1; node < 4; ++node) {
      Values terms;
      for (int source = 0; source < node; ++source, ++edge) {
        graph.SetBlock(name + ".e" + std::to_string(edge));
        terms.push_back(Edge(name + ".layers." + std::to_string(edge), ops[edge], nodes[source]));
      }
      graph.SetBlock(name);
      nodes.push_back(Sum(terms));
    }
    return nodes[3];
  }

  // Stem, cell, reduction, cell, head: the network of section 2.1, small. Returns the logits, named so.
  Value CellNetwork(const std::vector<int>& ops, int64_t batch = 2) {
    const Value images = Input({batch, 8, 8, 3});
    graph.SetBlock("stem");
    Value x = Norm("stem.1", Conv("stem.0", images, 16, 3));
    x = Cell("cells.0", ops, x);
    graph.SetBlock("cells.1");
    const Value straight = ReluConvNorm("cells.1.conv_b", ReluConvNorm("cells.1.conv_a", x, 24, 3, 2), 24, 3);
    const Value pooled = graph.Apply(AvgPool2d{.kernel = 2, .stride = 2}, {x})[0];
    x = Sum({Conv("cells.1.downsample.1", pooled, 24, 1), straight});
    x = Cell("cells.2", ops, x);
    graph.SetBlock("head");
    x = graph.Apply(GlobalAvgPool{}, {Relu(Norm("lastact.0", x))})[0];
    const Value weight = Parameter("classifier.weight", {10, 24}, 0, 0.3);
    x = graph.Apply(Linear{}, {x, weight, Parameter("classifier.bias", {10}, 0, 0.1)})[0];
    graph.SetName(x, "logits");
    return x;
  }

  Graph graph;
  TensorMap weights;
  Random random;
};

inline void Require(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(std::string(Message(status)));
}

// The outputs, one after the other, for inputs that depend on their size alone.
inline std::vector<std::vector<float>> Run(const Graph& graph, const std::vector<PlanOutput>& outputs,
                                           const TensorMap& weights, Device& device) {
  auto plan = Plan::Create(graph, outputs, device, {.constant_weights = true});
  Require(plan.status());
  auto context = Context::Create(*plan, {&weights});
  Require(context.status());
  for (const Plan::Port& port : (*plan)->inputs()) {
    Random random(7);
    for (float& x : (*context)->Input(port.name)->as<float>()) x = static_cast<float>(random.Normal());
  }
  Require((*context)->Run());
  std::vector<std::vector<float>> results;
  for (const PlanOutput& o : outputs) {
    const auto result = (*context)->Output(o.name)->as<float>();
    results.emplace_back(result.begin(), result.end());
  }
  return results;
}

// Largest difference over the largest value.
inline double RelativeDifference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double difference = 0, size = 1e-30;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return INFINITY;
    difference = std::max<double>(difference, std::abs(static_cast<double>(a[i]) - b[i]));
    size = std::max<double>(size, std::abs(b[i]));
  }
  return difference / size;
}

}  // namespace mathnas::kernels::testing

#endif  // MATHNAS_TESTS_KERNELS_INFERENCE_GRAPHS_H_
