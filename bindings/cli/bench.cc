// mathnas bench step|inference SPACE --subnet S: time of a training step, or of an inference, of one network
#include "bindings/cli/bench.h"

#include <chrono>

#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "mathnas/core/statistics.h"
#include "supernet/evaluation.h"
#include "supernet/training/step.h"
#include "supernet/weights.h"

namespace mathnas::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  Common common;
  SpaceOptions space;
  std::string subnet;
  int64_t batch = 64;
  int repetitions = 20;
  double seconds = 3;
  bool by_operator = false;
};

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

// Times `run` until both the repetitions and the seconds are reached, after two runs of warm-up.
template <typename Run>
absl::StatusOr<std::vector<double>> Repeat(const Options& o, const Run& run) {
  std::vector<double> ms;
  const Clock::time_point begin = Clock::now();
  for (int i = -2; i < o.repetitions || Seconds(begin) < o.seconds; ++i) {
    if (Interrupted()->load()) return absl::CancelledError("benchmark interrupted");
    const Clock::time_point start = Clock::now();
    if (absl::Status s = run(); !s.ok()) return s;
    if (i >= 0) ms.push_back(1e3 * Seconds(start));
  }
  return ms;
}

// What is timed, and on what.
struct Subject {
  std::shared_ptr<const supernet::SearchSpace> space;
  supernet::Choice choice;
  std::shared_ptr<kernels::Device> device;
};

absl::StatusOr<Subject> Open(const Options& o) {
  auto space = o.space.Make();
  if (!space.ok()) return space.status();
  auto choice = ParseSubnet(**space, o.subnet);
  if (!choice.ok()) return choice.status();
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  return Subject{*std::move(space), *std::move(choice), *std::move(device)};
}

absl::StatusOr<Answer> Report(const Options& o, const Subject& subject, absl::StatusOr<std::vector<double>> ms) {
  if (!ms.ok()) return ms.status();
  const double minimum = *std::min_element(ms->begin(), ms->end()), quartile = *core::Quantile(*ms, 0.25),
               median = *core::Median(*ms);
  Answer answer;
  answer.json = {{"subnet", Json::parse(subject.space->SubnetJson(subject.choice))},
                 {"batch", o.batch},
                 {"threads", o.common.thread_count()},
                 {"repetitions", ms->size()},
                 {"min_ms", minimum},
                 {"quartile_ms", quartile},
                 {"median_ms", median}};
  answer.text = fmt::format(
      "{} batch {}, {} threads: min {:.3f} ms, lower quartile {:.3f} ms, median {:.3f} ms, {} repetitions\n",
      subject.space->SubnetJson(subject.choice), o.batch, o.common.thread_count(), minimum, quartile, median,
      ms->size());
  return answer;
}

absl::StatusOr<Answer> Step(const Options& o) {
  auto subject = Open(o);
  if (!subject.ok()) return subject.status();
  const auto& [space, choice, device] = *subject;
  kernels::TensorMap weights =
      supernet::AllocateWeights(space->Network(choice, {.mode = supernet::Mode::kTraining}).graph);
  supernet::InitializeWeights(weights, o.common.seed);
  const kernels::Shape image = space->input_shape(choice);
  kernels::Tensor images(kernels::DType::kF32, {o.batch, image[0], image[1], image[2]}),
      labels(kernels::DType::kI64, {o.batch});
  kernels::Random random(o.common.seed);
  for (float& v : images.as<float>()) v = static_cast<float>(random.Normal());
  for (int64_t& l : labels.as<int64_t>()) l = random.Below(static_cast<uint32_t>(space->classes()));
  const supernet::StepInput inputs[] = {{"image", images.view()}, {"labels", labels.view()}};
  const supernet::StepOptions options = {.optimizer = {.weight_decay = 5e-4}};
  supernet::TrainingStep step(space, device, weights, options);
  const auto run = [&]() -> absl::Status {
    auto result = step.Backward(subject->choice, inputs);
    if (!result.ok()) return result.status();
    step.Update({.learning_rate = 1e-3});
    return absl::OkStatus();
  };
  if (auto s = run(); !s.ok()) return s;
  // Planning once more, with the kernels known: what a supernet pays for a network that it has not seen.
  supernet::TrainingStep again(space, device, weights, options);
  auto planned = again.Backward(choice, inputs);
  if (!planned.ok()) return planned.status();
  auto answer = Report(o, *subject, Repeat(o, run));
  if (!answer.ok()) return answer.status();
  const double planning_ms = 1e3 * again.planning_seconds();
  answer->json["planning_ms"] = planning_ms;
  answer->text += fmt::format("planning of a network not seen before: {:.3f} ms, {:.2f} % of the median step\n",
                              planning_ms, 100 * planning_ms / answer->json["median_ms"].get<double>());
  return answer;
}

absl::StatusOr<Answer> Inference(const Options& o) {
  auto subject = Open(o);
  if (!subject.ok()) return subject.status();
  const auto& [space, choice, device] = *subject;
  kernels::TensorMap weights = supernet::AllocateWeights(space->Network(choice, {}).graph);
  supernet::InitializeWeights(weights, o.common.seed);
  auto folded = supernet::FoldedNetwork(*space, choice, weights, o.batch);
  if (!folded.ok()) return folded.status();
  auto plan = kernels::Plan::Create(folded->graph, folded->outputs, *device, {.constant_weights = true});
  if (!plan.ok()) return plan.status();
  auto context = kernels::Context::Create(*plan, {&folded->weights});
  if (!context.ok()) return context.status();
  kernels::Random random(o.common.seed);
  for (float& v : (*context)->Input("image")->as<float>()) v = static_cast<float>(random.Normal());
  auto answer = Report(o, *subject, Repeat(o, [&] { return (*context)->Run(); }));
  if (answer.ok() && o.by_operator) {
    std::vector<double> seconds((*plan)->steps().size());
    if (auto s = (*context)->RunTimed(absl::MakeSpan(seconds)); !s.ok()) return s;
    for (size_t i = 0; i < seconds.size(); ++i) {
      const kernels::Plan::Step& s = (*plan)->steps()[i];
      answer->text += fmt::format("{:9.1f} us  {:16} {:24} {}\n", 1e6 * seconds[i], (*plan)->blocks()[s.block],
                                  NameOf(s.op), s.kernel->implementation());
    }
  }
  return answer;
}

}  // namespace

void AddBench(CLI::App& app) {
  static Options o;
  CLI::App* bench = AddGroup(app, "bench", "Time of a training step, of an inference, of the estimator");
  const auto add = [&](const char* name, const char* what, const char* example, Action action) {
    CLI::App* command = AddCommand(*bench, name, what, example, o.common, std::move(action));
    o.space.AddTo(command);
    command->add_option("--subnet", o.subnet, "The network: JSON, or @FILE")->required();
    command->add_option("--batch", o.batch, "Images per step")->capture_default_str()->check(CLI::Range(1, 65536));
    command->add_option("--repetitions", o.repetitions, "At least this many")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000000));
    command->add_option("--seconds", o.seconds, "For at least this long")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 3600.0));
    command->add_flag("--by-operator", o.by_operator, "Also the time of each operator");
  };
  add("step", "Forward, backward and update of one network, and planning of a new one",
      "mathnas bench step nasbench201 --subnet '[3,3,3,3,3,3]' --batch 64 --threads 2", [] { return Step(o); });
  add("inference", "A network folded for inference",
      "mathnas bench inference nasbench201 --subnet '[3,3,3,3,3,3]' --batch 1", [] { return Inference(o); });
  AddEstimatorBench(*bench);
  AddSwitchBench(*bench);
}

}  // namespace mathnas::cli
