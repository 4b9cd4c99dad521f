#include "supernet/training/trainer.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "fmt/format.h"
#include "kernels/internal/json_text.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/data/loader.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/network_input.h"
#include "supernet/training/teacher.h"

namespace mathnas::supernet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint8_t kDropPathPurpose = 0x32;  // of kernels::Random::Stream: network of the step, step

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

class Run {
 public:
  Run(std::shared_ptr<const SearchSpace> space, std::shared_ptr<kernels::Device> device, ImageSourcePtr images,
      const std::optional<Choice>& own, const TrainingRecipe& recipe, const TrainingRun& options)
      : space_(std::move(space)),
        device_(std::move(device)),
        images_(std::move(images)),
        own_(own),
        recipe_(recipe),
        options_(options) {}

  absl::StatusOr<Checkpoint> Train(kernels::TensorMap weights) {
    if (auto s = Start(std::move(weights)); !s.ok()) return s;
    if (state_.epoch >= recipe_.epochs) return std::move(state_);

    LoaderOptions loading = LoaderOptions::Training(recipe_.batch, recipe_.seed);
    loading.augment = recipe_.augment;
    loading.crop_padding = recipe_.crop_padding;
    loading.erasing = recipe_.erasing;
    loading.first_epoch = state_.epoch;
    loading.first_batch = state_.batch;
    loading.end_epoch = recipe_.epochs;
    loading.threads = options_.reading.threads;
    batches_ = images_->count() / recipe_.batch;
    auto loader = AreResized(*space_, *images_) ? BatchLoader::Create(images_, loading, Resolution())
                                                : BatchLoader::Create(images_, loading);
    if (!loader.ok()) return loader.status();

    TrainingStep step(space_, device_, state_.weights,
                      {.weights = own_ ? Weights::kOwn : Weights::kShared,
                       .label_smoothing = recipe_.label_smoothing,
                       .drop_path = recipe_.drop_path,
                       .optimizer = {.algorithm = recipe_.algorithm,
                                     .weight_decay = recipe_.weight_decay,
                                     .decay = recipe_.decay,
                                     .momentum = recipe_.momentum,
                                     .nesterov = recipe_.nesterov},
                       .precision = recipe_.precision,
                       .recompute = options_.recompute});
    std::optional<Teacher> teacher;
    if (options_.teacher != nullptr) teacher.emplace(space_, device_, *options_.teacher);
    step.optimizer().Restore(state_.optimizer);
    if (state_.loss_scale) step.loss_scale() = *state_.loss_scale;
    if (recipe_.average > 0 && state_.average.size() == 0) BeginAverage();
    if (auto s = kernels::Place(*device_, state_.average); !s.ok()) return s;

    last_checkpoint_ = last_report_ = Clock::now();
    while (const Batch* batch = (*loader)->Next()) {
      const Clock::time_point start = Clock::now();
      if (auto s = TrainBatch(step, teacher ? &*teacher : nullptr, *batch); !s.ok()) return s;
      Count(Seconds(start));
      const bool stop = options_.cancel != nullptr && options_.cancel->load();
      const bool epoch_done = state_.batch == 0;
      const bool save = !options_.checkpoint_path.empty() &&
                        (stop || epoch_done || Seconds(last_checkpoint_) >= options_.checkpoint_seconds);
      if (save) {
        if (auto s = Save(step); !s.ok()) return s;
      }
      Report((*loader)->wait_seconds(), save, epoch_done);
      if (stop && state_.epoch < recipe_.epochs) return absl::CancelledError("training interrupted");
    }
    if (auto s = (*loader)->status(); !s.ok()) return s;
    if (auto s = device_->Wait(); !s.ok()) return s;
    TakeState(step);
    return std::move(state_);
  }

 private:
  absl::Status Start(kernels::TensorMap weights) {
    if (auto s = Check(recipe_); !s.ok()) return s;
    if (auto s = CheckImages(*space_, *images_); !s.ok()) return s;
    if (auto s = kernels::Check(*device_, recipe_.precision); !s.ok()) return kernels::Annotate(s, "precision");
    if (recipe_.shrinking && space_->name() != "mobilenetv3") {
      return absl::InvalidArgumentError(
          fmt::format("progressive shrinking: expected the space mobilenetv3, found {}", space_->name()));
    }
    if (own_) {
      if (auto s = space_->Check(*own_); !s.ok()) return s;
    } else if (!recipe_.shrinking) {
      if (auto s = supernet::Check(*space_, recipe_.sampling); !s.ok()) return s;
    }
    if (IsSandwich() && options_.teacher != nullptr) {
      return absl::InvalidArgumentError("sampling sandwich: expected no teacher, since the largest network is one");
    }
    if (recipe_.image_size > 0 && (space_->name() != "supervit" || !AreResized(*space_, *images_))) {
      return absl::InvalidArgumentError(fmt::format("image size {}: networks of {} do not resize images, expected 0",
                                                    recipe_.image_size, space_->name()));
    }
    if (recipe_.rand_augment.layers > 0 && !AreResized(*space_, *images_)) {
      return absl::InvalidArgumentError(fmt::format(
          "RandAugment {}: images of {} all have the size of the network and are not resized, expected none",
          ToString(recipe_.rand_augment), images_->name()));
    }
    if (recipe_.drop_path > 0 && !space_->has_residual_branches()) {
      return absl::InvalidArgumentError(fmt::format("drop path {}: blocks of {} have no residual branches, expected 0",
                                                    recipe_.drop_path, space_->name()));
    }
    state_.space = space_->name();
    state_.macro = space_->MacroJson();
    if (own_) state_.subnet = space_->SubnetJson(*own_);
    state_.recipe = ToJson(recipe_);
    state_.seed = recipe_.seed;
    auto loaded = options_.resume ? LoadToResume(options_.checkpoint_path, state_) : std::optional<Checkpoint>();
    if (!loaded.ok()) return loaded.status();
    if (*loaded) {
      state_ = **std::move(loaded);
    } else {
      state_.weights = std::move(weights);
    }
    return CheckWeights(*space_, own_, state_.weights);
  }

  // The networks of a step, a function of the step alone.
  absl::StatusOr<std::vector<std::optional<Choice>>> Paths(int64_t epoch, int64_t batch) const {
    if (own_) return std::vector<std::optional<Choice>>{own_};
    if (!recipe_.shrinking) return SamplePaths(*space_, recipe_.sampling, recipe_.seed, epoch * batches_ + batch);
    const ShrinkingStep step = {epoch, batch, batches_};
    std::vector<std::optional<Choice>> paths;
    for (mobilenetv3::Architecture& a : StepSubnets(recipe_.shrinking->stage, recipe_.shrinking->rule, step)) {
      a.resolution = StepResolution(recipe_.shrinking->resolutions, step);
      auto choice = ChoiceOf(*space_, a);
      if (!choice.ok()) return choice.status();
      paths.emplace_back(*std::move(choice));
    }
    return paths;
  }

  bool IsSandwich() const { return !own_ && !recipe_.shrinking && recipe_.sampling == Sampling::kSandwich; }

  // The side of the input of a path; the whole supernet's is that of the base network.
  int64_t SideOf(const std::optional<Choice>& path) const {
    return space_->input_shape(path.value_or(space_->base()))[0];
  }

  ResolutionOptions Resolution() const {
    const int64_t side = recipe_.image_size > 0 ? recipe_.image_size : SideOf(std::nullopt);
    ResolutionOptions options = ResolutionFor(*images_, side, space_->input_shape()[2], options_.reading);
    options.resizing.rand_augment = recipe_.rand_augment;
    if (recipe_.rand_augment.layers > 0) options.resizing.brightness = options.resizing.saturation = 0;
    if (recipe_.image_size > 0) return options;
    if (const int shared = space_->structure().shared; shared >= 0) {
      Choice choice = space_->base();
      for (choice[shared] = 0; choice[shared] < std::ssize(space_->nodes()[shared].candidates); ++choice[shared]) {
        if (!recipe_.shrinking || std::ranges::count(recipe_.shrinking->resolutions, SideOf(choice)) > 0) {
          options.largest = std::max(options.largest, SideOf(choice));
        }
      }
    }
    options.size = [this](int64_t epoch, int64_t batch) {
      const auto paths = Paths(epoch, batch);
      return SideOf(paths.ok() ? paths->front() : std::nullopt);
    };
    if (images_->channels() == 1) options.resizing.saturation = 0;
    return options;
  }

  absl::Status TrainBatch(TrainingStep& step, Teacher* teacher, const Batch& batch) {
    const auto drawn = Paths(batch.epoch, batch.index);
    if (!drawn.ok()) return drawn.status();
    const std::vector<std::optional<Choice>>& paths = *drawn;
    std::vector<StepInput> inputs = {{"image", batch.images}, {"labels", batch.labels}};
    Loss loss = Loss::kLabels;
    if (recipe_.mixing.any()) {
      Mix(batch);
      inputs.push_back({"soft_targets", targets_.view()});
      loss = Loss::kSoftTargets;
    }
    if (teacher != nullptr) {
      auto made = teacher->Targets(batch.images, paths.front().value_or(space_->base()));
      if (!made.ok()) return made.status();
      if (loss == Loss::kLabels) {
        inputs.push_back({"soft_targets", *made});
        loss = Loss::kLabelsAndSoftTargets;
      } else {  // the sum of both losses is the loss of the sum of their targets
        const auto from = made->as<float>(), to = targets_.as<float>();
        std::transform(to.begin(), to.end(), from.begin(), to.begin(), std::plus<float>());
      }
    }
    step_number_ = batch.epoch * batches_ + batch.index;
    const LearningRateSchedule schedule = {recipe_.learning_rate, recipe_.final_learning_rate, recipe_.epochs,
                                           recipe_.warmup_epochs, recipe_.rate_per_step,       recipe_.warmup_rate};
    rate_ = schedule.At(batch.epoch, batch.index, batches_);
    auto trained =
        IsSandwich() ? Sandwich(step, paths, inputs, loss, batch.epoch) : Together(step, paths, inputs, loss);
    if (!trained.ok()) return trained.status();
    const Means& total = *trained;
    if (!std::isfinite(total.loss)) {
      return absl::FailedPreconditionError(
          fmt::format("the loss is {} in epoch {}, batch {}: training diverged; lower the learning rate", total.loss,
                      batch.epoch + 1, batch.index + 1));
    }
    loss_ = total.loss;
    accuracy_ = total.accuracy;
    return absl::OkStatus();
  }

  // Mixes the images where they are; targets_ become those of their labels.
  void Mix(const Batch& batch) {
    const kernels::Shape& shape = batch.images.desc.shape;
    const MixingDraw draw = DrawMixing(recipe_.mixing, recipe_.seed, batch.epoch, batch.index, shape[1], shape[2]);
    MixImages(draw, batch.images);
    if (targets_.desc().shape.empty()) targets_ = kernels::Tensor(kernels::DType::kF32, {shape[0], space_->classes()});
    const auto labels = batch.labels.as<int64_t>();
    MixLabels(draw, {labels.data(), labels.size()}, recipe_.label_smoothing, targets_.view());
  }

  struct Means {
    double loss = 0, accuracy = 0;
  };

  // Network `place` of the step.
  absl::Status Start(TrainingStep& step, const std::vector<std::optional<Choice>>& paths, size_t place,
                     std::vector<StepInput> inputs, Loss loss) const {
    int64_t seed = 0;
    if (recipe_.drop_path > 0) {
      kernels::Random random(recipe_.seed,
                             kernels::Random::Stream(kDropPathPurpose, place, static_cast<uint64_t>(step_number_)));
      seed = random.Next();
      inputs.push_back({"seed", {{kernels::DType::kI64, {1}}, &seed}});
    }
    return step.Start(paths[place], inputs, loss);
  }

  // Enqueued before the loss is read, for which the device would wait.
  absl::Status Update(TrainingStep& step, double clip_norm) {
    if (auto norm = step.Update({.learning_rate = rate_, .clip_norm = clip_norm}); !norm.ok()) return norm.status();
    return recipe_.average > 0 ? UpdateAverage() : absl::OkStatus();
  }

  // All networks learn alike; their gradients add up.
  absl::StatusOr<Means> Together(TrainingStep& step, const std::vector<std::optional<Choice>>& paths,
                                 const std::vector<StepInput>& inputs, Loss loss) {
    Means means;
    int64_t correct = 0, rows = 0;
    for (size_t i = 0; i < paths.size(); ++i) {
      if (auto s = Start(step, paths, i, inputs, loss); !s.ok()) return s;
      if (i + 1 == paths.size()) {
        if (auto s = Update(step, recipe_.clip_norm); !s.ok()) return s;
      }
      const auto result = step.Result();
      if (!result.ok()) return result.status();
      means.loss += result->loss / static_cast<double>(paths.size());
      correct += result->correct;
      rows += result->rows;
    }
    means.accuracy = static_cast<double>(correct) / static_cast<double>(std::max<int64_t>(rows, 1));
    return means;
  }

  // The first network learns from labels, mixed or not, the others from the first.
  absl::StatusOr<Means> Sandwich(TrainingStep& step, const std::vector<std::optional<Choice>>& paths,
                                 std::vector<StepInput> inputs, Loss loss, int64_t epoch) {
    if (auto s = Start(step, paths, 0, inputs, loss); !s.ok()) return s;
    const auto largest = step.Result();
    if (!largest.ok()) return largest.status();
    const Means means = {largest->loss, static_cast<double>(largest->correct) /
                                            static_cast<double>(std::max<int64_t>(largest->rows, 1))};
    const kernels::Tensor logits = kernels::Tensor::Borrow(largest->logits, nullptr).Clone();
    step.SetAside();
    inputs.resize(2);  // without targets
    inputs.push_back({"teacher_logits", logits.view()});
    for (size_t i = 1; i < paths.size(); ++i) {
      if (auto s = Start(step, paths, i, inputs, Loss::kAdaptive); !s.ok()) return s;
    }
    const auto combined =
        step.Combine({.clip_norm = recipe_.clip_norm, .strengthen = epoch >= recipe_.strengthen_from});
    if (!combined.ok()) return combined.status();
    if (auto s = Update(step, 0); !s.ok()) return s;
    return means;
  }

  // Averages begin as the weights do.
  void BeginAverage() {
    for (const kernels::TensorMap::Entry& e : state_.weights.entries()) {
      if (e.tensor.desc().dtype == device_->real()) state_.average.Put(e.name, e.tensor.Clone());
    }
  }

  absl::Status UpdateAverage() {
    std::vector<kernels::AveragedWeight<kernels::TensorView>> weights;
    for (const kernels::TensorMap::Entry& e : state_.average.entries()) {
      weights.push_back({state_.weights.Find(e.name)->view(), e.tensor.view()});
    }
    return device_->MoveAverage(recipe_.average, weights);
  }

  // One batch more in the records.
  void Count(double seconds) {
    if (static_cast<int64_t>(state_.epochs.size()) == state_.epoch) state_.epochs.emplace_back();
    EpochRecord& epoch = state_.epochs.back();
    const auto before = static_cast<double>(epoch.images), images = static_cast<double>(recipe_.batch);
    epoch.loss = (epoch.loss * before + loss_ * images) / (before + images);
    epoch.accuracy = (epoch.accuracy * before + accuracy_ * images) / (before + images);
    epoch.images += recipe_.batch;
    epoch.seconds += seconds;
    images_since_report_ += recipe_.batch;
    if (++state_.batch == batches_) ++state_.epoch, state_.batch = 0;
  }

  // What a step has beside the weights. The device is done with it.
  void TakeState(TrainingStep& step) {
    state_.optimizer = step.optimizer().state().Clone();
    if (recipe_.precision == kernels::Precision::kFloat16) state_.loss_scale = step.loss_scale();
  }

  // Nothing is written when the device was lost.
  absl::Status Save(TrainingStep& step) {
    if (auto s = device_->Wait(); !s.ok()) return s;
    TakeState(step);
    last_checkpoint_ = Clock::now();
    return SaveCheckpoint(options_.checkpoint_path, state_);
  }

  void Report(double wait, bool saved, bool epoch_done) {
    const double elapsed = Seconds(last_report_);
    if (!options_.progress || (elapsed < 1 && !epoch_done && !saved)) return;
    const double now = static_cast<double>(images_since_report_) / std::max(elapsed, 1e-9);
    images_per_second_ = images_per_second_ == 0 || elapsed > 1 ? now : images_per_second_;
    const int64_t done = state_.epoch * batches_ + state_.batch;
    const int64_t left = recipe_.epochs * batches_ - done;
    const EpochRecord& epoch = state_.epochs.back();
    options_.progress({.epoch = epoch_done ? state_.epoch - 1 : state_.epoch,
                       .epochs = recipe_.epochs,
                       .batch = epoch_done ? batches_ : state_.batch,
                       .batches = batches_,
                       .loss = epoch.loss,
                       .accuracy = epoch.accuracy,
                       .learning_rate = rate_,
                       .images_per_second = images_per_second_,
                       .seconds_left = static_cast<double>(left * recipe_.batch) / std::max(images_per_second_, 1e-9),
                       .loader_wait_seconds = wait,
                       .checkpointed = saved});
    last_report_ = Clock::now();
    images_since_report_ = 0;
  }

  std::shared_ptr<const SearchSpace> space_;
  std::shared_ptr<kernels::Device> device_;
  ImageSourcePtr images_;
  const std::optional<Choice>& own_;
  const TrainingRecipe& recipe_;
  const TrainingRun& options_;
  Checkpoint state_;
  kernels::Tensor targets_;  // of a batch that was mixed
  int64_t batches_ = 0, step_number_ = 0;
  double rate_ = 0, loss_ = 0, accuracy_ = 0, images_per_second_ = 0;
  int64_t images_since_report_ = 0;
  Clock::time_point last_checkpoint_, last_report_;
};

}  // namespace

absl::StatusOr<Checkpoint> Train(std::shared_ptr<const SearchSpace> space, std::shared_ptr<kernels::Device> device,
                                 const ImageSourcePtr& images, const std::optional<Choice>& own,
                                 kernels::TensorMap weights, const TrainingRecipe& recipe, const TrainingRun& run) {
  return Run(std::move(space), std::move(device), images, own, recipe, run).Train(std::move(weights));
}

TrainingRecipe NasVitRecipe(int64_t batch, bool photographs) {
  const double scale = static_cast<double>(batch) / 512;
  TrainingRecipe recipe = {.batch = batch,
                           .learning_rate = 3e-4 * scale,
                           .final_learning_rate = 5e-6 * scale,
                           .warmup_epochs = 5,
                           .rate_per_step = true,
                           .warmup_rate = 5e-7 * scale,
                           .algorithm = Algorithm::kAdam,
                           .weight_decay = 0,
                           .decay = Decay::kMatrices,
                           .clip_norm = 1,
                           .average = 0.99985,
                           .sampling = Sampling::kSandwich,
                           .image_size = 224};
  if (!photographs) return recipe;
  recipe.rand_augment = {.layers = 1, .magnitude = 1, .deviation = 0.5};
  recipe.erasing = 0.01;
  recipe.mixing = {.mixup = 0.01, .cutmix = 0.01, .switch_probability = 0.5};
  return recipe;
}

TrainingRecipe SmallNasVitRecipe() {
  TrainingRecipe recipe = NasVitRecipe(50);
  recipe.epochs = 5;
  recipe.learning_rate = 1e-3;
  recipe.final_learning_rate = 1e-5;
  recipe.warmup_epochs = 0;
  recipe.warmup_rate = 0;
  recipe.average = 0.98;
  recipe.image_size = 64;
  return recipe;
}

TrainingRecipe ShrinkingRecipe(Shrinking shrinking, int64_t batch) {
  const ShrinkingStage& stage = shrinking.stage;
  return {.epochs = stage.epochs + stage.warmup_epochs,
          .batch = batch,
          .learning_rate = stage.rate * static_cast<double>(batch) / 64,
          .warmup_epochs = stage.warmup_epochs,
          .rate_per_step = true,
          .weight_decay = 3e-5,
          .label_smoothing = 0.1,
          .decay = Decay::kWeights,
          .shrinking = std::move(shrinking)};
}

std::string ToJson(const TrainingRecipe& r) {
  nlohmann::json recipe = {{"epochs", r.epochs},
                           {"batch", r.batch},
                           {"lr", r.learning_rate},
                           {"final_lr", r.final_learning_rate},
                           {"warmup_epochs", r.warmup_epochs},
                           {"lr_per_step", r.rate_per_step},
                           {"momentum", r.momentum},
                           {"nesterov", r.nesterov},
                           {"weight_decay", r.weight_decay},
                           {"label_smoothing", r.label_smoothing},
                           {"sampling", std::string(Name(r.sampling))},
                           {"augment", r.augment},
                           {"crop_padding", r.crop_padding},
                           {"seed", r.seed}};
  if (r.decay != Decay::kAll) recipe["decay"] = std::string(Name(r.decay));
  // Left out where they are as in recipes that are older than these.
  if (r.algorithm != Algorithm::kSgd) recipe["optimizer"] = std::string(Name(r.algorithm));
  if (r.warmup_rate > 0) recipe["warmup_lr"] = r.warmup_rate;
  if (r.clip_norm > 0) recipe["clip_norm"] = r.clip_norm;
  if (r.drop_path > 0) recipe["drop_path"] = r.drop_path;
  if (r.average > 0) recipe["average"] = r.average;
  if (r.image_size > 0) recipe["image_size"] = r.image_size;
  if (r.precision != kernels::Precision::kFloat32) recipe["precision"] = kernels::Name(r.precision);
  if (r.rand_augment.layers > 0) recipe["rand_augment"] = ToString(r.rand_augment);
  if (r.erasing > 0) recipe["erasing"] = r.erasing;
  if (r.mixing.any()) {
    recipe["mixing"] = {
        {"mixup", r.mixing.mixup}, {"cutmix", r.mixing.cutmix}, {"switch", r.mixing.switch_probability}};
  }
  if (r.sampling == Sampling::kSandwich) recipe["strengthen_from"] = r.strengthen_from;
  if (r.shrinking) {
    const ShrinkingStage& stage = r.shrinking->stage;
    recipe["shrinking"] = {{"stage", stage.name},
                           {"ks", stage.ks},
                           {"e", stage.e},
                           {"d", stage.d},
                           {"subnets", stage.subnets},
                           {"rule", Name(r.shrinking->rule)},
                           {"resolutions", r.shrinking->resolutions}};
    if (!r.shrinking->after.empty()) recipe["shrinking"]["after"] = r.shrinking->after;
  }
  return kernels::internal::JsonText(recipe);
}

absl::Status Check(const TrainingRecipe& r) {
  const struct {
    std::string_view name;
    double value, low, high;
  } fields[] = {{"epochs", static_cast<double>(r.epochs), 1, 1e6},
                {"batch", static_cast<double>(r.batch), 1, 1e6},
                {"lr", r.learning_rate, 0, 1e3},
                {"final lr", r.final_learning_rate, 0, 1e3},
                {"warm-up epochs", static_cast<double>(r.warmup_epochs), 0, static_cast<double>(r.epochs)},
                {"momentum", r.momentum, 0, 1},
                {"weight decay", r.weight_decay, 0, 1e3},
                {"label smoothing", r.label_smoothing, 0, 0.999},
                {"warm-up lr", r.warmup_rate, 0, 1e3},
                {"clip norm", r.clip_norm, 0, 1e9},
                {"strengthen from", static_cast<double>(r.strengthen_from), 0, 1e9},
                {"drop path", r.drop_path, 0, 0.999},
                {"average", r.average, 0, 0.9999999},
                {"erasing", r.erasing, 0, 1},
                {"image size", static_cast<double>(r.image_size), 0, 4096}};
  for (const auto& f : fields) {
    if (!(f.value >= f.low && f.value <= f.high)) {
      return absl::InvalidArgumentError(fmt::format("{}: {}, expected {} to {}", f.name, f.value, f.low, f.high));
    }
  }
  if (auto s = Check(r.rand_augment); !s.ok()) return s;
  if (auto s = Check(r.mixing); !s.ok()) return s;
  if (!r.augment && (r.rand_augment.layers > 0 || r.erasing > 0 || r.mixing.any())) {
    return absl::InvalidArgumentError("RandAugment, erasing and mixing: expected none where images are not augmented");
  }
  return absl::OkStatus();
}

}  // namespace mathnas::supernet
