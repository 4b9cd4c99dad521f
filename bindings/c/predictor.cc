// mathnas_predictor_...: matrices of choices.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/c/hooks.h"
#include "bindings/c/status.h"
#include "bindings/c/structs.h"
#include "bindings/c/table.h"
#include "fmt/format.h"
#include "kernels/tasks.h"
#include "mathnas/core/predict_many.h"

namespace mathnas::c {
namespace {

struct PredictorHandle : Object {
  static constexpr Kind kKind = Kind::kPredictor;
  static constexpr const char* kName = "predictor";
  PredictorHandle(core::ManyPredictor p, int64_t n, int64_t m)
      : Object(kKind), predictor(std::move(p)), nodes(n), metrics(m) {}
  const core::ManyPredictor predictor;
  const int64_t nodes, metrics;
};

// InvalidArgument: sizes that are none, or that no memory has; a type that is not understood.
absl::Status CheckSizes(const mathnas_predictions& p, int64_t nodes, int64_t metrics) {
  constexpr int64_t kMost = int64_t{1} << 44;
  if (p.rows < 0 || p.rows > kMost)
    return absl::InvalidArgumentError(fmt::format("rows: {}, expected 0 or more", p.rows));
  if (p.choice_stride < 0 || p.choice_stride > kMost / std::max<int64_t>(p.rows, 1)) {
    return absl::InvalidArgumentError(
        fmt::format("choice_stride: {}, expected 0 or at least {}", p.choice_stride, nodes));
  }
  if (p.value_stride < 0 || p.value_stride > kMost / std::max<int64_t>(metrics, 1)) {
    return absl::InvalidArgumentError(
        fmt::format("value_stride: {}, expected 0 or at least {}", p.value_stride, p.rows));
  }
  if (auto s = CheckThreads(p.threads); !s.ok()) return s;
  if (p.rows > 0 && p.choices == nullptr) return Null("choices", "candidate numbers");
  if (p.rows > 0 && p.values == nullptr) return Null("values", "the address of values");
  const size_t value_bytes = p.value_type == MATHNAS_F32 ? sizeof(float) : sizeof(double);
  const size_t choice_bytes = p.choice_type == MATHNAS_U16 ? sizeof(uint16_t) : sizeof(uint8_t);
  if (p.value_type != MATHNAS_F32 && p.value_type != MATHNAS_F64) {
    return absl::InvalidArgumentError(fmt::format("value_type: {}, expected MATHNAS_F64 or MATHNAS_F32", p.value_type));
  }
  if (p.choice_type != MATHNAS_U8 && p.choice_type != MATHNAS_U16) {
    return absl::InvalidArgumentError(
        fmt::format("choice_type: {}, expected MATHNAS_U8 or MATHNAS_U16", p.choice_type));
  }
  if (reinterpret_cast<uintptr_t>(p.values) % value_bytes != 0 ||
      reinterpret_cast<uintptr_t>(p.choices) % choice_bytes != 0) {
    return absl::InvalidArgumentError("choices, values: expected an alignment of their types");
  }
  return absl::OkStatus();
}

// Rows begin .. end-1.
template <typename Index, typename Value>
absl::Status PredictRows(const core::ManyPredictor& predictor, const mathnas_predictions& p, int64_t nodes,
                         int64_t begin, int64_t end, int threads) {
  const int64_t stride = p.choice_stride == 0 ? nodes : p.choice_stride;
  const core::ChoiceRows<Index> choices = {static_cast<const Index*>(p.choices) + begin * stride, end - begin, stride};
  const core::ValueColumns<Value> values = {static_cast<Value*>(p.values) + begin,
                                            p.value_stride == 0 ? p.rows : p.value_stride};
  return predictor.Predict(choices, values, {.threads = threads});
}

template <typename Index, typename Value>
absl::Status Predict(const PredictorHandle& handle, const mathnas_predictions& p) {
  constexpr int64_t kGrain = 4096;  // rows: below, a part is not worth its start
  const int64_t count = std::clamp<int64_t>(p.rows / kGrain, 1, p.threads);
  if (p.parallel_for == nullptr || count == 1) {
    return PredictRows<Index, Value>(handle.predictor, p, handle.nodes, 0, p.rows, static_cast<int>(count));
  }
  const int64_t rows_of_part = ((p.rows + count - 1) / count + 63) / 64 * 64;  // so that values stay aligned
  const int64_t parts = (p.rows + rows_of_part - 1) / rows_of_part;
  const auto run = [&](int64_t part) {
    const int64_t begin = part * rows_of_part, end = std::min(begin + rows_of_part, p.rows);
    return PredictRows<Index, Value>(handle.predictor, p, handle.nodes, begin, end, 1);
  };
  const auto parallel_for = DivisionOf(p.threads, p.parallel_for, p.parallel_user).parallel_for;
  const absl::Status status = kernels::Tasks(parts).Run(parallel_for, parts, run);
  // Once more for the text, which names the first wrong row of all.
  if (absl::IsInvalidArgument(status)) {
    return PredictRows<Index, Value>(handle.predictor, p, handle.nodes, 0, p.rows, 1);
  }
  return status;
}

}  // namespace
}  // namespace mathnas::c

using namespace mathnas::c;  // NOLINT: what follows is the interface, and nothing else
namespace core = mathnas::core;

mathnas_status mathnas_predictor_create(mathnas_table table, const mathnas_predictor_options* options,
                                        mathnas_predictor* predictor) {
  return Call([&]() -> absl::Status {
    if (predictor == nullptr) return Null("predictor", "the address of a handle");
    *predictor = nullptr;
    const Pinned<TableHandle> pinned(table);
    if (!pinned.ok()) return pinned.status();
    const auto known = Read(options);
    if (!known.ok()) return known.status();
    const auto metrics = Texts(known->metrics, known->metric_count, "metrics");
    if (!metrics.ok()) return metrics.status();
    if (known->shared_index < 0 || known->shared_index >= pinned->table.SharedCount()) {
      return absl::InvalidArgumentError(
          fmt::format("shared_index: {}, expected 0 to {}", known->shared_index, pinned->table.SharedCount() - 1));
    }
    const auto kind = EstimatorOf(known->estimator, known->flops_fixed, pinned->table, *metrics);
    if (!kind.ok()) return kind.status();
    if (kind->networks != nullptr) {
      return absl::InvalidArgumentError("estimator: expected linear, eq5 or eq6, found interaction");
    }
    const auto estimator = core::Estimator::Create(pinned->table, *kind);
    if (!estimator.ok()) return estimator.status();
    auto made = core::ManyPredictor::Create(*estimator, *metrics, known->shared_index);
    if (!made.ok()) return made.status();
    return HandOut(std::make_unique<PredictorHandle>(*std::move(made), static_cast<int64_t>(pinned->table.nodes.size()),
                                                     static_cast<int64_t>(metrics->size())),
                   predictor);
  });
}

mathnas_status mathnas_predictor_destroy(mathnas_predictor predictor) {
  return Call([&] { return Destroy<PredictorHandle>(predictor); });
}

mathnas_status mathnas_predictor_run(mathnas_predictor predictor, const mathnas_predictions* predictions) {
  return Call([&]() -> absl::Status {
    const Pinned<PredictorHandle> pinned(predictor);
    if (!pinned.ok()) return pinned.status();
    const auto p = Read(predictions);
    if (!p.ok()) return p.status();
    if (auto s = CheckSizes(*p, pinned->nodes, pinned->metrics); !s.ok()) return s;
    const bool wide = p->choice_type == MATHNAS_U16, single = p->value_type == MATHNAS_F32;
    if (wide) return single ? Predict<uint16_t, float>(*pinned, *p) : Predict<uint16_t, double>(*pinned, *p);
    return single ? Predict<uint8_t, float>(*pinned, *p) : Predict<uint8_t, double>(*pinned, *p);
  });
}
