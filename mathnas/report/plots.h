// The pictures of the report. Each returns "" if there is nothing to draw.
#ifndef MATHNAS_REPORT_PLOTS_H_
#define MATHNAS_REPORT_PLOTS_H_

#include <string>

#include "mathnas/report/report.h"

namespace mathnas::report {

// All predictions as a density, the front as a step line, the budgets, the chosen network predicted and measured; with
// a legend that has the numbers.
std::string FrontPlot(const Report& report);

// Measured over predicted, both axes alike, with the line where they are equal.
std::string AuditPlot(const Audit& audit);

std::string LossPlot(const Training& training);
std::string AccuracyPlot(const Training& training);

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_PLOTS_H_
