// mathnas.Predictor: predictions of any number of networks.
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/arrays.h"
#include "bindings/python/interrupt.h"
#include "bindings/python/module.h"
#include "bindings/python/status.h"
#include "bindings/python/table.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/interaction.h"
#include "mathnas/core/predict_many.h"

namespace mathnas::python {
namespace {

// Immutable.
class Predictor {
 public:
  Predictor(const Table& table, std::optional<std::vector<std::string>> metrics, const std::string& estimator,
            const std::string& flops_fixed, std::optional<double> shared)
      : table_(table) {
    std::vector<std::string> all;
    for (const auto& [name, metric] : table->metrics) all.push_back(name);
    options_ = Take(core::NamedEstimator(estimator, flops_fixed, *table, metrics.value_or(all)));
    estimator_ = std::make_unique<const core::Estimator>(Take(core::Estimator::Create(*table_, options_)));
    shared_ = SharedIndex(shared);
    if (metrics) {
      metrics_ = *std::move(metrics);
    } else {
      for (const std::string& name : all) {
        if (estimator_->FunctionOf(name) != nullptr || estimator_->FormOf(name, shared_).ok()) metrics_.push_back(name);
      }
    }
    if (learns()) return;
    many_ =
        std::make_unique<const core::ManyPredictor>(Take(core::ManyPredictor::Create(*estimator_, metrics_, shared_)));
  }

  const std::vector<std::string>& metrics() const { return metrics_; }
  std::string estimator() const { return std::string(core::Name(options_)); }
  // Whether some metric is predicted from networks that were measured whole.
  bool learns() const { return options_.networks != nullptr; }

  nb::object Predict(const Array& choices, const std::string& dtype, int threads) const {
    if (dtype == "float64") return PredictAs<double>(choices, threads);
    if (dtype == "float32") return PredictAs<float>(choices, threads);
    RaiseValueError(fmt::format("dtype: expected 'float64' or 'float32', found '{:.100}'", dtype));
  }

  std::map<std::string, double> PredictOne(const core::Choice& choice) const {
    std::map<std::string, double> all = Take(estimator_->PredictAll(choice, shared_));
    std::map<std::string, double> values;
    for (const std::string& metric : metrics_) {
      const auto found = all.find(metric);
      if (found == all.end()) RaiseValueError(fmt::format("metrics: the table has no '{:.100}'", metric));
      values.insert(*found);
    }
    return values;
  }

 private:
  int SharedIndex(std::optional<double> value) const {
    const auto& shared = table_->structure.shared;
    if (!shared) {
      if (value) RaiseValueError("shared: the nodes of this table share no choice");
      return 0;
    }
    for (size_t i = 0; value && i < shared->values.size(); ++i) {
      if (shared->values[i] == *value) return static_cast<int>(i);
    }
    RaiseValueError(fmt::format("shared: expected the {}, one of {}, found {}", shared->name,
                                fmt::join(shared->values, ", "), value ? fmt::format("{}", *value) : "None"));
  }

  void CheckShape(const Array& choices) const {
    if (choices.device_type() != nb::device::cpu::value) {
      RaiseValueError("choices: an array on another device, expected one in the memory of the CPU");
    }
    const size_t nodes = table_->nodes.size();
    const bool fits = choices.ndim() == 2 && choices.shape(1) == nodes;
    if (!fits || (!IsOf<uint8_t>(choices) && !IsOf<uint16_t>(choices))) {
      RaiseUnexpected("choices", choices, fmt::format("uint8 or uint16 {{networks,{}}}", nodes));
    }
    const bool rows_are_dense = nodes == 1 || choices.stride(1) == 1;
    if (!rows_are_dense || (choices.shape(0) > 1 && choices.stride(0) < static_cast<int64_t>(nodes))) {
      RaiseUnexpected("choices", choices, "rows that are contiguous (numpy.ascontiguousarray makes them)");
    }
  }

  template <typename Value>
  nb::object PredictAs(const Array& choices, int threads) const {
    CheckShape(choices);
    constexpr int kMaxThreads = 4096;
    if (threads < 1 || threads > kMaxThreads) {
      RaiseValueError(fmt::format("threads: {}, expected 1 to {}", threads, kMaxThreads));
    }
    const size_t rows = choices.shape(0);
    Result<Value> values(std::max<size_t>(rows * metrics_.size(), 1));
    const absl::Status status = WithoutGil([&] {
      if (learns()) {
        return IsOf<uint8_t>(choices) ? RunEach<uint8_t>(choices, values.data())
                                      : RunEach<uint16_t>(choices, values.data());
      }
      return IsOf<uint8_t>(choices) ? RunMany<uint8_t>(choices, values.data(), threads)
                                    : RunMany<uint16_t>(choices, values.data(), threads);
    });
    RaiseUnless(status);
    // One memory for all, a row of it for each metric.
    Value* data = values.data();
    const nb::capsule owner = values.Release();
    nb::dict columns;
    for (size_t k = 0; k < metrics_.size(); ++k) {
      columns[metrics_[k].c_str()] = nb::ndarray<nb::numpy, Value>(data + k * rows, {rows}, owner).cast();
    }
    return columns;
  }

  template <typename Index>
  core::ChoiceRows<Index> RowsOf(const Array& choices) const {
    const auto nodes = static_cast<int64_t>(table_->nodes.size());
    const bool one = choices.shape(0) < 2;  // whose stride means nothing
    return {static_cast<const Index*>(choices.data()), static_cast<int64_t>(choices.shape(0)),
            one ? nodes : choices.stride(0)};
  }

  template <typename Index, typename Value>
  absl::Status RunMany(const Array& choices, Value* values, int threads) const {
    if (choices.shape(0) == 0) return absl::OkStatus();
    return many_->Predict(RowsOf<Index>(choices), core::ValueColumns<Value>{values}, {.threads = threads});
  }

  // Learned predictions are no sums: one network after the other.
  template <typename Index, typename Value>
  absl::Status RunEach(const Array& choices, Value* values) const {
    const core::ChoiceRows<Index> rows = RowsOf<Index>(choices);
    core::Choice choice(table_->nodes.size());
    for (int64_t r = 0; r < rows.rows; ++r) {
      for (size_t i = 0; i < choice.size(); ++i) choice[i] = rows.data[r * rows.stride + static_cast<int64_t>(i)];
      const auto all = estimator_->PredictAll(choice, shared_);
      if (!all.ok()) return all.status();
      for (size_t k = 0; k < metrics_.size(); ++k) {
        const auto found = all->find(metrics_[k]);
        if (found == all->end()) {
          return absl::InvalidArgumentError(fmt::format("metrics: the table has no '{:.100}'", metrics_[k]));
        }
        values[static_cast<int64_t>(k) * rows.rows + r] = static_cast<Value>(found->second);
      }
    }
    return absl::OkStatus();
  }

  const Table table_;
  core::EstimatorOptions options_;
  std::unique_ptr<const core::Estimator> estimator_;
  std::unique_ptr<const core::ManyPredictor> many_;
  std::vector<std::string> metrics_;
  int shared_ = 0;
};

}  // namespace

void AddPredictor(nb::module_& m) {
  nb::class_<Predictor>(m, "Predictor",
                        "Predicts networks from a block table (equation 5 of the paper and its variants), one or "
                        "millions at a time. Immutable; threads may share it.")
      .def(nb::init<const Table&, std::optional<std::vector<std::string>>, const std::string&, const std::string&,
                    std::optional<double>>(),
           "table"_a, nb::kw_only(), "metrics"_a = nb::none(), "estimator"_a = "eq6", "flops_fixed"_a = "exclude",
           "shared"_a = nb::none(),
           "metrics: which ones (default: all that the estimator can tell).\n"
           "estimator, flops_fixed: as Table.search has them.\n"
           "shared: the value of the choice that all nodes share, where the table has one, e.g. 224 of 'resolution'.")
      .def("predict", &Predictor::Predict, "choices"_a, nb::kw_only(), "dtype"_a = "float64", "threads"_a = 1,
           nb::sig("def predict(self, choices: numpy.typing.ArrayLike, *, dtype: str = 'float64', threads: int = 1) -> "
                   "dict[str, numpy.typing.NDArray[typing.Any]]"),
           "Predicts a network per row of `choices`, {networks, nodes} of uint8 or uint16: candidate numbers, which "
           "are not copied; rows may be parts of wider ones. For every metric an array {networks} in the metric's "
           "unit, NaN where there is no prediction (a candidate that was not measured, a network that computes "
           "nothing). ValueError names the row and node of a candidate number out of range. Releases the GIL.")
      .def("predict_one", &Predictor::PredictOne, "choice"_a,
           "One network, a candidate number for each node: every metric in its unit.")
      .def_prop_ro("metrics", &Predictor::metrics, "Names, in the order of the result.")
      .def_prop_ro("estimator", &Predictor::estimator)
      .def("__repr__", [](const Predictor& p) {
        return fmt::format("<mathnas.Predictor {} of {}>", p.estimator(), fmt::join(p.metrics(), ", "));
      });
}

}  // namespace mathnas::python
