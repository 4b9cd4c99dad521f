// Running statistics of subnets: without those of its own a subnet of a supernet answers wrongly (supernet/
// recalibration.h), so they are what has to be at hand before it may serve. They are small, a hundredth of its weights.
//
// The file of StatisticsStore is a safetensors file whose metadata are
//   format    "mathnas-statistics/1"
//   space     "mobilenetv3"
//   macro     SearchSpace::MacroJson
//   weights   Fingerprint() of the supernet's weights
//   networks  JSON list of choices, a candidate number for each node of the space: [[0, 2, ..], ..]
// and whose tensors are "I/NAME": tensor NAME of network I of the list.
#ifndef MATHNAS_MATHNAS_RUNTIME_STATISTICS_H_
#define MATHNAS_MATHNAS_RUNTIME_STATISTICS_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/tensor.h"
#include "supernet/search_space.h"

namespace mathnas::runtime {

inline constexpr std::string_view kStatisticsFormat = "mathnas-statistics/1";

// "....running_mean" and "....running_var" of a network with own weights, by their names.
using StatisticsPtr = std::shared_ptr<const kernels::TensorMap>;

bool IsStatistic(std::string_view name);
bool HasStatistics(const kernels::TensorMap& own_weights);
// Copies of them.
StatisticsPtr TakeStatistics(const kernels::TensorMap& own_weights);
// Puts them in the place of those that the weights have. InvalidArgument names the first that is missing, too many, or
// of another shape; the weights are unchanged then.
absl::Status ApplyStatistics(const kernels::TensorMap& statistics, kernels::TensorMap& own_weights);

// 16 hexadecimal digits of names, shapes and contents: statistics of other weights are worse than none.
std::string Fingerprint(const kernels::TensorMap& weights);

// Statistics by network, the last used `capacity` of them. Thread-safe.
class StatisticsStore {
 public:
  explicit StatisticsStore(size_t capacity) : capacity_(capacity) {}

  // Null if there are none.
  StatisticsPtr Find(const supernet::Choice& choice);
  void Put(const supernet::Choice& choice, StatisticsPtr statistics);
  size_t size() const;

  // Complete or not at all (supernet::WriteSafetensors).
  absl::Status Save(const std::string& path, const supernet::SearchSpace& space, const std::string& fingerprint) const;
  // Adds what a file has, of which no more than the capacity is kept. InvalidArgument names file, field and what was
  // expected: another format, space or supernet, a choice that is none of the space. Unimplemented: a version of the
  // format that is not known.
  absl::Status Load(const std::string& path, const supernet::SearchSpace& space, const std::string& fingerprint);

 private:
  using Entry = std::pair<supernet::Choice, StatisticsPtr>;
  void PutLocked(const supernet::Choice& choice, StatisticsPtr statistics);

  size_t capacity_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // last used first
  std::map<supernet::Choice, std::list<Entry>::iterator> index_;
};

}  // namespace mathnas::runtime

#endif  // MATHNAS_MATHNAS_RUNTIME_STATISTICS_H_
