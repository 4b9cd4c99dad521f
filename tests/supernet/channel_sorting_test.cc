#include "supernet/mobilenetv3/channel_sorting.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "golden.h"
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/weights.h"

namespace mathnas::supernet::mobilenetv3 {
namespace {

using kernels::DType;
using kernels::TensorMap;
using nlohmann::json;

// The supernet's tensors by the names and shapes of the reference, with its deterministic values.
TensorMap Supernet(const char* name, DType real) {
  TensorMap weights;
  const json shapes = LoadGolden("MATHNAS_STATE_DICT_SHAPES", "state-dict-shapes.json")[name];
  for (const auto& [tensor, shape] : shapes.items()) {
    const auto sizes = shape.get<std::vector<int64_t>>();
    const bool counter = tensor.ends_with("num_batches_tracked");
    weights.Put(tensor, kernels::Tensor(counter ? DType::kI64 : real, {sizes.begin(), sizes.end()}));
  }
  FillSynthetic(weights);
  return weights;
}

std::vector<double> Values(const TensorMap& weights, const std::string& name) {
  return ToDoubles(weights.Find(name)->view());
}

// Sum of |weight| over the outputs of a 1x1 convolution, by input.
std::vector<double> InputSums(const std::vector<double>& weight, size_t inputs) {
  std::vector<double> sums(inputs);
  for (size_t i = 0; i < weight.size(); ++i) sums[i % inputs] += std::abs(weight[i]);
  return sums;
}

std::vector<size_t> Descending(const std::vector<double>& importance) {
  std::vector<size_t> order(importance.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return importance[a] > importance[b]; });
  return order;
}

// new[i][j] = old[rows[i]][columns[j]], by element, in what follows the first two dimensions as well.
void ExpectPermuted(const TensorMap& before, const TensorMap& after, const std::string& name,
                    const std::vector<size_t>* rows, const std::vector<size_t>* columns, std::set<std::string>& seen) {
  const std::vector<double> old = Values(before, name), now = Values(after, name);
  const auto& shape = before.Find(name)->shape();
  const size_t row_count = shape[0], column_count = shape.size() > 1 ? shape[1] : 1;
  const size_t rest = old.size() / row_count / column_count;
  for (size_t k = 0; k < now.size(); ++k) {
    const size_t i = k / rest / column_count, j = k / rest % column_count;
    const size_t from =
        ((rows != nullptr ? (*rows)[i] : i) * column_count + (columns != nullptr ? (*columns)[j] : j)) * rest +
        k % rest;
    ASSERT_EQ(now[k], old[from]) << name << " element " << k;
  }
  seen.insert(name);
}

// spec/search-spaces.md 3.5, word by word: offsets and all.
void ExpectSorted(const TensorMap& before, const TensorMap& after, double factor, int stage,
                  const std::vector<int>& descending) {
  const Widths widths = *WidthsOf(factor);
  std::set<std::string> seen;
  for (int block = 0; block < kBlocks; ++block) {
    const std::string prefix = "blocks." + std::to_string(block + 1) + ".conv.";
    const BlockShape shape = ShapeOf(widths, block);
    std::vector<double> importance = InputSums(Values(before, prefix + "point_linear.conv.conv.weight"), shape.mid);
    for (int i = 1; i <= stage; ++i) {
      const int64_t low = MidChannels(shape.in, descending[i]), high = MidChannels(shape.in, descending[i - 1]);
      for (int64_t c = low; c < high; ++c) {
        importance[c] -= (static_cast<double>(descending.size()) - i) * 1e5;
      }
    }
    const std::vector<size_t> mid = Descending(importance);
    ASSERT_FALSE(std::is_sorted(mid.begin(), mid.end())) << "nothing to sort in block " << block;
    ExpectPermuted(before, after, prefix + "point_linear.conv.conv.weight", nullptr, &mid, seen);
    ExpectPermuted(before, after, prefix + "depth_conv.conv.conv.weight", &mid, nullptr, seen);
    ExpectPermuted(before, after, prefix + "inverted_bottleneck.conv.conv.weight", &mid, nullptr, seen);
    for (const char* bn : {"depth_conv.bn.bn.", "inverted_bottleneck.bn.bn."}) {
      for (const char* vector : {"weight", "bias", "running_mean", "running_var"}) {
        ExpectPermuted(before, after, prefix + bn + vector, &mid, nullptr, seen);
      }
    }
    const std::string fc = prefix + "depth_conv.se.fc.";
    if (!before.contains(fc + "expand.weight")) continue;
    const std::vector<size_t> hidden = Descending(InputSums(Values(before, fc + "expand.weight"), shape.squeeze));
    ExpectPermuted(before, after, fc + "expand.weight", &mid, &hidden, seen);
    ExpectPermuted(before, after, fc + "expand.bias", &mid, nullptr, seen);
    ExpectPermuted(before, after, fc + "reduce.weight", &hidden, &mid, seen);
    ExpectPermuted(before, after, fc + "reduce.bias", &hidden, nullptr, seen);
  }
  for (const auto& entry : before.entries()) {
    if (seen.contains(entry.name)) continue;
    const auto bytes = entry.tensor.desc().bytes();
    EXPECT_EQ(std::memcmp(entry.tensor.data(), after.Find(entry.name)->data(), bytes), 0) << entry.name;
  }
}

TEST(SortChannels, IsThatOfTheReference) {
  for (const DType real : {DType::kF32, DType::kF64}) {
    for (const auto& [factor, name] : {std::pair(1.0, "ofa_mbv3_w1.0"), std::pair(1.2, "ofa_mbv3_w1.2")}) {
      const TensorMap before = Supernet(name, real);
      for (const auto& [stage, expansions] :
           {std::pair(0, std::vector<int>{4, 6}), std::pair(0, std::vector<int>{3, 4, 6}),
            std::pair(1, std::vector<int>{3, 4, 6}), std::pair(2, std::vector<int>{6, 3, 4}),
            std::pair(1, std::vector<int>{6, 3})}) {
        SCOPED_TRACE(std::string(name) + " stage " + std::to_string(stage));
        TensorMap after = before.Clone();
        ASSERT_TRUE(SortChannels(*WidthsOf(factor), stage, expansions, after).ok());
        std::vector<int> descending = expansions;
        std::sort(descending.rbegin(), descending.rend());
        ExpectSorted(before, after, factor, stage, descending);
      }
    }
  }
}

// Outputs of a block at one place whose 7x7 surroundings are `inputs`, with batch statistics folded in, ReLU
// everywhere, naively.
std::vector<double> Forward(const TensorMap& w, int block, const BlockShape& s, const std::vector<double>& inputs) {
  const std::string prefix = "blocks." + std::to_string(block + 1) + ".conv.";
  const auto norm = [&](const std::string& name, size_t c, double x) {
    const auto at = [&](const char* vector) { return w.Find(prefix + name + vector)->as<double>()[c]; };
    return (x - at("running_mean")) / std::sqrt(at("running_var") + 1e-5) * at("weight") + at("bias");
  };
  const auto relu = [](double x) { return std::max(x, 0.0); };
  const auto widen = w.Find(prefix + "inverted_bottleneck.conv.conv.weight")->as<double>();
  const auto depthwise = w.Find(prefix + "depth_conv.conv.conv.weight")->as<double>();
  std::vector<double> mid(s.mid);
  for (int64_t c = 0; c < s.mid; ++c) {
    double sum = 0;
    for (int64_t p = 0; p < 49; ++p) {
      double x = 0;
      for (int64_t i = 0; i < s.in; ++i) x += widen[c * s.in + i] * inputs[p * s.in + i];
      sum += depthwise[c * 49 + p] * relu(norm("inverted_bottleneck.bn.bn.", c, x));
    }
    mid[c] = relu(norm("depth_conv.bn.bn.", c, sum));
  }
  if (s.squeeze > 0) {
    const std::string fc = prefix + "depth_conv.se.fc.";
    const auto reduce = w.Find(fc + "reduce.weight")->as<double>(), expand = w.Find(fc + "expand.weight")->as<double>();
    std::vector<double> hidden(s.squeeze), scaled = mid;
    for (int64_t m = 0; m < s.squeeze; ++m) {
      double x = w.Find(fc + "reduce.bias")->as<double>()[m];
      for (int64_t c = 0; c < s.mid; ++c) x += reduce[m * s.mid + c] * mid[c];
      hidden[m] = relu(x);
    }
    for (int64_t c = 0; c < s.mid; ++c) {
      double x = w.Find(fc + "expand.bias")->as<double>()[c];
      for (int64_t m = 0; m < s.squeeze; ++m) x += expand[c * s.squeeze + m] * hidden[m];
      scaled[c] *= std::clamp(x + 3, 0.0, 6.0) / 6;
    }
    mid = scaled;
  }
  const auto narrow = w.Find(prefix + "point_linear.conv.conv.weight")->as<double>();
  std::vector<double> out(s.out);
  for (int64_t o = 0; o < s.out; ++o) {
    for (int64_t c = 0; c < s.mid; ++c) out[o] += narrow[o * s.mid + c] * mid[c];
  }
  return out;
}

TEST(SortChannels, LeavesTheLargestBlocksAsTheyAre) {
  const TensorMap before = Supernet("ofa_mbv3_w1.0", DType::kF64);
  TensorMap after = before.Clone();
  const Widths widths = *WidthsOf(1.0);
  ASSERT_TRUE(SortChannels(widths, 1, kExpansions, after).ok());
  for (int block = 0; block < kBlocks; ++block) {
    const BlockShape shape = ShapeOf(widths, block);
    std::vector<double> inputs(49 * shape.in);
    for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = SyntheticValue("input", static_cast<int64_t>(i));
    const std::vector<double> expected = Forward(before, block, shape, inputs);
    const std::vector<double> found = Forward(after, block, shape, inputs);
    // Sums of up to 960 terms in another order.
    const double tolerance = 1e-13 * L2(expected);
    ASSERT_GT(tolerance, 0);
    for (size_t o = 0; o < expected.size(); ++o) EXPECT_NEAR(found[o], expected[o], tolerance) << block << " " << o;
  }
}

// Importances alike keep their order, so that sorting twice is sorting once.
TEST(SortChannels, AgainChangesNothing) {
  const Widths widths = *WidthsOf(1.0);
  for (const int stage : {0, 1, 2}) {
    TensorMap weights = Supernet("ofa_mbv3_w1.0", DType::kF32);
    // All middle channels of a block alike.
    auto narrow = weights.Find("blocks.3.conv.point_linear.conv.conv.weight")->as<float>();
    std::fill(narrow.begin(), narrow.end(), 0.5F);
    ASSERT_TRUE(SortChannels(widths, stage, kExpansions, weights).ok());
    const TensorMap once = weights.Clone();
    ASSERT_TRUE(SortChannels(widths, stage, kExpansions, weights).ok());
    for (const auto& entry : once.entries()) {
      EXPECT_EQ(std::memcmp(entry.tensor.data(), weights.Find(entry.name)->data(), entry.tensor.desc().bytes()), 0)
          << entry.name;
    }
  }
}

TEST(SortChannels, ErrorsChangeNothing) {
  const Widths widths = *WidthsOf(1.0);
  const TensorMap before = Supernet("ofa_mbv3_w1.0", DType::kF32);
  const auto message = [&](TensorMap& weights, int stage, const std::vector<int>& expansions) {
    return std::string(kernels::Message(SortChannels(widths, stage, expansions, weights)));
  };
  TensorMap weights = before.Clone();
  EXPECT_NE(message(weights, 3, {3, 4, 6}).find("stage of channel sorting: 3, expected 0 to"), std::string::npos);
  EXPECT_NE(message(weights, -1, {3, 4, 6}).find("stage of channel sorting: -1"), std::string::npos);
  EXPECT_NE(message(weights, 0, {}).find("stage of channel sorting: 0"), std::string::npos);
  EXPECT_EQ(message(weights, 0, {3, 5, 6}), "expansions[1]: 5, expected each of 3, 4, 6 at most once");
  EXPECT_EQ(message(weights, 0, {6, 6}), "expansions[0]: 6, expected each of 3, 4, 6 at most once");
  // In the last block, when all others have been looked at.
  const std::string last = "blocks.20.conv.depth_conv.se.fc.reduce.bias";
  weights.Put(last, kernels::Tensor(DType::kF32, {8}));
  EXPECT_EQ(message(weights, 0, {4, 6}), "tensor " + last + ": shape 8, expected 240");
  weights.Put(last, kernels::Tensor(DType::kI64, {240}));
  EXPECT_EQ(message(weights, 0, {4, 6}), "tensor " + last + ": I64, expected F32 or F64");
  TensorMap empty;
  EXPECT_EQ(SortChannels(widths, 0, kExpansions, empty).code(), absl::StatusCode::kNotFound);
  for (const auto& entry : before.entries()) {
    if (entry.name == last) continue;
    EXPECT_EQ(std::memcmp(entry.tensor.data(), weights.Find(entry.name)->data(), entry.tensor.desc().bytes()), 0)
        << entry.name;
  }
}

}  // namespace
}  // namespace mathnas::supernet::mobilenetv3
