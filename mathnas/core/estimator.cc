#include "mathnas/core/estimator.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/mean_flops.h"

namespace mathnas::core {
namespace {

constexpr std::pair<std::string_view, EstimatorKind> kKinds[] = {
    {"linear", EstimatorKind::kLinear}, {"eq5", EstimatorKind::kEq5}, {"eq6", EstimatorKind::kEq6}};
constexpr std::string_view kKindNames = "linear, eq5 or eq6";
constexpr std::pair<std::string_view, FlopsFixed> kFixed[] = {{"exclude", FlopsFixed::kExclude},
                                                              {"include", FlopsFixed::kInclude}};

template <typename Value, size_t size>
absl::StatusOr<Value> FindName(const std::pair<std::string_view, Value> (&names)[size], std::string_view name,
                               std::string_view what) {
  std::string known;
  for (const auto& [candidate, value] : names) {
    if (candidate == name) return value;
    known += (known.empty() ? "" : ", ") + std::string(candidate);
  }
  return absl::InvalidArgumentError(fmt::format("{}: expected one of {}, found '{}'", what, known, name));
}

Grid Negated(Grid grid) {
  for (auto& row : grid) {
    for (double& value : row) value = -value;
  }
  return grid;
}

std::string SlicePath(const BlockTable& table, std::string_view metric, std::string_view field, int shared) {
  const std::string path = fmt::format("metrics.{}.{}", metric, field);
  return table.structure.shared ? fmt::format("{}[{}]", path, shared) : path;
}

// The `flops` metric of one shared value, if equations 4 to 6 can divide by it.
absl::StatusOr<const MetricSlice*> FlopsSlice(const BlockTable& table, const EstimatorOptions& options,
                                              std::string_view divided_metric, int shared) {
  const auto it = table.metrics.find(kFlopsMetric);
  if (it == table.metrics.end()) {
    return absl::InvalidArgumentError(
        fmt::format("metrics.flops: expected this metric, because estimator {} divides {} by it ('linear' does "
                    "without), found none",
                    Name(options.kind), divided_metric));
  }
  if (it->second.form != Form::kCost) {
    return absl::InvalidArgumentError(
        "metrics.flops.form: expected cost, because base is the fixed part, found saving");
  }
  const MetricSlice* slice = &it->second.slices[shared];
  if (options.flops_fixed == FlopsFixed::kInclude && std::isnan(slice->base)) {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected a number, because the fixed part is included, found null",
                    SlicePath(table, kFlopsMetric, "base", shared)));
  }
  return slice;
}

// Without depth groups and cells, where every choice is canonical and every node contributes.
bool IsPlain(const BlockTable& table) { return table.structure.depth.empty() && !table.structure.cell; }

// `contributes` may be empty: all nodes do. NaN if one of them is not measured.
double Total(const LinearForm& form, const Choice& choice, const std::vector<bool>& contributes) {
  double total = form.constant;
  const bool all = contributes.empty();
  for (size_t i = 0; i < choice.size(); ++i) {
    if (all || contributes[i]) total += form.terms[i][choice[i]];
  }
  return total;
}

double Value(const MetricForm& form, const Choice& choice, const std::vector<bool>& contributes) {
  const double flops = form.divided ? Total(form.denominator, choice, contributes) : 0;
  return ValueFromTotals(form, Total(form.sum, choice, contributes), flops);
}

// The first node of a network that is not measured; -1: all are.
[[gnu::cold]] int Unmeasured(const LinearForm& form, const Choice& choice, const std::vector<bool>& contributes) {
  for (size_t i = 0; i < choice.size(); ++i) {
    if ((contributes.empty() || contributes[i]) && std::isnan(form.terms[i][choice[i]])) return static_cast<int>(i);
  }
  return -1;
}

absl::Status NotMeasured(const BlockTable& table, std::string_view metric, int shared, int node, int candidate) {
  return absl::FailedPreconditionError(fmt::format("{}[{}][{}]: expected a number for the chosen candidate, found null",
                                                   SlicePath(table, metric, "values", shared), node, candidate));
}

}  // namespace

std::string_view Name(EstimatorKind kind) {
  for (const auto& [name, value] : kKinds) {
    if (value == kind) return name;
  }
  return "unknown";
}

absl::StatusOr<EstimatorKind> ParseEstimatorKind(std::string_view name) { return FindName(kKinds, name, "estimator"); }

std::string_view Name(const EstimatorOptions& options) {
  return options.networks ? std::string_view(options.networks->name) : Name(options.kind);
}

std::string_view Name(FlopsFixed fixed) { return fixed == FlopsFixed::kInclude ? "include" : "exclude"; }

absl::StatusOr<FlopsFixed> ParseFlopsFixed(std::string_view name) { return FindName(kFixed, name, "flops-fixed"); }

Estimator::Estimator(const BlockTable& table, EstimatorOptions options) : table_(&table), options_(std::move(options)) {
  for (const auto& [name, metric] : table.metrics) {
    FormsOfMetric& forms = forms_[name];
    undefined_[name] = std::numeric_limits<double>::quiet_NaN();
    for (int shared = 0; shared < table.SharedCount(); ++shared) forms.push_back(BuildForm(name, metric, shared));
  }
}

absl::StatusOr<Estimator> Estimator::Create(const BlockTable& table, EstimatorOptions options) {
  if (absl::Status status = Validate(table); !status.ok()) return status;
  return Estimator(table, std::move(options));
}

absl::StatusOr<MetricForm> Estimator::BuildForm(const std::string& name, const Metric& metric, int shared) const {
  if (FunctionOf(name) != nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("metrics.{}: expected an estimator that adds blocks ({}), found {}, which predicts whole networks",
                    name, kKindNames, Name(options_)));
  }
  const MetricSlice& slice = metric.slices[shared];
  if (std::isnan(slice.base)) {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected a number, found null", SlicePath(*table_, name, "base", shared)));
  }
  const bool saving = metric.form == Form::kSaving;
  MetricForm form;
  form.base = slice.base;
  form.divided = metric.goal == Goal::kMax && options_.kind != EstimatorKind::kLinear && name != kFlopsMetric;
  if (!form.divided) {
    form.sum = ScaledToIntegers({.constant = slice.base, .terms = saving ? Negated(slice.values) : slice.values});
    return form;
  }
  const absl::StatusOr<const MetricSlice*> flops = FlopsSlice(*table_, options_, name, shared);
  if (!flops.ok()) return flops.status();
  const absl::StatusOr<MeanFlops> means = ComputeMeanFlops(*table_, (*flops)->values);
  if (!means.ok()) return means.status();
  const double fixed = options_.flops_fixed == FlopsFixed::kInclude ? (*flops)->base : 0;
  form.denominator = ScaledToIntegers({.constant = fixed, .terms = (*flops)->values});
  Grid losses = saving ? slice.values : Negated(slice.values);  // b^A: positive = worse than the base network
  if (options_.kind == EstimatorKind::kEq6) {
    form.sum = ScaledToIntegers({.terms = std::move(losses)});
    form.factor = fixed + means->space;
    return form;
  }
  for (size_t i = 0; i < losses.size(); ++i) {
    for (size_t j = 0; j < losses[i].size(); ++j) losses[i][j] *= fixed + means->block[i][j];
  }
  form.sum = ScaledToIntegers({.terms = std::move(losses)});
  return form;
}

const NetworkPredictors::Function* Estimator::FunctionOf(std::string_view metric) const {
  if (!options_.networks) return nullptr;
  const auto it = options_.networks->by_metric.find(metric);
  return it == options_.networks->by_metric.end() ? nullptr : &it->second;
}

absl::StatusOr<const MetricForm*> Estimator::FormOf(std::string_view metric, int shared) const {
  const auto it = forms_.find(metric);
  if (it == forms_.end()) {
    std::string known;
    for (const auto& [name, forms] : forms_) known += (known.empty() ? "" : ", ") + name;
    return absl::InvalidArgumentError(fmt::format("metric: expected one of {}, found '{}'", known, metric));
  }
  if (shared < 0 || shared >= std::ssize(it->second)) {
    return absl::InvalidArgumentError(
        fmt::format("shared choice: expected an index from 0 to {}, found {}", it->second.size() - 1, shared));
  }
  const absl::StatusOr<MetricForm>& form = it->second[shared];
  if (!form.ok()) return form.status();
  return &*form;
}

absl::StatusOr<double> Estimator::Predict(std::string_view metric, const Choice& requested, int shared) const {
  if (absl::Status status = CheckChoice(*table_, requested, shared); !status.ok()) return status;
  if (IsPlain(*table_)) return PredictCanonical(metric, requested, {}, shared);
  if (!ComputesSomething(*table_, requested)) {
    return absl::FailedPreconditionError("choice: expected a cell with a way from input to output, found a cut one");
  }
  const Choice choice = CanonicalChoice(*table_, requested);
  return PredictCanonical(metric, choice, ContributingNodes(*table_, choice), shared);
}

absl::StatusOr<double> Estimator::PredictCanonical(std::string_view metric, const Choice& choice,
                                                   const std::vector<bool>& contributes, int shared) const {
  if (const NetworkPredictors::Function* function = FunctionOf(metric)) {
    const double value = (*function)(choice, shared);
    if (!std::isnan(value)) return value;
    return absl::FailedPreconditionError(
        fmt::format("{}: expected a prediction by {} for this network, found none", metric, Name(options_)));
  }
  const absl::StatusOr<const MetricForm*> form = FormOf(metric, shared);
  if (!form.ok()) return form.status();
  const double value = Value(**form, choice, contributes);
  if (!std::isnan(value)) return value;
  // Under eq5 a term is null where the FLOPs are; blame them.
  const LinearForm& flops = (*form)->denominator;
  if ((*form)->divided) {
    const int node = Unmeasured(flops, choice, contributes);
    if (node >= 0) return NotMeasured(*table_, kFlopsMetric, shared, node, choice[node]);
  }
  const int node = Unmeasured((*form)->sum, choice, contributes);
  if (node >= 0) return NotMeasured(*table_, metric, shared, node, choice[node]);
  return absl::FailedPreconditionError(fmt::format(
      "{}: expected a network with FLOPs above 0 (estimator {} divides by them; flops-fixed 'include' counts "
      "stem and head), found {}",
      metric, Name(options_.kind), Total(flops, choice, contributes) / flops.scale));
}

absl::StatusOr<std::map<std::string, double>> Estimator::PredictAll(const Choice& requested, int shared) const {
  if (absl::Status status = CheckChoice(*table_, requested, shared); !status.ok()) return status;
  const bool computes = ComputesSomething(*table_, requested);
  const bool plain = IsPlain(*table_);
  const Choice canonical = computes && !plain ? CanonicalChoice(*table_, requested) : Choice();
  const Choice& choice = computes && !plain ? canonical : requested;
  const std::vector<bool> contributes = plain ? std::vector<bool>() : ContributingNodes(*table_, choice);
  std::map<std::string, double> predicted = undefined_;
  auto of_metric = forms_.begin();
  for (auto& [name, value] : predicted) {
    const absl::StatusOr<MetricForm>& form = of_metric++->second[shared];
    if (!computes) continue;
    if (form.ok()) {
      value = Value(*form, choice, contributes);
    } else if (const NetworkPredictors::Function* function = FunctionOf(name)) {
      value = (*function)(choice, shared);
    }
  }
  return predicted;
}

}  // namespace mathnas::core
