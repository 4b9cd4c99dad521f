// mathnas bench switch SPACE: what it costs to run another network of a supernet than the last time; --live: while it
// serves (bench_switch_live.h)
#include <algorithm>
#include <chrono>

#include "bindings/cli/bench.h"
#include "bindings/cli/bench_switch_live.h"
#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "mathnas/core/statistics.h"
#include "supernet/training/sampling.h"
#include "supernet/weights.h"

namespace mathnas::cli {
namespace {

using Clock = std::chrono::steady_clock;

double Milliseconds(Clock::time_point since) {
  return 1e3 * std::chrono::duration<double>(Clock::now() - since).count();
}

struct Options {
  Common common;
  SpaceOptions space;
  int64_t batch = 1;
  int networks = 8, rounds = 40;
  LiveSwitching live;
};

// Random networks over the same weights, each planned, in one arena.
struct Planned {
  kernels::TensorMap weights;
  kernels::Workspace workspace;
  std::vector<std::shared_ptr<const kernels::Plan>> plans;
  std::vector<std::unique_ptr<kernels::Context>> contexts;
  std::vector<double> planning_ms;
  size_t packed_apart = 0;  // bytes of packed weights if no network shared any with another
};

absl::Status PlanAll(const Options& o, const supernet::SearchSpace& space, kernels::Device& device, Planned& planned) {
  planned.weights = supernet::AllocateWeights(space.Supernet({}).graph);
  supernet::InitializeWeights(planned.weights, o.common.seed, space.initialization());
  size_t largest = 0;
  for (int i = 0; i < o.networks; ++i) {
    const Clock::time_point start = Clock::now();
    const auto network = space.Network(supernet::RandomChoice(space, o.common.seed, i),
                                       {.batch = o.batch, .weights = supernet::Weights::kShared});
    auto plan = kernels::Plan::Create(network.graph, {{"logits", network.logits}}, device, {.constant_weights = true});
    if (!plan.ok()) return plan.status();
    planned.planning_ms.push_back(Milliseconds(start));
    largest = std::max(largest, (*plan)->arena_bytes());
    planned.plans.push_back(*std::move(plan));
  }
  planned.workspace.Reserve(largest);
  for (const auto& plan : planned.plans) {
    auto alone = kernels::Context::Create(plan, {&planned.weights}, &planned.workspace);
    if (!alone.ok()) return alone.status();
    planned.packed_apart += device.packed()->bytes();
  }
  for (const auto& plan : planned.plans) {
    auto context = kernels::Context::Create(plan, {&planned.weights}, &planned.workspace);
    if (!context.ok()) return context.status();
    planned.contexts.push_back(*std::move(context));
  }
  return absl::OkStatus();
}

size_t Bytes(const kernels::TensorMap& tensors) {
  size_t bytes = 0;
  for (const auto& e : tensors.entries()) bytes += e.tensor.desc().bytes();
  return bytes;
}

absl::StatusOr<Answer> Switch(const Options& o) {
  auto space = o.space.Make();
  if (!space.ok()) return space.status();
  if (o.live.on) return o.live.Run(o.common, *space, o.networks, o.batch);
  auto device = OpenDevice(o.common);
  if (!device.ok()) return device.status();
  Planned planned;
  if (auto s = PlanAll(o, **space, **device, planned); !s.ok()) return s;

  // The first run after another network, and the one after that: the difference is what switching costs.
  std::vector<double> extra, switched, again;
  for (int round = 0; round < o.rounds; ++round) {
    for (const auto& context : planned.contexts) {
      if (Interrupted()->load()) return absl::CancelledError("benchmark interrupted");
      double ms[2];
      for (double& m : ms) {
        kernels::Random random(o.common.seed);
        for (float& v : (*context->Input("image")).as<float>()) v = static_cast<float>(random.Uniform());
        const Clock::time_point start = Clock::now();
        if (auto s = context->Run(); !s.ok()) return s;
        m = Milliseconds(start);
      }
      if (round == 0) continue;
      switched.push_back(ms[0]), again.push_back(ms[1]), extra.push_back(ms[0] - ms[1]);
    }
  }
  const size_t packed = (*device)->packed()->bytes();
  Answer answer;
  answer.json = {{"networks", o.networks},
                 {"batch", o.batch},
                 {"threads", o.common.thread_count()},
                 {"switch_ms", *core::Median(extra)},
                 {"first_run_ms", *core::Median(switched)},
                 {"next_run_ms", *core::Median(again)},
                 {"planning_ms", *core::Median(planned.planning_ms)},
                 {"weights_bytes", Bytes(planned.weights)},
                 {"packed_bytes", packed},
                 {"packed_bytes_apart", planned.packed_apart},
                 {"arena_bytes", planned.workspace.bytes()}};
  constexpr double kMega = 1e6;
  answer.text = fmt::format(
      "{} networks, batch {}, {} threads: switching {:.3f} ms (first run {:.3f} ms, next {:.3f} ms), planning {:.1f} "
      "ms\n"
      "weights {:.1f} MB once, packed {:.1f} MB ({:.1f} MB if nothing were shared), activations {:.1f} MB once\n",
      o.networks, o.batch, o.common.thread_count(), *core::Median(extra), *core::Median(switched), *core::Median(again),
      *core::Median(planned.planning_ms), static_cast<double>(Bytes(planned.weights)) / kMega,
      static_cast<double>(packed) / kMega, static_cast<double>(planned.packed_apart) / kMega,
      static_cast<double>(planned.workspace.bytes()) / kMega);
  return answer;
}

}  // namespace

void AddSwitchBench(CLI::App& bench) {
  static Options o;
  CLI::App* command =
      AddCommand(bench, "switch", "Random networks of a supernet in turns: time to switch, memory that they share",
                 "mathnas bench switch mobilenetv3 --resolutions 224 --networks 8", o.common, [] { return Switch(o); });
  o.space.AddTo(command);
  command->add_option("--networks", o.networks, "Networks planned side by side")
      ->capture_default_str()
      ->check(CLI::Range(2, 1000));
  command->add_option("--batch", o.batch, "Images per run")->capture_default_str()->check(CLI::Range(1, 65536));
  command->add_option("--rounds", o.rounds, "Times that each network runs")
      ->capture_default_str()
      ->check(CLI::Range(2, 100000));
  o.live.AddTo(command);
}

}  // namespace mathnas::cli
