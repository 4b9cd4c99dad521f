// Progressive shrinking of the once-for-all MobileNetV3 supernet (spec/search-spaces.md 3.7, 3.8): its stages, and
// which networks and which resolution a training step gets. Pure functions of the step: every worker draws the same,
// and a run that is resumed goes on with the same networks.
#ifndef MATHNAS_SUPERNET_TRAINING_PROGRESSIVE_SHRINKING_H_
#define MATHNAS_SUPERNET_TRAINING_PROGRESSIVE_SHRINKING_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/mobilenetv3/architecture.h"

namespace mathnas::supernet {

struct ShrinkingStage {
  std::string name;
  // Candidates of every block and stage of the network, ascending.
  std::vector<int> ks, e, d;
  int64_t epochs;
  // For a batch of 64; the reference multiplies it by the number of GPUs.
  double rate;
  // In front of the `epochs`, not part of them. The reference ramps up from `rate` itself: on one GPU the rate stays.
  int64_t warmup_epochs;
  int subnets;  // of a step
  // Stage of channel sorting (3.5) before the first epoch.
  std::optional<int> channel_sorting;
};

// "full", "kernel", "depth1", "depth2", "expand1", "expand2", in the order of training; each begins with the weights of
// the one before. The first is not in the reference's repository: its epochs and rate are those of the paper, from
// memory.
std::span<const ShrinkingStage> ProgressiveShrinking();
// InvalidArgument lists the names that are known.
absl::StatusOr<ShrinkingStage> FindShrinkingStage(std::string_view name);

// Where a step is: batch `batch` of `batches` in epoch `epoch`, counted from 0, warm-up included; none negative.
struct ShrinkingStep {
  int64_t epoch = 0;
  int64_t batch = 0;
  int64_t batches = 1;
};

enum class SubnetRule : uint8_t {
  kRandom,    // all random: the reference's
  kSandwich,  // the largest, the smallest, the others random (Yu et al., BigNAS, ECCV 2020); of one, the largest
};

// "random", "sandwich". InvalidArgument lists the names that are known.
std::string_view Name(SubnetRule rule);
absl::StatusOr<SubnetRule> ParseSubnetRule(std::string_view name);

// Random network number j >= 0 of a step, as the reference draws it: Python's generator seeded with
// int("%d%.3d%.3d" % (epoch * batches + batch, j, 0)) chooses 20 times from ks, 20 times from e and 5 times from d.
// Not canonical: blocks that do not run are drawn too. The resolution is the default one. (Seeds are taken modulo 2^64:
// the first 10^13 steps are the reference's.)
mobilenetv3::Architecture RandomSubnet(const ShrinkingStage& stage, const ShrinkingStep& step, int64_t j);

// The stage's largest and smallest network.
mobilenetv3::Architecture LargestSubnet(const ShrinkingStage& stage);
mobilenetv3::Architecture SmallestSubnet(const ShrinkingStage& stage);

// The networks of a step, stage.subnets of them, in the order in which their gradients are added. With the sandwich
// rule the random ones are numbers 0, 1, .. all the same.
std::vector<mobilenetv3::Architecture> StepSubnets(const ShrinkingStage& stage, SubnetRule rule,
                                                   const ShrinkingStep& step);

// Resolutions in pixels that batches take turns in: {128,160,192,224}, or with `continuous` every multiple of 4 between
// (3.7). The reference trains with the latter.
std::vector<int> ElasticResolutions(bool continuous);
// The resolution of a step: one of `candidates`, not empty, by random.choices of Python's generator seeded with
// int("%d%.3d" % (batch, epoch)).
int StepResolution(std::span<const int> candidates, const ShrinkingStep& step);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_PROGRESSIVE_SHRINKING_H_
