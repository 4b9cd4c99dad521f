#include "mathnas/core/average_network.h"

#include <cmath>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/linear_form.h"

namespace mathnas::core {
namespace {

// By node: its `absent` candidate, or kCannotBeCut.
std::vector<int> AbsentCandidates(const BlockTable& table) {
  std::vector<int> absent(table.nodes.size(), DepthGroup::kCannotBeCut);
  for (const DepthGroup& group : table.structure.depth) {
    for (size_t p = 0; p < group.nodes.size(); ++p) absent[group.nodes[p]] = group.absent[p];
  }
  return absent;
}

// The candidate nearest to the mean, or -1. Distances are compared times the number of candidates: with integer FLOPs
// nothing is rounded.
int NearestToMean(const std::vector<double>& flops, int absent) {
  double sum = 0;
  double count = 0;
  for (int j = 0; j < std::ssize(flops); ++j) {
    if (j == absent || std::isnan(flops[j])) continue;
    sum += flops[j];
    ++count;
  }
  int nearest = -1;
  double least = 0;
  for (int j = 0; j < std::ssize(flops); ++j) {
    if (j == absent || std::isnan(flops[j])) continue;
    const double distance = std::abs(count * flops[j] - sum);
    if (nearest < 0 || distance < least || (distance == least && flops[j] < flops[nearest])) {
      nearest = j;
      least = distance;
    }
  }
  return nearest;
}

}  // namespace

absl::StatusOr<Choice> AverageNetwork(const BlockTable& table, int shared) {
  if (absl::Status status = Validate(table); !status.ok()) return status;
  const auto metric = table.metrics.find(kFlopsMetric);
  if (metric == table.metrics.end()) {
    return absl::InvalidArgumentError("metrics.flops: expected this metric, found none");
  }
  if (shared < 0 || shared >= table.SharedCount()) {
    return absl::InvalidArgumentError(
        fmt::format("shared choice: expected an index from 0 to {}, found {}", table.SharedCount() - 1, shared));
  }
  const LinearForm flops = ScaledToIntegers({.terms = metric->second.slices[shared].values});
  const std::vector<int> absent = AbsentCandidates(table);
  Choice choice;
  for (size_t i = 0; i < table.nodes.size(); ++i) {
    choice.push_back(NearestToMean(flops.terms[i], absent[i]));
    if (choice.back() >= 0) continue;
    return absl::FailedPreconditionError(
        fmt::format("node '{}': expected measured FLOPs of a candidate, found none", table.nodes[i].name));
  }
  return choice;
}

}  // namespace mathnas::core
