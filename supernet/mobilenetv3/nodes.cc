#include "supernet/mobilenetv3/nodes.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "fmt/format.h"

namespace mathnas::supernet::mobilenetv3 {
namespace {

constexpr int kExpansionCount = static_cast<int>(kExpansions.size());
constexpr int kCandidates = static_cast<int>(kKernels.size()) * kExpansionCount;
constexpr int kAbsent = kCandidates;  // of the third and fourth layer of a stage

template <size_t N>
int IndexOf(const std::array<int, N>& values, int value) {
  return static_cast<int>(std::find(values.begin(), values.end(), value) - values.begin());
}

class Layers : public Nodes {
 public:
  std::vector<SpaceNode> List() const override {
    std::vector<SpaceNode> nodes;
    for (int block = 0; block < kBlocks; ++block) {
      SpaceNode& node = nodes.emplace_back();
      node.name = LayerName(block);
      for (int kernel : kKernels) {
        for (int expansion : kExpansions) node.candidates.push_back(fmt::format("k{}e{}", kernel, expansion));
      }
      if (block % kStageBlocks >= kDepths.front()) node.candidates.emplace_back("absent");
      node.reference = kCandidates - 1;
    }
    return nodes;
  }

  std::vector<SpaceStructure::DepthGroup> Depth() const override {
    std::vector<SpaceStructure::DepthGroup> groups(kStages);
    for (int block = 0; block < kBlocks; ++block) {
      SpaceStructure::DepthGroup& group = groups[block / kStageBlocks];
      group.nodes.push_back(block);
      group.absent.push_back(block % kStageBlocks < kDepths.front() ? -1 : kAbsent);
    }
    return groups;
  }

  int NodeOf(int block) const override { return block; }

  absl::StatusOr<Architecture> Parse(std::string_view text, int resolution) const override {
    return ParseArchitecture(text, resolution);
  }

  absl::StatusOr<Choice> Encode(const Architecture& architecture) const override {
    Choice choice;
    for (int block = 0; block < kBlocks; ++block) {
      const int candidate =
          IndexOf(kKernels, architecture.ks[block]) * kExpansionCount + IndexOf(kExpansions, architecture.e[block]);
      choice.push_back(architecture.runs(block) ? candidate : kAbsent);
    }
    return choice;
  }

  Architecture Decode(std::span<const int> candidates) const override {
    Architecture architecture;
    for (int block = kBlocks; block-- > 0;) {
      const bool absent = candidates[block] == kAbsent;
      if (absent) architecture.d[block / kStageBlocks] = block % kStageBlocks;
      architecture.ks[block] = kKernels[absent ? 0 : candidates[block] / kExpansionCount];
      architecture.e[block] = kExpansions[absent ? 0 : candidates[block] % kExpansionCount];
    }
    return Canonical(architecture);
  }
};

class Stages : public Nodes {
 public:
  explicit Stages(BlockSet set) : set_(std::move(set)) {}

  std::vector<SpaceNode> List() const override {
    std::vector<SpaceNode> nodes;
    for (const std::vector<StageBlocks>& candidates : set_.stages) {
      SpaceNode& node = nodes.emplace_back();
      node.name = fmt::format("stage{}", nodes.size());
      for (const StageBlocks& blocks : candidates) node.candidates.push_back(Name(blocks));
      node.reference = static_cast<int>(candidates.size()) - 1;
    }
    return nodes;
  }

  std::vector<SpaceStructure::DepthGroup> Depth() const override { return {}; }
  int NodeOf(int block) const override { return block / kStageBlocks; }

  absl::StatusOr<Architecture> Parse(std::string_view text, int resolution) const override {
    return ParseCodes(set_, text, resolution);
  }

  absl::StatusOr<Choice> Encode(const Architecture& architecture) const override {
    absl::StatusOr<std::vector<int>> codes = CodesOf(set_, architecture);
    if (!codes.ok()) return absl::InvalidArgumentError(codes.status().message());
    return *std::move(codes);
  }

  Architecture Decode(std::span<const int> candidates) const override {
    return *ArchitectureOf(set_, candidates.first(kStages));
  }

 private:
  BlockSet set_;
};

}  // namespace

std::string LayerName(int block) {
  return fmt::format("stage{}.layer{}", block / kStageBlocks + 1, block % kStageBlocks + 1);
}

std::unique_ptr<const Nodes> LayerNodes() { return std::make_unique<Layers>(); }
std::unique_ptr<const Nodes> StageNodes(BlockSet set) { return std::make_unique<Stages>(std::move(set)); }

}  // namespace mathnas::supernet::mobilenetv3
