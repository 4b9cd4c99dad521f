// mathnas.TrainingRecipe, mathnas.train: a whole training run, as the command line does it.
#include "bindings/python/recipe.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>
#include <variant>

#include "bindings/python/data.h"
#include "bindings/python/interrupt.h"
#include "bindings/python/json.h"
#include "bindings/python/module.h"
#include "bindings/python/network.h"
#include "bindings/python/status.h"
#include "bindings/python/supernet.h"
#include "bindings/python/telling.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/training/stages.h"
#include "supernet/training/trainer.h"

namespace mathnas::python {
namespace {

using supernet::TrainingProgress;
using supernet::TrainingRecipe;

// A copy with these fields. AttributeError: there is no such field; ValueError: its value makes no sense.
nb::object Replaced(const TrainingRecipe& recipe, const nb::kwargs& fields) {
  nb::object copy = nb::cast(recipe);
  for (const auto& [name, value] : fields) {
    if (!nb::hasattr(copy, name)) {
      RaiseValueError(fmt::format("{}: a recipe has no such field", nb::cast<std::string>(name)));
    }
    nb::setattr(copy, name, value);
  }
  RaiseUnless(supernet::Check(nb::cast<const TrainingRecipe&>(copy)));
  return copy;
}

TrainingRecipe PublishedRecipe(const Space& space, std::optional<int64_t> batch, bool photographs,
                               const std::optional<std::string>& stage, const std::string& rule) {
  if (space->translates()) RaiseValueError(fmt::format("{} translates: `mathnas train` has its recipe", space->name()));
  TrainingRecipe recipe;
  if (stage) {
    if (space->name() != "mobilenetv3") RaiseValueError(fmt::format("stage: of mobilenetv3, not of {}", space->name()));
    auto found = Take(supernet::FindShrinkingStage(*stage));
    recipe = supernet::ShrinkingRecipe(
        supernet::ShrinkingOf(*space, std::move(found), Take(supernet::ParseSubnetRule(rule))), batch.value_or(64));
  } else if (space->name() == "supervit") {
    recipe = supernet::NasVitRecipe(batch.value_or(64), photographs);
  } else if (batch) {
    recipe.batch = *batch;
  }
  return recipe;
}

// Weights that a teacher has, of the space's base network.
std::optional<kernels::TensorMap> TeacherWeights(const Space& space, nb::handle teacher) {
  if (teacher.is_none()) return std::nullopt;
  std::optional<supernet::Choice> own;
  std::shared_ptr<kernels::TensorMap> weights;
  if (nb::isinstance<Subnet>(teacher)) {
    const auto& subnet = nb::cast<const Subnet&>(teacher);
    own = subnet.choice;
    weights = subnet.weights;
  } else if (nb::isinstance<Supernet>(teacher)) {
    weights = nb::cast<const Supernet&>(teacher).weights;
  } else {
    throw nb::type_error("teacher: expected a Supernet, or a Subnet of the base network");
  }
  auto made = supernet::TeacherOf(*space, CheckpointOf(space, own, *weights));
  if (!made.ok()) Raise(kernels::Annotate(made.status(), "teacher"));
  return *std::move(made);
}

// Into tensors that arrays of NumPy may be views of.
void CopyInto(const kernels::TensorMap& from, kernels::TensorMap& to) {
  for (const auto& [name, tensor] : from.entries()) {
    const kernels::Tensor* place = to.Find(name);
    if (place != nullptr) std::memcpy(place->view().data, tensor.data(), tensor.desc().bytes());
  }
}

nb::list Train(std::variant<const Supernet*, const Subnet*> model, nb::handle data,
               const std::optional<TrainingRecipe>& recipe, const std::optional<std::filesystem::path>& out,
               bool resume, double checkpoint_seconds, nb::handle teacher, nb::object progress,
               std::optional<int> threads, const std::string& device, int loader_threads,
               const std::optional<std::string>& recompute) {
  std::optional<supernet::Choice> own;
  if (const auto* subnet = std::get_if<const Subnet*>(&model)) own = (*subnet)->choice;
  const Space space = std::visit([](const auto* m) { return m->space; }, model);
  const std::shared_ptr<kernels::TensorMap> weights = std::visit([](const auto* m) { return m->weights; }, model);
  if (space->translates()) {
    RaiseValueError(fmt::format("{} reads sentences: `mathnas train` trains it", space->name()));
  }
  if (resume && !out) RaiseValueError("resume: expected out, the folder with the checkpoint to go on from");
  const TrainingRecipe chosen = recipe ? *recipe : PublishedRecipe(space, {}, false, {}, "");
  const supernet::ImageSourcePtr images = ImagesOf(data).train;
  const std::optional<kernels::TensorMap> teaching = TeacherWeights(space, teacher);

  std::atomic<bool> cancel = false;
  Telling<TrainingProgress> telling(progress, cancel);
  supernet::TrainingRun run;
  run.checkpoint_seconds = checkpoint_seconds;
  run.resume = resume;
  run.teacher = teaching ? &*teaching : nullptr;
  run.recompute = RecomputedOf(recompute);
  run.reading.threads = loader_threads;
  run.cancel = &cancel;
  run.progress = [&](const TrainingProgress& p) { telling.Tell(p); };
  if (out) {
    std::error_code error;
    std::filesystem::create_directories(*out, error);
    if (error) RaiseValueError(fmt::format("out: {} cannot be created: {}", out->string(), error.message()));
    run.checkpoint_path = (*out / "checkpoint.safetensors").string();
    if (!resume && std::filesystem::exists(run.checkpoint_path)) {
      RaiseValueError(fmt::format("out: {} exists, expected resume=True or another folder", run.checkpoint_path));
    }
  }
  auto opened = Take(OpenDevice(device, threads.value_or(device == "cpu" ? AllCores() : 1)));
  auto trained = Interruptibly(cancel, [&]() -> absl::StatusOr<supernet::Checkpoint> {
    return supernet::Train(space.space, opened, images, own, weights->Clone(), chosen, run);
  });
  telling.RaiseAgain();
  supernet::Checkpoint checkpoint = Take(std::move(trained));
  nb::list epochs;
  for (const supernet::EpochRecord& e : checkpoint.epochs) {
    nb::dict epoch;
    epoch["loss"] = e.loss;
    epoch["accuracy"] = 100 * e.accuracy;
    epoch["images"] = e.images;
    epoch["seconds"] = e.seconds;
    epochs.append(epoch);
  }
  supernet::TakeTrained(checkpoint);
  CopyInto(checkpoint.weights, *weights);
  return epochs;
}

// A field that is a name, by how it is read and written.
template <typename Get, typename Set>
void AddNamed(nb::class_<TrainingRecipe>& c, const char* name, Get get, Set set, const char* doc) {
  c.def_prop_rw(
      name, [get](const TrainingRecipe& r) { return std::string(get(r)); },
      [set](TrainingRecipe& r, const std::string& value) { set(r, value); }, doc);
}

void AddRecipe(nb::module_& m) {
  nb::class_<TrainingRecipe> c(
      m, "TrainingRecipe",
      "How a supernet or a network is trained: optimiser, schedule, networks of a step, augmentation. Its defaults are "
      "the recipe of NAS-Bench-201; `published` has those of the other spaces. Fields can be set.");
  c.def(nb::init<>())
      .def_static(
          "published",
          [](const Space& space, std::optional<int64_t> batch, bool photographs,
             const std::optional<std::string>& stage, const std::string& rule, const nb::kwargs& fields) {
            return Replaced(PublishedRecipe(space, batch, photographs, stage, rule), fields);
          },
          "space"_a, nb::kw_only(), "batch"_a = nb::none(), "photographs"_a = false, "stage"_a = nb::none(),
          "rule"_a = "random", "fields"_a,
          nb::sig(
              "def published(space: SearchSpace, *, batch: int | None = None, photographs: bool = False, stage: str "
              "| None = None, rule: str = 'random', **fields: typing.Any) -> TrainingRecipe"),
          "That of the space's reference, for this batch, with `fields` in place of its own.\n"
          "photographs: of supervit, RandAugment, erasing and mixing too, for images of any size.\n"
          "stage: of mobilenetv3, a stage of progressive shrinking: 'full', 'kernel', 'depth1', 'depth2', 'expand1', "
          "'expand2'; rule: which networks of it, 'random' or 'sandwich'.")
      .def("replace", &Replaced, "fields"_a, nb::sig("def replace(self, **fields: typing.Any) -> TrainingRecipe"),
           "A copy with these fields. ValueError names a field that there is not, or whose value makes no sense.")
      .def(
          "to_dict", [](const TrainingRecipe& r) { return nb::cast<nb::dict>(FromJson(supernet::ToJson(r))); },
          "As checkpoints keep it.")
      .def_rw("epochs", &TrainingRecipe::epochs)
      .def_rw("batch", &TrainingRecipe::batch, "Images of a step.")
      .def_rw("learning_rate", &TrainingRecipe::learning_rate)
      .def_rw("final_learning_rate", &TrainingRecipe::final_learning_rate, "At the end of the cosine.")
      .def_rw("warmup_epochs", &TrainingRecipe::warmup_epochs)
      .def_rw("rate_per_step", &TrainingRecipe::rate_per_step, "Whether the rate changes at every step or every epoch.")
      .def_rw("warmup_rate", &TrainingRecipe::warmup_rate, "What the warm-up begins with.")
      .def_rw("momentum", &TrainingRecipe::momentum)
      .def_rw("nesterov", &TrainingRecipe::nesterov)
      .def_rw("weight_decay", &TrainingRecipe::weight_decay)
      .def_rw("label_smoothing", &TrainingRecipe::label_smoothing)
      .def_rw("clip_norm", &TrainingRecipe::clip_norm, "Of gradients, in a sandwich of all but the largest; 0: none.")
      .def_rw("strengthen_from", &TrainingRecipe::strengthen_from, "The first epoch of a sandwich that does.")
      .def_rw("drop_path", &TrainingRecipe::drop_path)
      .def_rw("average", &TrainingRecipe::average,
              "Decay of the moving average of weights, which is what stays; 0: none.")
      .def_rw("augment", &TrainingRecipe::augment, "Flips and crops.")
      .def_rw("crop_padding", &TrainingRecipe::crop_padding)
      .def_rw("erasing", &TrainingRecipe::erasing, "Probability of random erasing.")
      .def_rw("image_size", &TrainingRecipe::image_size,
              "Side of images that networks resize; 0: as the first network.")
      .def_rw("seed", &TrainingRecipe::seed)
      .def_prop_rw(
          "mixup", [](const TrainingRecipe& r) { return r.mixing.mixup; },
          [](TrainingRecipe& r, double v) { r.mixing.mixup = v; }, "Parameter of its beta distribution; 0: none.")
      .def_prop_rw(
          "cutmix", [](const TrainingRecipe& r) { return r.mixing.cutmix; },
          [](TrainingRecipe& r, double v) { r.mixing.cutmix = v; })
      .def_prop_rw(
          "mix_switch", [](const TrainingRecipe& r) { return r.mixing.switch_probability; },
          [](TrainingRecipe& r, double v) { r.mixing.switch_probability = v; },
          "Probability of cutmix where both are done.")
      .def_prop_ro(
          "stage",
          [](const TrainingRecipe& r) { return r.shrinking ? std::optional(r.shrinking->stage.name) : std::nullopt; },
          "Of progressive shrinking, or None.")
      .def("__repr__", [](const TrainingRecipe& r) { return fmt::format("<mathnas.TrainingRecipe {}>", ToJson(r)); });
  AddNamed(
      c, "optimizer", [](const TrainingRecipe& r) { return Name(r.algorithm); },
      [](TrainingRecipe& r, const std::string& v) { r.algorithm = Take(supernet::ParseAlgorithm(v)); },
      "'sgd', 'adamw' or 'fairseq-adam'.");
  AddNamed(
      c, "decay", [](const TrainingRecipe& r) { return Name(r.decay); },
      [](TrainingRecipe& r, const std::string& v) { r.decay = Take(supernet::ParseDecay(v)); },
      "What weight decay acts on: 'all', 'weights' or 'matrices'.");
  AddNamed(
      c, "sampling", [](const TrainingRecipe& r) { return Name(r.sampling); },
      [](TrainingRecipe& r, const std::string& v) { r.sampling = Take(supernet::ParseSampling(v)); },
      "Networks of a step of a supernet: 'full', 'uniform', 'fair' or 'sandwich'.");
  AddNamed(
      c, "precision", [](const TrainingRecipe& r) { return Name(r.precision); },
      [](TrainingRecipe& r, const std::string& v) { r.precision = Take(kernels::ParsePrecision(v)); },
      "'float32', 'bfloat16' or 'float16'.");
  AddNamed(
      c, "rand_augment", [](const TrainingRecipe& r) { return ToString(r.rand_augment); },
      [](TrainingRecipe& r, const std::string& v) { r.rand_augment = Take(supernet::ParseRandAugment(v)); },
      "RandAugment by timm's text ('rand-n1-m1-mstd0.5-inc1'), or 'none'.");
}

}  // namespace

std::optional<kernels::Recomputed> RecomputedOf(const std::optional<std::string>& name) {
  using enum kernels::Recomputed;
  if (!name) return std::nullopt;
  if (*name == "nothing") return kNothing;
  if (*name == "activations") return kActivations;
  if (*name == "blocks") return kBlocks;
  RaiseValueError(fmt::format("recompute: expected nothing, activations or blocks, found '{:.100}'", *name));
}

void AddTrainingRuns(nb::module_& m) {
  AddRecipe(m);
  nb::class_<TrainingProgress>(m, "TrainingProgress", "Where a training run is, about once a second.")
      .def_ro("epoch", &TrainingProgress::epoch, "Counted from 0, of `epochs`.")
      .def_ro("epochs", &TrainingProgress::epochs)
      .def_ro("batch", &TrainingProgress::batch, "Done in this epoch, of `batches`.")
      .def_ro("batches", &TrainingProgress::batches)
      .def_ro("loss", &TrainingProgress::loss, "Of the epoch so far.")
      .def_prop_ro(
          "accuracy", [](const TrainingProgress& p) { return 100 * p.accuracy; }, "In %, in training mode.")
      .def_ro("learning_rate", &TrainingProgress::learning_rate)
      .def_ro("images_per_second", &TrainingProgress::images_per_second)
      .def_ro("seconds_left", &TrainingProgress::seconds_left)
      .def("__repr__", [](const TrainingProgress& p) {
        return fmt::format("<mathnas.TrainingProgress epoch {} of {}, batch {} of {}, loss {:.4g}>", p.epoch + 1,
                           p.epochs, p.batch, p.batches, p.loss);
      });
  m.def(
      "train", &Train, "model"_a, "data"_a, "recipe"_a = nb::none(), nb::kw_only(), "out"_a = nb::none(),
      "resume"_a = false, "checkpoint_seconds"_a = 60.0, "teacher"_a = nb::none(), "progress"_a = nb::none(),
      "threads"_a = nb::none(), "device"_a = "cpu", "loader_threads"_a = 1, "recompute"_a = nb::none(),
      nb::sig("def train(model: Supernet | Subnet, data: Dataset | str, recipe: TrainingRecipe | None = None, *, out: "
              "str | os.PathLike | None = None, resume: bool = False, checkpoint_seconds: float = 60.0, teacher: "
              "Supernet | Subnet | None = None, progress: collections.abc.Callable[[TrainingProgress], object] | None "
              "= None, threads: int | None = None, device: str = 'cpu', loader_threads: int = 1, recompute: str | "
              "None = None) -> list[dict[str, typing.Any]]"),
      "Trains a supernet, or one network, in place, as `mathnas train` does: with augmentation, schedule, averaging, "
      "and checkpoints with which a run goes on with the same bits.\n\n"
      "data: a Dataset, or what the command line takes as --data; its training part.\n"
      "recipe: default TrainingRecipe.published(model.space).\n"
      "out: a folder for checkpoint.safetensors, every checkpoint_seconds and at the end of an epoch; resume: go on "
      "from it.\n"
      "teacher: the space's base network, whose softmax is a target beside the labels.\n"
      "progress: called about once a second, on another thread; what it raises ends the run.\n"
      "recompute: as TrainingStep has it.\n\n"
      "Returns 'loss', 'accuracy' in %, 'images' and 'seconds' of every epoch. Ctrl-C ends it after the batch under "
      "way: the model is as it was, and the checkpoint in `out` goes on. Releases the GIL.");
}

}  // namespace mathnas::python
