#include "mathnas/core/linear_form.h"

#include <cmath>
#include <cstdlib>
#include <random>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "tables.h"

namespace mathnas::core {
namespace {

double SumAll(const LinearForm& form) {
  double sum = form.constant;
  for (const auto& row : form.terms) sum += row[0];
  return sum / form.scale;
}

TEST(LinearForm, DecimalsSumExactly) {
  // In doubles 0.1 + 0.2 is above 0.3, and ten times 0.1 is below 1.
  EXPECT_EQ(SumAll(ScaledToIntegers({.terms = {{0.1}, {0.2}}})), 0.3);
  EXPECT_EQ(SumAll(ScaledToIntegers({.terms = Grid(10, {0.1})})), 1.0);
  EXPECT_EQ(SumAll(ScaledToIntegers({.constant = 40.78, .terms = {{-4.38333}, {-0.73333}}})), 35.66334);
  EXPECT_EQ(SumAll(ScaledToIntegers({.constant = 1e6, .terms = {{1e-6}, {-2.5e3}}})), 997500.000001);
}

TEST(LinearForm, ScaleIsTheSmallestThatFits) {
  const LinearForm form = ScaledToIntegers({.constant = 5, .terms = {{0.25, testing::kNull}, {-1200, 0}}});
  EXPECT_EQ(form.scale, 100);
  EXPECT_EQ(form.constant, 500);
  EXPECT_EQ(form.terms[0][0], 25);
  EXPECT_TRUE(std::isnan(form.terms[0][1]));
  EXPECT_EQ(form.terms[1][0], -120000);
}

// Against the digits that the number was read from.
TEST(LinearForm, DigitsAreThoseOfTheDecimal) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20'000; ++round) {
    auto digits = static_cast<int64_t>(random() % static_cast<uint64_t>(std::pow(10, 1 + round % 15)));
    if (digits == 0) continue;
    if (round % 2 == 1) digits = -digits;
    int decimals = static_cast<int>(random() % 14);
    const double value = std::strtod(fmt::format("{}e-{}", digits, decimals).c_str(), nullptr);
    for (; decimals > 0 && digits % 10 == 0; --decimals) digits /= 10;
    const LinearForm form = ScaledToIntegers({.terms = {{value}}});
    ASSERT_EQ(form.scale, std::pow(10, decimals)) << value;
    ASSERT_EQ(form.terms[0][0], static_cast<double>(digits)) << value;
  }
}

TEST(LinearForm, LongNumbersAreRoundedToTheBitsOfADouble) {
  for (const double value : {1.0 / 3, 1234.0000000000002, 1.0 / 7e5}) {
    const LinearForm form = ScaledToIntegers({.constant = value / 2, .terms = {{value, -value / 3}, {value / 5}}});
    ASSERT_TRUE(form.integers);
    int exponent = 0;
    EXPECT_EQ(std::frexp(form.scale, &exponent), 0.5) << "not a power of two";
    double largest = std::abs(form.constant);
    for (const auto& row : form.terms) {
      for (double term : row) EXPECT_EQ(term, std::nearbyint(term));
      largest += std::abs(row[0]);
    }
    EXPECT_LT(largest, 0x1p53);
    EXPECT_NEAR(form.terms[0][0] / form.scale, value, 0x1p-51 * value);
    EXPECT_NEAR(form.terms[0][1] / form.scale, -value / 3, 0x1p-51 * value);
    EXPECT_NEAR(SumAll(form), value * 1.7, 0x1p-50 * value);
  }
}

TEST(LinearForm, NumbersOfVeryDifferentSizeStayAsTheyAre) {
  for (const double value : {1e300, 9007199254740993.0}) {
    const LinearForm form = ScaledToIntegers({.constant = 0.5, .terms = {{value}, {0.25}}});
    EXPECT_FALSE(form.integers);
    EXPECT_EQ(form.scale, 1) << value;
    EXPECT_EQ(form.terms[0][0], value);
    EXPECT_EQ(form.constant, 0.5);
  }
  EXPECT_FALSE(ScaledToIntegers({.terms = {{5e-324}, {5e-324}}}).integers);  // no power of two reaches that far
}

TEST(LinearForm, UndefinedWithoutFlops) {
  MetricForm form{.sum = {}, .divided = true, .base = 80, .factor = 6, .denominator = {}};
  EXPECT_EQ(ValueFromTotals(form, 5, 3), 70);
  EXPECT_TRUE(std::isnan(ValueFromTotals(form, 5, 0)));
  EXPECT_TRUE(std::isnan(ValueFromTotals(form, 0, 0)));
  EXPECT_TRUE(std::isnan(ValueFromTotals(form, 5, -3)));
}

}  // namespace
}  // namespace mathnas::core
