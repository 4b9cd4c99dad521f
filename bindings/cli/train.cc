// mathnas train SPACE --data D --out DIR
#include <filesystem>

#include "bindings/cli/progress.h"
#include "bindings/cli/recipe_options.h"
#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "supernet/training/trainer.h"
#include "supernet/weights.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  SpaceOptions space;
  RecipeOptions recipe;
  std::string data, out, subnet;
  bool resume = false;
  double checkpoint_seconds = 60;
  int64_t validation = 0;
};

absl::StatusOr<Answer> Train(const Options& o) {
  auto data = supernet::LoadDataset(o.data);
  if (!data.ok()) return data.status();
  supernet::ImageDataset images = std::move(data->train);
  if (o.validation > 0) {
    auto split = supernet::SplitTrainValidation(std::move(images), o.validation, /*seed=*/0);
    if (!split.ok()) return split.status();
    images = std::move(split->train);
  }
  auto space = o.space.Make(SpaceFit::Of(images));
  if (!space.ok()) return space.status();
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  auto recipe = o.recipe.Make(o.common.seed);
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
  const supernet::GraphRequest request = {.mode = supernet::Mode::kTraining};
  kernels::TensorMap weights =
      supernet::AllocateWeights(own ? (*space)->Network(*own, request).graph : (*space)->Supernet(request).graph);
  supernet::InitializeWeights(weights, o.common.seed);

  Progress progress;
  auto trained = supernet::Train(*space, *device, images, own, std::move(weights), *recipe,
                                 {.checkpoint_path = path,
                                  .checkpoint_seconds = o.checkpoint_seconds,
                                  .resume = o.resume,
                                  .progress = [&](const supernet::TrainingProgress& p) { progress.Training(p); },
                                  .cancel = Interrupted()});
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
  command->add_option("--data", o.data, "fashion-mnist, a folder of IDX files, cifar10:FOLDER, arrays:FILE, synthetic")
      ->required();
  command->add_option("--out", o.out, "Folder for checkpoint.safetensors")->required();
  command->add_option("--subnet", o.subnet, "Train this network with weights of its own: JSON, or @FILE");
  command->add_option("--validation", o.validation, "Training images to hold out")->capture_default_str();
  command->add_flag("--resume", o.resume, "Go on from the checkpoint in --out");
  command->add_option("--checkpoint-seconds", o.checkpoint_seconds, "Seconds between checkpoints")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

}  // namespace mathnas::cli
