#include "supernet/training/progressive_shrinking.h"

#include <algorithm>
#include <array>

#include "fmt/format.h"
#include "supernet/python_random.h"

namespace mathnas::supernet {
namespace {

using mobilenetv3::Architecture;

constexpr std::array<std::string_view, 2> kRuleNames = {"random", "sandwich"};

// int("%d%.3d" % (front, back)).
uint64_t Joined(uint64_t front, uint64_t back) {
  uint64_t shift = 1000;
  while (back >= shift) shift *= 10;
  return front * shift + back;
}

Architecture Everywhere(int kernel, int expansion, int depth) {
  Architecture architecture;
  architecture.ks.fill(kernel);
  architecture.e.fill(expansion);
  architecture.d.fill(depth);
  return architecture;
}

}  // namespace

std::span<const ShrinkingStage> ProgressiveShrinking() {
  using Stages = std::vector<ShrinkingStage>;
  // Never destroyed: used by code that runs at exit as well.
  static const Stages& stages = *new Stages{// 2.6 for 32 GPUs.
                                            {"full", {7}, {6}, {4}, 180, 2.6 / 32, 0, 1, std::nullopt},
                                            {"kernel", {3, 5, 7}, {6}, {4}, 120, 3e-2, 5, 1, std::nullopt},
                                            {"depth1", {3, 5, 7}, {6}, {3, 4}, 25, 2.5e-3, 0, 2, std::nullopt},
                                            {"depth2", {3, 5, 7}, {6}, {2, 3, 4}, 120, 7.5e-3, 5, 2, std::nullopt},
                                            {"expand1", {3, 5, 7}, {4, 6}, {2, 3, 4}, 25, 2.5e-3, 0, 4, 0},
                                            {"expand2", {3, 5, 7}, {3, 4, 6}, {2, 3, 4}, 120, 7.5e-3, 5, 4, 1}};
  return stages;
}

absl::StatusOr<ShrinkingStage> FindShrinkingStage(std::string_view name) {
  std::string known;
  for (const ShrinkingStage& stage : ProgressiveShrinking()) {
    if (stage.name == name) return stage;
    known += (known.empty() ? "" : ", ") + stage.name;
  }
  return absl::InvalidArgumentError(fmt::format("stage: expected one of {}, found \"{:.60}\"", known, name));
}

std::string_view Name(SubnetRule rule) { return kRuleNames[static_cast<size_t>(rule)]; }

absl::StatusOr<SubnetRule> ParseSubnetRule(std::string_view name) {
  const auto* found = std::find(kRuleNames.begin(), kRuleNames.end(), name);
  if (found != kRuleNames.end()) return static_cast<SubnetRule>(found - kRuleNames.begin());
  return absl::InvalidArgumentError(
      fmt::format("subnets of a step: expected {} or {}, found \"{:.60}\"", kRuleNames[0], kRuleNames[1], name));
}

Architecture RandomSubnet(const ShrinkingStage& stage, const ShrinkingStep& step, int64_t j) {
  const auto index = static_cast<uint64_t>(step.epoch * step.batches + step.batch);
  PythonRandom random(Joined(Joined(index, static_cast<uint64_t>(j)), 0));
  Architecture architecture;
  for (int& kernel : architecture.ks) kernel = random.Choice(std::span<const int>(stage.ks));
  for (int& expansion : architecture.e) expansion = random.Choice(std::span<const int>(stage.e));
  for (int& depth : architecture.d) depth = random.Choice(std::span<const int>(stage.d));
  return architecture;
}

Architecture LargestSubnet(const ShrinkingStage& stage) {
  return Everywhere(stage.ks.back(), stage.e.back(), stage.d.back());
}

Architecture SmallestSubnet(const ShrinkingStage& stage) {
  return Everywhere(stage.ks.front(), stage.e.front(), stage.d.front());
}

std::vector<Architecture> StepSubnets(const ShrinkingStage& stage, SubnetRule rule, const ShrinkingStep& step) {
  std::vector<Architecture> subnets;
  if (rule == SubnetRule::kSandwich) {
    subnets.push_back(LargestSubnet(stage));
    if (stage.subnets > 1) subnets.push_back(SmallestSubnet(stage));
  }
  for (int64_t j = 0; std::ssize(subnets) < stage.subnets; ++j) subnets.push_back(RandomSubnet(stage, step, j));
  return subnets;
}

std::vector<int> ElasticResolutions(bool continuous) {
  constexpr int kLeast = 128, kMost = 224;
  const int stride = continuous ? mobilenetv3::kResolutionStep : 32;
  std::vector<int> resolutions;
  for (int r = kLeast; r <= kMost; r += stride) resolutions.push_back(r);
  return resolutions;
}

int StepResolution(std::span<const int> candidates, const ShrinkingStep& step) {
  PythonRandom random(Joined(static_cast<uint64_t>(step.batch), static_cast<uint64_t>(step.epoch)));
  return candidates[static_cast<size_t>(random.Uniform() * static_cast<double>(candidates.size()))];
}

}  // namespace mathnas::supernet
