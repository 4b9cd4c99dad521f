// Words that the HTML report and the terminal summary share.
#ifndef MATHNAS_REPORT_WORDING_H_
#define MATHNAS_REPORT_WORDING_H_

#include <string>
#include <vector>

#include "mathnas/report/report.h"

namespace mathnas::report {

// "proven optimal", "not proven optimal", "infeasible"; "not run" if nothing was looked at.
std::string StatusText(const Proof& proof);
// "0", "1.20 %", or a dash.
std::string GapText(const Proof& proof);
// Those of a network, or one that was not recorded.
std::vector<TestScore> TestsOf(const ChosenNetwork& network);
// The unit that the limit names, else that of the metric.
std::string UnitOf(const Budget& budget, const ChosenNetwork& network);

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_WORDING_H_
