// Reports to render, without a run that they come from.
#ifndef TESTS_MATHNAS_REPORT_SAMPLE_REPORT_H_
#define TESTS_MATHNAS_REPORT_SAMPLE_REPORT_H_

#include <limits>
#include <string>

#include "mathnas/report/report.h"

namespace mathnas::report {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A search in NAS-Bench-201: every field filled, some numbers missing.
Report SampleReport();

// One of a translation: an encoder of three layers, and a decoder whose layers look at one, three and more of them than
// there are.
Report TranslationReport();

// Every text of the sample replaced by `text`.
Report WithTexts(const std::string& text);

// Every number of the sample replaced by `value`.
Report WithNumbers(double value);

}  // namespace mathnas::report

#endif  // TESTS_MATHNAS_REPORT_SAMPLE_REPORT_H_
