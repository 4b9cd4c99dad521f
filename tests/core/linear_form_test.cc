#include "mathnas/core/linear_form.h"

#include <cmath>

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
