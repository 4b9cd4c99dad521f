// Algorithm 1, stages 2 and 3: metrics of the block table from measurements of N^avg and its single switches.
#ifndef MATHNAS_CORE_MEASURED_TABLE_H_
#define MATHNAS_CORE_MEASURED_TABLE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"

namespace mathnas::core {

// Values of whole networks, for one value of the shared choice.
struct SwitchMeasurements {
  Choice average = {};       // N^avg (average_network.h)
  double average_value = 0;  // of N^avg
  double base_value = 0;     // of N~, all nodes at their reference; NaN allowed for goal min, where it is not needed
  // switched[i][j]: N^avg with b_{i,j} in node i. The entries of N^avg itself are taken to be average_value, whatever
  // stands there. NaN = not measured. A cut in node i is measured with all later nodes of the group absent.
  Grid switched = {};
  std::vector<std::vector<int64_t>> samples = {};  // optional, copied
  Grid stddev = {};                                // optional, copied
};

// Goal max (accuracy), form saving, anchored at N~ as in Eq 5:
//     b_{i,j} = Acc(N^avg_(i,ref)) - Acc(N^avg_(i,j)),  base = Acc(N~)
// In a table with a cell (cell.h) the `none` of an edge gets what is its own of a switch that leaves other edges dead.
//
// Goal min (latency, energy, memory), form cost, anchored at N^avg:
//     values_{i,j} = Lat(N^avg_(i,j)) - Lat(N^avg),     base = Lat(N^avg)
// For an additive metric both anchors predict the same. Real costs are not quite additive, and the error of an additive
// prediction grows with the number of switches from the anchor: most networks are nearer to N^avg than to N~, the
// corner of the space. Accuracy keeps N~, since the 1/F(N) term of Eq 5 is written from there. Do not use it for
// `flops`: its base is the fixed part and its values are counted, not switched.
//
// `metric` brings unit, goal, device and the like; its form and slices are replaced. One entry of `slices` per shared
// value. InvalidArgument names the entry with the wrong shape or a value that is missing (base, average, reference).
absl::StatusOr<Metric> MetricFromSwitches(const BlockTable& table, Metric metric,
                                          const std::vector<SwitchMeasurements>& slices);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_MEASURED_TABLE_H_
