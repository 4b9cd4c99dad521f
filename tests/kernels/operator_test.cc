// Every operator with every line of its shape file: each device against exact arithmetic (the reference device in
// double), in-place use, packed constants, and the same bits on every run.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>

#include "kernels/status.h"
#include "tests/kernels/operator_test_fixture.h"

namespace mathnas::kernels::testing {
namespace {

bool SameBits(const Tensors& a, const Tensors& b) {
  for (size_t r = 0; r < a.size(); ++r) {
    if (a[r].desc() != b[r].desc()) return false;
    if (a[r].desc().bytes() > 0 && std::memcmp(a[r].data(), b[r].data(), a[r].desc().bytes()) != 0) return false;
  }
  return a.size() == b.size();
}

class OperatorTest : public OperatorShapeTest {
 protected:
  void CompareWithExact(Device& device) {
    SCOPED_TRACE(Repeat());
    const Problem problem = GetParam().problem();
    const Tensors inputs = RandomInputs(problem, random());
    const std::optional<size_t> always = AlwaysInPlace(problem);

    auto exact = RunOperator(*ReferenceDevice(DType::kF64), problem, inputs);
    ASSERT_TRUE(exact.ok()) << Message(exact.status());
    auto run = RunOperator(device, problem, inputs, {.in_place = always});
    ASSERT_TRUE(run.ok()) << Message(run.status());
    RecordProperty("implementation", run->implementation);
    EXPECT_EQ(DeviationOf(run->results, exact->results, BoundsOf(entry(), problem, inputs, exact->results)).text, "")
        << run->implementation;

    auto again = RunOperator(device, problem, inputs, {.in_place = always});
    ASSERT_TRUE(again.ok()) << Message(again.status());
    EXPECT_TRUE(SameBits(run->results, again->results)) << "another run gives other bits: " << run->implementation;

    auto packed = RunOperator(device, problem, inputs, {.in_place = always, .constant_weights = true});
    ASSERT_TRUE(packed.ok()) << Message(packed.status());
    EXPECT_EQ(DeviationOf(packed->results, exact->results, BoundsOf(entry(), problem, inputs, exact->results)).text, "")
        << "constant weights: " << packed->implementation;

    if (!ChangesState(problem.op) && !always) {
      auto twice = RunOperator(device, problem, inputs, {.in_place = always, .constant_weights = true, .runs = 2});
      ASSERT_TRUE(twice.ok()) << Message(twice.status());
      EXPECT_TRUE(SameBits(packed->results, twice->results)) << "a second run of the same kernel gives other bits";
    }
    for (size_t input : entry().in_place) {
      auto in_place = RunOperator(device, problem, inputs, {.in_place = input});
      ASSERT_TRUE(in_place.ok()) << Message(in_place.status());
      EXPECT_TRUE(SameBits(run->results, in_place->results)) << "written over input " << input << ": other bits";
    }
  }

  void CompareCpu(int threads) {
    auto device = CpuDevice(threads);
    if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << "no CPU kernels: " << Message(device.status());
    ASSERT_TRUE(device.ok()) << Message(device.status());
    const DType low = LowTypeOf(GetParam().problem());
    if (low != DType::kF32 && !(*device)->CheckLow(low).ok()) GTEST_SKIP() << Message((*device)->CheckLow(low));
    CompareWithExact(**device);
  }
};

TEST_P(OperatorTest, ReferenceInFloat) {
  if (GetParam().problem().compute != DType::kF32) return;  // it has no others, and its floats are tested without
  CompareWithExact(*ReferenceDevice(DType::kF32));
}

TEST_P(OperatorTest, ReferenceConvolutionNeedsNoSharedAddend) {
  const Problem problem = GetParam().problem();
  const std::optional<size_t> addend = AlwaysInPlace(problem);
  if (!addend || problem.compute != DType::kF32) return;
  SCOPED_TRACE(Repeat());
  const Tensors inputs = RandomInputs(problem, random());
  auto apart = RunOperator(*ReferenceDevice(DType::kF64), problem, inputs);
  auto shared = RunOperator(*ReferenceDevice(DType::kF64), problem, inputs, {.in_place = addend});
  ASSERT_TRUE(apart.ok() && shared.ok());
  EXPECT_TRUE(SameBits(apart->results, shared->results));
}

// The driver that MATHNAS_CUDA_LIBRARIES names: with the emulation, own kernels and host code of the backend run here.
TEST_P(OperatorTest, Cuda) {
  static const absl::StatusOr<std::shared_ptr<Device>> device = CudaDevice();
  if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << Message(device.status());
  CompareWithExact(**device);
}

TEST_P(OperatorTest, CpuOneThread) { CompareCpu(1); }
TEST_P(OperatorTest, CpuTwoThreads) { CompareCpu(2); }

INSTANTIATE_TEST_SUITE_P(Shapes, OperatorTest, ::testing::ValuesIn(AllOperatorShapes()),
                         [](const auto& test) { return test.param.name(); });

template <typename T>
struct AlternativesOf;
template <typename... Ops>
struct AlternativesOf<std::variant<Ops...>> {
  static std::vector<Operator> All() { return {Operator(Ops{})...}; }
};

TEST(OperatorCases, EveryOperatorHasOneEntry) {
  std::multiset<std::string> entries;
  for (const OperatorCase& c : OperatorCases()) entries.emplace(c.name);
  for (const Operator& op : AlternativesOf<Operator>::All()) {
    const size_t expected = std::holds_alternative<Slice>(op) ? 0 : 1;  // a view is no computation: slice_test.cc
    EXPECT_EQ(entries.count(std::string(NameOf(op))), expected) << NameOf(op) << ": add it to operator_cases.cc";
  }
  EXPECT_EQ(entries.size(), std::variant_size_v<Operator> - 1);
}

TEST(OperatorCases, EveryEntryHasShapesAndBuildsItsOperator) {
  for (const OperatorCase& c : OperatorCases()) {
    auto lines = ReadShapes(c.shapes, c.keys);
    ASSERT_TRUE(lines.ok()) << Message(lines.status());
    EXPECT_FALSE(lines->empty()) << c.shapes;
    for (const ShapeLine& line : *lines) {
      const Problem problem = c.build(line);
      EXPECT_EQ(NameOf(problem.op), c.name);
      const bool differentiable = std::visit(
          [](const auto& o) {
            return requires(const GradientRequest& r) { Gradient(o, r); };
          },
          problem.op);
      EXPECT_EQ(differentiable, c.gradient_step > 0) << c.name << ": its gradient is not tested, or it has none";
    }
  }
}

// What computes operator `name` of this shape.
std::string ImplementationOf(Device& device, std::string_view name, std::string_view shape) {
  const OperatorCase& c = *FindOperatorCase(name);
  const Problem problem = BuildProblem(c, *ShapeLine::Parse(shape, KeysOf(c)));
  auto run = RunOperator(device, problem, RandomInputs(problem, Random(1)));
  return run.ok() ? run->implementation : std::string(Message(run.status()));
}

// The shapes of NAS-Bench-201 at batch 64, and some that do not pay.
TEST(OperatorCases, LargeConvolutionsAreWinograds) {
  const auto device = CpuDevice(2);
  if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << "no CPU kernels: " << Message(device.status());
  ASSERT_TRUE(device.ok()) << Message(device.status());
  const auto implementation = [&](const std::string& name, const std::string& shape) {
    return ImplementationOf(**device, name, shape);
  };
  if (implementation("relu", "n=1 h=1 w=1 c=16") != "vector:avx512") GTEST_SKIP() << "only with AVX-512";
  const std::string winograd = "vector:avx512_winograd";
  for (const char* name : {"conv2d", "conv2d_backward_data", "conv2d_backward_weights"}) {
    for (const char* shape : {"n=64 h=32 w=32 c=16 o=16 k=3 p=1", "n=64 h=16 w=16 c=32 o=32 k=3 p=1",
                              "n=64 h=8 w=8 c=64 o=64 k=3 p=1", "n=1 h=31 w=35 c=48 o=48 k=3 p=1"}) {
      EXPECT_EQ(implementation(name, shape), winograd) << name << " " << shape;
    }
    for (const char* shape :
         {"n=15 h=8 w=8 c=64 o=64 k=3 p=1", "n=64 h=7 w=7 c=64 o=64 k=3 p=1", "n=64 h=16 w=16 c=16 o=32 k=3 p=1 s=2",
          "n=64 h=16 w=16 c=24 o=16 k=3 p=1", "n=64 h=16 w=16 c=16 o=16 k=3 p=0", "n=64 h=16 w=16 c=16 o=16 k=5 p=2"}) {
      EXPECT_NE(implementation(name, shape), winograd) << name << " " << shape;
    }
  }
}

bool HasMatrixUnit() {
  std::ifstream info("/proc/cpuinfo");
  const std::string processor((std::istreambuf_iterator<char>(info)), {});
  return processor.find(" amx_bf16 ") != std::string::npos && std::getenv("MATHNAS_ISA") == nullptr;
}

TEST(OperatorCases, WhatTheMatrixUnitTakes) {
  const auto device = CpuDevice(2);
  if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << "no CPU kernels: " << Message(device.status());
  if (!HasMatrixUnit()) GTEST_SKIP() << "the processor has no AMX";
  ASSERT_TRUE(device.ok()) << Message(device.status());
  const auto is_taken = [&](const std::string& name, const std::string& shape) {
    return ImplementationOf(**device, name, shape).starts_with("vector:amx_bf16");
  };
  const std::string convolution = "conv2d_backward_weights", low = " bfloat16";
  for (const std::string shape :
       {"n=2 h=7 w=9 c=3 o=40 k=3 p=1", "n=1 h=4 w=4 c=8 o=8 k=7 p=3", "n=2 h=8 w=8 c=64 o=24"}) {
    EXPECT_TRUE(is_taken(convolution, shape + low)) << shape;
    EXPECT_FALSE(is_taken(convolution, shape)) << shape;
  }
  for (const std::string shape :
       {"n=2 h=7 w=9 c=8 o=8 k=3 p=1 bias=1", "n=2 h=7 w=9 c=8 o=8 k=3 p=1 s=2", "n=2 h=7 w=9 c=8 o=8 k=3",
        "n=2 h=7 w=9 c=8 o=8 k=3 p=1 g=2", "n=2 h=7 w=9 c=8 o=8 k=9 p=4", "n=2 h=7 w=9 c=8 o=8 kh=3 kw=1 p=1"}) {
    EXPECT_FALSE(is_taken(convolution, shape + low)) << shape;
  }
  for (const char* name : {"linear", "linear_backward_data", "linear_backward_weights"}) {
    EXPECT_TRUE(is_taken(name, "n=300 i=300 o=300")) << name;
    EXPECT_FALSE(is_taken(name, "n=300 i=300 o=300 bfloat16")) << name;
    for (const char* shape : {"n=40 i=3000 o=300", "n=300 i=40 o=3000", "n=3000 i=300 o=40", "n=200 i=200 o=200"}) {
      EXPECT_FALSE(is_taken(name, shape)) << name << " " << shape;
    }
  }
}

// Products of floats made of products of bfloat16 must be more exact than sums of floats one after the other.
TEST(OperatorValues, MatrixUnitMultipliesFloatsExactly) {
  const auto device = CpuDevice(2);
  if (!device.ok() || !HasMatrixUnit()) GTEST_SKIP() << "no CPU kernels, or the processor has no AMX";
  struct Case {
    const char *name, *shape;
    int64_t rows, columns, inner;
    // Strides of the factors, which are inputs `left` and `right`: from row (column) to the next, and of inner
    // elements.
    size_t left, right;
    int64_t left_row, left_inner, right_column, right_inner;
  };
  for (const Case& c : {Case{"linear", "n=300 i=430 o=200", 300, 200, 430, 0, 1, 430, 1, 430, 1},
                        Case{"linear_backward_data", "n=300 i=430 o=200", 300, 430, 200, 0, 1, 200, 1, 1, 430},
                        Case{"linear_backward_weights", "n=300 i=430 o=200", 200, 430, 300, 1, 0, 1, 200, 1, 430}}) {
    const OperatorCase* const entry = FindOperatorCase(c.name);
    const Problem problem = BuildProblem(*entry, *ShapeLine::Parse(c.shape, KeysOf(*entry)));
    const Tensors inputs = RandomInputs(problem, Random(7));
    const auto run = RunOperator(**device, problem, inputs);
    ASSERT_TRUE(run.ok()) << Message(run.status());
    EXPECT_EQ(run->implementation.substr(0, 17), "vector:amx_bf16x3");
    double ours = 0, floats = 0;
    for (int64_t r = 0; r < c.rows; ++r) {
      for (int64_t j = 0; j < c.columns; ++j) {
        double exact = 0;
        float sum = 0;
        for (int64_t k = 0; k < c.inner; ++k) {
          const float a = inputs[c.left].as<float>()[static_cast<size_t>(r * c.left_row + k * c.left_inner)];
          const float b = inputs[c.right].as<float>()[static_cast<size_t>(j * c.right_column + k * c.right_inner)];
          exact += static_cast<double>(a) * b;
          sum = std::fma(a, b, sum);
        }
        ours += std::pow(run->results[0].as<float>()[static_cast<size_t>(r * c.columns + j)] - exact, 2);
        floats += std::pow(sum - exact, 2);
      }
    }
    EXPECT_LT(ours, floats / 4) << c.name;
  }
}

// Labels outside of the classes must be seen in the loss, and must not be used as an index.
TEST(OperatorValues, LabelsOutOfRangeMakeTheLossNaN) {
  std::vector<std::shared_ptr<Device>> devices = {ReferenceDevice(DType::kF32), ReferenceDevice(DType::kF64)};
  if (auto cpu = CpuDevice(2); cpu.ok()) devices.push_back(*cpu);
  for (const auto& device : devices) {
    for (int64_t label : {int64_t{-1}, int64_t{3}, int64_t{1} << 40, -(int64_t{1} << 40)}) {
      const Problem problem = {SoftmaxCrossEntropy{.label_smoothing = 0.1},
                               {{InputSpec::kActivation, {2, 3}}, {InputSpec::kLabels, {2}, 0, 3}}};
      Tensors inputs = RandomInputs(problem, Random(1));
      inputs[1].as<int64_t>()[1] = label;
      auto run = RunOperator(*device, problem, inputs);
      ASSERT_TRUE(run.ok()) << Message(run.status());
      EXPECT_TRUE(std::isnan(ToDoubles(run->results[0])[0])) << device->name() << ", label " << label;
    }
  }
}

// A network that has diverged must not look healthy.
TEST(OperatorValues, NaNSurvives) {
  std::vector<std::shared_ptr<Device>> devices = {ReferenceDevice(DType::kF32), ReferenceDevice(DType::kF64)};
  if (auto cpu = CpuDevice(1); cpu.ok()) devices.push_back(*cpu);
  const Shape image = {2, 3, 3, 16}, vector = {16};
  const std::vector<Problem> problems = {
      {Relu{}, {{InputSpec::kActivation, image}}},
      {Add{}, {{InputSpec::kActivation, image}, {InputSpec::kActivation, image}}},
      {BatchNormInference{.relu = true},
       {{InputSpec::kActivation, image},
        {InputSpec::kParameter, vector},
        {InputSpec::kParameter, vector},
        {InputSpec::kParameter, vector},
        {InputSpec::kParameter, vector, 1, 2}}},
      {GlobalAvgPool{}, {{InputSpec::kActivation, image}}},
  };
  for (const auto& device : devices) {
    for (const Problem& problem : problems) {
      Tensors inputs = RandomInputs(problem, Random(1));
      inputs[0].as<float>()[0] = std::nanf("");
      auto run = RunOperator(*device, problem, inputs);
      ASSERT_TRUE(run.ok()) << Message(run.status());
      EXPECT_TRUE(std::isnan(ToDoubles(run->results[0])[0])) << device->name() << ", " << NameOf(problem.op);
    }
  }
}

}  // namespace
}  // namespace mathnas::kernels::testing
