// How well predictions agree with measurements, and whether a measured network keeps its budget.
#ifndef MATHNAS_REPORT_AGREEMENT_H_
#define MATHNAS_REPORT_AGREEMENT_H_

#include <cstdint>
#include <string>

#include "mathnas/report/report.h"

namespace mathnas::report {

// Statistics of an audit; a missing one carries its reason (too few networks, all equal, ...).
struct Agreement {
  int64_t networks = 0;  // with both numbers finite: what the statistics are over
  int64_t left_out = 0;  // the others
  Reading spearman;
  Reading spearman_low;   // 95 % interval: Fisher z with the standard error sqrt((1 + r^2 / 2) / (n - 3))
  Reading spearman_high;  // of Bonett and Wright (2000)
  Reading kendall;        // tau-b
  Reading mape;           // fraction of the measured value
  Reading mae;            // in the unit of the metric
  Reading bias;           // mean of predicted - measured, in the unit of the metric
};
Agreement ComputeAgreement(const Audit& audit);

enum class Verdict {
  kMet,          // the whole measured spread is within the budget
  kMetInMedian,  // the median is, a quartile is not
  kMissed,
  kUnknown,  // not measured
};
struct BudgetCheck {
  Verdict verdict = Verdict::kUnknown;
  Reading predicted;
  Reading measured;
  Reading margin;    // fraction of the limit that the median leaves unused; negative = exceeded
  std::string text;  // one sentence with the numbers
};
BudgetCheck CheckBudget(const Budget& budget, const ChosenNetwork& network);

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_AGREEMENT_H_
