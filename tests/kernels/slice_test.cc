// A network on slices of wide tensors against the same network on tensors of its own.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/differentiate.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "tests/kernels/training_graph.h"

namespace mathnas::kernels {
namespace {

using testing::FillInputs;
using testing::RandomTensors;

struct Part {
  Shape whole;
  Slice slice;
  Shape shape;  // of the slice
};

// Builds the network with leaves of its own, or with slices of wider ones.
class Builder {
 public:
  Builder(DType real, bool slices) : graph(real), slices_(slices) {}

  Value Leaf(ValueKind kind, const std::string& name, Shape whole, Slice slice) {
    Shape shape = whole;
    shape[0] = slice.rows;
    if (slice.columns != 0) shape[1] = slice.columns;
    parts[name] = {whole, slice, shape};
    const Shape& own = slices_ ? whole : shape;
    const Value leaf = kind == ValueKind::kParameter ? graph.Parameter(name, own) : graph.State(name, own);
    return slices_ ? graph.Apply(slice, {leaf})[0] : leaf;
  }
  Value Weight(const std::string& name, Shape whole, Slice slice) {
    return Leaf(ValueKind::kParameter, name, std::move(whole), slice);
  }
  Value Norm(Value x, const std::string& name, int64_t wide, Slice slice) {
    return graph.Apply(BatchNormTraining{},
                       {x, Weight(name + ".gamma", {wide}, slice), Weight(name + ".beta", {wide}, slice),
                        Leaf(ValueKind::kState, name + ".mean", {wide}, slice),
                        Leaf(ValueKind::kState, name + ".var", {wide}, slice)})[0];
  }

  void Build() {
    Graph& g = graph;
    // Rows and columns, rows from the middle, a grouped one, kernels.
    Value x = g.Input("x", {3, 8, 8, 6});
    x = Convolve(g, x, Weight("a", {24, 8, 3, 3}, {.rows = 16, .columns = 6}), Value{}, 1, 1);
    x = g.Apply(HardSwish{}, {Norm(x, "bn", 24, {.rows = 16})})[0];
    x = Convolve(g, x, Weight("depthwise", {24, 1, 5, 5}, {.begin = 8, .rows = 16}), Value{}, 2, 2, 16);
    x = Convolve(g, x, Weight("grouped", {20, 6, 1, 1}, {.begin = 4, .rows = 12, .columns = 4}), Value{}, 1, 0, 4);
    // A sliced operand that no device takes as a slice.
    const Value small = g.Apply(
        KernelTransform{.kernel = 3},
        {Weight("large", {12, 1, 5, 5}, {.rows = 12}), Weight("matrix", {9, 16}, {.rows = 9, .columns = 9})})[0];
    x = Convolve(g, x, small, Value{}, 1, 1, 12);
    const Value pooled = g.Apply(GlobalAvgPool{}, {x})[0];
    const Value gate = g.Apply(Linear{}, {pooled, Weight("squeeze", {16, 24, 1, 1}, {.rows = 12, .columns = 12}),
                                          Weight("squeeze.bias", {16}, {.begin = 3, .rows = 12})})[0];
    x = g.Apply(ScaleChannels{}, {x, g.Apply(HardSigmoid{}, {gate})[0]})[0];
    // A table that is both embedding and last layer.
    const Value table = Weight("w", {9, 30}, {.begin = 2, .rows = 4, .columns = 12}), labels = g.Labels("labels", 3);
    const Value features = g.Apply(Add{}, {g.Apply(GlobalAvgPool{}, {x})[0],
                                           g.Apply(Embedding{.scale = 0.5, .padding = 1}, {labels, table})[0]})[0];
    const Value logits = g.Apply(Linear{}, {features, table, Weight("w.bias", {4}, {.rows = 4})})[0];
    const Value loss = g.Apply(SoftmaxCrossEntropy{}, {logits, labels})[0];
    AccumulateGradients(g, Differentiate(g, loss));
    outputs = {{"loss", loss}, {"logits", logits}};
  }

  Graph graph;
  std::map<std::string, Part> parts;
  std::vector<PlanOutput> outputs;

 private:
  bool slices_;
};

template <typename T>
void ForEachRow(const Part& part, const Tensor& whole, const Tensor& own,
                const std::function<void(T*, const T*, int64_t, bool)>& f) {
  const int64_t columns = NumElements(part.whole) / part.whole[0],
                own_columns = NumElements(part.shape) / part.shape[0];
  for (int64_t r = 0; r < part.whole[0]; ++r) {
    const int64_t row = r - part.slice.begin;
    const bool inside = row >= 0 && row < part.slice.rows;
    T* wide = whole.as<T>().data() + r * columns;
    if (inside) f(wide, own.as<T>().data() + row * own_columns, own_columns, true);
    const int64_t covered = inside ? own_columns : 0;
    f(wide + covered, nullptr, columns - covered, false);
  }
}

template <typename T>
void Compare(const std::shared_ptr<Device>& device, double tolerance) {
  Builder sliced(DTypeOf<T>(), true), plain(DTypeOf<T>(), false);
  sliced.Build();
  plain.Build();
  ASSERT_TRUE(sliced.graph.status().ok()) << Message(sliced.graph.status());
  ASSERT_TRUE(plain.graph.status().ok()) << Message(plain.graph.status());
  TensorMap wide = RandomTensors(sliced.graph, 1), own = RandomTensors(plain.graph, 2);
  const auto part_of = [&](std::string_view name) -> const Part& {
    if (name.starts_with("gradient.")) name.remove_prefix(std::string_view("gradient.").size());
    return sliced.parts.at(std::string(name));
  };
  for (const TensorMap::Entry& e : own.entries()) {
    ForEachRow<T>(part_of(e.name), *wide.Find(e.name), e.tensor, [](T* whole, const T* part, int64_t n, bool inside) {
      if (inside) std::copy_n(whole, n, const_cast<T*>(part));
    });
  }
  const TensorMap before = wide.Clone();
  std::vector<std::unique_ptr<Context>> contexts;
  for (auto [builder, tensors] : {std::pair{&sliced, &wide}, std::pair{&plain, &own}}) {
    auto plan = Plan::Create(builder->graph, builder->outputs, *device);
    ASSERT_TRUE(plan.ok()) << Message(plan.status());
    for (const Plan::Step& step : (*plan)->steps()) {
      EXPECT_FALSE(std::holds_alternative<Slice>(step.op)) << "a view is no step";
    }
    const TensorMap* const bound[] = {tensors};
    auto context = Context::Create(*plan, bound);
    ASSERT_TRUE(context.ok()) << Message(context.status());
    FillInputs(**context, 3);
    ASSERT_TRUE((*context)->Run().ok());
    contexts.push_back(*std::move(context));
  }
  for (const char* name : {"loss", "logits"}) {
    const auto a = contexts[0]->Output(name)->as<T>(), b = contexts[1]->Output(name)->as<T>();
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << name;
  }
  int64_t moved = 0;
  for (const TensorMap::Entry& e : own.entries()) {
    SCOPED_TRACE(e.name);
    const Tensor& start = *before.Find(e.name);
    const Tensor& end = *wide.Find(e.name);
    ForEachRow<T>(part_of(e.name), end, e.tensor, [&](T* whole, const T* part, int64_t n, bool inside) {
      for (int64_t i = 0; i < n; ++i) {
        const T old = start.as<T>()[static_cast<size_t>(whole + i - end.as<T>().data())];
        if (inside) {
          EXPECT_NEAR(whole[i], part[i], tolerance * (1 + std::abs(part[i])));
          moved += whole[i] != old;
        } else {
          EXPECT_EQ(whole[i], old) << "outside of the slice";
        }
      }
    });
  }
  // Sums of gradients and running statistics; of the large kernels only the centres have a gradient.
  EXPECT_EQ(moved, 16 * 6 * 9 + 4 * 16 + 16 * 25 + 12 * 4 + 12 * 9 + 81 + 12 * 12 + 12 + 4 * 12 + 4);
}

TEST(Slice, SameAsOwnTensorsOnTheReferenceDevice) { Compare<double>(ReferenceDevice(DType::kF64), 1e-13); }

TEST(Slice, SameAsOwnTensorsOnTheCpu) {
  for (int threads : {1, 2}) {
    const auto device = CpuDevice(threads);
    if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << Message(device.status());
    ASSERT_TRUE(device.ok()) << Message(device.status());
    Compare<float>(*device, 2e-5);
  }
}

TEST(Slice, SameAsOwnTensorsOnTheGpu) {
  const auto device = CudaDevice();
  if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << Message(device.status());
  Compare<float>(*device, 2e-5);
}

}  // namespace
}  // namespace mathnas::kernels
