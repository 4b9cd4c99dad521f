#include "mathnas/core/interaction.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <random>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/cell_features.h"
#include "mathnas/core/internal/gaussian_process.h"
#include "mathnas/core/sampling.h"

namespace mathnas::core {
namespace {

using internal::GaussianProcess;

constexpr std::string_view kValue = "value";  // of the metric in eq6's table
constexpr double kMaxChoices = 1e7;
// Larger spaces are represented by this many choices, drawn with a fixed seed.
constexpr size_t kMaxCandidates = 20'000;

// In per cent, the more the better: a network that computes nothing is at chance, worse than the others.
bool IsAccuracy(const Metric& metric) { return metric.goal == Goal::kMax && metric.unit == "%"; }

// Error of a value: what is missing to 100 % where more is better, the value itself where less is. The transform
// t = -(e^lambda - 1) / lambda rises as the error falls; lambda of maximal likelihood, were the t normal (Box and Cox
// 1964). Values that are no errors above 0 are taken as they are.
struct Link {
  bool transformed = false;
  double top = 100, sign = 1, lambda = 1;  // error = sign (top - value)
  double mean = 0, deviation = 1;          // of t
  double largest = std::numeric_limits<double>::infinity();

  double Transformed(double value) const {
    if (!transformed) return sign * value;
    const double e = sign * (top - value);
    return lambda == 0 ? -std::log(e) : -(std::pow(e, lambda) - 1) / lambda;
  }
  double operator()(double value) const { return (Transformed(value) - mean) / deviation; }
  double Inverse(double z) const {
    const double t = z * deviation + mean;
    if (!transformed) return sign * t;
    double e = lambda == 0 ? std::exp(-t) : std::pow(std::max(1 - lambda * t, 0.0), 1 / lambda);
    e = std::min(e, largest);
    return top - sign * e;
  }
};

// Sets mean and deviation; returns the log likelihood of the values, up to a constant.
double Standardise(const std::vector<double>& values, Link& link) {
  const double n = static_cast<double>(values.size());
  double sum = 0, square = 0, jacobian = 0;
  for (double v : values) sum += link.Transformed(v);
  link.mean = sum / n;
  for (double v : values) square += std::pow(link.Transformed(v) - link.mean, 2);
  link.deviation = std::sqrt(square / n);
  if (link.transformed) {
    for (double v : values) jacobian += (link.lambda - 1) * std::log(link.sign * (link.top - v));
  }
  return jacobian - n * std::log(link.deviation);
}

Link FitLink(const Metric& metric, const std::vector<double>& values) {
  const bool maximised = metric.goal == Goal::kMax;
  Link link{.top = maximised ? 100.0 : 0.0, .sign = maximised ? 1.0 : -1.0};
  if (maximised) link.largest = 100;
  const auto is_error = [&](double v) { return maximised ? v < 100 && v >= 0 : v > 0; };
  if ((maximised && !IsAccuracy(metric)) || !std::all_of(values.begin(), values.end(), is_error)) {
    link.sign = maximised ? 1 : -1;
    Standardise(values, link);
    return link;
  }
  link.transformed = true;
  Link best = link;
  double best_likelihood = -std::numeric_limits<double>::infinity();
  for (int quarter = -8; quarter <= 12; ++quarter) {
    link.lambda = 0.25 * quarter;
    const double likelihood = Standardise(values, link);
    if (!(likelihood > best_likelihood)) continue;
    best_likelihood = likelihood;
    best = link;
  }
  return best;
}

// Mean of max(f - best, 0) for a normal f.
double ExpectedImprovement(const GaussianProcess::Posterior& f, double best) {
  const double deviation = std::sqrt(f.variance);
  if (deviation == 0) return std::max(f.mean - best, 0.0);
  const double z = (f.mean - best) / deviation;
  const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
  return deviation * (z * 0.5 * std::erfc(-z / std::numbers::sqrt2) + density);
}

struct Scale {
  std::vector<double> mean, factor;
  void Apply(std::span<double> x) const {
    for (size_t k = 0; k < x.size(); ++k) x[k] = (x[k] - mean[k]) * factor[k];
  }
};

// Calls `visit` for choices of the table: all, or kMaxCandidates drawn with a fixed seed.
template <typename Visit>
void ForEachChoice(const BlockTable& table, double count, const Visit& visit) {
  Choice choice(table.nodes.size(), 0);
  if (count <= kMaxCandidates) {
    for (bool more = true; more;) {
      visit(choice);
      size_t i = choice.size();
      while (i > 0 && ++choice[i - 1] == std::ssize(table.nodes[i - 1].candidates)) choice[--i] = 0;
      more = i > 0;
    }
    return;
  }
  std::mt19937_64 random(1);
  for (size_t k = 0; k < kMaxCandidates; ++k) {
    for (size_t i = 0; i < choice.size(); ++i) {
      choice[i] = static_cast<int>(random() % table.nodes[i].candidates.size());
    }
    visit(choice);
  }
}

// What eq6 says of a list of evaluations.
absl::StatusOr<BlockTable> Eq6Table(BlockTable table, const Metric& metric, std::span<const Evaluation> evaluations) {
  std::map<Choice, double> known;
  for (const Evaluation& e : evaluations) known[CanonicalChoice(table, e.choice)] = e.value;
  absl::StatusOr<Metric> measured = MetricFromLookUps(table, metric, [&](const Choice& choice) {
    const auto it = known.find(choice);
    return it == known.end() ? std::numeric_limits<double>::quiet_NaN() : it->second;
  });
  if (!measured.ok()) return measured.status();
  table.metrics[std::string(kValue)] = *std::move(measured);
  return table;
}

}  // namespace

struct Interaction::Space {
  BlockTable table;
  Metric metric;
  InteractionOptions options;
  std::vector<Choice> switches;          // without a cell: Algorithm 1's networks
  std::optional<CellFeatures> features;  // the rest with a cell
  Scale scale;
  std::vector<Choice> candidates;        // as they are reported, not cut
  std::vector<std::string> expressions;  // of the candidates
  std::vector<double> rows;              // their features, scaled
  std::optional<Choice> cut;             // a network that computes nothing

  absl::Status FillSpace();
  // Of one choice; empty for a cut cell.
  std::vector<double> Row(const Choice& choice) const {
    std::vector<double> row(features->size());
    if (!features->Compute(choice, row)) return {};
    scale.Apply(row);
    return row;
  }
};

struct InteractionPredictor::Model {
  std::shared_ptr<const Interaction::Space> space;
  // With a cell.
  std::optional<GaussianProcess> process;
  Link link;
  double chance = 0;
  std::map<Choice, double> evaluated;  // as they are reported, not cut
  // Without.
  BlockTable table;
  std::optional<Estimator> estimator;

  bool chance_is_worst = true;  // of all evaluations: not where a cut cell is the fastest

  // Never worse than chance.
  double Value(std::span<const double> row) const {
    const double value = link.Inverse(process->Mean(row));
    if (!chance_is_worst) return value;
    return space->metric.goal == Goal::kMax ? std::max(value, chance) : std::min(value, chance);
  }
};

absl::Status Interaction::Space::FillSpace() {
  double count = 1;
  for (const Node& node : table.nodes) count *= static_cast<double>(node.candidates.size());
  if (count > kMaxChoices) {
    return absl::ResourceExhaustedError(fmt::format("interaction: expected at most 10^7 choices, found {:.3g}", count));
  }
  const int d = features->size();
  scale.mean.assign(d, 0.0);
  scale.factor.assign(d, 0.0);
  std::vector<double> row(d);
  std::set<Choice> seen;
  double networks = 0;
  std::vector<double> square(d, 0.0);
  ForEachChoice(table, count, [&](const Choice& choice) {
    if (!features->Compute(choice, row)) {
      if (!cut) cut = CanonicalChoice(table, choice);
      return;
    }
    ++networks;
    for (int k = 0; k < d; ++k) {  // Welford
      const double before = row[k] - scale.mean[k];
      scale.mean[k] += before / networks;
      square[k] += before * (row[k] - scale.mean[k]);
    }
    Choice reported = CanonicalChoice(table, choice);
    if (!seen.insert(reported).second) return;
    rows.insert(rows.end(), row.begin(), row.end());
    expressions.push_back(features->Expression(reported));
    candidates.push_back(std::move(reported));
  });
  if (candidates.empty()) return absl::InvalidArgumentError("structure.cell: expected a way from input to output");
  for (int k = 0; k < d; ++k) {
    const double variance = square[k] / networks;
    scale.factor[k] = variance > 1e-12 ? 1 / std::sqrt(variance) : 0;
  }
  for (size_t c = 0; c < candidates.size(); ++c) scale.Apply({&rows[c * d], static_cast<size_t>(d)});
  return absl::OkStatus();
}

absl::StatusOr<Interaction> Interaction::Create(const BlockTable& table, const Metric& metric,
                                                const InteractionOptions& options) {
  if (absl::Status status = Validate(table); !status.ok()) return status;
  if (options.evaluations < 4) {
    return absl::InvalidArgumentError(fmt::format("evaluations: expected at least 4, found {}", options.evaluations));
  }
  auto space = std::make_shared<Space>();
  space->table = table;
  space->metric = metric;
  space->options = options;
  if (CellFeatures::Apply(table)) {
    absl::StatusOr<CellFeatures> features = CellFeatures::Create(table, options.identity);
    if (!features.ok()) return features.status();
    space->features = *std::move(features);
    if (absl::Status status = space->FillSpace(); !status.ok()) return status;
  } else {
    absl::StatusOr<std::vector<Choice>> switches = SwitchNetworks(table);
    if (!switches.ok()) return switches.status();
    space->switches = *std::move(switches);
  }
  Interaction interaction;
  interaction.space_ = std::move(space);
  return interaction;
}

bool Interaction::UsesCell() const { return space_->features.has_value(); }

absl::StatusOr<InteractionPredictor> Interaction::Fit(std::span<const Evaluation> evaluations) const {
  const Space& space = *space_;
  for (size_t k = 0; k < evaluations.size(); ++k) {
    absl::Status status = CheckChoice(space.table, evaluations[k].choice);
    if (status.ok() && !std::isfinite(evaluations[k].value)) {
      status = absl::InvalidArgumentError(fmt::format("expected a finite value, found {}", evaluations[k].value));
    }
    if (status.ok()) continue;
    return absl::InvalidArgumentError(fmt::format("evaluations[{}]: {}", k, std::string(status.message())));
  }
  auto model = std::make_shared<InteractionPredictor::Model>();
  model->space = space_;
  InteractionPredictor predictor;
  if (!UsesCell()) {
    absl::StatusOr<BlockTable> table = Eq6Table(space.table, space.metric, evaluations);
    if (!table.ok()) return table.status();
    model->table = *std::move(table);
    absl::StatusOr<Estimator> estimator =
        Estimator::Create(model->table, {EstimatorKind::kEq6, space.options.flops_fixed});
    if (!estimator.ok()) return estimator.status();
    model->estimator = *std::move(estimator);
    predictor.model_ = std::move(model);
    return predictor;
  }
  std::vector<double> x, values;
  double cut_sum = 0, cut_count = 0;
  for (const Evaluation& e : evaluations) {
    const std::vector<double> row = space.Row(e.choice);
    if (row.empty()) {
      cut_sum += e.value;
      ++cut_count;
      continue;
    }
    x.insert(x.end(), row.begin(), row.end());
    values.push_back(e.value);
    model->evaluated[CanonicalChoice(space.table, e.choice)] = e.value;
  }
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  if (values.empty() || *least == *greatest) {
    return absl::InvalidArgumentError("evaluations: expected at least two different values of cells that are not cut");
  }
  model->link = FitLink(space.metric, values);
  std::vector<double> y;
  for (double v : values) y.push_back(model->link(v));
  absl::StatusOr<GaussianProcess> process = GaussianProcess::Fit(std::move(x), std::move(y), space.features->size());
  if (!process.ok()) return process.status();
  model->process = *std::move(process);
  const bool maximised = space.metric.goal == Goal::kMax;
  if (cut_count > 0) {
    model->chance = cut_sum / cut_count;
  } else if (space.options.chance) {
    model->chance = *space.options.chance;
  } else {
    const size_t d = space.features->size();
    double worst = maximised ? *least : *greatest;
    for (size_t c = 0; c < space.candidates.size(); ++c) {
      const double value = model->link.Inverse(model->process->Mean({&space.rows[c * d], d}));
      worst = maximised ? std::min(worst, value) : std::max(worst, value);
    }
    model->chance = worst;
  }
  model->chance_is_worst = maximised ? model->chance <= *least : model->chance >= *greatest;
  predictor.model_ = std::move(model);
  return predictor;
}

absl::StatusOr<std::optional<Choice>> Interaction::Next(std::span<const Evaluation> evaluations,
                                                        Networks can_be_evaluated, Networks wanted) const {
  const Space& space = *space_;
  std::set<Choice> done;
  for (const Evaluation& e : evaluations) done.insert(CanonicalChoice(space.table, e.choice));
  if (!UsesCell()) {
    for (const Choice& choice : space.switches) {
      if (!done.contains(choice) && can_be_evaluated(choice)) return choice;
    }
    return std::nullopt;
  }
  if (std::ssize(evaluations) >= space.options.evaluations) return std::nullopt;
  if (evaluations.empty() && !space.options.chance && !IsAccuracy(space.metric) && space.cut &&
      can_be_evaluated(*space.cut)) {
    return space.cut;
  }

  const int d = space.features->size();
  std::set<std::string> known;
  for (const Choice& choice : done) known.insert(space.features->Expression(choice));
  const auto usable = [&](int c) {
    return !known.contains(space.expressions[c]) && can_be_evaluated(space.candidates[c]);
  };
  std::vector<int> measured;
  for (const Choice& choice : done) {
    const auto it = std::find(space.candidates.begin(), space.candidates.end(), choice);
    if (it != space.candidates.end()) measured.push_back(static_cast<int>(it - space.candidates.begin()));
  }
  const auto computing = std::count_if(evaluations.begin(), evaluations.end(),
                                       [&](const Evaluation& e) { return ComputesSomething(space.table, e.choice); });
  if (computing >= 7 * space.options.evaluations / 10) {
    const absl::StatusOr<InteractionPredictor> fitted = Fit(evaluations);
    if (!fitted.ok()) return fitted.status();
    const InteractionPredictor::Model& model = *fitted->model_;
    double best = -std::numeric_limits<double>::infinity();
    for (const Evaluation& e : evaluations) {
      if (wanted(e.choice) && ComputesSomething(space.table, e.choice)) best = std::max(best, model.link(e.value));
    }
    int proposed = -1;
    double most = -std::numeric_limits<double>::infinity();
    for (int c = 0; c < std::ssize(space.candidates); ++c) {
      const Choice& choice = space.candidates[c];
      if (!wanted(choice) || done.contains(choice) || !can_be_evaluated(choice)) continue;
      auto posterior = model.process->At({&space.rows[static_cast<size_t>(c) * d], static_cast<size_t>(d)});
      posterior.variance += model.process->hyperparameters().noise;  // of this network, not of f
      // Nothing evaluated there yet: the best prediction.
      const double gain = std::isfinite(best) ? ExpectedImprovement(posterior, best) : posterior.mean;
      if (!(gain > most)) continue;
      most = gain;
      proposed = c;
    }
    if (proposed >= 0) return space.candidates[proposed];
  }
  const std::vector<int> next = internal::SpreadOut(space.rows, d, internal::PriorCentre(d), measured, 1, usable);
  if (next.empty()) return std::nullopt;
  return space.candidates[next[0]];
}

absl::StatusOr<double> InteractionPredictor::Predict(const Choice& choice) const {
  const Model& model = *model_;
  if (model.estimator) return model.estimator->Predict(kValue, choice);
  if (absl::Status status = CheckChoice(model.space->table, choice); !status.ok()) return status;
  const std::vector<double> row = model.space->Row(choice);
  if (row.empty()) return model.chance;
  const auto known = model.evaluated.find(CanonicalChoice(model.space->table, choice));
  return known != model.evaluated.end() ? known->second : model.Value(row);
}

absl::StatusOr<EstimatorOptions> InteractionEstimator(const BlockTable& table, std::span<const std::string> metrics,
                                                      FlopsFixed flops_fixed) {
  EstimatorOptions options = {.kind = EstimatorKind::kEq6, .flops_fixed = flops_fixed};
  if (absl::Status status = Validate(table); !status.ok()) return status;
  if (!CellFeatures::Apply(table)) return options;
  const auto evaluated = [&table](const std::string& name) {
    const auto it = table.metrics.find(name);
    return it != table.metrics.end() && !it->second.evaluations.empty();
  };
  const auto known = [&table](const std::string& name) { return table.metrics.contains(name); };
  if (!std::all_of(metrics.begin(), metrics.end(), known)) return options;  // whoever uses it names those that are
  if (std::none_of(metrics.begin(), metrics.end(), evaluated)) {
    return absl::InvalidArgumentError(fmt::format(
        "metrics.{}.evaluations: expected networks that were measured whole, from which estimator {} learns "
        "(`mathnas profile --estimator {}` measures them), found none",
        metrics.empty() ? "" : metrics[0], kInteraction, kInteraction));
  }
  auto networks = std::make_shared<NetworkPredictors>();
  networks->name = kInteraction;
  for (const auto& [name, metric] : table.metrics) {
    if (metric.evaluations.empty()) continue;
    const auto annotated = [&name = name](const absl::Status& status) {
      return absl::Status(status.code(), fmt::format("metrics.{}: {}", name, std::string(status.message())));
    };
    const absl::StatusOr<Interaction> interaction = Interaction::Create(table, metric);
    if (!interaction.ok()) return annotated(interaction.status());
    absl::StatusOr<InteractionPredictor> predictor = interaction->Fit(metric.evaluations);
    if (!predictor.ok()) return annotated(predictor.status());
    networks->by_metric[name] = [predictor = *std::move(predictor)](const Choice& choice, int /*shared*/) {
      return predictor.Predict(choice).value_or(std::numeric_limits<double>::quiet_NaN());
    };
  }
  options.networks = std::move(networks);
  return options;
}

absl::StatusOr<EstimatorOptions> NamedEstimator(std::string_view name, std::string_view flops_fixed,
                                                const BlockTable& table, std::span<const std::string> metrics) {
  const auto fixed = ParseFlopsFixed(flops_fixed);
  if (!fixed.ok()) return fixed.status();
  if (name == kInteraction) return InteractionEstimator(table, metrics, *fixed);
  const auto kind = ParseEstimatorKind(name);
  if (!kind.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("estimator: expected one of linear, eq5, eq6, {}, found '{:.100}'", kInteraction, name));
  }
  return EstimatorOptions{*kind, *fixed};
}

}  // namespace mathnas::core
