// The estimator for whole matrices of choices, at the speed of memory: screening, populations, tabular benchmarks.
//
// A value is the double that Estimator::Predict gives, bit for bit, and NaN where Predict refuses a network (a chosen
// candidate is not measured, F(N) <= 0, the cell is cut). Float32 values are those doubles, rounded.
// Of a small space with at most eight nodes (NAS-Bench-201: 15,625 networks), rows of bytes that are at least four
// times as many are looked up among the values of all its networks, which the first such call computes and the
// predictor keeps.
#ifndef MATHNAS_CORE_PREDICT_MANY_H_
#define MATHNAS_CORE_PREDICT_MANY_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mathnas/core/estimator.h"

namespace mathnas::core {

// One network per row, one candidate index per node; row r begins at data[r * stride]. Index: uint8_t or uint16_t.
template <typename Index>
struct ChoiceRows {
  const Index* data = nullptr;
  int64_t rows = 0;
  int64_t stride = 0;  // entries from row to row, at least the number of nodes; 0 = that number
};

// Metric by metric, since lanes are networks: the value of metric k for row r is data[k * stride + r]. Value: double or
// float, which halves what is written. Large results are written past the caches if data is aligned to 64 bytes and
// stride is a multiple of that.
template <typename Value>
struct ValueColumns {
  Value* data = nullptr;
  int64_t stride = 0;  // entries from metric to metric, at least the number of rows; 0 = that number
};

struct PredictManyOptions {
  int threads = 1;
  // An upper limit, as the environment variable MATHNAS_ISA: portable, avx2, avx512; "" = the best of this machine.
  std::string_view isa = {};
};

// Tables of one shared value made ready once; may be used by many threads at a time.
class ManyPredictor {
 public:
  // Metrics in the order of the columns. Does not refer to `estimator` afterwards. InvalidArgument: those of
  // Estimator::FormOf, no metric, more than 64 depth groups.
  static absl::StatusOr<ManyPredictor> Create(const Estimator& estimator, std::span<const std::string> metrics,
                                              int shared = 0);

  // InvalidArgument: a stride that is too small, threads below 1, or the first choice out of range, by row and node;
  // then the values are not to be used.
  absl::Status Predict(const ChoiceRows<uint8_t>& choices, const ValueColumns<double>& values,
                       const PredictManyOptions& options = {}) const;
  absl::Status Predict(const ChoiceRows<uint8_t>& choices, const ValueColumns<float>& values,
                       const PredictManyOptions& options = {}) const;
  absl::Status Predict(const ChoiceRows<uint16_t>& choices, const ValueColumns<double>& values,
                       const PredictManyOptions& options = {}) const;
  absl::Status Predict(const ChoiceRows<uint16_t>& choices, const ValueColumns<float>& values,
                       const PredictManyOptions& options = {}) const;

 private:
  struct Tables;
  explicit ManyPredictor(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}

  std::shared_ptr<const Tables> tables_;
};

// What instruction set `isa` (as in PredictManyOptions) amounts to on this machine: portable, avx2 or avx512.
std::string_view InstructionSet(std::string_view isa = {});

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_PREDICT_MANY_H_
