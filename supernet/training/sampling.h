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
  // The largest network, the smallest one and two drawn as in kUniform (Yu and Huang 2019; spec/search-spaces.md 5.8).
  // The largest one, which comes first, teaches the others (trainer.h).
  kSandwich,
};

// "full", "uniform", "fair", "sandwich".
std::string_view Name(Sampling sampling);
absl::StatusOr<Sampling> ParseSampling(std::string_view name);

// InvalidArgument when the space has no networks of this sampling: no extremes for a sandwich.
absl::Status Check(const SearchSpace& space, Sampling sampling);
// The networks of step `step`, a function of (seed, step) alone, with the same shared choice (SpaceStructure::shared)
// but for those of a sandwich; an empty entry is the whole supernet.
std::vector<std::optional<Choice>> SamplePaths(const SearchSpace& space, Sampling sampling, uint64_t seed,
                                               int64_t step);

// One network with each node's candidate drawn uniformly: number `index` of the sequence that belongs to `seed`.
Choice RandomChoice(const SearchSpace& space, uint64_t seed, int64_t index);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_SAMPLING_H_
