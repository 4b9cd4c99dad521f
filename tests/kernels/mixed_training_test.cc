// Training in bfloat16 or float16 with float32 weights: what is in which type, gradients against exact arithmetic with
// the same roundings and without any, and the same bits in every run.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "kernels/lower_precision.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "kernels/testing/operator_runner.h"
#include "tests/kernels/precision_device.h"

namespace mathnas::kernels {
namespace {

using testing::DeviceFor;
using testing::InputSpec;
using testing::RoundingOf;

constexpr int64_t kBatch = 6;

// A forward graph of what networks of images have.
class Network {
 public:
  explicit Network(DType real) : g_(real) {}

  Value Norm(Value x, const std::string& name) {
    const Shape c = {g_.desc(x).shape[3]};
    return g_.Apply(BatchNormTraining{}, {x, g_.Parameter(name + ".gamma", c), g_.Parameter(name + ".beta", c),
                                          g_.State(name + ".mean", c), g_.State(name + ".var", c)})[0];
  }
  // With the leading part of a weight that has `wide` more output channels, and a normalisation.
  Value Conv(Value x, const std::string& name, int64_t channels, int32_t kernel, int32_t stride = 1, int64_t wide = 0) {
    const int64_t in = g_.desc(x).shape[3];
    const Value weight = Leading(g_, g_.Parameter(name, {channels + wide, in, kernel, kernel}), channels);
    return Norm(Convolve(g_, x, weight, Value{}, stride, kernel / 2), name + ".bn");
  }
  template <typename Op>
  Value Apply(const Op& op, const Values& inputs) {
    return g_.Apply(op, inputs)[0];
  }
  Value Full(Value x, const std::string& name, int64_t features) {
    return Apply(Linear{}, {x, g_.Parameter(name, {features, g_.desc(x).shape.back()}),
                            g_.Parameter(name + ".bias", {features})});
  }
  void End(Value x) {
    logits = Full(Apply(GlobalAvgPool{}, {x}), "head", 5);
    loss = Apply(SoftmaxCrossEntropy{}, {logits, g_.Labels("labels", kBatch)});
  }

  // A cell of NAS-Bench-201: sums of several normalisations, an average pooling, an edge of zeros, one that skips.
  static Network Cell(DType real) {
    Network n(real);
    const Value x = n.Conv(n.g_.Input("images", {kBatch, 8, 8, 3}), "stem", 16, 3);
    const Value relu = n.Apply(Relu{}, {x});
    const Value one = n.Conv(relu, "a", 16, 3);
    const Value two =
        n.Apply(Add{}, {n.Conv(relu, "b", 16, 1), n.Conv(n.Apply(Relu{}, {one}), "c", 16, 3), n.Apply(Zero{}, {one})});
    const Value pool = n.Apply(AvgPool2d{.kernel = 3, .stride = 1, .padding = 1}, {one});
    const Value three = n.Apply(Add{}, {x, pool, n.Conv(n.Apply(Relu{}, {two}), "d", 16, 3)});
    n.End(n.Apply(Relu{}, {n.Norm(n.Apply(Swish{}, {three}), "last")}));
    return n;
  }

  // Blocks of MobileNetV3 on shared weights: expansion, a depthwise kernel made of a larger one,
  // squeeze-and-excitation, a residual sum; the second one is strided.
  static Network Mobile(DType real) {
    Network n(real);
    Graph& g = n.g_;
    Value x = n.Apply(HardSwish{}, {n.Conv(g.Input("images", {kBatch, 16, 16, 3}), "stem", 16, 3, 2, 8)});
    for (int32_t stride : {1, 2}) {
      const std::string name = "block" + std::to_string(stride);
      const Value before = x;
      x = n.Apply(HardSwish{}, {n.Conv(x, name + ".expand", 40, 1, 1, 24)});
      const Value kernel = n.Apply(
          KernelTransform{.kernel = 5},
          {Leading(g, g.Parameter(name + ".large", {64, 1, 7, 7}), 40), g.Parameter(name + ".matrix", {25, 25})});
      x = n.Apply(HardSwish{}, {n.Norm(Convolve(g, x, kernel, Value{}, stride, 2, 40), name + ".depthwise")});
      const Value squeezed = n.Apply(Relu{}, {n.Full(n.Apply(GlobalAvgPool{}, {x}), name + ".squeeze", 8)});
      x = n.Apply(ScaleChannels{}, {x, n.Apply(HardSigmoid{}, {n.Full(squeezed, name + ".excite", 40)})});
      x = n.Apply(HardSwish{}, {n.Conv(x, name + ".project", 16, 1, 1, 8)});
      if (stride == 1) x = n.Apply(Add{}, {x, before});
    }
    n.End(x);
    return n;
  }

  const Graph& graph() const { return g_; }
  Value loss, logits;

 private:
  Graph g_;
};

using Make = Network (*)(DType);

// A step: the graph with its gradient. That of float16 is of the loss times `factor`.
struct Step {
  Graph graph;
  Value loss, logits;
  std::vector<ParameterGradient> gradients;
  double factor = 1;

  Step(const Network& network, Precision precision) {
    const std::vector<Value> kept = {network.loss, network.logits};
    FusedGraph fused = FuseForTraining(network.graph(), kept);
    fused = LowerForTraining(std::move(fused), kept, precision);
    loss = fused[network.loss], logits = fused[network.logits];
    graph = std::move(fused.graph);
    if (precision == Precision::kFloat16) factor = 0x1p8;
    gradients = Differentiate(graph, loss, graph.Apply(Fill{.value = factor, .shape = {}}, {})[0]);
    AccumulateGradients(graph, gradients);
  }
};

// Weights of the size that keeps activations as large as they are.
TensorMap RandomTensors(const Graph& graph, uint64_t seed = 7) {
  TensorMap tensors;
  Random random(seed);
  for (ValueKind kind : {ValueKind::kParameter, ValueKind::kState}) {
    for (Value v : graph.Leaves(kind)) {
      const std::string& name = graph.info(v).name;
      const Shape& shape = graph.desc(v).shape;
      Tensor tensor(DType::kF32, shape);
      const bool positive = name.ends_with("gamma") || name.ends_with("var");
      const int64_t fan_in = shape.empty() ? 1 : NumElements(shape) / shape[0];
      const double spread = shape.size() > 1 ? std::sqrt(3.0 / static_cast<double>(fan_in)) : 0.3;
      for (float& x : tensor.as<float>()) {
        x = name.starts_with("gradient.")
                ? 0
                : static_cast<float>(spread * (2 * random.Uniform() - 1) + (positive ? 1 : 0));
      }
      tensors.Put(name, std::move(tensor));
    }
  }
  return tensors;
}

Tensor Images(const Shape& shape) {
  Tensor images(DType::kF32, shape);
  Random random(8);
  for (float& x : images.as<float>()) x = static_cast<float>(random.Normal());
  return images;
}
int64_t Label(int64_t image) { return image * 3 % 5; }

using Gradients = std::map<std::string, std::vector<double>>;  // by parameter, whole, and the loss by "loss"

std::vector<double> Divided(std::vector<double> x, double by) {
  for (double& v : x) v /= by;
  return x;
}

// On a device; exact on the reference device in double.
Gradients RunOn(const Step& step, const TensorMap& weights, Device& device) {
  TensorMap tensors;
  for (const TensorMap::Entry& e : weights.entries()) {
    tensors.Put(e.name, testing::Mapped(e.tensor, device.real(), [](double x) { return x; }));
  }
  Gradients result;
  const auto plan = Plan::Create(step.graph, {{"loss", step.loss}}, device);
  EXPECT_TRUE(plan.ok()) << Message(plan.status());
  if (!plan.ok()) return result;
  const auto context = Context::Create(*plan, {&tensors});
  EXPECT_TRUE(context.ok()) << Message(context.status());
  if (!context.ok()) return result;
  const TensorView images = *(*context)->Input("images"), labels = *(*context)->Input("labels");
  const Tensor values = testing::Mapped(Images(images.desc.shape), device.real(), [](double x) { return x; });
  std::memcpy(images.data, values.data(), values.desc().bytes());
  for (int64_t i = 0; i < kBatch; ++i) labels.as<int64_t>()[static_cast<size_t>(i)] = Label(i);
  EXPECT_TRUE((*context)->Run().ok());
  const auto doubles = [](const TensorView& view) {
    Tensor copy(view.desc);
    std::memcpy(copy.data(), view.data, view.desc.bytes());
    return testing::ToDoubles(copy);
  };
  result["loss"] = doubles(*(*context)->Output("loss"));
  for (const ParameterGradient& p : step.gradients) {
    const std::string& name = step.graph.info(step.graph.LeafOf(p.parameter)).name;
    result[name] = Divided(testing::ToDoubles(*tensors.Find(GradientName(name))), step.factor);
  }
  return result;
}

// Exact arithmetic between the roundings of the graph: node by node in double, every value that has 16 bits rounded to
// them, but for those of operators that are left out.
Gradients RunWithRoundings(
    const Step& step, const TensorMap& weights,
    const std::function<bool(const Operator&)>& left_out = [](const Operator&) { return false; }) {
  const Graph& g = step.graph;
  const auto reference = ReferenceDevice(DType::kF64);
  const auto exact = [](const Tensor& t) { return testing::Mapped(t, DType::kF64, [](double x) { return x; }); };
  std::vector<Tensor> values(g.values().size());
  for (size_t i = 0; i < values.size(); ++i) {
    const Graph::ValueInfo& info = g.values()[i];
    if (info.kind == ValueKind::kComputed) continue;
    if (info.name == "labels") {
      values[i] = Tensor(info.desc);
      for (int64_t n = 0; n < kBatch; ++n) values[i].as<int64_t>()[static_cast<size_t>(n)] = Label(n);
    } else {
      const Tensor images = info.name == "images" ? Images(info.desc.shape) : Tensor();
      values[i] = exact(info.name == "images" ? images : *weights.Find(info.name));
    }
  }
  for (const Graph::Node& node : g.nodes()) {
    if (std::holds_alternative<Accumulate>(node.op)) continue;
    testing::Problem problem = {node.op, {}};
    testing::Tensors inputs, outputs;
    for (Value v : node.inputs) {
      const Graph::ValueInfo& leaf = g.info(g.LeafOf(v));
      const bool is_state = leaf.kind == ValueKind::kState;
      problem.inputs.push_back({leaf.desc.dtype == DType::kI64 ? InputSpec::kLabels
                                : is_state                     ? InputSpec::kState
                                                               : InputSpec::kActivation,
                                g.desc(v).shape});
      inputs.push_back(values[v.id].Clone());
    }
    if (std::holds_alternative<Slice>(node.op)) {  // of rows, which all of these are
      Tensor part(DType::kF64, g.desc(node.outputs[0]).shape);
      std::memcpy(part.data(), inputs[0].data(), part.desc().bytes());
      outputs.push_back(std::move(part));
    } else if (std::holds_alternative<Convert>(node.op)) {
      outputs.push_back(std::move(inputs[0]));
    } else {
      auto run = testing::RunOperator(*reference, problem, inputs);
      EXPECT_TRUE(run.ok()) << Message(run.status());
      if (!run.ok()) return {};
      outputs = std::move(run->results);
    }
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      const DType type = g.desc(node.outputs[k]).dtype;
      const bool low = IsLow(type) && !left_out(node.op);
      if (low) outputs[k] = testing::Mapped(outputs[k], type, [](double x) { return x; });
      values[node.outputs[k].id] = exact(outputs[k]);
    }
  }
  Gradients result = {{"loss", testing::ToDoubles(values[step.loss.id])}};
  for (const ParameterGradient& p : step.gradients) {
    const Graph::ValueInfo& leaf = g.info(g.LeafOf(p.parameter));
    std::vector<double> gradient = Divided(testing::ToDoubles(values[p.gradient.id]), step.factor);
    gradient.resize(static_cast<size_t>(leaf.desc.elements()));  // nothing flows into the rest of a slice
    result[leaf.name] = std::move(gradient);
  }
  return result;
}

double Norm(const std::vector<double>& x) {
  double squares = 0;
  for (double v : x) squares += v * v;
  return std::sqrt(squares);
}

// Of all gradients together, in the Euclidean norm, relatively; and the largest of one.
struct Difference {
  double whole = 0, largest = 0;
  std::string name;  // of the largest
};

Difference Between(const Gradients& found, const Gradients& expected) {
  Difference result;
  double squares = 0, norm = 0;
  EXPECT_EQ(found.size(), expected.size());
  for (const auto& [name, want] : expected) {
    const auto it = found.find(name);
    if (it == found.end() || it->second.size() != want.size()) {
      ADD_FAILURE() << name << ": no gradient of its shape";
      continue;
    }
    EXPECT_GT(Norm(want), 0) << name;
    std::vector<double> difference = want;
    for (size_t i = 0; i < want.size(); ++i) difference[i] -= it->second[i];
    const double own = Norm(difference), relative = own / Norm(want);
    if (relative > result.largest) result.largest = relative, result.name = name;
    squares += own * own;
    norm += Norm(want) * Norm(want);
  }
  result.whole = std::sqrt(squares / norm);
  return result;
}

int Layers(const Graph& g) {
  return static_cast<int>(std::count_if(g.nodes().begin(), g.nodes().end(), [](const Graph::Node& n) {
    return std::holds_alternative<Conv2d>(n.op) || std::holds_alternative<Linear>(n.op);
  }));
}

// ReLUs that a gradient passes on its way, if it passes all. The kinks of the other activations lie at -3 and 3, where
// hardly a value does.
int Kinks(const Graph& g) {
  return static_cast<int>(std::count_if(g.nodes().begin(), g.nodes().end(), [](const Graph::Node& n) {
    const auto* sum = std::get_if<NormalizedSum>(&n.op);
    return std::holds_alternative<Relu>(n.op) || (sum != nullptr && sum->activation == Activation::kRelu);
  }));
}

class MixedTraining : public ::testing::TestWithParam<std::tuple<Make, Precision>> {
 protected:
  static Network Of(DType real) { return std::get<Make>(GetParam())(real); }
  static Precision precision() { return std::get<Precision>(GetParam()); }
  static double rounding() { return RoundingOf(precision()); }
};

TEST_P(MixedTraining, ProductsReadLowPrecisionAndWeightsAreFloat32) {
  const Step step(Of(DType::kF32), precision());
  const DType low = TypeOf(precision());
  const Graph& g = step.graph;
  ASSERT_TRUE(g.status().ok()) << Message(g.status());
  const auto type = [&](Value v) { return g.desc(v).dtype; };
  for (ValueKind kind : {ValueKind::kInput, ValueKind::kParameter, ValueKind::kState}) {
    for (Value v : g.Leaves(kind)) EXPECT_FALSE(IsLow(type(v))) << g.info(v).name;
  }
  for (const ParameterGradient& p : step.gradients) {
    EXPECT_EQ(type(p.gradient), DType::kF32) << g.info(g.LeafOf(p.parameter)).name;
  }
  EXPECT_EQ(type(step.logits), DType::kF32);
  std::multiset<int32_t> rounded;  // weights
  for (const Graph::Node& node : g.nodes()) {
    const bool product = std::visit(
        [](const auto& op) {
          using Op = std::decay_t<decltype(op)>;
          return std::is_same_v<Op, Conv2d> || std::is_same_v<Op, Conv2dBackwardData> ||
                 std::is_same_v<Op, Conv2dBackwardWeights> || std::is_same_v<Op, Linear> ||
                 std::is_same_v<Op, LinearBackwardData> || std::is_same_v<Op, LinearBackwardWeights>;
        },
        node.op);
    for (size_t i = 0; product && i < 2; ++i) {
      EXPECT_EQ(type(node.inputs[i]), low) << NameOf(node.op) << ", input " << i;
    }
    const bool of_images = !node.inputs.empty() && g.desc(node.inputs[0]).shape.size() == 4;
    const bool is_stem = node.inputs.size() == 1 && node.inputs[0] == g.Find("images");
    const bool of_weights = std::holds_alternative<Slice>(node.op) || std::holds_alternative<Convert>(node.op) ||
                            NameOf(node.op).starts_with("kernel_transform") ||
                            std::holds_alternative<Accumulate>(node.op);
    if (of_images && !is_stem && !of_weights) {
      EXPECT_EQ(type(node.inputs[0]), low) << NameOf(node.op);
    }
    if (std::holds_alternative<Convert>(node.op) && type(node.outputs[0]) == low) rounded.insert(node.inputs[0].id);
  }
  // The image, the gradient of the logits, and the weights of every layer, once.
  EXPECT_EQ(std::ssize(rounded), Layers(g) + 2);
  EXPECT_EQ(std::set<int32_t>(rounded.begin(), rounded.end()).size(), rounded.size());
}

// float32 between the roundings leads to another number of 8 bits only where a value lies next to the middle of two: of
// one element in 2^16, or, where differences have lost digits, in 2^8. Of such a share the error in the quadratic mean
// is 2^-8 sqrt(2^-8), and what follows from it, at most 16 times of that, stays below one rounding, 2^-8. Of float16,
// whose roundings are r = 2^-11, it is one in 2^5: of any r the share is 2^-16 / r, and the bound 16 r sqrt(2^-16 / r).
// The other way round, a single kind of rounding left out is seen: it also moves values across the kinks of
// activations, where gradients jump. Another number does that, too, if it lies there, on one processor and not on
// another: so the upper median of eight sets of weights counts.
TEST_P(MixedTraining, GradientsAreThoseOfExactArithmeticWithTheSameRoundings) {
  const auto device = DeviceFor(precision());
  if (device == nullptr) GTEST_SKIP() << "no device computes in " << Name(precision());
  const Step step(Of(DType::kF32), precision());
  const auto left_out = [](const Operator& op) { return std::holds_alternative<Conv2dBackwardData>(op); };
  std::vector<double> exact, without_rounding;
  for (uint64_t seed = 7; seed < 15; ++seed) {
    const TensorMap weights = RandomTensors(step.graph, seed);
    const Gradients found = RunOn(step, weights, *device);
    exact.push_back(Between(found, RunWithRoundings(step, weights)).whole);
    without_rounding.push_back(Between(found, RunWithRoundings(step, weights, left_out)).whole);
  }
  std::ranges::sort(exact);
  std::ranges::sort(without_rounding);
  RecordProperty("exact", fmt::format("{}, without: {}", fmt::join(exact, " "), fmt::join(without_rounding, " ")));
  EXPECT_LT(exact[4], 16 * rounding() * std::sqrt(0x1p-16 / rounding()));
  EXPECT_GT(without_rounding.front(), rounding() / 4);
  // The roundings of float16 are as small as what float32 between them adds up to.
  if (precision() == Precision::kBfloat16) {
    EXPECT_LT(exact[4], without_rounding.front() / 2);
  }
}

// Every layer rounds its weights, its result and what flows back into and out of it, by at most r = 2^-8 or 2^-11 each.
// The errors are independent of each other, so that their squares add up: after L layers values are off by e = sqrt(4
// L) r of their size, and so are gradients. Besides, of values that are spread like a normal distribution of variance
// 1, 0.8 e at most lie so near to the kink of an activation that they change sides, and their gradients, most of the
// time, change by all of their size: over K activations in the quadratic mean sqrt(0.8 K e). A gradient that is
// missing, or another one's, is off by 1 and more.
TEST_P(MixedTraining, GradientsAreThoseOfFloat32UpToRounding) {
  const auto device = DeviceFor(precision());
  if (device == nullptr) GTEST_SKIP() << "no device computes in " << Name(precision());
  const Step step(Of(DType::kF32), precision()), exact(Of(DType::kF64), Precision::kFloat32);
  const TensorMap weights = RandomTensors(step.graph);
  const Difference difference =
      Between(RunOn(step, weights, *device), RunOn(exact, weights, *ReferenceDevice(DType::kF64)));
  RecordProperty("difference", difference.name + ": " + std::to_string(difference.largest));
  const double moved = std::sqrt(4.0 * Layers(step.graph)) * rounding();
  const double bound = moved + std::sqrt(0.8 * Kinks(step.graph) * moved);
  ASSERT_LT(bound, 0.5);
  EXPECT_LT(difference.largest, bound) << difference.name;
  EXPECT_GT(difference.largest, rounding());  // it was rounded
}

TEST_P(MixedTraining, SameBitsInEveryRun) {
  const auto device = DeviceFor(precision());
  if (device == nullptr) GTEST_SKIP() << "no device computes in " << Name(precision());
  const Step step(Of(DType::kF32), precision());
  const TensorMap weights = RandomTensors(step.graph);
  EXPECT_EQ(RunOn(step, weights, *device), RunOn(step, weights, *DeviceFor(precision())));
}

INSTANTIATE_TEST_SUITE_P(Networks, MixedTraining,
                         ::testing::Combine(::testing::Values(&Network::Cell, &Network::Mobile),
                                            ::testing::Values(Precision::kBfloat16, Precision::kFloat16)),
                         [](const auto& test) {
                           return std::string(std::get<Make>(test.param) == &Network::Cell ? "Cell_" : "Mobile_") +
                                  std::string(Name(std::get<Precision>(test.param)));
                         });

TEST(LowerForTraining, Errors) {
  const Network exact = Network::Cell(DType::kF64);
  const FusedGraph refused =
      LowerForTraining(FuseForTraining(exact.graph(), {exact.loss}), {exact.loss}, Precision::kFloat16);
  EXPECT_EQ(Message(refused.graph.status()), "the graph is F64, expected F32 throughout");
  const Step step(Network::Cell(DType::kF32), Precision::kBfloat16);
  const auto plan = Plan::Create(step.graph, {{"loss", step.loss}}, *ReferenceDevice(DType::kF32));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace mathnas::kernels
