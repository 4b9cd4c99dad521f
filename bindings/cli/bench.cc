// mathnas bench step|inference|decode SPACE --subnet S: time of a training step, of an inference, or of a translation
// token by token, of one network
#include "bindings/cli/bench.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "bindings/cli/bench_records.h"
#include "bindings/cli/operator_times.h"
#include "bindings/cli/precision_option.h"
#include "bindings/cli/recompute_option.h"
#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/step_times.h"
#include "kernels/step_trace.h"
#include "mathnas/benchmark/network_bench.h"
#include "mathnas/core/statistics.h"
#include "supernet/atomic_file.h"
#include "supernet/evaluation.h"
#include "supernet/text/vocabulary.h"
#include "supernet/training/sampling.h"
#include "supernet/training/step.h"
#include "supernet/translation/incremental_decoder.h"
#include "supernet/weights.h"

namespace mathnas::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  Common common;
  SpaceOptions space;
  PrecisionOption precision;
  std::string subnet;
  int64_t batch = 64, length = 0, beam = 1;
  int repetitions = 20;
  double seconds = 3;
  bool by_operator = false, verbose = false;
  std::optional<kernels::Recomputed> recompute;
  std::string trace;
};

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

constexpr int kWarmUp = 2;  // runs
constexpr int kRecordedRuns = 9;
constexpr std::string_view kRandomSubnet = "random";

// Times `run` until both the repetitions and the seconds are reached, after the warm-up.
template <typename Run>
absl::StatusOr<std::vector<double>> Repeat(const Options& o, const Run& run) {
  std::vector<double> ms;
  const Clock::time_point begin = Clock::now();
  for (int i = -kWarmUp; i < o.repetitions || Seconds(begin) < o.seconds; ++i) {
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

// The part of the timed repetitions that no operator takes. Sums, of the same runs: quartiles would not add up.
double OutsideShare(const kernels::StepTimes& times, const std::vector<double>& ms) {
  const int64_t repetitions = std::ssize(ms) + kWarmUp, runs = times.runs() / repetitions;  // in each
  const size_t steps = times.Lines().size();
  double inside = 0, whole = 0;
  for (int64_t run = kWarmUp * runs; run < times.runs(); ++run) {
    for (size_t step = 0; step < steps; ++step) inside += times.SecondsOf(step, run);
  }
  for (double m : ms) whole += 1e-3 * m;
  return whole > 0 ? std::max(0.0, 1 - inside / whole) : 0;
}

// Runs that replay what was recorded, by the records of the device. Errors that are not Unavailable are those of a run.
template <typename Run>
absl::StatusOr<kernels::StepTimes> Recorded(kernels::Device& device, const Run& run) {
  kernels::StepTimes recorded(device);
  for (int i = 0; i < kRecordedRuns; ++i) {
    if (Interrupted()->load()) return absl::CancelledError("benchmark interrupted");
    if (absl::Status s = run(recorded); !s.ok()) return s;
  }
  return recorded;
}

// The answer, with --by-operator also where the time of more such runs goes: run(times).
template <typename Run>
absl::StatusOr<Answer> WithOperators(const Options& o, kernels::Device& device, Answer answer, const Run& run) {
  if (!o.by_operator && o.trace.empty()) return answer;
  const auto stream = device.NewStream();
  if (!stream.ok()) return stream.status();
  kernels::StepTimes whole(kernels::StepTimes::Of::kRuns);
  if (o.by_operator && *stream != nullptr) {
    if (auto s = Repeat(o, [&] { return run(whole); }).status(); !s.ok()) return s;
  }
  kernels::StepTimes times;
  auto ms = Repeat(o, [&] { return run(times); });
  if (!ms.ok()) return ms.status();
  if (o.by_operator) {
    AddOperatorTimes(times, OutsideShare(times, *ms), answer);
    if (*stream != nullptr) {
      const auto recorded = Recorded(device, run);
      if (!recorded.ok() && !absl::IsUnavailable(recorded.status())) return recorded.status();
      AddReplayTimes(whole, times, recorded, answer);
    }
  }
  if (!o.trace.empty()) {
    if (auto s = supernet::AtomicWriteFile(o.trace, kernels::ChromeTrace(times, "run")); !s.ok()) return s;
  }
  return answer;
}

kernels::TensorMap Noise(const Options& o, const Subject& subject) {
  return benchmark::NoiseInputs({subject.space, subject.choice, o.batch, o.length, o.common.seed});
}

// As a trainer does it: what the update needs is enqueued before anybody waits for the loss.
absl::Status RunStep(supernet::TrainingStep& step, const supernet::Choice& choice,
                     std::span<const supernet::StepInput> inputs) {
  if (auto s = step.Start(choice, inputs); !s.ok()) return s;
  if (auto s = step.Update({.learning_rate = 1e-3}).status(); !s.ok()) return s;
  return step.Result().status();
}

// Steps of random networks, another one each: what the training of a supernet spends on planning. As many before as are
// timed at least, so that most kernels are there.
absl::StatusOr<Answer> RandomSteps(const Options& o) {
  if (o.by_operator || !o.trace.empty()) {
    return absl::InvalidArgumentError(
        "--subnet random: every step has operators of its own, expected neither --by-operator nor --trace");
  }
  auto made = o.space.Make();
  if (!made.ok()) return made.status();
  const std::shared_ptr<const supernet::SearchSpace> space = *std::move(made);
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  const auto precision = o.precision.GetFor(**device);
  if (!precision.ok()) return precision.status();
  kernels::TensorMap weights = supernet::AllocateWeights(space->Supernet({.mode = supernet::Mode::kTraining}).graph);
  supernet::InitializeWeights(weights, o.common.seed);
  supernet::StepOptions options = benchmark::StepOptionsOf(*space);
  options.weights = supernet::Weights::kShared;
  options.precision = *precision;
  options.recompute = o.recompute;
  supernet::TrainingStep step(space, *device, weights, options);
  std::vector<double> ms, planning_ms;
  double whole = 0, planning = 0;
  int64_t kernels_before = 0;
  Clock::time_point begin;
  for (int64_t i = -o.repetitions; i < o.repetitions || Seconds(begin) < o.seconds; ++i) {
    if (Interrupted()->load()) return absl::CancelledError("benchmark interrupted");
    if (i == 0) {
      begin = Clock::now();
      kernels_before = (*device)->cache().stats().misses;
    }
    const supernet::Choice choice = supernet::RandomChoice(*space, o.common.seed, i + o.repetitions);
    const kernels::TensorMap noise = benchmark::NoiseInputs({space, choice, o.batch, o.length, o.common.seed});
    std::vector<supernet::StepInput> inputs;
    for (const kernels::TensorMap::Entry& e : noise.entries()) inputs.push_back({e.name, e.tensor.view()});
    const double planned_before = step.planning_seconds();
    const Clock::time_point start = Clock::now();
    if (auto s = RunStep(step, choice, inputs); !s.ok()) return s;
    if (i < 0) continue;
    const double seconds = Seconds(start), planned = step.planning_seconds() - planned_before;
    whole += seconds;
    planning += planned;
    ms.push_back(1e3 * seconds);
    planning_ms.push_back(1e3 * planned);
  }
  const int64_t kernels_made = (*device)->cache().stats().misses - kernels_before;
  Answer answer;
  answer.json = {{"subnet", kRandomSubnet},
                 {"batch", o.batch},
                 {"threads", o.common.thread_count()},
                 {"precision", kernels::Name(*precision)},
                 {"repetitions", ms.size()},
                 {"median_ms", *core::Median(ms)},
                 {"planning_ms", *core::Median(planning_ms)},
                 {"planning_share", planning / whole},
                 {"kernels_made", kernels_made}};
  answer.text = fmt::format(
      "random networks of {}, another one each step, batch {}, {} threads: median {:.3f} ms, {} repetitions\n"
      "planning: median {:.3f} ms, {:.2f} % of all steps; {} kernels made meanwhile\n",
      space->name(), o.batch, o.common.thread_count(), *core::Median(ms), ms.size(), *core::Median(planning_ms),
      100 * planning / whole, kernels_made);
  if (o.verbose) AddCacheStatistics(**device, answer);
  return answer;
}

absl::StatusOr<Answer> Step(const Options& o) {
  if (o.subnet == kRandomSubnet) return RandomSteps(o);
  auto subject = Open(o);
  if (!subject.ok()) return subject.status();
  const auto& [space, choice, device] = *subject;
  kernels::TensorMap weights =
      supernet::AllocateWeights(space->Network(choice, {.mode = supernet::Mode::kTraining}).graph);
  supernet::InitializeWeights(weights, o.common.seed);
  const kernels::TensorMap noise = Noise(o, *subject);
  std::vector<supernet::StepInput> inputs;
  for (const kernels::TensorMap::Entry& e : noise.entries()) inputs.push_back({e.name, e.tensor.view()});
  const auto precision = o.precision.GetFor(*device);
  if (!precision.ok()) return precision.status();
  supernet::StepOptions options = benchmark::StepOptionsOf(*space);
  options.precision = *precision;
  options.recompute = o.recompute;
  supernet::TrainingStep step(space, device, weights, options);
  const auto run = [&] { return RunStep(step, subject->choice, inputs); };
  if (auto s = run(); !s.ok()) return s;
  auto answer = Report(o, *subject, Repeat(o, run));
  if (!answer.ok()) return answer.status();
  answer->json["precision"] = kernels::Name(*precision);
  answer->json["activation_bytes"] = step.activation_bytes();
  answer->text +=
      fmt::format("activations and scratch {:.1f} MB\n", static_cast<double>(step.activation_bytes()) / 1e6);
  // As the timed steps found them.
  const supernet::TrainingStep::PlanStats p = step.plan_stats();
  // Planning once more, with kernels, gradients and memory there: what a supernet pays for a network that it has not
  // seen.
  step.DropPlans();
  const double before = step.planning_seconds();
  if (auto s = run(); !s.ok()) return s;
  const double planning_ms = 1e3 * (step.planning_seconds() - before);
  answer->json["planning_ms"] = planning_ms;
  answer->text += fmt::format("planning of a network not seen before: {:.3f} ms, {:.2f} % of the median step\n",
                              planning_ms, 100 * planning_ms / answer->json["median_ms"].get<double>());
  if (o.verbose) {
    AddCacheStatistics(*device, *answer);
    answer->json["caches"]["plans"] = {
        {"hits", p.hits}, {"misses", p.misses}, {"evictions", p.evictions}, {"size", p.size}, {"capacity", p.capacity}};
    answer->text += fmt::format("plans: {} of at most {} kept, {} hits, {} misses, {} evicted\n", p.size, p.capacity,
                                p.hits, p.misses, p.evictions);
  }
  return WithOperators(o, *device, *std::move(answer), [&](kernels::StepTimes& times) {
    step.CollectTimes(&times);
    return run();
  });
}

absl::StatusOr<Answer> Inference(const Options& o) {
  if (o.length > 0) return absl::InvalidArgumentError("--length: inference takes rows of the space's own length");
  auto subject = Open(o);
  if (!subject.ok()) return subject.status();
  const auto& [space, choice, device] = *subject;
  kernels::TensorMap weights = supernet::AllocateWeights(space->Network(choice, {}).graph);
  supernet::InitializeWeights(weights, o.common.seed);
  const auto precision = o.precision.GetFor(*device);
  if (!precision.ok()) return precision.status();
  auto folded = supernet::FoldedNetwork(*space, choice, weights, o.batch, *precision);
  if (!folded.ok()) return folded.status();
  auto plan = kernels::Plan::Create(folded->graph, folded->outputs, *device, {.constant_weights = true});
  if (!plan.ok()) return plan.status();
  auto context = kernels::Context::Create(*plan, {&folded->weights});
  if (!context.ok()) return context.status();
  const kernels::TensorMap noise = Noise(o, *subject);
  for (const kernels::TensorMap::Entry& e : noise.entries()) {
    if (e.name == "labels") continue;
    std::memcpy((*context)->Input(e.name)->data, e.tensor.data(), e.tensor.desc().bytes());
  }
  auto answer = Report(o, *subject, Repeat(o, [&] { return (*context)->Run(); }));
  if (!answer.ok()) return answer.status();
  answer->json["precision"] = kernels::Name(*precision);
  if (o.verbose) AddCacheStatistics(*device, *answer);
  return WithOperators(o, *device, *std::move(answer), [&](kernels::StepTimes& times) { return times.Run(**context); });
}

// A source encoded, and as many tokens decoded one after the other, the most probable each.
absl::StatusOr<Answer> Decode(const Options& o) {
  auto subject = Open(o);
  if (!subject.ok()) return subject.status();
  const auto& [space, choice, device] = *subject;
  if (!space->translates()) {
    return absl::InvalidArgumentError(fmt::format("bench decode: {} does not translate", space->name()));
  }
  auto macro = o.space.TranslationMacro();
  if (!macro.ok()) return macro.status();
  kernels::TensorMap weights = supernet::AllocateWeights(space->Network(choice, {}).graph);
  supernet::InitializeWeights(weights, o.common.seed);
  const int64_t length = o.length > 0 ? o.length : space->input_shape(choice)[0];
  kernels::Random random(o.common.seed);
  std::vector<std::vector<int32_t>> sources(static_cast<size_t>(o.batch));
  for (auto& source : sources) {
    while (std::ssize(source) < length - 1) {
      source.push_back(
          supernet::kFirstWordId +
          static_cast<int32_t>(random.Below(static_cast<uint32_t>(macro->source_vocabulary) - supernet::kFirstWordId)));
    }
    source.push_back(supernet::kEosId);
  }
  supernet::IncrementalDecoder decoder(*macro, choice, weights, device);
  std::vector<int32_t> tokens(static_cast<size_t>(o.batch * o.beam));
  const auto run = [&]() -> absl::Status {
    if (auto s = decoder.Start(sources, o.beam); !s.ok()) return s;
    std::fill(tokens.begin(), tokens.end(), supernet::kEosId);
    for (int64_t step = 0; step < length; ++step) {
      if (auto s = decoder.Step(tokens); !s.ok()) return s;
      const std::span<const float> logits = decoder.logits().as<float>();
      const size_t words = logits.size() / tokens.size();
      for (size_t r = 0; r < tokens.size(); ++r) {
        const auto row = logits.subspan(r * words, words);
        tokens[r] = static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
      }
    }
    return absl::OkStatus();
  };
  auto answer = Report(o, *subject, Repeat(o, run));
  if (!answer.ok()) return answer.status();
  if (o.verbose) AddCacheStatistics(*device, *answer);
  answer->json["tokens"] = length;
  answer->json["beam"] = o.beam;
  return WithOperators(o, *device, *std::move(answer), [&](kernels::StepTimes& times) {
    decoder.CollectTimes(&times);
    return run();
  });
}

}  // namespace

void AddBench(CLI::App& app) {
  static Options o;
  CLI::App* bench = AddGroup(app, "bench", "Time of a training step, of an inference, of the estimator");
  const auto add = [&](const char* name, const char* what, const char* example, Action action,
                       const char* subnet = "The network: JSON, or @FILE") {
    CLI::App* command = AddCommand(*bench, name, what, example, o.common, std::move(action));
    o.space.AddTo(command);
    command->add_option("--subnet", o.subnet, subnet)->required();
    command->add_option("--length", o.length, "supertransformer: tokens of source and target (default: 30, 23 or 12)")
        ->check(CLI::Range(1, 1024));
    command->add_option("--beam", o.beam, "supertransformer, decode: rows per source")
        ->capture_default_str()
        ->check(CLI::Range(1, 256));
    command->add_option("--batch", o.batch, "Images, or rows of tokens, per step")
        ->capture_default_str()
        ->check(CLI::Range(1, 65536));
    command->add_option("--repetitions", o.repetitions, "At least this many")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000000));
    command->add_option("--seconds", o.seconds, "For at least this long")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 3600.0));
    command->add_flag("--by-operator", o.by_operator, "Also the time of each operator, measured in further runs");
    command->add_option("--trace", o.trace,
                        "Also the course of such runs into this file, for chrome://tracing or Perfetto");
    command->add_flag("--verbose", o.verbose, "Also hits, misses and sizes of the caches");
    return command;
  };
  CLI::App* step = add(
      "step", "Forward, backward and update of one network, and planning of a new one",
      "mathnas bench step nasbench201 --subnet '[3,3,3,3,3,3]' --batch 64 --threads 2", [] { return Step(o); },
      "The network: JSON, or @FILE; or random: another one each step, as a supernet is trained");
  o.precision.AddTo(step, "What the step computes in");
  AddRecompute(step, o.recompute);
  o.precision.AddTo(add("inference", "A network folded for inference",
                        "mathnas bench inference nasbench201 --subnet '[3,3,3,3,3,3]' --batch 1",
                        [] { return Inference(o); }));
  add("decode", "Decoding of a source, token by token",
      "mathnas bench decode supertransformer --subnet @net.json --batch 1 --length 30", [] { return Decode(o); });
  AddEstimatorBench(*bench);
  AddSwitchBench(*bench);
  AddOperatorBench(*bench);
  AddNetworkBench(*bench);
}

}  // namespace mathnas::cli
