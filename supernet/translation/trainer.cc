#include "supernet/translation/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "fmt/format.h"
#include "kernels/internal/json_text.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/supertransformer/graph.h"
#include "supernet/text/token_loader.h"
#include "supernet/training/step.h"

namespace mathnas::supernet {
namespace {

using Clock = std::chrono::steady_clock;
using supertransformer::Task;

constexpr uint8_t kDropoutPurpose = 0x31;  // of kernels::Random::Stream: batch of the update, update

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

class Run {
 public:
  Run(const SuperTransformerMacro& macro, std::shared_ptr<const SearchSpace> space,
      std::shared_ptr<kernels::Device> device, const EncodedPairs& pairs, const std::optional<Choice>& own,
      const TranslationRecipe& recipe, const TrainingRun& options)
      : macro_(macro),
        space_(std::move(space)),
        device_(std::move(device)),
        pairs_(pairs),
        own_(own),
        recipe_(recipe),
        options_(options) {}

  absl::StatusOr<Checkpoint> Train(kernels::TensorMap weights) {
    if (auto s = Start(std::move(weights)); !s.ok()) return s;
    TokenLoaderOptions loading = TokenLoaderOptions::Training(recipe_.tokens, recipe_.seed);
    loading.first_epoch = state_.epoch;
    loading.first_batch = state_.batch;
    auto loader = TokenBatchLoader::Create(pairs_, loading);
    if (!loader.ok()) return loader.status();
    batches_ = (*loader)->batches_per_epoch();
    update_ = (state_.epoch * batches_ + state_.batch) / recipe_.accumulate;
    first_update_ = update_;

    TrainingStep step(space_, device_, state_.weights,
                      {.weights = own_ ? Weights::kOwn : Weights::kShared,
                       .label_smoothing = recipe_.label_smoothing,
                       .ignored_label = supertransformer::kPad,
                       .sum = true,
                       .dropout = recipe_.dropout,
                       .attention_dropout = recipe_.attention_dropout,
                       .optimizer = {.algorithm = Algorithm::kFairseqAdam,
                                     .weight_decay = recipe_.weight_decay,
                                     .beta1 = recipe_.beta1,
                                     .beta2 = recipe_.beta2,
                                     .epsilon = recipe_.epsilon},
                       .precision = recipe_.precision,
                       .recompute = options_.recompute});
    step.optimizer().Restore(state_.optimizer);
    if (state_.loss_scale) step.loss_scale() = *state_.loss_scale;
    last_checkpoint_ = last_report_ = start_ = Clock::now();
    while (update_ < recipe_.updates) {
      const Clock::time_point begin = Clock::now();
      rate_ = recipe_.schedule.At(update_, recipe_.updates);
      int64_t tokens = 0;
      for (int64_t part = 0; part < recipe_.accumulate; ++part) {
        const TokenBatch& batch = *(*loader)->Next();
        if (auto s = Start(step, batch, part); !s.ok()) return s;
        tokens += batch.tokens;
        if (part + 1 == recipe_.accumulate) {  // before the loss is read, for which the device would wait
          const auto norm = step.Update({.learning_rate = rate_,
                                         .gradient_scale = 1 / static_cast<double>(std::max<int64_t>(1, tokens)),
                                         .clip_norm = recipe_.clip_norm});
          if (!norm.ok()) return norm.status();
        }
        if (auto s = Finish(step, batch.tokens); !s.ok()) return s;
      }
      ++update_;
      state_.epochs.back().seconds += Seconds(begin);
      const bool stop = options_.cancel != nullptr && options_.cancel->load(), done = update_ == recipe_.updates;
      const bool save = !options_.checkpoint_path.empty() &&
                        (stop || done || Seconds(last_checkpoint_) >= options_.checkpoint_seconds);
      if (save || done) {
        if (auto s = device_->Wait(); !s.ok()) return s;  // nothing is written when the device was lost
        state_.optimizer = step.optimizer().state().Clone();
        if (recipe_.precision == kernels::Precision::kFloat16) state_.loss_scale = step.loss_scale();
      }
      if (save) {
        if (auto s = SaveCheckpoint(options_.checkpoint_path, state_); !s.ok()) return s;
        last_checkpoint_ = Clock::now();
      }
      Report(save, done);
      if (stop && !done) return absl::CancelledError("training interrupted");
    }
    return std::move(state_);
  }

 private:
  absl::Status Start(kernels::TensorMap weights) {
    if (auto s = Check(recipe_); !s.ok()) return s;
    if (auto s = kernels::Check(*device_, recipe_.precision); !s.ok()) return kernels::Annotate(s, "precision");
    if (own_) {
      if (auto s = space_->Check(*own_); !s.ok()) return s;
      state_.subnet = space_->SubnetJson(*own_);
    }
    state_.space = space_->name();
    state_.macro = space_->MacroJson();
    state_.recipe = ToJson(recipe_);
    state_.seed = recipe_.seed;
    if (auto s = CheckTokens(pairs_.source, "source", macro_.source_vocabulary); !s.ok()) return s;
    if (auto s = CheckTokens(pairs_.target, "target", macro_.target_vocabulary); !s.ok()) return s;
    auto loaded = options_.resume ? LoadToResume(options_.checkpoint_path, state_) : std::optional<Checkpoint>();
    if (!loaded.ok()) return loaded.status();
    if (*loaded) {
      state_ = **std::move(loaded);
    } else {
      state_.weights = std::move(weights);
    }
    return CheckWeights(*space_, own_, state_.weights);
  }

  static absl::Status CheckTokens(const TokenRows& rows, std::string_view side, int64_t vocabulary) {
    for (int64_t i = 0; i < rows.size(); ++i) {
      for (int32_t token : rows.row(i)) {
        if (token >= 0 && token < vocabulary) continue;
        return absl::InvalidArgumentError(
            fmt::format("{} of pair {}: token {}, expected 0 to {}: the vocabulary is not "
                        "that of the network",
                        side, i, token, vocabulary - 1));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Start(TrainingStep& step, const TokenBatch& batch, int64_t part) {
    const Choice choice = own_ ? *own_ : DrawnNetwork(*space_, macro_, static_cast<uint64_t>(update_));
    std::vector<StepInput> inputs = {{"source", batch.source}, {"previous", batch.previous}, {"labels", batch.labels}};
    int64_t seed = 0;
    if (recipe_.dropout > 0 || recipe_.attention_dropout > 0) {
      kernels::Random random(recipe_.seed, kernels::Random::Stream(kDropoutPurpose, static_cast<uint64_t>(part),
                                                                   static_cast<uint64_t>(update_)));
      seed = random.Next();
      inputs.push_back({"seed", {{kernels::DType::kI64, {1}}, &seed}});
    }
    return step.Start(choice, inputs);
  }

  absl::Status Finish(TrainingStep& step, int64_t tokens) {
    const auto result = step.Result();
    if (!result.ok()) return result.status();
    if (!std::isfinite(result->loss)) {
      return absl::FailedPreconditionError(fmt::format(
          "the loss is {} at update {}: training diverged; lower the learning rate", result->loss, update_ + 1));
    }
    Count(result->loss, result->correct, tokens);
    return absl::OkStatus();
  }

  void Count(double loss, int64_t correct, int64_t tokens) {
    if (static_cast<int64_t>(state_.epochs.size()) == state_.epoch) state_.epochs.emplace_back();
    EpochRecord& epoch = state_.epochs.back();
    const auto before = static_cast<double>(epoch.images), all = before + static_cast<double>(tokens);
    if (all > 0) {
      epoch.loss = (epoch.loss * before + loss) / all;
      epoch.accuracy = (epoch.accuracy * before + static_cast<double>(correct)) / all;
    }
    epoch.images += tokens;
    tokens_since_report_ += tokens;
    if (++state_.batch == batches_) ++state_.epoch, state_.batch = 0;
  }

  void Report(bool saved, bool done) {
    const double elapsed = Seconds(last_report_);
    if (!options_.progress || (elapsed < 1 && !saved && !done)) return;
    const double per_update = Seconds(start_) / static_cast<double>(update_ - first_update_);
    options_.progress({.epoch = update_ - 1,
                       .epochs = recipe_.updates,
                       .batch = state_.batch,
                       .batches = batches_,
                       .loss = state_.epochs.back().loss,
                       .accuracy = state_.epochs.back().accuracy,
                       .learning_rate = rate_,
                       .images_per_second = static_cast<double>(tokens_since_report_) / std::max(elapsed, 1e-9),
                       .seconds_left = per_update * static_cast<double>(recipe_.updates - update_),
                       .loader_wait_seconds = 0,
                       .checkpointed = saved});
    last_report_ = Clock::now();
    tokens_since_report_ = 0;
  }

  const SuperTransformerMacro& macro_;
  std::shared_ptr<const SearchSpace> space_;
  std::shared_ptr<kernels::Device> device_;
  const EncodedPairs& pairs_;
  const std::optional<Choice>& own_;
  const TranslationRecipe& recipe_;
  const TrainingRun& options_;
  Checkpoint state_;
  int64_t batches_ = 0, update_ = 0, first_update_ = 0, tokens_since_report_ = 0;
  double rate_ = 0;
  Clock::time_point last_checkpoint_, last_report_, start_;
};

}  // namespace

TranslationRecipe PublishedRecipe(Task task, bool one_network) {
  TranslationRecipe r;
  const int64_t warmup = one_network ? 4000 : 10000;
  if (task == Task::kWmt) {
    r.updates = 40000;
    r.tokens = 4096;
    r.accumulate = 128;  // 16 on each of 8 devices
    r.schedule = {UpdateSchedule::Form::kCosine, 1e-3, 1e-7, 1e-7, warmup};
    r.dropout = 0.3;
    r.attention_dropout = 0.1;
  } else if (task == Task::kIwslt) {
    r.updates = 50000;
    r.tokens = 4096;
    r.schedule = {UpdateSchedule::Form::kInverseSqrt, 5e-4, 1e-7, 0, warmup};
    r.weight_decay = 1e-4;
    r.clip_norm = 25;
    r.dropout = 0.375;
  } else {
    // Chosen by a handful of runs of a few minutes: with a rate of 2e-3 translations hardly got better in that time.
    r.updates = 5500;
    r.tokens = 1024;
    r.schedule = {UpdateSchedule::Form::kCosine, 7e-4, 1e-7, 0, 300};
  }
  return r;
}

std::string ToJson(const TranslationRecipe& r) {
  nlohmann::json recipe = {{"updates", r.updates},
                           {"tokens", r.tokens},
                           {"accumulate", r.accumulate},
                           {"schedule", std::string(Name(r.schedule.form))},
                           {"lr", r.schedule.rate},
                           {"initial_lr", r.schedule.initial_rate},
                           {"final_lr", r.schedule.final_rate},
                           {"warmup_updates", r.schedule.warmup_updates},
                           {"optimizer", std::string(Name(Algorithm::kFairseqAdam))},
                           {"beta1", r.beta1},
                           {"beta2", r.beta2},
                           {"epsilon", r.epsilon},
                           {"weight_decay", r.weight_decay},
                           {"clip_norm", r.clip_norm},
                           {"label_smoothing", r.label_smoothing},
                           {"dropout", r.dropout},
                           {"attention_dropout", r.attention_dropout},
                           {"vocabulary", r.vocabulary},
                           {"seed", r.seed}};
  if (r.precision != kernels::Precision::kFloat32) recipe["precision"] = kernels::Name(r.precision);
  return kernels::internal::JsonText(recipe);
}

absl::Status Check(const TranslationRecipe& r) {
  const struct {
    std::string_view name;
    double value, low, high;
  } fields[] = {{"updates", static_cast<double>(r.updates), 1, 1e9},
                {"tokens", static_cast<double>(r.tokens), 1, 1e7},
                {"accumulate", static_cast<double>(r.accumulate), 1, 1e6},
                {"lr", r.schedule.rate, 0, 1e3},
                {"initial lr", r.schedule.initial_rate, 0, 1e3},
                {"final lr", r.schedule.final_rate, 0, 1e3},
                {"warm-up updates", static_cast<double>(r.schedule.warmup_updates), 0, 1e9},
                {"beta1", r.beta1, 0, 0.999999},
                {"beta2", r.beta2, 0, 0.999999},
                {"epsilon", r.epsilon, 0, 1},
                {"weight decay", r.weight_decay, 0, 1e3},
                {"clip norm", r.clip_norm, 0, 1e9},
                {"label smoothing", r.label_smoothing, 0, 0.999},
                {"dropout", r.dropout, 0, 0.999},
                {"attention dropout", r.attention_dropout, 0, 0.999}};
  for (const auto& f : fields) {
    if (!(f.value >= f.low && f.value <= f.high)) {
      return absl::InvalidArgumentError(fmt::format("{}: {}, expected {} to {}", f.name, f.value, f.low, f.high));
    }
  }
  return absl::OkStatus();
}

Choice DrawnNetwork(const SearchSpace& space, const SuperTransformerMacro& macro, uint64_t update) {
  supertransformer::Architecture a = supertransformer::Sample(macro.task, update);
  if (!macro.widths.empty()) {
    const std::span<const int> widths = supertransformer::ChoicesOf(macro.task).widths;
    const auto index = [widths](int width) { return std::find(widths.begin(), widths.end(), width) - widths.begin(); };
    const auto drawn =
        static_cast<size_t>(index(a.encoder_width)) * widths.size() + static_cast<size_t>(index(a.decoder_width));
    SetJoinedWidths(macro.widths[drawn % macro.widths.size()], a);
  }
  return *space.ParseSubnet(ToJson(a));
}

absl::StatusOr<Checkpoint> TrainTranslation(const SuperTransformerMacro& macro, std::shared_ptr<kernels::Device> device,
                                            const EncodedPairs& pairs, const std::optional<Choice>& own,
                                            kernels::TensorMap weights, const TranslationRecipe& recipe,
                                            const TrainingRun& run) {
  auto space = SuperTransformer(macro);
  if (!space.ok()) return space.status();
  return Run(macro, *std::move(space), std::move(device), pairs, own, recipe, run).Train(std::move(weights));
}

}  // namespace mathnas::supernet
