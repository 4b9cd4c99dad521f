#include "bindings/cli/space_options.h"

#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/supervit/space.h"

namespace mathnas::cli {
namespace {

using SpaceOr = absl::StatusOr<std::shared_ptr<const supernet::SearchSpace>>;

constexpr std::string_view kLayers = "layers";  // of --blocks: no set

// Sets `field` to the last of the values that is given.
void Take(int64_t& field, std::initializer_list<int64_t> values) {
  for (int64_t value : values) {
    if (value != 0) field = value;
  }
}

absl::Status NotOf(std::string_view space, std::string_view option) {
  return absl::InvalidArgumentError(fmt::format("{}: {} has no such parameter", option, space));
}

SpaceOr MakeNasBench201(const SpaceOptions& o, const SpaceFit& fit) {
  if (o.width != 0) return NotOf(o.name, "--width");
  if (!o.resolutions.empty()) return NotOf(o.name, "--resolutions");
  if (!o.blocks.empty()) return NotOf(o.name, "--blocks");
  supernet::NasBench201Macro macro;
  if (!fit.macro.empty()) {
    auto stored = supernet::ParseNasBench201Macro(fit.macro);
    if (!stored.ok()) return stored.status();
    macro = *stored;
  } else {
    Take(macro.classes, {fit.classes});
    Take(macro.height, {fit.height});
    Take(macro.width, {fit.width});
    Take(macro.input_channels, {fit.input_channels});
  }
  Take(macro.channels, {o.channels});
  Take(macro.cells, {o.cells});
  Take(macro.classes, {o.classes});
  Take(macro.height, {o.size});
  Take(macro.width, {o.size});
  Take(macro.input_channels, {o.input_channels});
  return supernet::NasBench201(macro);
}

SpaceOr MakeMobileNetV3(const SpaceOptions& o, const SpaceFit& fit) {
  if (o.channels != 0) return NotOf(o.name, "--channels");
  if (o.cells != 0) return NotOf(o.name, "--cells");
  supernet::MobileNetV3Macro macro;
  if (!fit.macro.empty()) {
    auto stored = supernet::ParseMobileNetV3Macro(fit.macro);
    if (!stored.ok()) return stored.status();
    macro = *stored;
  } else {
    Take(macro.classes, {fit.classes});
    Take(macro.input_channels, {fit.input_channels});
  }
  Take(macro.classes, {o.classes});
  Take(macro.input_channels, {o.input_channels});
  if (o.width != 0) macro.width = o.width;
  if (o.size != 0) macro.resolutions = {static_cast<int>(o.size)};
  if (!o.resolutions.empty()) macro.resolutions = o.resolutions;
  if (o.blocks == kLayers) {
    macro.blocks.reset();
  } else if (!o.blocks.empty()) {
    auto blocks = supernet::mobilenetv3::LoadBlockSet(o.blocks);
    if (!blocks.ok()) return kernels::Annotate(blocks.status(), "--blocks");
    macro.blocks = *std::move(blocks);
  }
  return supernet::MobileNetV3(macro);
}

SpaceOr MakeSuperVit(const SpaceOptions& o, const SpaceFit& fit) {
  if (o.channels != 0) return NotOf(o.name, "--channels");
  if (o.cells != 0) return NotOf(o.name, "--cells");
  if (o.width != 0) return NotOf(o.name, "--width");
  if (!o.blocks.empty()) return NotOf(o.name, "--blocks");
  supernet::SuperVitMacro macro;
  if (!fit.macro.empty()) {
    auto stored = supernet::ParseSuperVitMacro(fit.macro);
    if (!stored.ok()) return stored.status();
    macro = *stored;
  } else {
    Take(macro.classes, {fit.classes});
    Take(macro.input_channels, {fit.input_channels});
  }
  Take(macro.classes, {o.classes});
  Take(macro.input_channels, {o.input_channels});
  if (o.size != 0) macro.resolutions = {static_cast<int>(o.size)};
  if (!o.resolutions.empty()) macro.resolutions = o.resolutions;
  return supernet::SuperVit(macro);
}

}  // namespace

void SpaceOptions::AddTo(CLI::App* command) {
  command->add_option("space", name, "The search space: nasbench201, mobilenetv3 or supervit")->required();
  command->add_option("--channels", channels, "nasbench201: channels of the first stage (default 16)")
      ->check(CLI::Range(1, 4096));
  command->add_option("--cells", cells, "nasbench201: cells per stage (default 5)")->check(CLI::Range(1, 100));
  command->add_option("--width", width, "mobilenetv3: width factor, 1.0 or 1.2 (default 1.0)");
  AddCandidatesTo(command);
  command->add_option("--classes", classes, "Classes (default: of the data, else of the space)");
  command->add_option("--size", size, "Height and width of the input (default: of the data, else of the space)");
  command->add_option("--input-channels", input_channels, "Channels of the input (default: of the data, else 3)");
}

void SpaceOptions::AddCandidatesTo(CLI::App* command) {
  command
      ->add_option("--resolutions", resolutions,
                   "mobilenetv3, supervit: sides of the input that are candidates, ascending, e.g. 192,224")
      ->delimiter(',');
  command->add_option("--blocks", blocks,
                      "mobilenetv3: five nodes, whose candidates are whole stages: cpu or gpu, as published with "
                      "MathNAS, or the file of a block set; layers: every layer is a node (default: as the checkpoint "
                      "has it, else layers)");
}

SpaceOr SpaceOptions::Make(const SpaceFit& fit) const {
  if (name == "nasbench201") return MakeNasBench201(*this, fit);
  if (name == "mobilenetv3") return MakeMobileNetV3(*this, fit);
  if (name == "supervit") return MakeSuperVit(*this, fit);
  return absl::InvalidArgumentError(
      fmt::format("space \"{:.100}\": expected nasbench201, mobilenetv3 or supervit", name));
}

absl::StatusOr<supernet::Choice> ParseSubnet(const supernet::SearchSpace& space, const std::string& argument) {
  auto text = InlineOrFile(argument);
  if (!text.ok()) return text.status();
  return space.ParseSubnet(*text);
}

}  // namespace mathnas::cli
