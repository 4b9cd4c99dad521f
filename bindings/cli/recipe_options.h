// A training recipe from the command line.
#ifndef MATHNAS_BINDINGS_CLI_RECIPE_OPTIONS_H_
#define MATHNAS_BINDINGS_CLI_RECIPE_OPTIONS_H_

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "bindings/cli/precision_option.h"
#include "kernels/status.h"
#include "supernet/training/trainer.h"

namespace mathnas::cli {

// What a recipe is for.
struct RecipePurpose {
  std::string_view space;
  bool photographs = false;  // images of any size
  bool small = false;        // SpaceOptions::small_images
};

struct RecipeOptions {
  supernet::TrainingRecipe recipe;
  std::string sampling = "uniform", optimizer = "sgd";
  std::string rate_update = "epoch";
  std::string rand_augment = "none";
  PrecisionOption precision;
  bool no_augment = false;
  bool no_nesterov = false;
  CLI::App* command = nullptr;

  void AddTo(CLI::App* to) {
    command = to;
    command->add_option("--epochs", recipe.epochs, "Epochs")->capture_default_str();
    command->add_option("--batch", recipe.batch, "Images per step (supervit: 64)")->capture_default_str();
    command->add_option("--optimizer", optimizer, "sgd, adamw or fairseq-adam (supervit: adamw)")
        ->capture_default_str();
    command->add_option("--lr", recipe.learning_rate, "Learning rate (supervit: 3e-4 batch / 512)")
        ->capture_default_str();
    command->add_option("--final-lr", recipe.final_learning_rate, "Learning rate at the end of the cosine")
        ->capture_default_str();
    command->add_option("--warmup-epochs", recipe.warmup_epochs, "Epochs of linear warm-up (supervit: up to 5)")
        ->capture_default_str();
    command->add_option("--warmup-lr", recipe.warmup_rate, "Rate that the warm-up begins with (0: its first step)")
        ->capture_default_str();
    command
        ->add_option("--clip-norm", recipe.clip_norm,
                     "Clip gradients by their norm, in a sandwich those of all networks but the largest (0: none; "
                     "supervit: 1)")
        ->capture_default_str();
    command
        ->add_option(
            "--average", recipe.average,
            "Decay of the moving average of weights, which is what later commands take; it looks back on about "
            "1 / (1 - decay) steps, so short runs need a small one (0: none; supervit: 0.99985)")
        ->capture_default_str();
    command
        ->add_option("--drop-path", recipe.drop_path,
                     "mobilenetv3, supervit: rate at which the residual branches of the last block are dropped for a "
                     "sample in training; earlier ones less often, linearly over depth")
        ->capture_default_str();
    command
        ->add_option("--image-size", recipe.image_size,
                     "supervit: side of the images, which its networks resize (0: that of a step's first network)")
        ->capture_default_str();
    command
        ->add_option("--lr-update", rate_update,
                     "Change the rate once per epoch, as the reference does, or at every step")
        ->capture_default_str()
        ->check(CLI::IsMember({"epoch", "step"}));
    command->add_option("--momentum", recipe.momentum, "Momentum")->capture_default_str();
    command->add_flag("--no-nesterov", no_nesterov, "Plain momentum");
    command->add_option("--weight-decay", recipe.weight_decay, "Weight decay, on all parameters (stages: on weights)")
        ->capture_default_str();
    precision.AddTo(command, "What training computes in, from master weights in float32");
    command->add_option("--label-smoothing", recipe.label_smoothing, "Label smoothing")->capture_default_str();
    command
        ->add_option("--sampling", sampling,
                     "Networks per step of a supernet: full, uniform, fair or sandwich (supervit: sandwich)")
        ->capture_default_str();
    const CLI::Option* plain =
        command->add_flag("--no-augment", no_augment, "No flips and crops, nor what else is drawn for images");
    command
        ->add_option("--rand-augment", rand_augment,
                     "RandAugment by timm's text, or none: for images that are resized, in place of changes of "
                     "brightness and saturation (supervit on a folder of images: rand-n1-m1-mstd0.5-inc1)")
        ->capture_default_str();
    command
        ->add_option("--erasing", recipe.erasing,
                     "Probability of random erasing (supervit on a folder of images: 0.01)")
        ->capture_default_str();
    command
        ->add_option("--mixup", recipe.mixing.mixup,
                     "Parameter of mixup's beta distribution (0: none; supervit on a folder of images: 0.01)")
        ->capture_default_str();
    command
        ->add_option("--cutmix", recipe.mixing.cutmix,
                     "Parameter of cutmix's beta distribution (0: none; supervit on a folder of images: 0.01)")
        ->capture_default_str();
    command
        ->add_option("--mix-switch", recipe.mixing.switch_probability, "Probability of cutmix where both are asked for")
        ->capture_default_str();
    for (const char* option : {"--rand-augment", "--erasing", "--mixup", "--cutmix"}) {
      command->get_option(option)->excludes(command->get_option(plain->get_name()));
    }
    command
        ->add_option("--crop-padding", recipe.crop_padding,
                     "Zero padding of the random crop (-1: 4, or 2 below 28 pixels)")
        ->capture_default_str();
  }

  // In supervit, and with a stage of progressive shrinking, its recipe (spec/search-spaces.md 5.8 and 3.8) where
  // nothing else is asked for; `epochs` are asked for by other means than --epochs.
  absl::StatusOr<supernet::TrainingRecipe> Make(uint64_t seed, const RecipePurpose& purpose,
                                                const std::optional<supernet::Shrinking>& shrinking = {},
                                                std::optional<int64_t> epochs = {}) const {
    supernet::TrainingRecipe made = recipe;
    auto parsed = supernet::ParseSampling(sampling);
    if (!parsed.ok()) return parsed.status();
    made.sampling = *parsed;
    auto algorithm = supernet::ParseAlgorithm(optimizer);
    if (!algorithm.ok()) return algorithm.status();
    made.algorithm = *algorithm;
    auto operations = supernet::ParseRandAugment(rand_augment);
    if (!operations.ok()) return kernels::Annotate(operations.status(), "--rand-augment");
    made.rand_augment = *operations;
    const auto computed = precision.Get();
    if (!computed.ok()) return computed.status();
    made.precision = *computed;
    made.rate_per_step = rate_update == "step";
    const auto asked = [&](const char* option) { return command->count(option) > 0; };
    if (purpose.space == "supervit") {
      const supernet::TrainingRecipe published =
          purpose.small
              ? supernet::SmallNasVitRecipe()
              : supernet::NasVitRecipe(asked("--batch") ? recipe.batch : 64, purpose.photographs && !no_augment);
      if (purpose.small && !asked("--epochs")) made.epochs = published.epochs;
      if (!asked("--batch")) made.batch = published.batch;
      if (!asked("--optimizer")) made.algorithm = published.algorithm;
      if (!asked("--lr")) made.learning_rate = published.learning_rate;
      if (!asked("--final-lr")) made.final_learning_rate = published.final_learning_rate;
      if (!asked("--warmup-epochs")) made.warmup_epochs = std::min(published.warmup_epochs, made.epochs / 2);
      if (!asked("--warmup-lr")) made.warmup_rate = published.warmup_rate;
      if (!asked("--lr-update")) made.rate_per_step = published.rate_per_step;
      if (!asked("--weight-decay")) made.weight_decay = published.weight_decay;
      if (!asked("--clip-norm")) made.clip_norm = published.clip_norm;
      if (!asked("--average")) made.average = published.average;
      if (!asked("--sampling")) made.sampling = published.sampling;
      if (!asked("--image-size")) made.image_size = published.image_size;
      if (!asked("--rand-augment")) made.rand_augment = published.rand_augment;
      if (!asked("--erasing")) made.erasing = published.erasing;
      if (!asked("--mixup")) made.mixing.mixup = published.mixing.mixup;
      if (!asked("--cutmix")) made.mixing.cutmix = published.mixing.cutmix;
      made.decay = published.decay;
    }
    if (shrinking) {
      const supernet::TrainingRecipe published =
          supernet::ShrinkingRecipe(*shrinking, asked("--batch") ? recipe.batch : 64);
      if (!epochs && asked("--epochs")) epochs = recipe.epochs;
      made.batch = published.batch;
      if (!asked("--warmup-epochs")) made.warmup_epochs = epochs ? 0 : published.warmup_epochs;
      made.epochs = epochs.value_or(shrinking->stage.epochs + made.warmup_epochs);
      if (!asked("--lr")) made.learning_rate = published.learning_rate;
      if (!asked("--weight-decay")) made.weight_decay = published.weight_decay;
      if (!asked("--label-smoothing")) made.label_smoothing = published.label_smoothing;
      if (!asked("--lr-update")) made.rate_per_step = published.rate_per_step;
      made.decay = published.decay;
      made.shrinking = published.shrinking;
    }
    made.augment = !no_augment;
    made.nesterov = !no_nesterov;
    made.seed = seed;
    if (auto s = supernet::Check(made); !s.ok()) return s;
    return made;
  }
};

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_RECIPE_OPTIONS_H_
