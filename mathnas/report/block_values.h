// The block table of a metric as a table of nodes and candidates, coloured by what a candidate does to the metric.
#ifndef MATHNAS_REPORT_BLOCK_VALUES_H_
#define MATHNAS_REPORT_BLOCK_VALUES_H_

#include <string>

#include "mathnas/report/report.h"

namespace mathnas::report {

// HTML of all metrics, those of the landscape first and unfolded. "" if the table has no nodes or no metrics.
std::string BlockValues(const Report& report);

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_BLOCK_VALUES_H_
