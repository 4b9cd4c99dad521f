// mathnas train SPACE --data D --out DIR
#include <filesystem>

#include "bindings/cli/data_options.h"
#include "bindings/cli/progress.h"
#include "bindings/cli/recipe_options.h"
#include "bindings/cli/recompute_option.h"
#include "bindings/cli/space_options.h"
#include "bindings/cli/train_translation.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/training/stages.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  SpaceOptions space;
  RecipeOptions recipe;
  TranslationRecipeOptions translation;
  VocabularyFiles vocabularies;
  DataOptions data;
  std::string out, subnet, stage, rule = "random", from, teacher;
  bool resume = false;
  std::optional<kernels::Recomputed> recompute;
  double checkpoint_seconds = 60;
  int64_t validation = 0;
};

// The stage of --stage, over the resolutions of the space; none without.
absl::StatusOr<std::optional<supernet::Shrinking>> StageOf(const Options& o, const supernet::SearchSpace& space) {
  if (o.stage.empty()) return std::nullopt;
  auto stage = supernet::FindShrinkingStage(o.stage);
  if (!stage.ok()) return stage.status();
  auto rule = supernet::ParseSubnetRule(o.rule);
  if (!rule.ok()) return rule.status();
  return supernet::ShrinkingOf(space, *std::move(stage), *rule);
}

// The weights to begin with: those of --from, sorted where the stage asks for it, or new ones.
absl::StatusOr<kernels::TensorMap> FirstWeights(const Options& o, const supernet::SearchSpace& space,
                                                const std::optional<supernet::Choice>& own,
                                                const std::optional<supernet::Shrinking>& shrinking) {
  if (o.from.empty()) {
    const supernet::GraphRequest request = {.mode = supernet::Mode::kTraining};
    kernels::TensorMap weights =
        supernet::AllocateWeights(own ? space.Network(*own, request).graph : space.Supernet(request).graph);
    supernet::InitializeWeights(weights, o.common.seed, space.initialization());
    return weights;
  }
  auto from = supernet::LoadTrained(o.from);
  if (!from.ok()) return from.status();
  if (auto s = supernet::CheckWeights(space, own, from->weights); !s.ok()) return kernels::Annotate(s, o.from);
  kernels::TensorMap weights = std::move(from->weights);
  if (shrinking) {
    if (auto s = supernet::PrepareWeights(space, shrinking->stage, weights); !s.ok()) {
      return kernels::Annotate(s, o.from);
    }
  }
  return weights;
}

// The own weights of the base network, of --teacher.
absl::StatusOr<std::optional<kernels::TensorMap>> TeacherWeights(const Options& o, const supernet::SearchSpace& space) {
  if (o.teacher.empty()) return std::nullopt;
  auto checkpoint = supernet::LoadTrained(o.teacher);
  if (!checkpoint.ok()) return checkpoint.status();
  auto own = supernet::TeacherOf(space, *checkpoint);
  if (!own.ok()) return kernels::Annotate(own.status(), o.teacher);
  return *std::move(own);
}

absl::StatusOr<Answer> Train(Options& o) {
  if (o.space.translates()) {
    auto refused = RefuseGiven(*o.recipe.command, o.space.name + " reads sentences, not images",
                               {"--drop-path", "--rand-augment", "--erasing", "--mixup", "--cutmix", "--mix-switch"});
    if (!refused.ok()) return refused;
    return TrainTranslation({.common = o.common,
                             .space = o.space,
                             .data = o.data,
                             .recipe = o.translation,
                             .vocabularies = o.vocabularies,
                             .out = o.out,
                             .subnet = o.subnet,
                             .from = o.from,
                             .resume = o.resume,
                             .recompute = o.recompute,
                             .checkpoint_seconds = o.checkpoint_seconds});
  }
  auto data = o.data.Load();
  if (!data.ok()) return data.status();
  supernet::ImageSourcePtr images = data->train;
  if (o.validation > 0) {
    auto split = supernet::HoldOut(*data, o.validation, /*seed=*/0);
    if (!split.ok()) return split.status();
    images = split->train;
  }
  auto space = o.space.Make(SpaceFit::Of(*images, o.space.takes_any_size()));
  if (!space.ok()) return space.status();
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  if (auto precision = o.recipe.precision.GetFor(**device); !precision.ok()) return precision.status();
  auto shrinking = StageOf(o, **space);
  if (!shrinking.ok()) return shrinking.status();
  auto recipe =
      o.recipe.Make(o.common.seed, {(*space)->name(), !images->one_size(), o.space.small_images()}, *shrinking);
  if (!recipe.ok()) return recipe.status();
  std::optional<supernet::Choice> own;
  if (!o.subnet.empty()) {
    auto choice = ParseSubnet(**space, o.subnet);
    if (!choice.ok()) return choice.status();
    own = *choice;
  }
  std::error_code error;
  std::filesystem::create_directories(o.out, error);
  if (error) return absl::InvalidArgumentError(fmt::format("--out {}: cannot be created: {}", o.out, error.message()));
  const std::string path = o.out + "/checkpoint.safetensors";
  if (!o.resume && std::filesystem::exists(path)) {
    return absl::InvalidArgumentError(fmt::format("{}: exists; go on with --resume, or choose another --out", path));
  }
  auto weights = FirstWeights(o, **space, own, *shrinking);
  if (!weights.ok()) return weights.status();
  auto teacher = TeacherWeights(o, **space);
  if (!teacher.ok()) return teacher.status();

  Progress progress;
  const supernet::TrainingRun run = {.checkpoint_path = path,
                                     .checkpoint_seconds = o.checkpoint_seconds,
                                     .resume = o.resume,
                                     .teacher = *teacher ? &**teacher : nullptr,
                                     .recompute = o.recompute,
                                     .reading = o.data.Reading(o.common),
                                     .progress = [&](const supernet::TrainingProgress& p) { progress.Training(p); },
                                     .cancel = Interrupted()};
  auto trained = supernet::Train(*space, *device, images, own, *std::move(weights), *recipe, run);
  if (!trained.ok()) return trained.status();
  Answer answer;
  Json epochs = Json::array();
  for (const supernet::EpochRecord& e : trained->epochs) {
    epochs.push_back({{"loss", e.loss}, {"accuracy", 100 * e.accuracy}, {"images", e.images}, {"seconds", e.seconds}});
  }
  answer.json = {{"checkpoint", path},
                 {"space", trained->space},
                 {"macro", Json::parse(trained->macro)},
                 {"recipe", Json::parse(trained->recipe)},
                 {"epochs", epochs}};
  const supernet::EpochRecord& last = trained->epochs.back();
  answer.text = fmt::format("{}: {} epochs, loss {:.4f}, training accuracy {:.2f} %\n", path, trained->epochs.size(),
                            last.loss, 100 * last.accuracy);
  o.data.Report(answer);
  return answer;
}

}  // namespace

void AddTrain(CLI::App& app) {
  static Options o;
  CLI::App* command = AddCommand(app, "train", "Trains the supernet of a space, or one network of it",
                                 "mathnas train nasbench201 --data fashion-mnist --out run --cells 1 --epochs 3",
                                 o.common, [] { return Train(o); });
  o.space.AddTo(command);
  o.recipe.AddTo(command);
  o.translation.AddTo(command);
  o.data
      .AddTo(command,
             "fashion-mnist, a folder of IDX files, cifar10:FOLDER, arrays:FILE, synthetic, or folder:FOLDER of JPEG "
             "and PNG files, which are brought to the size of the networks; supertransformer: trans-de-en, or "
             "parallel:FOLDER of train.de, train.en, valid.de and so on")
      ->required();
  o.data.AddTextTo(command);
  o.vocabularies.AddTo(command);
  command->add_option("--out", o.out, "Folder for checkpoint.safetensors")->required();
  command->add_option("--subnet", o.subnet, "Train this network with weights of its own: JSON, or @FILE");
  command
      ->add_option("--validation", o.validation,
                   "Training images to hold out (none where the set has validation images of its own)")
      ->capture_default_str();
  command
      ->add_option("--stage", o.stage,
                   "mobilenetv3: a stage of progressive shrinking and its recipe: full, kernel, depth1, depth2, "
                   "expand1 or expand2")
      ->excludes(command->get_option("--sampling"));
  command->add_option("--subnet-rule", o.rule, "Networks of a step of a stage: random or sandwich")
      ->capture_default_str();
  command->add_option("--from", o.from, "Begin with the weights of this checkpoint, e.g. of the stage before");
  command->add_option("--teacher", o.teacher, "Learn from the largest network of this checkpoint too");
  command->add_flag("--resume", o.resume, "Go on from the checkpoint in --out");
  AddRecompute(command, o.recompute);
  command->add_option("--checkpoint-seconds", o.checkpoint_seconds, "Seconds between checkpoints")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

}  // namespace mathnas::cli
