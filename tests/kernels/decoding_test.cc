// Decoding one token at a time with a cache: the order of writing and reading a state, and one plan for all steps.
#include <algorithm>
#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/status.h"

namespace mathnas::kernels {
namespace {

std::vector<std::shared_ptr<Device>> Devices() {
  std::vector<std::shared_ptr<Device>> devices = {ReferenceDevice(DType::kF32)};
  if (auto cpu = CpuDevice(2); cpu.ok()) devices.push_back(*cpu);
  if (auto cuda = CudaDevice(); cuda.ok()) devices.push_back(*cuda);
  return devices;
}

std::vector<float> Numbers(int64_t count, uint64_t stream) {
  Random random(1, stream);
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& x : numbers) x = static_cast<float>(2 * random.Uniform() - 1);
  return numbers;
}

void Set(Context& context, std::string_view name, const std::vector<float>& values) {
  auto view = context.Input(name);
  ASSERT_TRUE(view.ok()) << Message(view.status());
  std::ranges::copy(values, view->as<float>().begin());
}

void SetIntegers(Context& context, std::string_view name, const std::vector<int64_t>& values) {
  auto view = context.Input(name);
  ASSERT_TRUE(view.ok()) << Message(view.status());
  std::ranges::copy(values, view->as<int64_t>().begin());
}

std::vector<float> Get(Context& context, std::string_view name) {
  auto view = context.Output(name);
  EXPECT_TRUE(view.ok()) << Message(view.status());
  return {view->as<float>().begin(), view->as<float>().end()};
}

// The state is read before it is written, twice between two writings, and after them.
TEST(Store, ReadersSeeWhatWasStoredBeforeThem) {
  for (const auto& device : Devices()) {
    Graph g;
    const Value state = g.State("state", {1, 3, 2}), at = g.Integers("at", {1});
    const Value one = g.Input("one", {1, 1, 2}), two = g.Input("two", {1, 1, 2});
    const auto read = [&] { return g.Apply(Scale{1}, {state})[0]; };
    // A sum with a term that is known to be zero is no name for the state either.
    const Value zero = g.Apply(Fill{.value = 0, .shape = {1, 3, 2}}, {})[0];
    const Value before = read(), sum = g.Apply(Add{}, {state, zero})[0];
    g.Apply(Store{}, {state, one, at});
    const Value between = read(), again = read();
    g.Apply(Store{}, {state, two, at});
    const Value after = read();
    EXPECT_EQ(between, again) << "nothing is written between them";
    EXPECT_NE(before, between);
    EXPECT_NE(between, after);
    const auto plan = Plan::Create(
        g, {{"before", before}, {"between", between}, {"after", after}, {"sum", sum}, {"state", state}}, *device);
    ASSERT_TRUE(plan.ok()) << Message(plan.status());
    TensorMap tensors;
    tensors.Put("state", Tensor(DType::kF32, {1, 3, 2}));
    const TensorMap* const bound[] = {&tensors};
    auto context = *Context::Create(*plan, bound);
    for (int run = 0; run < 2; ++run) {
      std::ranges::fill(tensors.Find("state")->as<float>(), 9.0F);
      Set(*context, "one", {1, 2});
      Set(*context, "two", {3, 4});
      SetIntegers(*context, "at", {1});
      ASSERT_TRUE(context->Run().ok());
      EXPECT_EQ(Get(*context, "before"), (std::vector<float>{9, 9, 9, 9, 9, 9})) << device->name();
      EXPECT_EQ(Get(*context, "sum"), (std::vector<float>{9, 9, 9, 9, 9, 9})) << device->name();
      EXPECT_EQ(Get(*context, "between"), (std::vector<float>{9, 9, 1, 2, 9, 9})) << device->name();
      EXPECT_EQ(Get(*context, "after"), (std::vector<float>{9, 9, 3, 4, 9, 9})) << device->name();
      EXPECT_EQ(Get(*context, "state"), (std::vector<float>{9, 9, 3, 4, 9, 9})) << device->name();
    }
  }
}

TEST(Store, OutOfRangeWritesNothingAndSaysSo) {
  for (const auto& device : Devices()) {
    Graph g;
    const Value state = g.State("state", {2, 4, 3});
    g.Apply(Store{}, {state, g.Input("x", {2, 2, 3}), g.Integers("at", {1})});
    const auto plan = Plan::Create(g, {}, *device);
    ASSERT_TRUE(plan.ok()) << Message(plan.status());
    TensorMap tensors;
    tensors.Put("state", Tensor(DType::kF32, {2, 4, 3}));
    const TensorMap* const bound[] = {&tensors};
    auto context = *Context::Create(*plan, bound);
    Set(*context, "x", std::vector<float>(12, 5.0F));
    for (int64_t at : {int64_t{-1}, int64_t{3}, int64_t{1} << 40, std::numeric_limits<int64_t>::min(),
                       std::numeric_limits<int64_t>::max()}) {
      SetIntegers(*context, "at", {at});
      const absl::Status status = context->Run();
      EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
      EXPECT_NE(Message(status).find("expected 0 to 2"), std::string::npos) << Message(status);
      for (float x : tensors.Find("state")->as<float>()) ASSERT_EQ(x, 0) << device->name() << " " << at;
    }
    SetIntegers(*context, "at", {2});
    ASSERT_TRUE(context->Run().ok());
    for (size_t i = 0; i < 24; ++i) EXPECT_EQ(tensors.Find("state")->as<float>()[i], i / 3 % 4 >= 2 ? 5 : 0) << i;
  }
}

// Into a slice of a larger state: the first hypotheses and the first entries of it.
TEST(Store, IntoASlice) {
  for (const auto& device : Devices()) {
    Graph g;
    const Value state = g.State("state", {4, 5, 3});
    g.Apply(Store{}, {g.Apply(Slice{.begin = 1, .rows = 2, .columns = 4}, {state})[0], g.Input("x", {2, 1, 3}),
                      g.Integers("at", {1})});
    const auto plan = Plan::Create(g, {}, *device);
    ASSERT_TRUE(plan.ok()) << Message(plan.status());
    TensorMap tensors;
    tensors.Put("state", Tensor(DType::kF32, {4, 5, 3}));
    const TensorMap* const bound[] = {&tensors};
    auto context = *Context::Create(*plan, bound);
    Set(*context, "x", {1, 2, 3, 4, 5, 6});
    SetIntegers(*context, "at", {3});
    ASSERT_TRUE(context->Run().ok());
    for (size_t i = 0; i < 60; ++i) {
      const size_t row = i / 15, entry = i / 3 % 5;
      const bool written = entry == 3 && (row == 1 || row == 2);
      EXPECT_EQ(tensors.Find("state")->as<float>()[i], written ? static_cast<float>((row - 1) * 3 + i % 3 + 1) : 0.0F)
          << device->name() << " " << i;
    }
  }
}

// One plan with room for kRoom tokens gives at every step what causal attention over all tokens gives at once.
TEST(Decoding, OnePlanServesAllSteps) {
  constexpr int64_t kBatch = 3, kRoom = 11, kFeatures = 32, kHeads = 4;
  const std::vector<float> q = Numbers(kBatch * kRoom * kFeatures, 1), k = Numbers(kBatch * kRoom * kFeatures, 2),
                           v = Numbers(kBatch * kRoom * kFeatures, 3);
  const auto at_step = [&](const std::vector<float>& all, int64_t t) {
    std::vector<float> part;
    for (int64_t b = 0; b < kBatch; ++b) {
      const auto begin = all.begin() + (b * kRoom + t) * kFeatures;
      part.insert(part.end(), begin, begin + kFeatures);
    }
    return part;
  };
  for (const auto& device : Devices()) {
    Graph whole;
    const Shape tokens = {kBatch, kRoom, kFeatures};
    const Value expected =
        whole.Apply(Attention{.heads = kHeads, .causal = true},
                    {whole.Input("q", tokens), whole.Input("k", tokens), whole.Input("v", tokens)})[0];
    auto whole_context = *Context::Create(*Plan::Create(whole, {{"y", expected}}, *device), {});
    Set(*whole_context, "q", q), Set(*whole_context, "k", k), Set(*whole_context, "v", v);
    ASSERT_TRUE(whole_context->Run().ok());
    const std::vector<float> at_once = Get(*whole_context, "y");

    Graph step;
    const Value keys = step.State("keys", tokens), values = step.State("values", tokens);
    const Value at = step.Integers("at", {1}), valid = step.Integers("valid", {kBatch, kRoom});
    const Shape token = {kBatch, 1, kFeatures};
    step.Apply(Store{}, {keys, step.Input("k", token), at});
    step.Apply(Store{}, {values, step.Input("v", token), at});
    const Value y = step.Apply(Attention{.heads = kHeads, .masked = true, .padding = 0},
                               {step.Input("q", token), keys, values, valid})[0];
    const auto plan = Plan::Create(step, {{"y", y}}, *device, {.constant_weights = true});
    ASSERT_TRUE(plan.ok()) << Message(plan.status());
    TensorMap tensors;
    for (const char* name : {"keys", "values"}) {
      tensors.Put(name, Tensor(DType::kF32, tokens));
      std::ranges::fill(tensors.Find(name)->as<float>(), std::nanf(""));  // nothing reads what is not valid
    }
    const TensorMap* const bound[] = {&tensors};
    auto context = *Context::Create(*plan, bound);
    for (int64_t t = 0; t < kRoom; ++t) {
      Set(*context, "q", at_step(q, t)), Set(*context, "k", at_step(k, t)), Set(*context, "v", at_step(v, t));
      SetIntegers(*context, "at", {t});
      std::vector<int64_t> ids;
      for (int64_t i = 0; i < kBatch * kRoom; ++i) ids.push_back(i % kRoom <= t ? 1 : 0);
      SetIntegers(*context, "valid", ids);
      ASSERT_TRUE(context->Run().ok());
      const std::vector<float> got = Get(*context, "y"), want = at_step(at_once, t);
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-6) << device->name() << " step " << t;
    }
  }
}

}  // namespace
}  // namespace mathnas::kernels
