// Which networks of a supernet a training step runs.
#ifndef MATHNAS_SUPERNET_TRAINING_SAMPLING_H_
#define MATHNAS_SUPERNET_TRAINING_SAMPLING_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

enum class Sampling : uint8_t {
  // The whole supernet at once: every node the mean of its candidates, each of which learns from every image.
  kFull,
  // One network, each node's candidate drawn uniformly and independently (single path one-shot, Guo et al. 2020).
  kUniform,
  // n networks before one update, n the most candidates of a node: each node goes through a permutation of its
  // candidates, so
  // that all get the same number of updates from the same weights (strict fairness, FairNAS, Chu et al. 2021).
  kFair,
};

// "full", "uniform", "fair".
std::string_view Name(Sampling sampling);
absl::StatusOr<Sampling> ParseSampling(std::string_view name);

// The networks of step `step`, a function of (seed, step) alone, with the same shared choice (SpaceStructure::shared);
// an empty entry is the whole supernet.
std::vector<std::optional<Choice>> SamplePaths(const SearchSpace& space, Sampling sampling, uint64_t seed,
                                               int64_t step);

// One network with each node's candidate drawn uniformly: number `index` of the sequence that belongs to `seed`.
Choice RandomChoice(const SearchSpace& space, uint64_t seed, int64_t index);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_SAMPLING_H_
