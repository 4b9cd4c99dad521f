// The result of a sweep as JSON.
#ifndef MATHNAS_CORE_SWEEP_JSON_H_
#define MATHNAS_CORE_SWEEP_JSON_H_

#include <string>

#include "mathnas/core/sweep.h"

namespace mathnas::core {

// One line, nothing is rounded: networks, undefined, within, computed, best (as `networks` of a search), ranges
// {METRIC: [least, greatest]}, estimator, flops_fixed, seconds.
std::string ToJson(const SweepResult& result);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_SWEEP_JSON_H_
