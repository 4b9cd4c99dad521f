#include "bindings/cli/space_options.h"

#include <algorithm>
#include <initializer_list>

#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/candidates.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/supervit/space.h"

namespace mathnas::cli {
namespace {

using SpaceOr = absl::StatusOr<std::shared_ptr<const supernet::SearchSpace>>;

constexpr int kSmallResolution = 64;  // of supervit's small task

// Sets `field` to the last of the values that is given.
void Take(int64_t& field, std::initializer_list<int64_t> values) {
  for (int64_t value : values) {
    if (value != 0) field = value;
  }
}

SpaceOr MakeNasBench201(const SpaceOptions& o, const SpaceFit& fit) {
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
  if (o.blocks == supernet::kLayers) {
    macro.blocks.reset();
  } else if (!o.blocks.empty()) {
    auto blocks = supernet::mobilenetv3::LoadBlockSet(o.blocks);
    if (!blocks.ok()) return kernels::Annotate(blocks.status(), "--blocks");
    macro.blocks = *std::move(blocks);
  }
  return supernet::MobileNetV3(macro);
}

SpaceOr MakeSuperVit(const SpaceOptions& o, const SpaceFit& fit) {
  if (!o.task.empty() && o.task != "imagenet" && o.task != "small") {
    return absl::InvalidArgumentError(fmt::format("--task: \"{:.100}\", expected imagenet or small", o.task));
  }
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
  if (o.small_images() && macro.resolutions.empty()) macro.resolutions = {kSmallResolution};
  return supernet::SuperVit(macro);
}

}  // namespace

void SpaceOptions::AddTo(CLI::App* command) {
  command->add_option("space", name, "The search space: nasbench201, mobilenetv3, supertransformer or supervit")
      ->required();
  command->add_option("--channels", channels, "nasbench201: channels of the first stage (default 16)")
      ->check(CLI::Range(1, 4096));
  command->add_option("--cells", cells, "nasbench201: cells per stage (default 5)")->check(CLI::Range(1, 100));
  command->add_option("--width", width, "mobilenetv3: width factor, 1.0 or 1.2 (default 1.0)");
  command->add_option(
      "--task", task,
      "What networks are for, and the recipe that they are trained by: supertransformer: wmt (default) or "
      "iwslt, as published, or small; supervit: imagenet (default), as published, or small: inputs of 64 "
      "pixels");
  command
      ->add_option(
          "--vocabulary", vocabulary,
          "supertransformer: tokens of the source, and of the target unless --target-vocabulary says otherwise "
          "(default: of the data, else 32768)")
      ->check(CLI::PositiveNumber);
  command->add_option("--target-vocabulary", target_vocabulary, "supertransformer: tokens of the target")
      ->check(CLI::PositiveNumber);
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
  command
      ->add_option("--widths", widths,
                   "supertransformer: widths of encoder and decoder in one number that are candidates, ascending, e.g. "
                   "512512,640512 (default: all)")
      ->delimiter(',');
  command->add_option("--blocks", blocks,
                      "mobilenetv3: five nodes, whose candidates are whole stages: cpu or gpu, as published with "
                      "MathNAS, or the file of a block set; layers: every layer is a node (default: as the checkpoint "
                      "has it, else layers)");
}

absl::Status SpaceOptions::CheckOptions() const {
  const struct {
    std::string_view option;
    bool given;
    std::initializer_list<std::string_view> spaces;
  } options[] = {{"--channels", channels != 0, {"nasbench201"}},
                 {"--cells", cells != 0, {"nasbench201"}},
                 {"--width", width != 0, {"mobilenetv3"}},
                 {"--resolutions", !resolutions.empty(), {"mobilenetv3", "supervit"}},
                 {"--blocks", !blocks.empty(), {"mobilenetv3"}},
                 {"--classes", classes != 0, {"nasbench201", "mobilenetv3", "supervit"}},
                 {"--size", size != 0, {"nasbench201", "mobilenetv3", "supervit"}},
                 {"--input-channels", input_channels != 0, {"nasbench201", "mobilenetv3", "supervit"}},
                 {"--task", !task.empty(), {"supertransformer", "supervit"}},
                 {"--vocabulary", vocabulary != 0, {"supertransformer"}},
                 {"--target-vocabulary", target_vocabulary != 0, {"supertransformer"}},
                 {"--widths", !widths.empty(), {"supertransformer"}}};
  for (const auto& o : options) {
    if (o.given && std::find(o.spaces.begin(), o.spaces.end(), name) == o.spaces.end()) {
      return absl::InvalidArgumentError(fmt::format("{}: {} has no such parameter", o.option, name));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<supernet::SuperTransformerMacro> SpaceOptions::TranslationMacro(const SpaceFit& fit) const {
  supernet::SuperTransformerMacro macro;
  if (!fit.macro.empty()) {
    auto stored = supernet::ParseSuperTransformerMacro(fit.macro);
    if (!stored.ok()) return stored.status();
    macro = *stored;
  } else {
    Take(macro.source_vocabulary, {fit.source_vocabulary});
    Take(macro.target_vocabulary, {fit.source_vocabulary, fit.target_vocabulary});
  }
  if (!task.empty()) {
    auto parsed = supernet::supertransformer::ParseTask(task);
    if (!parsed.ok()) return kernels::Annotate(parsed.status(), "--task");
    macro.task = *parsed;
  }
  Take(macro.source_vocabulary, {vocabulary});
  Take(macro.target_vocabulary, {vocabulary, target_vocabulary});
  if (!widths.empty()) macro.widths = widths;
  return macro;
}

SpaceOr SpaceOptions::Make(const SpaceFit& fit) const {
  if (auto s = CheckOptions(); !s.ok()) return s;
  if (name == "nasbench201") return MakeNasBench201(*this, fit);
  if (name == "mobilenetv3") return MakeMobileNetV3(*this, fit);
  if (name == "supervit") return MakeSuperVit(*this, fit);
  if (name == "supertransformer") {
    auto macro = TranslationMacro(fit);
    if (!macro.ok()) return macro.status();
    return supernet::SuperTransformer(*macro);
  }
  return absl::InvalidArgumentError(
      fmt::format("space \"{:.100}\": expected nasbench201, mobilenetv3, supertransformer or supervit", name));
}

absl::Status RefuseGiven(const CLI::App& command, const std::string& why, std::initializer_list<const char*> options) {
  for (const char* option : options) {
    const CLI::Option* found = command.get_option_no_throw(option);
    if (found != nullptr && found->count() > 0) return absl::InvalidArgumentError(fmt::format("{}: {}", option, why));
  }
  return absl::OkStatus();
}

absl::StatusOr<supernet::Choice> ParseSubnet(const supernet::SearchSpace& space, const std::string& argument) {
  auto text = InlineOrFile(argument);
  if (!text.ok()) return text.status();
  return space.ParseSubnet(*text);
}

}  // namespace mathnas::cli
