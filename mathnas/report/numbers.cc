#include "mathnas/report/numbers.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"

namespace mathnas::report {
namespace {

constexpr int kDigits = 4;
constexpr int kMaxDecimals = 8;
constexpr double kRounding = 1e-12;      // of sums of a few hundred numbers
constexpr double kSmallestPlain = 1e-4;  // beyond these, powers of ten
constexpr double kLargestPlain = 1e12;

int DigitsBeforePoint(double magnitude) { return static_cast<int>(std::floor(std::log10(magnitude))) + 1; }

// Commas between the thousands of a plain decimal.
std::string Grouped(std::string number) {
  size_t begin = number.find_first_of("0123456789");
  size_t end = std::min(number.find('.'), number.size());
  for (size_t at = end; at > begin + 3;) number.insert(at -= 3, ",");
  return number;
}

}  // namespace

bool IsKnown(const Reading& reading) { return std::isfinite(reading.value); }

std::string Reason(const Reading& reading) {
  if (!reading.reason.empty()) return reading.reason;
  return std::isinf(reading.value) ? "not finite" : "not recorded";
}

std::string Short(double value, int digits) {
  if (!std::isfinite(value)) return "-";
  if (value == 0) return "0";
  double magnitude = std::abs(value);
  if (magnitude < kLargestPlain && value == std::round(value)) return Fixed(value, 0);
  if (magnitude < kSmallestPlain || magnitude >= kLargestPlain) return fmt::format("{:.{}e}", value, digits - 1);
  return Fixed(value, std::clamp(digits - DigitsBeforePoint(magnitude), 0, kMaxDecimals));
}

std::string AsGiven(double value) {
  constexpr size_t kShort = 9;
  std::string exact = fmt::format("{}", value);
  bool plain = std::isfinite(value) && exact.size() <= kShort && exact.find('e') == std::string::npos;
  return plain ? Grouped(exact) : Short(value);
}

std::string Fixed(double value, int decimals) {
  if (!std::isfinite(value)) return "-";
  if (std::abs(value) >= kLargestPlain) return Short(value);
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (text.find_first_of("123456789") == std::string::npos && text[0] == '-') text.erase(0, 1);
  return Grouped(text);
}

int DecimalsOf(double value) {
  if (!std::isfinite(value) || value == 0) return 0;
  return std::clamp(kDigits - DigitsBeforePoint(std::abs(value)), 0, kMaxDecimals);
}

std::string Signed(double value, int digits) { return value > 0 ? "+" + Short(value, digits) : Short(value, digits); }

std::string Difference(double difference, double like) {
  if (!std::isfinite(difference)) return "-";
  if (std::abs(difference) < kRounding * std::abs(like)) return "0";
  std::string text = Fixed(difference, DecimalsOf(like));
  bool lost = text.find_first_of("123456789") == std::string::npos;
  if (lost || difference == std::round(difference)) return Signed(difference, 2);
  return difference > 0 ? "+" + text : text;
}

std::string DifferenceUnit(const std::string& unit) { return unit == "%" ? "points" : unit; }

std::string Correlation(double value) { return Fixed(value, 3); }

std::string Percent(double fraction) {
  if (!std::isfinite(fraction)) return "-";
  double percent = 100 * fraction;
  return fmt::format("{} %", percent == 0 ? "0"
                             : std::abs(percent) < 0.01
                                 ? fmt::format("{:.1e}", percent)
                                 : Grouped(fmt::format("{:.{}f}", percent, std::abs(percent) < 10 ? 2 : 1)));
}

std::string Duration(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  if (seconds < 0.9995) return fmt::format("{} ms", Short(1e3 * seconds, 3));
  if (seconds < 119.95) return fmt::format("{:.1f} s", seconds);
  double whole = std::round(seconds);
  if (whole < 7200) return fmt::format("{:.0f} min {:02.0f} s", std::floor(whole / 60), std::fmod(whole, 60));
  double minutes = std::round(seconds / 60);
  return fmt::format("{} h {:02.0f} min", Short(std::floor(minutes / 60)), std::fmod(minutes, 60));
}

std::string Exact(double value) { return fmt::format("{}", value); }

std::string WithUnit(const std::string& number, const std::string& unit) {
  return unit.empty() ? number : number + " " + unit;
}

}  // namespace mathnas::report
