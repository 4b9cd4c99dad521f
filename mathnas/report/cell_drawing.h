// The cell of a network as a directed graph: nodes in a row, one labelled arc per operator.
#ifndef MATHNAS_REPORT_CELL_DRAWING_H_
#define MATHNAS_REPORT_CELL_DRAWING_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mathnas/report/report.h"

namespace mathnas::report {

// For every edge whether the output depends on the input through it: not `none`, its source is reached from node 0 and
// the last node is reached from its target.
std::vector<bool> LiveEdges(std::span<const CellEdge> cell);

// "conv 3x3" for "nor_conv_3x3", "skip" for "skip_connect", otherwise the name with spaces for underscores.
std::string OperatorLabel(std::string_view op);

// Inline SVG; edges that are not live are dashed and grey. "" if there is no edge, an edge does not lead forwards, or
// there are more than ten nodes.
std::string DrawCell(std::span<const CellEdge> cell);

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_CELL_DRAWING_H_
