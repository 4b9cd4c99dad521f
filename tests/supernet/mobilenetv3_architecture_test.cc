#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "golden.h"
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/make_divisible.h"
#include "supernet/mobilenetv3/architecture.h"

namespace mathnas::supernet::mobilenetv3 {
namespace {

using nlohmann::json;

std::string Repeated(int count, int value) {
  std::string text = "[" + std::to_string(value);
  for (int i = 1; i < count; ++i) text += "," + std::to_string(value);
  return text + "]";
}

// The rule of spec/search-spaces.md 1.1 in other words: of the multiples, the nearest, found by trying.
TEST(MakeDivisible, IsTheNearestMultipleUnlessItLosesATenth) {
  for (const int64_t least : {int64_t{1}, int64_t{8}}) {
    for (int v10 = 0; v10 <= 20000; ++v10) {
      const double v = v10 / 10.0;
      int64_t nearest = 0;
      for (int64_t multiple = 0; multiple <= 2008; multiple += 8) {
        if (std::abs(static_cast<double>(multiple) - v) <= std::abs(static_cast<double>(nearest) - v)) {
          nearest = multiple;
        }
      }
      if (nearest < least) nearest = least;
      if (static_cast<double>(nearest) < 0.9 * v) nearest += 8;
      ASSERT_EQ(MakeDivisible(v, 8, least), nearest) << v;
    }
  }
}

// The tables of spec/search-spaces.md 3.1.
TEST(Widths, OfBothFactors) {
  const auto check = [](double factor, const std::vector<int64_t>& expected) {
    const auto widths = WidthsOf(factor);
    ASSERT_TRUE(widths.ok()) << widths.status();
    std::vector<int64_t> found = {widths->first};
    found.insert(found.end(), widths->stages.begin(), widths->stages.end());
    found.push_back(widths->final_expand);
    found.push_back(widths->feature_mix);
    EXPECT_EQ(found, expected);
  };
  check(1.0, {16, 24, 40, 80, 112, 160, 960, 1280});
  check(1.2, {24, 32, 48, 96, 136, 192, 1152, 1536});
  for (const double factor : {0.0, -1.0, 1.1, 2.0, std::nan("")}) {
    EXPECT_EQ(WidthsOf(factor).status().code(), absl::StatusCode::kInvalidArgument) << factor;
  }
}

// Every stored tensor whose size a BlockShape says, against the names and shapes of the reference's state dict.
TEST(BlockShape, IsThatOfTheReferencesTensors) {
  const json shapes = LoadGolden("MATHNAS_STATE_DICT_SHAPES", "state-dict-shapes.json");
  for (const auto& [factor, name] : {std::pair(1.0, "ofa_mbv3_w1.0"), std::pair(1.2, "ofa_mbv3_w1.2")}) {
    const Widths widths = *WidthsOf(factor);
    const json& tensors = shapes[name];
    const auto shape = [&](const std::string& tensor) { return tensors.at(tensor).get<std::vector<int64_t>>(); };
    for (int block = 0; block < kBlocks; ++block) {
      const BlockShape s = ShapeOf(widths, block);
      const std::string prefix = "blocks." + std::to_string(block + 1) + ".conv.";
      EXPECT_EQ(shape(prefix + "inverted_bottleneck.conv.conv.weight"), (std::vector<int64_t>{s.mid, s.in, 1, 1}));
      EXPECT_EQ(shape(prefix + "depth_conv.conv.conv.weight"), (std::vector<int64_t>{s.mid, 1, 7, 7}));
      EXPECT_EQ(shape(prefix + "point_linear.conv.conv.weight"), (std::vector<int64_t>{s.out, s.mid, 1, 1}));
      const std::string reduce = prefix + "depth_conv.se.fc.reduce.weight";
      ASSERT_EQ(s.squeeze > 0, tensors.contains(reduce)) << reduce;
      if (s.squeeze > 0) {
        EXPECT_EQ(shape(reduce), (std::vector<int64_t>{s.squeeze, s.mid, 1, 1}));
      }
    }
    EXPECT_EQ(shape("first_conv.conv.weight")[0], widths.first);
    EXPECT_EQ(shape("final_expand_layer.conv.weight"),
              (std::vector<int64_t>{widths.final_expand, widths.stages[4], 1, 1}));
    EXPECT_EQ(shape("feature_mix_layer.conv.weight"),
              (std::vector<int64_t>{widths.feature_mix, widths.final_expand, 1, 1}));
  }
}

// MACs and parameters of spec/search-spaces.md 3.4, counted from the shapes. The published MACs are sums over the
// layers in float32: exact ones differ by up to 32.
TEST(BlockShape, GivesThePublishedSizes) {
  const struct {
    double width;
    int kernel, expansion, depth;
    int64_t macs, parameters;  // parameters 0: not published
  } published[] = {{1.0, 7, 6, 4, 566170688, 7664760}, {1.0, 5, 4, 3, 250746944, 4551792},
                   {1.0, 3, 3, 2, 121278672, 3410792}, {1.2, 7, 6, 4, 843101056, 10701632},
                   {1.2, 3, 6, 4, 671781376, 0},       {1.2, 3, 3, 2, 193078208, 4602456}};
  for (const auto& p : published) {
    const Widths w = *WidthsOf(p.width);
    int64_t side = 112, parameters = 0;
    float macs = 0;
    // A convolution without bias, and its normalisation's weight and bias.
    const auto convolution = [&](int64_t out, int64_t fan_in, int64_t norm) {
      macs += static_cast<float>(side * side * out * fan_in);
      parameters += out * fan_in + 2 * norm;
    };
    convolution(w.first, 27, w.first);
    convolution(w.first, 9, w.first);
    convolution(w.first, w.first, w.first);
    for (int block = 0; block < kBlocks; ++block) {
      if (block % kStageBlocks >= p.depth) continue;
      const BlockShape s = ShapeOf(w, block, p.expansion);
      EXPECT_EQ(s.shortcut, s.stride == 1 && s.in == s.out) << block;
      convolution(s.mid, s.in, s.mid);
      side /= s.stride;
      convolution(s.mid, p.kernel * p.kernel, s.mid);
      for (int fc = 0; fc < 2; ++fc) macs += static_cast<float>(s.mid * s.squeeze);
      parameters += 2 * s.mid * s.squeeze + (s.squeeze > 0 ? s.mid + s.squeeze : 0);
      convolution(s.out, s.mid, s.out);
    }
    EXPECT_EQ(side, 7);
    convolution(w.final_expand, w.stages[4], w.final_expand);
    side = 1;
    convolution(w.feature_mix, w.final_expand, 0);
    convolution(1000, w.feature_mix, 0);
    parameters += 1000;
    EXPECT_EQ(static_cast<int64_t>(macs), p.macs) << p.width << " k" << p.kernel;
    if (p.parameters > 0) {
      EXPECT_EQ(parameters, p.parameters) << p.width << " k" << p.kernel;
    }
  }
}

TEST(Architecture, FormsOfTheSameNetwork) {
  const std::string full = R"({"ks":)" + Repeated(20, 7) + R"(,"e":)" + Repeated(20, 6) + R"(,"d":)" + Repeated(5, 4) +
                           R"(,"resolution":224})";
  EXPECT_EQ(ToJson(Architecture{}), full);
  for (const std::string& form : {full, std::string(R"({"ks": 7, "e": 6, "d": 4, "resolution": 224})"),
                                  std::string(R"({"d": 4, "e": 6, "ks": )") + Repeated(20, 7) + "}"}) {
    const auto parsed = ParseArchitecture(form);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, Architecture{}) << form;
  }
}

TEST(Architecture, WhatDoesNotRunDoesNotCount) {
  json subnet = {{"ks", std::vector<int>(20, 5)}, {"e", std::vector<int>(20, 4)}, {"d", {2, 3, 4, 2, 3}}};
  subnet["ks"][2] = 0;  // behind the depths: any integer
  subnet["e"][7] = -12;
  const auto parsed = ParseArchitecture(subnet.dump());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const std::array<int, 20> ks = {5, 5, 3, 3, 5, 5, 5, 3, 5, 5, 5, 5, 5, 5, 3, 3, 5, 5, 5, 3};
  const std::array<int, 20> e = {4, 4, 3, 3, 4, 4, 4, 3, 4, 4, 4, 4, 4, 4, 3, 3, 4, 4, 4, 3};
  EXPECT_EQ(parsed->ks, ks);
  EXPECT_EQ(parsed->e, e);
  EXPECT_EQ(Canonical(*parsed), *parsed);
  EXPECT_EQ(*ParseArchitecture(ToJson(*parsed)), *parsed);
  Architecture other = *parsed;
  other.ks[3] = 7;
  EXPECT_NE(other, *parsed);
  EXPECT_EQ(Canonical(other), *parsed);
  EXPECT_TRUE(Check(other).ok());
  other.ks[1] = 4;
  EXPECT_EQ(kernels::Message(Check(other)), "ks[1]: 4, expected 3, 5 or 7");
}

TEST(Architecture, ErrorsNameTheEntryAndWhatWasExpected) {
  const json good = {{"ks", std::vector<int>(20, 3)}, {"e", std::vector<int>(20, 3)}, {"d", std::vector<int>(5, 2)}};
  const auto with = [&](const char* pointer, const json& value) {
    json changed = good;
    changed[json::json_pointer(pointer)] = value;
    return changed.dump();
  };
  ASSERT_TRUE(ParseArchitecture(good.dump()).ok());
  const std::pair<std::string, std::string> broken[] = {
      {with("/ks/0", 4), "ks[0]: 4, expected 3, 5 or 7"},
      {with("/ks/17", -3), "ks[17]: -3, expected 3, 5 or 7"},
      {with("/ks/17", 3.0), "ks[17]: 3.0, expected 3, 5 or 7"},
      {with("/ks/4", "3"), "ks[4]: \"3\", expected 3, 5 or 7"},
      {with("/ks/4", nullptr), "ks[4]: null, expected 3, 5 or 7"},
      {with("/e/5", 5), "e[5]: 5, expected 3, 4 or 6"},
      {with("/d/4", 1), "d[4]: 1, expected 2, 3 or 4"},
      {with("/d/0", 5), "d[0]: 5, expected 2, 3 or 4"},
      {with("/d/0", 4294967298), "d[0]: 4294967298, expected 2, 3 or 4"},
      {with("/d", 1), "d[0]: 1, expected 2, 3 or 4"},
      {with("/d", "2"), "d: \"2\", expected a list of 5 numbers, each 2, 3 or 4, or one for all"},
      {with("/d", {2, 2, 2, 2}), "d: 4 entries, expected 5, or one number for all"},
      {with("/ks", json::array()), "ks: 0 entries, expected 20, or one number for all"},
      {with("/resolution", 226), "resolution: 226, expected a multiple of 4 from 32 to 1024"},
      {with("/resolution", 28), "resolution: 28, expected a multiple of 4 from 32 to 1024"},
      {with("/resolution", 1028), "resolution: 1028, expected a multiple of 4 from 32 to 1024"},
      {with("/resolution", {224}), "resolution: an array, expected a multiple of 4 from 32 to 1024"},
      {with("/k", 3), "unknown name \"k\""},
      {R"({"ks":3,"e":3})", "subnet without \"d\""},
      {R"({"ks":3,"d":3})", "subnet without \"e\""},
      {R"({"ks":3,"ks":3,"e":3,"d":2})", "twice"},
      {"{}", "subnet without \"ks\""},
      {"7", "subnet: 7, expected {\"ks\""},
      {"", "expected {\"ks\""},
      {R"({"ks":3,)", "expected {\"ks\""}};
  for (const auto& [text, message] : broken) {
    const auto parsed = ParseArchitecture(text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(kernels::Message(parsed.status()).find(message), std::string::npos)
        << text << ": " << kernels::Message(parsed.status()) << "\nwithout " << message;
  }
  // A text of any length gives a message of a readable one.
  EXPECT_LT(kernels::Message(ParseArchitecture(std::string(1 << 20, '[')).status()).size(), 1000U);
  EXPECT_LT(kernels::Message(ParseArchitecture("{\"" + std::string(50000, 'x') + "\":1}").status()).size(), 1000U);
}

}  // namespace
}  // namespace mathnas::supernet::mobilenetv3
