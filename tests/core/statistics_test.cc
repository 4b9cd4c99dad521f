#include "mathnas/core/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace mathnas::core {
namespace {

using Numbers = std::vector<double>;

// tau-b and Spearman from the definitions, O(n^2).
double NaiveTau(const Numbers& x, const Numbers& y) {
  double concordance = 0, untied_x = 0, untied_y = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t j = i + 1; j < x.size(); ++j) {
      const int dx = (x[i] > x[j]) - (x[i] < x[j]);
      const int dy = (y[i] > y[j]) - (y[i] < y[j]);
      concordance += dx * dy;
      untied_x += dx != 0;
      untied_y += dy != 0;
    }
  }
  return concordance / std::sqrt(untied_x * untied_y);
}

Numbers NaiveRanks(const Numbers& x) {
  Numbers ranks;
  for (double a : x) {
    double rank = 0.5;
    for (double b : x) rank += b < a ? 1 : b == a ? 0.5 : 0;
    ranks.push_back(rank);
  }
  return ranks;
}

double NaivePearson(const Numbers& x, const Numbers& y) {
  long double n = x.size(), sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sx += x[i], sy += y[i], sxx += x[i] * x[i], syy += y[i] * y[i], sxy += x[i] * y[i];
  }
  return static_cast<double>((n * sxy - sx * sy) / std::sqrt((n * sxx - sx * sx) * (n * syy - sy * sy)));
}

TEST(Statistics, RankCorrelationsAgreeWithDefinitions) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    const int n = std::uniform_int_distribution<int>(2, 60)(random);
    const int distinct = std::uniform_int_distribution<int>(2, 70)(random);
    std::uniform_int_distribution<int> value(0, distinct - 1);
    Numbers x, y;
    for (int i = 0; i < n; ++i) {
      x.push_back(value(random));
      y.push_back(round % 3 == 0 ? value(random) : x.back() + value(random) / 2);
    }
    const bool constant = std::count(x.begin(), x.end(), x[0]) == n || std::count(y.begin(), y.end(), y[0]) == n;
    ASSERT_EQ(KendallTau(x, y).ok(), !constant);
    ASSERT_EQ(Spearman(x, y).ok(), !constant);
    if (constant) continue;
    ASSERT_NEAR(*KendallTau(x, y), NaiveTau(x, y), 1e-12);
    ASSERT_NEAR(*Spearman(x, y), NaivePearson(NaiveRanks(x), NaiveRanks(y)), 1e-12);
  }
}

TEST(Statistics, KnownCorrelations) {
  const Numbers x = {1, 2, 3, 4, 5};
  EXPECT_EQ(*KendallTau(x, x), 1);
  EXPECT_EQ(*Spearman(x, x), 1);
  EXPECT_EQ(*KendallTau(x, Numbers{5, 4, 3, 2, 1}), -1);
  EXPECT_EQ(*Spearman(x, Numbers{9, 7, 5, 3, 1}), -1);
  // One exchange of neighbours: 9 of 10 pairs agree; sum of squared rank differences 2.
  EXPECT_NEAR(*KendallTau(x, Numbers{1, 2, 4, 3, 5}), 0.8, 1e-15);
  EXPECT_NEAR(*Spearman(x, Numbers{1, 2, 4, 3, 5}), 1 - 6.0 * 2 / (5 * 24), 1e-15);
}

TEST(Statistics, ALargeSample) {
  constexpr int kCount = 200000;  // its 2 * 10^10 pairs would take minutes one by one
  Numbers x, y;
  for (int i = 0; i < kCount; ++i) {
    x.push_back(i);
    y.push_back(i < kCount / 2 ? kCount / 2 - i : i + kCount);
  }
  const double half = kCount / 2;
  const double discordant = half * (half - 1) / 2;
  const double pairs = static_cast<double>(kCount) * (kCount - 1) / 2;
  EXPECT_NEAR(*KendallTau(x, y), 1 - 2 * discordant / pairs, 1e-12);
}

TEST(Statistics, Errors) {
  const Numbers predicted = {2, 4, 9};
  const Numbers truth = {1, 5, 6};
  EXPECT_DOUBLE_EQ(*MeanAbsoluteError(predicted, truth), 5.0 / 3);
  EXPECT_DOUBLE_EQ(*RootMeanSquareError(predicted, truth), std::sqrt(11.0 / 3));
  EXPECT_DOUBLE_EQ(*MeanAbsolutePercentageError(predicted, truth), (1 + 0.2 + 0.5) / 3);
  EXPECT_DOUBLE_EQ(*MeanAbsolutePercentageError(Numbers{-1}, Numbers{-2}), 0.5);
}

TEST(Statistics, MedianAndQuantile) {
  EXPECT_EQ(*Median(Numbers{3, 1, 2}), 2);
  EXPECT_EQ(*Median(Numbers{4, 1, 2, 3}), 2.5);
  EXPECT_EQ(*Median(Numbers{7}), 7);
  EXPECT_EQ(*Quantile(Numbers{0, 10, 20, 30}, 0), 0);
  EXPECT_EQ(*Quantile(Numbers{30, 10, 20, 0}, 1), 30);
  EXPECT_DOUBLE_EQ(*Quantile(Numbers{0, 10, 20, 30}, 0.25), 7.5);
  EXPECT_DOUBLE_EQ(*Quantile(Numbers{0, 10}, 0.9), 9);
}

TEST(Statistics, RefusesBadInput) {
  const Numbers empty, one = {1}, two = {1, 2};
  const Numbers infinite = {1, std::numeric_limits<double>::infinity()};
  const Numbers nan = {std::nan(""), 1};
  EXPECT_FALSE(Spearman(empty, empty).ok());
  EXPECT_FALSE(Spearman(one, one).ok());
  EXPECT_FALSE(KendallTau(one, one).ok());
  EXPECT_FALSE(KendallTau(one, two).ok());
  EXPECT_FALSE(KendallTau(two, nan).ok());
  EXPECT_FALSE(MeanAbsoluteError(two, infinite).ok());
  EXPECT_FALSE(MeanAbsoluteError(empty, empty).ok());
  EXPECT_FALSE(RootMeanSquareError(one, two).ok());
  EXPECT_FALSE(MeanAbsolutePercentageError(two, Numbers{1, 0}).ok());
  EXPECT_FALSE(MeanAbsolutePercentageError(one, Numbers{1, 2}).ok());
  EXPECT_FALSE(Median(empty).ok());
  EXPECT_FALSE(Median(nan).ok());
  for (const double q : {-0.1, 1.1, std::nan("")}) EXPECT_FALSE(Quantile(two, q).ok());
}

}  // namespace
}  // namespace mathnas::core
