// mathnas.TrainingStep and the pieces of a training loop around it.
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/set.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "bindings/python/arrays.h"
#include "bindings/python/interrupt.h"
#include "bindings/python/module.h"
#include "bindings/python/network.h"
#include "bindings/python/recipe.h"
#include "bindings/python/status.h"
#include "bindings/python/supernet.h"
#include "fmt/format.h"
#include "kernels/differentiate.h"
#include "kernels/recompute.h"
#include "supernet/training/schedule.h"
#include "supernet/training/step.h"

namespace mathnas::python {
namespace {

using supernet::Choice;
using supernet::StepInput;

// What a step made of a batch; its logits are a copy.
struct StepResult {
  double loss;
  int64_t correct, rows;
  nb::object logits;
};

struct StepArguments {
  std::string optimizer;
  double momentum;
  bool nesterov;
  std::pair<double, double> betas;
  double epsilon, weight_decay;
  std::string decay;
  double label_smoothing;
  int32_t ignored_label;
  double dropout, attention_dropout, drop_path;
  std::string precision;
  std::optional<std::string> recompute;
};

supernet::Loss LossOf(const std::string& name) {
  if (name == "labels") return supernet::Loss::kLabels;
  if (name == "soft_targets") return supernet::Loss::kSoftTargets;
  if (name == "labels_and_soft_targets") return supernet::Loss::kLabelsAndSoftTargets;
  if (name == "adaptive") return supernet::Loss::kAdaptive;
  RaiseValueError(
      fmt::format("loss: expected labels, soft_targets, labels_and_soft_targets or adaptive, found '{:.100}'", name));
}

supernet::StepOptions OptionsOf(const StepArguments& a, supernet::Weights weights) {
  supernet::StepOptions options;
  options.weights = weights;
  options.label_smoothing = a.label_smoothing;
  options.ignored_label = a.ignored_label;
  options.dropout = a.dropout;
  options.attention_dropout = a.attention_dropout;
  options.drop_path = a.drop_path;
  options.optimizer = {.algorithm = Take(supernet::ParseAlgorithm(a.optimizer)),
                       .weight_decay = a.weight_decay,
                       .decay = Take(supernet::ParseDecay(a.decay)),
                       .momentum = a.momentum,
                       .nesterov = a.nesterov,
                       .beta1 = a.betas.first,
                       .beta2 = a.betas.second,
                       .epsilon = a.epsilon};
  options.precision = Take(kernels::ParsePrecision(a.precision));
  options.recompute = RecomputedOf(a.recompute);
  return options;
}

class TrainingStep {
 public:
  TrainingStep(const Space& space, std::optional<Choice> own, std::shared_ptr<kernels::TensorMap> weights,
               const StepArguments& arguments, const std::string& device, int threads)
      : space_(space),
        own_(std::move(own)),
        weights_(std::move(weights)),
        step_(space_.space, Take(OpenDevice(device, threads)), *weights_,
              OptionsOf(arguments, own_ ? supernet::Weights::kOwn : supernet::Weights::kShared)) {}

  StepResult Backward(nb::handle subnet, const std::string& loss, nb::kwargs arrays) {
    std::optional<Choice> choice = own_;
    if (!subnet.is_none()) {
      choice = ChoiceOf(*space_, subnet);
      if (own_ && *choice != *own_) {
        RaiseValueError(fmt::format("subnet: expected none, or that of the weights, {}", space_->SubnetJson(*own_)));
      }
    }
    std::vector<std::string> names;
    std::vector<Array> held;  // as long as views of them are read
    for (const auto& [name, value] : arrays) {
      names.push_back(nb::cast<std::string>(name));
      Array array;
      if (!nb::try_cast(value, array)) throw nb::type_error(fmt::format("{}: expected an array", names.back()).c_str());
      held.push_back(std::move(array));
    }
    std::vector<StepInput> inputs;
    std::vector<kernels::Tensor> labels;
    labels.reserve(held.size());
    for (size_t i = 0; i < held.size(); ++i) {
      kernels::TensorView view = ViewOf(names[i].c_str(), held[i]);
      const bool integers = names[i] == "labels" || names[i] == "source" || names[i] == "previous";
      if (integers && view.desc.dtype == kernels::DType::kI32) view = Widened<int32_t>(view, labels);
      if (integers && view.desc.dtype == kernels::DType::kU8) view = Widened<uint8_t>(view, labels);
      inputs.push_back({names[i], view});
    }
    const supernet::Loss kind = LossOf(loss);
    const supernet::BatchResult result = Take(WithoutGil([&] {
      const std::lock_guard lock(mutex_);
      return step_.Backward(choice, inputs, kind);
    }));
    return {result.loss, result.correct, result.rows, CopyOf(result.logits)};
  }

  double Update(double learning_rate, double gradient_scale, double clip_norm) {
    return Take(WithoutGil([&] {
      const std::lock_guard lock(mutex_);
      return step_.Update({.learning_rate = learning_rate, .gradient_scale = gradient_scale, .clip_norm = clip_norm});
    }));
  }

  void SetAside() {
    const std::lock_guard lock(mutex_);
    step_.SetAside();
  }

  std::pair<double, std::map<std::string, double>> Combine(double clip_norm, bool strengthen) {
    const auto combination = Take(WithoutGil([&] {
      const std::lock_guard lock(mutex_);
      return step_.Combine({.clip_norm = clip_norm, .strengthen = strengthen});
    }));
    return {combination.norm, combination.strengthened};
  }

  nb::dict Gradients(nb::handle self) {
    const std::lock_guard lock(mutex_);
    nb::dict views;
    for (const std::string& name : step_.touched()) {
      const kernels::Tensor* gradient = step_.gradients().Find(kernels::GradientName(name));
      if (gradient != nullptr) views[name.c_str()] = ArrayIn(gradient->view(), self);
    }
    return views;
  }

  std::set<std::string> Touched() {
    const std::lock_guard lock(mutex_);
    return step_.touched();
  }
  size_t ActivationBytes() {
    const std::lock_guard lock(mutex_);
    return step_.activation_bytes();
  }

 private:
  template <typename T>
  static kernels::TensorView Widened(const kernels::TensorView& view, std::vector<kernels::Tensor>& memory) {
    kernels::Tensor wide(kernels::DType::kI64, view.desc.shape);
    std::ranges::copy(view.as<T>(), wide.as<int64_t>().begin());
    memory.push_back(std::move(wide));
    return memory.back().view();
  }

  Space space_;
  std::optional<Choice> own_;
  std::shared_ptr<kernels::TensorMap> weights_;
  supernet::TrainingStep step_;
  std::mutex mutex_;
};

template <typename Model>
void Construct(TrainingStep* step, const Model& model, std::optional<int> threads, const std::string& device,
               const StepArguments& arguments) {
  std::optional<Choice> own;
  if constexpr (std::is_same_v<Model, Subnet>) own = model.choice;
  const int count = threads.value_or(device == "cpu" ? AllCores() : 1);
  new (step) TrainingStep(model.space, std::move(own), model.weights, arguments, device, count);
}

}  // namespace

void AddTraining(nb::module_& m) {
  nb::class_<StepResult>(m, "StepResult", "What a network made of a batch.")
      .def_ro("loss", &StepResult::loss)
      .def_ro("correct", &StepResult::correct, "Rows whose largest logit is the label's, of `rows`.")
      .def_ro("rows", &StepResult::rows, "Rows that have a label which is not ignored.")
      .def_ro("logits", &StepResult::logits, nb::sig("def logits(self) -> numpy.typing.NDArray[numpy.float32]"))
      .def("__repr__", [](const StepResult& r) {
        return fmt::format("<mathnas.StepResult loss {:.6g}, {} of {} correct>", r.loss, r.correct, r.rows);
      });

  nb::class_<TrainingStep>(
      m, "TrainingStep",
      "One step of a training loop: gradients of any number of networks on a batch (backward), then an update of what "
      "they touched (update). Works on the weights of the supernet or subnet in place. A network is planned once for "
      "the shapes of its inputs; the last 64 plans are kept.")
      .def(
          "__init__",
          [](TrainingStep* step, std::variant<const Supernet*, const Subnet*> model, std::optional<int> threads,
             const std::string& device, const std::string& optimizer, double momentum, bool nesterov,
             std::pair<double, double> betas, double epsilon, double weight_decay, const std::string& decay,
             double label_smoothing, int32_t ignored_label, double dropout, double attention_dropout, double drop_path,
             const std::string& precision, const std::optional<std::string>& recompute) {
            const StepArguments arguments = {optimizer,         momentum,  nesterov,        betas,         epsilon,
                                             weight_decay,      decay,     label_smoothing, ignored_label, dropout,
                                             attention_dropout, drop_path, precision,       recompute};
            std::visit([&](const auto* model) { Construct(step, *model, threads, device, arguments); }, model);
          },
          "model"_a, nb::kw_only(), "threads"_a = nb::none(), "device"_a = "cpu", "optimizer"_a = "sgd",
          "momentum"_a = 0.9, "nesterov"_a = true, "betas"_a = std::pair(0.9, 0.999), "epsilon"_a = 1e-8,
          "weight_decay"_a = 0.0, "decay"_a = "all", "label_smoothing"_a = 0.0, "ignored_label"_a = -1,
          "dropout"_a = 0.0, "attention_dropout"_a = 0.0, "drop_path"_a = 0.0, "precision"_a = "float32",
          "recompute"_a = nb::none(),
          "model: a Supernet or a Subnet.\n"
          "threads: all cores by default. device: 'cpu', or 'reference' (naive loops in double).\n"
          "optimizer: 'sgd' (momentum, nesterov), 'adamw' or 'fairseq-adam' (betas, epsilon).\n"
          "weight_decay acts on decay: 'all', 'weights' (not bn and bias), 'matrices' (as NASViT has it).\n"
          "label_smoothing; ignored_label: rows with this label do not count.\n"
          "dropout, attention_dropout, drop_path: rates above 0 need the input seed=, int64 {1}.\n"
          "precision: 'float32', 'bfloat16' or 'float16'.\n"
          "recompute: what is computed again for the backward pass, for less memory and the same bits: 'nothing', "
          "'activations', or 'blocks' (a third more time); None: what takes no time in the space.")
      .def(
          "backward", &TrainingStep::Backward, "subnet"_a = nb::none(), "loss"_a = "labels", "arrays"_a,
          nb::sig("def backward(self, subnet: collections.abc.Sequence[int] | dict[str, typing.Any] | str | None = "
                  "None, loss: str = 'labels', **arrays: numpy.typing.ArrayLike) -> StepResult"),
          "Forward and backward of one network in training mode; gradients are added up until the next update.\n\n"
          "subnet: of a supernet, which network; None is the whole supernet, every node the mean of its candidates.\n"
          "loss: 'labels' (cross-entropy with labels=), 'soft_targets' (with soft_targets=), "
          "'labels_and_soft_targets', or 'adaptive' (against teacher_logits=).\n"
          "arrays, contiguous: image=, float32 {N, height, width, channels}; labels=, integers {N}; of translation "
          "source=, previous=, labels=, integers {N, tokens}; soft_targets=, teacher_logits=, float32 {N, classes}.\n\n"
          "ValueError names an input that is missing or has another type or shape. Releases the GIL.")
      .def(
          "update", &TrainingStep::Update, "learning_rate"_a, nb::kw_only(), "gradient_scale"_a = 1.0,
          "clip_norm"_a = 0.0,
          "Updates every parameter that took part since the last update; all others stay as they are, the state of "
          "their optimiser too. Gradients are scaled, then clipped to a norm of clip_norm (0: not). Returns their norm "
          "before clipping, or 0 where nothing is clipped. Releases the GIL.")
      .def("set_aside", &TrainingStep::SetAside, "Sets the gradients aside for combine; new ones begin at zero.")
      .def("combine", &TrainingStep::Combine, nb::kw_only(), "clip_norm"_a = 0.0, "strengthen"_a = false,
           "Adds those set aside to the (clipped, strengthened) gradients since then, as NASViT does. Returns the norm "
           "before clipping, and what each tensor's gradient was strengthened by.")
      .def_prop_ro(
          "gradients", [](nb::handle self) { return nb::cast<TrainingStep&>(self).Gradients(self); },
          nb::sig("def gradients(self) -> dict[str, numpy.typing.NDArray[numpy.float32]]"),
          "Arrays in the memory of the gradient sums since the last update, by the names of the weights.")
      .def_prop_ro("touched", &TrainingStep::Touched, "Names of the parameters that took part since the last update.")
      .def_prop_ro("activation_bytes", &TrainingStep::ActivationBytes,
                   "Of activations and scratch, of the largest network so far.");

  nb::class_<supernet::LearningRateSchedule>(m, "LearningRateSchedule", "Linear warm-up, then a half cosine.")
      .def(
          "__init__",
          [](supernet::LearningRateSchedule* s, double rate, int64_t epochs, double final_rate, int64_t warmup_epochs,
             bool per_step, double warmup_rate) {
            new (s) supernet::LearningRateSchedule{.rate = rate,
                                                   .final_rate = final_rate,
                                                   .epochs = epochs,
                                                   .warmup_epochs = warmup_epochs,
                                                   .per_step = per_step,
                                                   .warmup_rate = warmup_rate};
          },
          "rate"_a, "epochs"_a, nb::kw_only(), "final_rate"_a = 0.0, "warmup_epochs"_a = 0, "per_step"_a = false,
          "warmup_rate"_a = 0.0)
      .def("at", &supernet::LearningRateSchedule::At, "epoch"_a, "batch"_a, "batches"_a,
           "The rate of batch `batch` of `batches` in epoch `epoch`, counted from 0.");
}

}  // namespace mathnas::python
