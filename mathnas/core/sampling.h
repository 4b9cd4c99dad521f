// Block values from evaluations of whole networks: all of them (equation 3), a random part (2.3), or Algorithm 1's few.
#ifndef MATHNAS_CORE_SAMPLING_H_
#define MATHNAS_CORE_SAMPLING_H_

#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"

namespace mathnas::core {

// Equation 3, and 7 for latency and energy, over the networks at hand:
//     b_{i,j} = mean of value(N) over N with b_{i,ref} in node i  -  mean over N with b_{i,j} in node i
// With all networks of the space this is full sampling, with a random part of them partial sampling. Nodes behind a cut
// do not count for N. A cut in node i is charged as well with what the nodes behind it cost on average in networks with
// b_{i,ref}: N~ has them at their reference, the contexts of equation 3 do not. The metric is of form saving; its base
// is `base_value`, measured at N~ (NaN allowed for goal min: the base is then set so that the mean over the evaluations
// is right). Blocks that no evaluation has are not measured. Tables without a shared choice. InvalidArgument: no
// evaluations, a choice or a value that is wrong, no evaluation with the reference of some node.
absl::StatusOr<Metric> MetricFromEvaluations(const BlockTable& table, Metric metric,
                                             std::span<const Evaluation> evaluations, double base_value);

// Block values by least squares, from any networks; formula ours:
//     minimise over base, v:  sum over N of (value(N) - base - sum_i v_{i,Ji})^2  +  ridge * sum_{i,j} v_{i,j}^2
// Equation 3 takes the contexts of two blocks to be alike on average; where networks are few, or were chosen by a
// search, they are not, and this allows for it. Nodes behind a cut do not count. A block that is seen n times keeps
// about n / (n + ridge) of its difference; one that no evaluation has gets 0, the average. The metric is of form cost.
// Tables without a shared choice. InvalidArgument: no evaluations, a choice or a value that is wrong, a ridge that is
// not positive.
absl::StatusOr<Metric> MetricByLeastSquares(const BlockTable& table, Metric metric,
                                            std::span<const Evaluation> evaluations, double ridge = 1);

// The networks of Algorithm 1 as they are reported (CanonicalChoice), each once: N^avg, its single switches by node and
// candidate, and N~ last. Errors of AverageNetwork.
absl::StatusOr<std::vector<Choice>> SwitchNetworks(const BlockTable& table);

// Algorithm 1 with `value` of a reported network; NaN = not measured. Errors of AverageNetwork and MetricFromSwitches.
absl::StatusOr<Metric> MetricFromLookUps(const BlockTable& table, Metric metric,
                                         absl::FunctionRef<double(const Choice&)> value);

// A metric of form cost from values that are additive over the nodes, by least squares; `base` is what is left when
// every node's least candidate counts 0. InvalidArgument where the values are not additive (by more than 10^-6 of their
// range) or the table has depth groups, FailedPrecondition where the networks do not determine them.
absl::StatusOr<Metric> AdditiveCost(const BlockTable& table, const std::vector<Choice>& networks,
                                    const std::vector<double>& values);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_SAMPLING_H_
