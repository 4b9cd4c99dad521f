#include "mathnas/core/linear_form.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

namespace mathnas::core {
namespace {

constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
constexpr double kMaxSpread = 8192;                    // 2^13: the median keeps 38 bits
constexpr int kMaxDecimals = 15;                       // 10^15 < 2^53, so scales are exact doubles
constexpr double kPowersOfTen[kMaxDecimals + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

struct Decimal {
  int64_t digits = 0;
  int decimals = 0;  // value = digits / 10^decimals
};

// The decimal that reads back as `value`, which is what stood in the table's file: with `decimals` as they are if that
// is enough, since the others of the table need as many, else the shortest. Nullopt if it has more than 18 digits or
// does not fit; a double needs 17 at most.
std::optional<Decimal> ReadDecimal(double value, int decimals) {
  // No two decimals of up to 15 digits are the same double, and the quotient is the double nearest to the decimal: one
  // that is found is the value's. This takes a fifth of the time of to_chars.
  const auto with = [value](int tried) -> std::optional<Decimal> {
    const double scaled = value * kPowersOfTen[tried];
    if (!(std::abs(scaled) < 1e15)) return std::nullopt;
    const auto digits = static_cast<int64_t>(scaled + std::copysign(0.5, scaled));
    if (static_cast<double>(digits) / kPowersOfTen[tried] != value) return std::nullopt;
    return Decimal{.digits = digits, .decimals = tried};
  };
  if (const auto decimal = with(decimals)) return decimal;
  for (int tried = 0; tried <= 10; ++tried) {
    if (const auto decimal = with(tried)) return decimal;
  }
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific);
  if (error != std::errc()) return std::nullopt;
  // [-]d[.ddd]e[+-]dd
  Decimal decimal;
  const char* p = text;
  const bool negative = *p == '-';
  if (negative) ++p;
  bool behind_point = false;
  for (; p < end && *p != 'e'; ++p) {
    if (*p == '.') {
      behind_point = true;
      continue;
    }
    decimal.digits = decimal.digits * 10 + (*p - '0');
    if (behind_point) ++decimal.decimals;
  }
  int exponent = 0;
  const char* exponent_text = p + 1 + (p[1] == '+');
  std::from_chars(exponent_text, end, exponent);
  decimal.decimals -= exponent;
  if (negative) decimal.digits = -decimal.digits;
  return decimal;
}

// value * 10^decimals as an exact integer below 2^53, or nullopt.
std::optional<double> Scaled(const Decimal& decimal, int decimals) {
  if (decimal.decimals > decimals) return std::nullopt;
  double scaled = static_cast<double>(decimal.digits);
  if (std::abs(scaled) >= kExactIntegers) return std::nullopt;
  for (int k = decimal.decimals; k < decimals; ++k) {
    scaled *= 10;
    if (std::abs(scaled) >= kExactIntegers) return std::nullopt;
  }
  return scaled;
}

// The constant, then what was measured, in the order of the nodes.
template <typename Form, typename Visit>
bool AllNumbers(Form& form, Visit visit) {
  if (!visit(form.constant)) return false;
  for (auto& row : form.terms) {
    for (auto& term : row) {
      if (!std::isnan(term) && !visit(term)) return false;
    }
  }
  return true;
}

double LargestMagnitude(const std::vector<double>& row) {
  double largest = 0;
  for (double term : row) {
    if (!std::isnan(term)) largest = std::max(largest, std::abs(term));
  }
  return largest;
}

// What no partial sum exceeds.
double LargestSum(const LinearForm& form) {
  double total = std::abs(form.constant);
  for (const auto& row : form.terms) total += LargestMagnitude(row);
  return total;
}

// False, and nothing changed, where that cannot be.
bool ScaleByTen(LinearForm& form) {
  std::vector<Decimal> read;  // in the order of AllNumbers
  if (!form.terms.empty()) read.reserve(1 + form.terms.size() * form.terms[0].size());
  int decimals = 0;
  const bool all_read = AllNumbers(form, [&](double value) {
    const std::optional<Decimal> decimal = ReadDecimal(value, decimals);
    if (!decimal || decimal->decimals > kMaxDecimals) return false;
    decimals = std::max(decimals, decimal->digits == 0 ? 0 : decimal->decimals);
    read.push_back(*decimal);
    return true;
  });
  if (!all_read) return false;
  std::vector<double> integers;
  integers.reserve(read.size());
  for (const Decimal& decimal : read) {
    const std::optional<double> integer = Scaled(decimal, decimals);
    if (!integer) return false;
    integers.push_back(*integer);
  }
  const auto exchange = [&form, &integers] {
    AllNumbers(form, [next = integers.begin()](double& value) mutable {
      std::swap(value, *next++);
      return true;
    });
  };
  exchange();
  if (LargestSum(form) >= kExactIntegers) {
    exchange();
    return false;
  }
  form.scale = kPowersOfTen[decimals];
  return true;
}

bool ScaleByTwo(LinearForm& form) {
  std::vector<double> sizes;
  AllNumbers(form, [&sizes](double value) {
    if (value != 0) sizes.push_back(std::abs(value));
    return true;
  });
  if (sizes.empty()) return false;
  const auto median = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
  std::nth_element(sizes.begin(), median, sizes.end());
  const double largest = LargestSum(form);
  if (!(largest <= kMaxSpread * *median)) return false;
  // Rounding adds half a unit per term: a bit is left for that.
  const int exponent = 52 - std::ilogb(largest) - 1;
  const double scale = std::ldexp(1.0, exponent);
  if (!std::isnormal(scale)) return false;
  AllNumbers(form, [scale](double& value) {
    value = std::nearbyint(value * scale);
    return true;
  });
  form.scale = scale;
  return true;
}

}  // namespace

LinearForm ScaledToIntegers(LinearForm form) {
  form.integers = ScaleByTen(form) || ScaleByTwo(form);
  return form;
}

double ValueFromTotals(const MetricForm& form, double sum, double denominator) {
  const double value = sum / form.sum.scale;
  if (!form.divided) return value;
  const double flops = denominator / form.denominator.scale;
  if (!(flops > 0)) return std::numeric_limits<double>::quiet_NaN();
  return form.base - form.factor * value / flops;
}

}  // namespace mathnas::core
