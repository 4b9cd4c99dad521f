#include "supernet/candidates.h"

#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/supervit/space.h"

namespace mathnas::supernet {
namespace {

using SpaceOr = absl::StatusOr<std::shared_ptr<const SearchSpace>>;

SpaceOr MobileNetV3With(const SearchSpace& space, const std::string& blocks, const std::vector<int>& resolutions) {
  auto macro = ParseMobileNetV3Macro(space.MacroJson());
  if (!macro.ok()) return macro.status();
  if (!resolutions.empty()) macro->resolutions = resolutions;
  if (blocks == kLayers) {
    macro->blocks.reset();
  } else if (!blocks.empty()) {
    auto set = mobilenetv3::LoadBlockSet(blocks);
    if (!set.ok()) return kernels::Annotate(set.status(), "blocks");
    macro->blocks = *std::move(set);
  }
  return MobileNetV3(*macro);
}

}  // namespace

SpaceOr WithCandidates(std::shared_ptr<const SearchSpace> space, const std::string& blocks,
                       const std::vector<int>& resolutions) {
  if (blocks.empty() && resolutions.empty()) return space;
  if (space->name() == "mobilenetv3") return MobileNetV3With(*space, blocks, resolutions);
  if (blocks.empty() && space->name() == "supervit") {
    auto macro = ParseSuperVitMacro(space->MacroJson());
    if (!macro.ok()) return macro.status();
    macro->resolutions = resolutions;
    return SuperVit(*macro);
  }
  return absl::InvalidArgumentError(
      fmt::format("{}: {} has no such parameter", blocks.empty() ? "resolutions" : "blocks", space->name()));
}

}  // namespace mathnas::supernet
