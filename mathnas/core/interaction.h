// The estimator `interaction`: networks predicted from a few dozen evaluations of networks that it chooses itself.
//
// In a table whose nodes are the edges of a cell, blocks do not add up: a pooling costs much on the only way from input
// to output and little beside a convolution. There
//     value(N) = g^-1( f(features(N)) )
// with the features of the live cell (cell_features.h, each scaled to mean 0 and variance 1 over the space), f a
// Gaussian process (internal/gaussian_process.h) and g a Box-Cox transform of the error, both of maximal likelihood
// given the evaluations, and nothing else. INTERACTION.md has the method and its measured accuracy.
//
// In any other table it is the paper's estimator: the evaluations are Algorithm 1's and predictions are those of eq6.
#ifndef MATHNAS_CORE_INTERACTION_H_
#define MATHNAS_CORE_INTERACTION_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"

namespace mathnas::core {

inline constexpr std::string_view kInteraction = "interaction";  // its name

struct InteractionOptions {
  // Networks that may be evaluated. Seven tenths, rounded down, are cells spread over the space; the rest, but for a
  // cut cell (`chance`), look for the best. Algorithm 1 needs the number that it needs, whatever stands here.
  int evaluations = 31;
  // The operation that hands its input on (cell_features.h).
  std::optional<std::string> identity = {};
  // The value of a cut cell, if known, e.g. 100 / classes for an accuracy in per cent. Without it the first evaluation
  // is of a cut cell, where one may be evaluated, but not for an accuracy (in %, the more the better): there a cut cell
  // is the worst, which needs no evaluation.
  std::optional<double> chance = {};
  FlopsFixed flops_fixed = FlopsFixed::kExclude;  // of eq6
};

// A fitted model. Cheap to copy; independent of the table it was made from.
class InteractionPredictor {
 public:
  // In the unit of the metric. An evaluated network is what it was found to be. Any other live cell is never predicted
  // worse than a cut one, which counts as chance: as evaluated or given, otherwise as the worst of all evaluations and
  // predictions. InvalidArgument: a choice that the table does not have. Without a cell: errors of Estimator::Predict.
  absl::StatusOr<double> Predict(const Choice& choice) const;

 private:
  friend class Interaction;
  struct Model;
  std::shared_ptr<const Model> model_;
};

class Interaction {
 public:
  using Networks = absl::FunctionRef<bool(const Choice&)>;

  // `metric`: its unit and goal. Errors of Validate, AverageNetwork (without a cell), CellFeatures::Create; and
  // InvalidArgument for fewer than 4 evaluations, ResourceExhausted for a cell with more than 10^7 choices.
  static absl::StatusOr<Interaction> Create(const BlockTable& table, const Metric& metric,
                                            const InteractionOptions& options = {});

  // Whether this is the Gaussian process (true) or the paper's estimator.
  bool UsesCell() const;

  // The network to evaluate next, as it is reported (CanonicalChoice), given all evaluations so far: the same for the
  // same evaluations. nullopt when the budget is spent or nothing is left. `can_be_evaluated` is asked before a network
  // is proposed. Once the space is covered, the proposals are those of greatest expected improvement among networks
  // that are `wanted`, e.g. within limits, also such that compute the same as an evaluated one: they are trained for
  // themselves. Errors as Fit.
  absl::StatusOr<std::optional<Choice>> Next(std::span<const Evaluation> evaluations, Networks can_be_evaluated,
                                             Networks wanted) const;

  // InvalidArgument: a choice or value that is wrong, or fewer than two different values of cells that are not cut.
  // Without a cell: errors of MetricFromSwitches, e.g. where a network of Algorithm 1 is missing.
  absl::StatusOr<InteractionPredictor> Fit(std::span<const Evaluation> evaluations) const;

 private:
  friend class InteractionPredictor;
  struct Space;
  std::shared_ptr<const Space> space_;
};

// The estimator for searches and predictions: every metric of the table that has evaluations is predicted by an
// InteractionPredictor fitted to them, the others by eq6. In a table without a cell it is plain eq6. `metrics` are
// those that will be used; InvalidArgument if there is a cell and none of them has evaluations. Errors of Create and
// Fit name the metric. Independent of the table afterwards.
absl::StatusOr<EstimatorOptions> InteractionEstimator(const BlockTable& table, std::span<const std::string> metrics,
                                                      FlopsFixed flops_fixed = FlopsFixed::kExclude);

// The estimator by its name, "linear", "eq5", "eq6" or kInteraction, as interfaces take it; `metrics` are those that
// will be used. InvalidArgument lists the names that there are; errors of ParseFlopsFixed and InteractionEstimator.
absl::StatusOr<EstimatorOptions> NamedEstimator(std::string_view name, std::string_view flops_fixed,
                                                const BlockTable& table, std::span<const std::string> metrics);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_INTERACTION_H_
