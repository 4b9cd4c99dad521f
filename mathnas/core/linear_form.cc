#include "mathnas/core/linear_form.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string_view>

namespace mathnas::core {
namespace {

constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
constexpr double kMaxSpread = 8192;                    // 2^13: the median keeps 38 bits
constexpr int kMaxDecimals = 15;                       // 10^15 < 2^53, so scales are exact doubles

struct Decimal {
  int64_t digits = 0;
  int decimals = 0;  // value = digits / 10^decimals
};

// The shortest decimal that reads back as `value`: what stood in the table's file. Nullopt if it has more than 18
// digits or does not fit; a double needs 17 at most.
std::optional<Decimal> ShortestDecimal(double value) {
  // Of whole numbers, which most tables of FLOPs have, the digits are known; zeros at their end do no harm.
  if (std::abs(value) < 1e15 && value == std::trunc(value)) return Decimal{.digits = static_cast<int64_t>(value)};
  // No two decimals of up to 15 digits are the same double, and the quotient is the double nearest to the decimal: the
  // first one found is the shortest. This takes a fifth of the time of to_chars.
  double power = 1;
  for (int decimals = 1; decimals <= 10; ++decimals) {
    power *= 10;
    const double scaled = value * power;
    if (!(std::abs(scaled) < 1e15)) break;
    const auto digits = static_cast<int64_t>(scaled + std::copysign(0.5, scaled));
    if (static_cast<double>(digits) / power == value) return Decimal{.digits = digits, .decimals = decimals};
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

template <typename Visit>
bool AllNumbers(const LinearForm& form, Visit visit) {
  if (!visit(form.constant)) return false;
  for (const auto& row : form.terms) {
    for (double term : row) {
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

std::optional<LinearForm> ScaledByTen(const LinearForm& form) {
  std::vector<Decimal> read;  // in the order of AllNumbers
  if (!form.terms.empty()) read.reserve(1 + form.terms.size() * form.terms[0].size());
  int decimals = 0;
  const bool ok = AllNumbers(form, [&](double value) {
    const std::optional<Decimal> decimal = ShortestDecimal(value);
    if (!decimal || decimal->decimals > kMaxDecimals) return false;
    decimals = std::max(decimals, decimal->digits == 0 ? 0 : decimal->decimals);
    read.push_back(*decimal);
    return true;
  });
  if (!ok) return std::nullopt;
  LinearForm scaled = form;
  for (int k = 0; k < decimals; ++k) scaled.scale *= 10;
  auto next = read.begin();
  const auto scale = [&](double& value) {
    const std::optional<double> integer = Scaled(*next++, decimals);
    if (integer) value = *integer;
    return integer.has_value();
  };
  if (!scale(scaled.constant)) return std::nullopt;
  for (auto& row : scaled.terms) {
    for (double& term : row) {
      if (!std::isnan(term) && !scale(term)) return std::nullopt;
    }
  }
  if (LargestSum(scaled) >= kExactIntegers) return std::nullopt;
  return scaled;
}

std::optional<LinearForm> ScaledByTwo(const LinearForm& form) {
  std::vector<double> sizes;
  AllNumbers(form, [&sizes](double value) {
    if (value != 0) sizes.push_back(std::abs(value));
    return true;
  });
  if (sizes.empty()) return std::nullopt;
  const auto median = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
  std::nth_element(sizes.begin(), median, sizes.end());
  const double largest = LargestSum(form);
  if (!(largest <= kMaxSpread * *median)) return std::nullopt;
  // Rounding adds half a unit per term: a bit is left for that.
  const int exponent = 52 - std::ilogb(largest) - 1;
  LinearForm scaled = form;
  scaled.scale = std::ldexp(1.0, exponent);
  if (!std::isnormal(scaled.scale)) return std::nullopt;
  scaled.constant = std::nearbyint(form.constant * scaled.scale);
  for (auto& row : scaled.terms) {
    for (double& term : row) term = std::nearbyint(term * scaled.scale);
  }
  return scaled;
}

}  // namespace

LinearForm ScaledToIntegers(LinearForm form) {
  std::optional<LinearForm> scaled = ScaledByTen(form);
  if (!scaled) scaled = ScaledByTwo(form);
  if (!scaled) return form;
  scaled->integers = true;
  return *std::move(scaled);
}

double ValueFromTotals(const MetricForm& form, double sum, double denominator) {
  const double value = sum / form.sum.scale;
  if (!form.divided) return value;
  const double flops = denominator / form.denominator.scale;
  if (!(flops > 0)) return std::numeric_limits<double>::quiet_NaN();
  return form.base - form.factor * value / flops;
}

}  // namespace mathnas::core
