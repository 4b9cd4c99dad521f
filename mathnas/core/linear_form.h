// Sums over the chosen candidates, and metrics as functions of such sums: what estimator and solvers compute with.
//
// Exactness. Sums are taken over integers, so that they are exact in any order and limits are compared with values
// directly, without a tolerance. If base and values of a metric are decimals of moderate length (as measured data and
// published tables are), they are scaled by a power of ten, and a value is the double nearest to the exact decimal
// result: a limit of 0.3 is met by 0.1 + 0.2. Otherwise they are scaled by a power of two and rounded to integers whose
// sums use the 53 bits of a double. Only a metric whose numbers differ too much in size for that (the largest sum more
// than 2^13 times their median) keeps scale 1 and is added in the order of the nodes, constant first.
#ifndef MATHNAS_CORE_LINEAR_FORM_H_
#define MATHNAS_CORE_LINEAR_FORM_H_

#include "mathnas/core/block_table.h"

namespace mathnas::core {

// (constant + sum over contributing nodes i of terms[i][J_i]) / scale.
struct LinearForm {
  double constant = 0;
  double scale = 1;
  Grid terms = {};        // NaN = not measured
  bool integers = false;  // constant and terms are, and every partial sum stays below 2^53
};

// The form scaled to integers as above, or itself where that cannot be. `form.scale` must be 1.
LinearForm ScaledToIntegers(LinearForm form);

// One metric of one shared value.
//   divided == false:  value = Eval(sum)
//   divided == true:   value = base - factor * Eval(sum) / Eval(denominator)      (Eq 5 and 6; undefined unless F > 0)
struct MetricForm {
  LinearForm sum;
  bool divided = false;
  double base = 0;
  double factor = 1;
  LinearForm denominator;
};

// From the undivided totals `sum` and `denominator` (constant + terms, before dividing by scale). NaN where undefined.
double ValueFromTotals(const MetricForm& form, double sum, double denominator);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_LINEAR_FORM_H_
