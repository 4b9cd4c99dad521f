#include "kernels/tensor.h"

#include <cstdint>
#include <utility>

#include "gtest/gtest.h"
#include "kernels/status.h"

namespace mathnas::kernels {
namespace {

TEST(DType, NamesAndSizes) {
  const std::pair<DType, size_t> types[] = {{DType::kF32, 4}, {DType::kF64, 8},  {DType::kI64, 8}, {DType::kI32, 4},
                                            {DType::kU8, 1},  {DType::kBf16, 2}, {DType::kF16, 2}};
  for (const auto& [dtype, size] : types) {
    EXPECT_EQ(SizeOf(dtype), size);
    const auto parsed = ParseDType(Name(dtype));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, dtype);
  }
  const auto unknown = ParseDType("F8_E4M3");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(Message(unknown.status()).find("\"F8_E4M3\""), std::string::npos);
  EXPECT_NE(Message(unknown.status()).find("F32"), std::string::npos);
}

TEST(Shape, ElementsAndText) {
  EXPECT_EQ(NumElements({}), 1);
  EXPECT_EQ(NumElements({2, 3, 4}), 24);
  EXPECT_EQ(NumElements({2, 0, 4}), 0);
  EXPECT_EQ(ToString(Shape{64, 32, 32, 16}), "64x32x32x16");
  EXPECT_EQ(ToString(Shape{}), "scalar");
}

TEST(Tensor, IsAlignedAndZero) {
  for (int64_t n : {0, 1, 3, 17, 1000}) {
    const Tensor t(DType::kF64, {n});
    EXPECT_EQ(reinterpret_cast<uintptr_t>(t.data()) % 64, 0u);
    EXPECT_EQ(t.as<double>().size(), static_cast<size_t>(n));
    EXPECT_EQ(t.desc().bytes(), static_cast<size_t>(8 * n));
    for (double x : t.as<double>()) EXPECT_EQ(x, 0);
  }
  EXPECT_EQ(Tensor(DType::kF32, {}).as<float>().size(), 1u);
}

TEST(Tensor, CloneIsApart) {
  Tensor t(DType::kF32, {2});
  t.as<float>()[1] = 3;
  const Tensor copy = t.Clone();
  t.as<float>()[1] = 4;
  EXPECT_EQ(copy.as<float>()[1], 3);
  EXPECT_EQ(copy.desc(), t.desc());
}

TEST(TensorMap, KeepsTheOrderOfInsertion) {
  TensorMap map;
  for (const char* name : {"z", "a", "m"}) ASSERT_TRUE(map.Add(name, {DType::kF32, {1}}).ok());
  ASSERT_EQ(map.size(), 3u);
  EXPECT_EQ(map.entries()[0].name, "z");
  EXPECT_EQ(map.entries()[1].name, "a");
  EXPECT_EQ(map.entries()[2].name, "m");
}

TEST(TensorMap, AddRefusesPutReplaces) {
  TensorMap map;
  const auto view = map.Add("a", {DType::kF32, {2}});
  ASSERT_TRUE(view.ok());
  view->as<float>()[0] = 5;
  EXPECT_EQ(map.Find("a")->as<float>()[0], 5);
  const auto again = map.Add("a", {DType::kF32, {2}});
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(Message(again.status()).find("\"a\""), std::string::npos);
  map.Put("a", Tensor(DType::kI64, {7}));
  EXPECT_EQ(map.size(), 1u);
  EXPECT_EQ(map.Find("a")->desc(), (TensorDesc{DType::kI64, {7}}));
}

TEST(TensorMap, MissingTensorsAreNamed) {
  TensorMap map;
  EXPECT_EQ(map.Find("stem.weight"), nullptr);
  EXPECT_FALSE(map.contains("stem.weight"));
  const auto missing = map.Get("stem.weight");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Message(missing.status()).find("stem.weight"), std::string::npos);
}

// Views stay valid while more tensors come: weights are bound before the optimiser adds its state.
TEST(TensorMap, ViewsSurviveGrowth) {
  TensorMap map;
  const auto first = map.Add("first", {DType::kF32, {1}});
  ASSERT_TRUE(first.ok());
  for (int i = 0; i < 100; ++i) map.Put(std::to_string(i), Tensor(DType::kF32, {1}));
  first->as<float>()[0] = 2;
  EXPECT_EQ(map.Find("first")->as<float>()[0], 2);
}

TEST(TensorMap, CloneIsApart) {
  TensorMap map;
  map.Put("a", Tensor(DType::kF32, {1}));
  const TensorMap copy = map.Clone();
  map.Find("a")->as<float>()[0] = 1;
  EXPECT_EQ(copy.Find("a")->as<float>()[0], 0);
}

}  // namespace
}  // namespace mathnas::kernels
