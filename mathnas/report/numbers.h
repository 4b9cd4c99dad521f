// Numbers as text for people: short, with grouped thousands, never longer than needed.
#ifndef MATHNAS_REPORT_NUMBERS_H_
#define MATHNAS_REPORT_NUMBERS_H_

#include <string>

#include "mathnas/report/report.h"

namespace mathnas::report {

bool IsKnown(const Reading& reading);
// The reason of a missing number; "not recorded" if there is none, "not finite" if an infinity was recorded.
std::string Reason(const Reading& reading);

// Whole numbers in full with commas, others with so many significant digits; "-" if not finite.
std::string Short(double value, int digits = 4);
// What somebody asked for, as it was written if that is short: 4.2 -> "4.2".
std::string AsGiven(double value);
// So many decimals, with commas; none for whole numbers if `decimals` is 0. "-" if not finite.
std::string Fixed(double value, int decimals);
// The decimals with which a number of this size has four significant digits.
int DecimalsOf(double value);
// With "+" or "-" in front; "0" for zero.
std::string Signed(double value, int digits = 4);
// A difference with the decimals of the numbers that it is of, which are about as large as `like`; "0" where the two
// are equal but for rounding.
std::string Difference(double difference, double like);
// The unit of differences: percentages differ by points.
std::string DifferenceUnit(const std::string& unit);
// A correlation: three decimals.
std::string Correlation(double value);
// A fraction as percentage: 0.0512 -> "5.12 %".
std::string Percent(double fraction);
// "85 ms", "12.3 s", "14 min 05 s", "3 h 12 min".
std::string Duration(double seconds);
// The shortest decimal that reads back to the same double.
std::string Exact(double value);
// "4.21 ms", or only the number if there is no unit.
std::string WithUnit(const std::string& number, const std::string& unit);

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_NUMBERS_H_
