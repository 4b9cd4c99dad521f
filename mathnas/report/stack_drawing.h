// Stacks of layers side by side, and what the others look at in the first: encoder and decoder of a translation
// network.
#ifndef MATHNAS_REPORT_STACK_DRAWING_H_
#define MATHNAS_REPORT_STACK_DRAWING_H_

#include <span>
#include <string>

#include "mathnas/report/report.h"

namespace mathnas::report {

// Inline SVG; "" without any layer, or with more than 48 in a stack or four stacks.
std::string DrawStacks(std::span<const Stack> stacks);

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_STACK_DRAWING_H_
