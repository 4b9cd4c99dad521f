// Predicting a network from the block table: Eq 5 of the paper and its variants.
//
//   latency, energy, ... (goal min), and every metric under `linear`:
//       form cost:   value(N) = base + sum_i v_{i,Ji}
//       form saving: value(N) = base - sum_i b_{i,Ji}
//   accuracy (goal max), with b = -v for form cost:
//       eq5:  Acc(N) = Acc(N~) - sum_i b^A_{i,Ji} * mean F(N^Omega_(i,Ji)) / F(N)
//       eq6:  Acc(N) = Acc(N~) - F-bar(N) * sum_i b^A_{i,Ji} / F(N)
//   F(N) = sum_i b^F_{i,Ji}, plus the fixed part (base of metric `flops`) if FlopsFixed::kInclude; the means follow
//   suit.
//
// A network with F(N) <= 0 (e.g. all-skip of NAS-Bench-201 without the fixed part) has no accuracy under eq5 and eq6:
// Predict says so with FailedPrecondition, searches leave it out while that metric is used and report how many.
#ifndef MATHNAS_CORE_ESTIMATOR_H_
#define MATHNAS_CORE_ESTIMATOR_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/linear_form.h"

namespace mathnas::core {

enum class EstimatorKind { kLinear, kEq5, kEq6 };
enum class FlopsFixed { kExclude, kInclude };

// Predictions that no sum over blocks gives, e.g. those learned from networks measured whole (interaction.h).
struct NetworkPredictors {
  // Of a network as it is reported (CanonicalChoice) and not cut, by index of the shared choice, in the unit of the
  // metric; NaN = none. May be called from several threads.
  using Function = std::function<double(const Choice& choice, int shared)>;
  std::string name;  // of the estimator, in results
  std::map<std::string, Function, std::less<>> by_metric;
};

struct EstimatorOptions {
  EstimatorKind kind = EstimatorKind::kEq6;
  FlopsFixed flops_fixed = FlopsFixed::kExclude;
  std::shared_ptr<const NetworkPredictors> networks = nullptr;  // for its metrics; the others are predicted by `kind`
};

// Of `networks`, or of the kind.
std::string_view Name(const EstimatorOptions& options);
// "linear", "eq5", "eq6"; "exclude", "include". InvalidArgument lists the names that are known.
std::string_view Name(EstimatorKind kind);
std::string_view Name(FlopsFixed fixed);
absl::StatusOr<EstimatorKind> ParseEstimatorKind(std::string_view name);
absl::StatusOr<FlopsFixed> ParseFlopsFixed(std::string_view name);

class Estimator {
 public:
  // `table` must outlive the estimator. InvalidArgument if the table is not valid. A metric that cannot be predicted
  // (eq6 without `flops`, base not measured) is an error only when it is asked for.
  static absl::StatusOr<Estimator> Create(const BlockTable& table, EstimatorOptions options = {});
  static absl::StatusOr<Estimator> Create(BlockTable&& table, EstimatorOptions options = {}) = delete;

  // In the unit of the metric. Nodes behind a cut do not count, whatever `choice` says there; dead edges of a cell
  // count as their `none`. InvalidArgument: no such metric, choice out of range, table lacks what the estimator needs.
  // FailedPrecondition: a chosen candidate is not measured, F(N) is not positive, the cell is cut, or NetworkPredictors
  // has no prediction.
  absl::StatusOr<double> Predict(std::string_view metric, const Choice& choice, int shared = 0) const;

  // Every metric of the table; NaN for those that Predict refuses for this network.
  absl::StatusOr<std::map<std::string, double>> PredictAll(const Choice& choice, int shared = 0) const;

  // The metric as a function of sums, for solvers; errors as Predict for the metric as a whole. FailedPrecondition:
  // it is one of FunctionOf.
  absl::StatusOr<const MetricForm*> FormOf(std::string_view metric, int shared = 0) const;

  // The metric as a function of the whole network; null if it is a function of sums.
  const NetworkPredictors::Function* FunctionOf(std::string_view metric) const;

  const BlockTable& table() const { return *table_; }
  const EstimatorOptions& options() const { return options_; }

 private:
  using FormsOfMetric = std::vector<absl::StatusOr<MetricForm>>;  // by shared value

  Estimator(const BlockTable& table, EstimatorOptions options);
  absl::StatusOr<MetricForm> BuildForm(const std::string& name, const Metric& metric, int shared) const;
  // Of a canonical choice that is not cut; `contributes` as ContributingNodes says; empty = all nodes do.
  absl::StatusOr<double> PredictCanonical(std::string_view metric, const Choice& choice,
                                          const std::vector<bool>& contributes, int shared) const;

  const BlockTable* table_;
  EstimatorOptions options_;
  std::map<std::string, FormsOfMetric, std::less<>> forms_;
  std::map<std::string, double> undefined_;  // every metric: to be copied, which takes less than inserting names
};

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_ESTIMATOR_H_
