#include "supernet/training/stages.h"

#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/weights.h"

namespace mathnas::supernet {
namespace {

constexpr int64_t kMostEpochs = 1'000'000;

// The stages that one name of a list stands for.
std::vector<std::string_view> Members(std::string_view name) {
  if (name == "depth") return {"depth1", "depth2"};
  if (name == "width") return {"expand1", "expand2"};
  return {name};
}

}  // namespace

absl::StatusOr<std::vector<RequestedStage>> ParseStages(std::string_view list) {
  const auto fail = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("stages \"{:.200}\": {}", list, what));
  };
  std::vector<RequestedStage> stages;
  const ShrinkingStage* last = nullptr;  // in ProgressiveShrinking()
  for (std::string_view left = list;;) {
    const size_t comma = left.find(',');
    const std::string_view entry = left.substr(0, comma), name = entry.substr(0, entry.find(':'));
    std::optional<int64_t> epochs;
    if (name.size() < entry.size()) {
      const std::string_view number = entry.substr(name.size() + 1);
      int64_t value = 0;
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
      if (error != std::errc() || end != number.data() + number.size() || value < 1 || value > kMostEpochs) {
        return fail(fmt::format("\"{:.60}\": expected NAME or NAME:EPOCHS with 1 to {} epochs", entry, kMostEpochs));
      }
      epochs = value;
    }
    for (std::string_view member : Members(name)) {
      if (auto known = FindShrinkingStage(member); !known.ok()) return fail(kernels::Message(known.status()));
      for (const ShrinkingStage& stage : ProgressiveShrinking()) {
        if (stage.name != member) continue;
        if (last != nullptr && &stage <= last) {
          return fail(
              fmt::format("\"{}\" behind \"{}\", expected full, kernel, depth1, depth2, expand1, expand2 in "
                          "this order, each once",
                          member, last->name));
        }
        last = &stage;
        stages.push_back({stage, epochs});
      }
    }
    if (comma == left.npos) break;
    left.remove_prefix(comma + 1);
  }
  if (stages.front().stage.name != ProgressiveShrinking().front().name) {
    return fail("expected full first, whose largest network teaches the others");
  }
  return stages;
}

Shrinking ShrinkingOf(const SearchSpace& space, ShrinkingStage stage, SubnetRule rule) {
  Shrinking shrinking = {.stage = std::move(stage), .rule = rule, .resolutions = {}};
  Choice choice = space.base();
  const int shared = space.structure().shared;
  const auto sides = shared < 0 ? 1 : static_cast<int>(space.nodes()[shared].candidates.size());
  for (int i = 0; i < sides; ++i) {
    if (shared >= 0) choice[shared] = i;
    shrinking.resolutions.push_back(static_cast<int>(space.input_shape(choice)[0]));
  }
  return shrinking;
}

absl::Status PrepareWeights(const SearchSpace& space, const ShrinkingStage& stage, kernels::TensorMap& weights) {
  if (!stage.channel_sorting) return absl::OkStatus();
  return SortChannels(space, *stage.channel_sorting, stage.e, weights);
}

absl::StatusOr<kernels::TensorMap> TeacherOf(const SearchSpace& space, const Checkpoint& checkpoint) {
  if (!checkpoint.subnet) return ExtractWeights(space, space.base(), checkpoint.weights);
  if (auto s = CheckWeights(space, space.base(), checkpoint.weights); !s.ok()) return s;
  return checkpoint.weights.Clone();
}

absl::StatusOr<std::vector<Checkpoint>> TrainStages(std::shared_ptr<const SearchSpace> space,
                                                    std::shared_ptr<kernels::Device> device,
                                                    const ImageSourcePtr& images, kernels::TensorMap weights,
                                                    const StagesRun& stages, TrainingRun run) {
  std::vector<Checkpoint> trained;
  std::optional<kernels::TensorMap> teacher;
  // What another run has left must not be gone on with, should this one be interrupted.
  std::error_code ignored;
  for (const std::string& path : stages.paths) {
    if (!run.resume && !path.empty()) std::filesystem::remove(path, ignored);
  }
  std::string before;  // stages and their epochs: a checkpoint that came by another way is not taken up
  for (size_t i = 0; i < stages.recipes.size(); ++i) {
    TrainingRecipe recipe = stages.recipes[i];
    if (!recipe.shrinking || i >= stages.paths.size()) {
      return absl::InvalidArgumentError(fmt::format("stage {}: expected a recipe of shrinking and a path", i + 1));
    }
    const ShrinkingStage& stage = recipe.shrinking->stage;
    recipe.shrinking->after = before;
    before += fmt::format("{}{}:{}", before.empty() ? "" : ",", stage.name, recipe.epochs);
    if (stages.on_stage) stages.on_stage(stage);
    if (auto s = PrepareWeights(*space, stage, weights); !s.ok()) return kernels::Annotate(s, stage.name);
    run.checkpoint_path = stages.paths[i];
    run.teacher = teacher ? &*teacher : nullptr;
    auto checkpoint = Train(space, device, images, std::nullopt, std::move(weights), recipe, run);
    if (!checkpoint.ok()) return kernels::Annotate(checkpoint.status(), stage.name);
    if (!teacher) {
      auto largest = TeacherOf(*space, *checkpoint);
      if (!largest.ok()) return kernels::Annotate(largest.status(), stage.name);
      teacher = *std::move(largest);
    }
    if (i + 1 < stages.recipes.size()) {
      weights = std::move(checkpoint->weights);
      checkpoint->weights = kernels::TensorMap();
      checkpoint->optimizer = kernels::TensorMap();
    }
    trained.push_back(*std::move(checkpoint));
  }
  if (trained.empty()) return absl::InvalidArgumentError("no stages, expected at least one");
  return trained;
}

}  // namespace mathnas::supernet
