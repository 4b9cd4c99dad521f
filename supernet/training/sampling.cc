#include "supernet/training/sampling.h"

#include <algorithm>
#include <numeric>

#include "fmt/format.h"
#include "kernels/random.h"

namespace mathnas::supernet {
namespace {

using kernels::Random;

constexpr int kDrawnInSandwich = 2;
constexpr uint8_t kPathPurpose = 0x20;
constexpr uint8_t kChoicePurpose = 0x21;

uint64_t StreamOf(uint8_t purpose, int64_t index) {
  return Random::Stream(purpose, static_cast<uint64_t>(index) >> 32, static_cast<uint64_t>(index));
}

Choice DrawUniform(const SearchSpace& space, Random& random) {
  Choice choice;
  for (const SpaceNode& n : space.nodes()) {
    choice.push_back(static_cast<int>(random.Below(static_cast<uint32_t>(n.candidates.size()))));
  }
  return choice;
}

}  // namespace

std::string_view Name(Sampling sampling) {
  switch (sampling) {
    case Sampling::kFull:
      return "full";
    case Sampling::kUniform:
      return "uniform";
    case Sampling::kFair:
      return "fair";
    case Sampling::kSandwich:
      return "sandwich";
  }
  return "";
}

absl::StatusOr<Sampling> ParseSampling(std::string_view name) {
  for (Sampling s : {Sampling::kFull, Sampling::kUniform, Sampling::kFair, Sampling::kSandwich}) {
    if (Name(s) == name) return s;
  }
  return absl::InvalidArgumentError(fmt::format("sampling \"{}\": expected full, uniform, fair or sandwich", name));
}

absl::Status Check(const SearchSpace& space, Sampling sampling) {
  if (sampling != Sampling::kSandwich || space.extremes()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "sampling sandwich: {} has no largest and smallest network, expected full, uniform or fair", space.name()));
}

std::vector<std::optional<Choice>> SamplePaths(const SearchSpace& space, Sampling sampling, uint64_t seed,
                                               int64_t step) {
  if (sampling == Sampling::kFull) return {std::nullopt};
  Random random(seed, StreamOf(kPathPurpose, step));
  if (sampling == Sampling::kUniform) return {DrawUniform(space, random)};

  if (sampling == Sampling::kSandwich) {
    const auto [smallest, largest] = space.extremes().value_or(SearchSpace::Extremes{space.base(), space.base()});
    std::vector<std::optional<Choice>> networks = {largest, smallest};
    for (int i = 0; i < kDrawnInSandwich; ++i) networks.emplace_back(DrawUniform(space, random));
    return networks;
  }

  size_t paths = 0;
  for (const SpaceNode& n : space.nodes()) paths = std::max(paths, n.candidates.size());
  std::vector<Choice> choices(paths);
  for (const SpaceNode& n : space.nodes()) {
    std::vector<uint32_t> order(n.candidates.size());
    std::iota(order.begin(), order.end(), 0U);
    for (size_t p = 0; p < paths; ++p) {
      if (p % order.size() == 0) random.Shuffle(order);  // a node with fewer candidates goes round again
      choices[p].push_back(static_cast<int>(order[p % order.size()]));
    }
  }
  // The networks of a step look at the same images.
  if (const int shared = space.structure().shared; shared >= 0) {
    for (Choice& choice : choices) choice[shared] = choices.front()[shared];
  }
  return {choices.begin(), choices.end()};
}

Choice RandomChoice(const SearchSpace& space, uint64_t seed, int64_t index) {
  Random random(seed, StreamOf(kChoicePurpose, index));
  return DrawUniform(space, random);
}

}  // namespace mathnas::supernet
