#include "mathnas/core/cell_features.h"

#include <map>
#include <set>

#include "cells.h"
#include "gtest/gtest.h"

namespace mathnas::core {
namespace {

using testing::AllChoices;
using testing::CellTable;
using testing::OpenWays;

// Feature by feature from the ways, spelled out. Operations by index: skip 1, 1x1 2, 3x3 3, pool 4.
std::vector<double> Expected(const Choice& c) {
  const auto ways = OpenWays(c);
  const double n = static_cast<double>(ways.size());
  std::set<int> live;
  int w = 0;
  for (const std::vector<int>& way : {std::vector{3}, {0, 4}, {1, 5}, {0, 2, 5}}) {
    bool open = true;
    for (int e : way) open = open && c[e] != 0;
    if (open) live.insert(way.begin(), way.end());
    w += open;
  }
  EXPECT_EQ(w, n);
  const auto edges = [&](int o) {
    double count = 0;
    for (int e : live) count += c[e] == o;
    return count;
  };
  const auto on = [&](const std::vector<int>& way, std::set<int> ops) {
    double count = 0;
    for (int o : way) count += static_cast<double>(ops.count(o));
    return count;
  };
  const auto least = [&](std::set<int> ops) {
    double m = 99;
    for (const auto& way : ways) m = std::min(m, on(way, ops));
    return m;
  };
  const auto most = [&](std::set<int> ops) {
    double m = 0;
    for (const auto& way : ways) m = std::max(m, on(way, ops));
    return m;
  };
  const auto mean = [&](std::set<int> ops) {
    double sum = 0;
    for (const auto& way : ways) sum += on(way, ops);
    return sum / n;
  };
  double pure = 0, free = 0, clean = 0, clean_computing = 0;
  for (const auto& way : ways) {
    const bool computes = on(way, {2, 3}) > 0, pools = on(way, {4}) > 0;
    if (!computes && !pools) pure = 1;
    if (!computes && pools) free = 1;
    clean += !pools;
    clean_computing += !pools && computes;
  }
  const double flops = edges(2) + 9 * edges(3);
  return {edges(1),
          edges(2),
          most({2}),
          mean({2}),
          edges(3),
          most({3}),
          mean({3}),
          edges(4),
          most({4}),
          mean({4}),
          least({4}),
          least({2, 3}),
          most({2, 3}),
          mean({2, 3}),
          most({2, 3}) > 0 ? 1.0 : 0.0,
          std::log(n),
          most({1, 2, 3, 4}),
          pure,
          free,
          clean,
          clean_computing,
          flops,
          std::log(1 + flops)};
}

TEST(CellFeatures, AreWhatTheWaysSay) {
  const BlockTable table = CellTable();
  const auto features = CellFeatures::Create(table);
  ASSERT_TRUE(features.ok()) << features.status();
  int cut = 0;
  for (const Choice& choice : AllChoices(table)) {
    std::vector<double> found(features->size(), -1);
    const bool live = features->Compute(choice, found);
    ASSERT_EQ(live, !OpenWays(choice).empty());
    ASSERT_EQ(live, ComputesSomething(table, choice));
    if (!live) {
      ++cut;
      EXPECT_EQ(found, std::vector<double>(found.size(), 0.0));
      continue;
    }
    const std::vector<double> expected = Expected(choice);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t k = 0; k < found.size(); ++k) ASSERT_NEAR(found[k], expected[k], 1e-12) << k;
  }
  EXPECT_EQ(cut, 341);  // published: README of the ground truth
}

// Every operation a function of one number, the input a number: cells that compute the same give the same.
double Compute(const Choice& c, double x) {
  const auto apply = [](int o, double v) {
    switch (o) {
      case testing::kSkip:
        return v;
      case testing::kConv1:
        return std::sin(1.3 * v + 0.4);
      case testing::kConv3:
        return std::cos(0.7 * v) + 0.3 * v;
      default:
        return std::tanh(v - 0.2) * 1.7;
    }
  };
  double vertex[4] = {x, 0, 0, 0};
  bool reached[4] = {true, false, false, false};
  const int from[6] = {0, 0, 1, 0, 1, 2}, to[6] = {1, 2, 2, 3, 3, 3};
  for (int e = 0; e < 6; ++e) {
    if (c[e] == testing::kNoEdge || !reached[from[e]]) continue;
    vertex[to[e]] += apply(c[e], vertex[from[e]]);
    reached[to[e]] = true;
  }
  return vertex[3];
}

TEST(CellFeatures, ExpressionsAreTheSameWhereTheFunctionIs) {
  const BlockTable table = CellTable();
  const auto features = CellFeatures::Create(table);
  ASSERT_TRUE(features.ok());
  std::map<std::string, double> value_of;
  std::map<std::pair<int64_t, std::string>, std::string> expression_of;  // by value and number of operations
  for (const Choice& choice : AllChoices(table)) {
    const std::string text = features->Expression(choice);
    EXPECT_EQ(text.empty(), OpenWays(choice).empty());
    if (text.empty()) continue;
    const double value = Compute(choice, 0.837);
    const auto [v, is_new] = value_of.try_emplace(text, value);
    ASSERT_NEAR(v->second, value, 1e-9) << text;
    const auto key = std::pair(std::llround(value * 1e8), text.substr(text.find(',')));
    ASSERT_EQ(expression_of.try_emplace(key, text).first->second, text);
  }
  EXPECT_EQ(value_of.size(), expression_of.size());
  // Vertices 1 and 2 in exchange, without an edge between them.
  EXPECT_EQ(features->Expression({3, 4, 0, 1, 2, 3}), features->Expression({4, 3, 0, 1, 3, 2}));
  EXPECT_NE(features->Expression({3, 4, 0, 1, 2, 3}), features->Expression({4, 3, 0, 1, 2, 3}));
  // One convolution used twice, and two.
  EXPECT_NE(features->Expression({3, 0, 1, 0, 1, 1}), features->Expression({3, 3, 0, 0, 1, 1}));
}

TEST(CellFeatures, OtherNamesAndOrders) {
  // The same cell with its candidates named and ordered otherwise has the same features but for the order of
  // operations.
  BlockTable table = CellTable();
  for (Node& node : table.nodes) node.candidates = {"zero", "wire", "small", "big", "blur"};
  const auto unnamed = CellFeatures::Create(table);
  const auto named = CellFeatures::Create(table, "wire");
  const auto original = CellFeatures::Create(CellTable());
  ASSERT_TRUE(unnamed.ok() && named.ok() && original.ok());
  EXPECT_EQ(named->size(), original->size());
  EXPECT_EQ(unnamed->size(), original->size() + 3);  // a free operation like any other
  const Choice choice = {3, 4, 1, 1, 2, 3};
  std::vector<double> a(named->size()), b(named->size());
  ASSERT_TRUE(named->Compute(choice, a) && original->Compute(choice, b));
  EXPECT_EQ(a, b);
}

TEST(CellFeatures, Refusals) {
  EXPECT_FALSE(CellFeatures::Apply(testing::NasBench201()));
  EXPECT_EQ(CellFeatures::Create(testing::NasBench201()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CellFeatures::Create(CellTable(), "nor_conv_3x3").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CellFeatures::Create(CellTable(), "other").status().code(), absl::StatusCode::kInvalidArgument);
  BlockTable table = CellTable();
  table.metrics["flops"].slices[0].values[2][3] = testing::kNull;
  EXPECT_FALSE(CellFeatures::Apply(table));
}

}  // namespace
}  // namespace mathnas::core
