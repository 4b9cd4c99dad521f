// A training recipe from the command line.
#ifndef MATHNAS_BINDINGS_CLI_RECIPE_OPTIONS_H_
#define MATHNAS_BINDINGS_CLI_RECIPE_OPTIONS_H_

#include <optional>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "supernet/training/trainer.h"

namespace mathnas::cli {

struct RecipeOptions {
  supernet::TrainingRecipe recipe;
  std::string sampling = "uniform";
  std::string rate_update = "epoch";
  bool no_augment = false;
  bool no_nesterov = false;
  CLI::App* command = nullptr;

  void AddTo(CLI::App* to) {
    command = to;
    command->add_option("--epochs", recipe.epochs, "Epochs")->capture_default_str();
    command->add_option("--batch", recipe.batch, "Images per step")->capture_default_str();
    command->add_option("--lr", recipe.learning_rate, "Learning rate")->capture_default_str();
    command->add_option("--final-lr", recipe.final_learning_rate, "Learning rate at the end of the cosine")
        ->capture_default_str();
    command->add_option("--warmup-epochs", recipe.warmup_epochs, "Epochs of linear warm-up")->capture_default_str();
    command
        ->add_option("--lr-update", rate_update,
                     "Change the rate once per epoch, as the reference does, or at every step")
        ->capture_default_str()
        ->check(CLI::IsMember({"epoch", "step"}));
    command->add_option("--momentum", recipe.momentum, "Momentum")->capture_default_str();
    command->add_flag("--no-nesterov", no_nesterov, "Plain momentum");
    command->add_option("--weight-decay", recipe.weight_decay, "Weight decay, on all parameters (stages: on weights)")
        ->capture_default_str();
    command->add_option("--label-smoothing", recipe.label_smoothing, "Label smoothing")->capture_default_str();
    command->add_option("--sampling", sampling, "Networks per step of a supernet: full, uniform or fair")
        ->capture_default_str();
    command->add_flag("--no-augment", no_augment, "No flips and crops");
    command
        ->add_option("--crop-padding", recipe.crop_padding,
                     "Zero padding of the random crop (-1: 4, or 2 below 28 pixels)")
        ->capture_default_str();
  }

  // With a stage of progressive shrinking its recipe (spec/search-spaces.md 3.8), where nothing else is asked for;
  // `epochs` are asked for by other means than --epochs.
  absl::StatusOr<supernet::TrainingRecipe> Make(uint64_t seed, const std::optional<supernet::Shrinking>& shrinking = {},
                                                std::optional<int64_t> epochs = {}) const {
    supernet::TrainingRecipe made = recipe;
    auto parsed = supernet::ParseSampling(sampling);
    if (!parsed.ok()) return parsed.status();
    made.sampling = *parsed;
    made.rate_per_step = rate_update == "step";
    if (shrinking) {
      const supernet::ShrinkingStage& stage = shrinking->stage;
      const auto asked = [&](const char* option) { return command->count(option) > 0; };
      if (!asked("--batch")) made.batch = 64;
      if (!epochs && asked("--epochs")) epochs = recipe.epochs;
      if (!asked("--warmup-epochs")) made.warmup_epochs = epochs ? 0 : stage.warmup_epochs;
      made.epochs = epochs.value_or(stage.epochs + made.warmup_epochs);
      if (!asked("--lr")) made.learning_rate = stage.rate * static_cast<double>(made.batch) / 64;
      if (!asked("--weight-decay")) made.weight_decay = 3e-5;
      if (!asked("--label-smoothing")) made.label_smoothing = 0.1;
      if (!asked("--lr-update")) made.rate_per_step = true;
      made.decay = supernet::Decay::kWeights;
      made.shrinking = shrinking;
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
