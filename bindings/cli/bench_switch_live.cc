#include "bindings/cli/bench_switch_live.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/statistics.h"
#include "mathnas/profile/profiler.h"
#include "mathnas/profile/space_table.h"
#include "mathnas/runtime/dynamic_network.h"
#include "supernet/evaluation.h"
#include "supernet/recalibration.h"
#include "supernet/training/sampling.h"
#include "supernet/weights.h"

namespace mathnas::cli {
namespace {

using supernet::Choice;
using Clock = std::chrono::steady_clock;
using runtime::DynamicNetwork;
using runtime::Switching;

constexpr size_t kInputs = 4;  // different requests, so that an answer to the one before is no right one

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

// Noise of the size of the base network's input.
supernet::ImageSourcePtr NoiseImages(const supernet::SearchSpace& space, int count, uint64_t seed) {
  const kernels::Shape shape = space.input_shape();
  supernet::ImageDataset set;
  set.name = "noise";
  set.count = count;
  set.height = shape[0];
  set.width = shape[1];
  set.channels = shape[2];
  set.classes = static_cast<int>(space.classes());
  kernels::Random random(seed);
  set.images.resize(static_cast<size_t>(count) * set.image_bytes());
  for (uint8_t& p : set.images) p = static_cast<uint8_t>(random.Below(256));
  for (int i = 0; i < count; ++i) set.labels.push_back(i % set.classes);
  set.mean.assign(static_cast<size_t>(set.channels), 127.5);
  set.stddev.assign(static_cast<size_t>(set.channels), 74);
  return supernet::InMemory(std::move(set));
}

// What is served, by whom, and what is right.
struct Loopback {
  runtime::Supernet supernet;
  std::shared_ptr<kernels::Device> device;
  supernet::ImageSourcePtr images;
  supernet::RecalibrationOptions recalibration;
  int64_t batch = 1;
  std::vector<std::vector<float>> inputs;
  std::map<Choice, std::vector<std::vector<float>>> right;  // by subnet and input

  std::atomic<bool> stop{false};
  std::atomic<int64_t> asked{0}, answered{0}, wrong{0}, failed{0};

  // Without the dynamic network: one subnet after the other, each prepared from the supernet.
  absl::Status AnswerAlone(const Choice& choice) {
    const supernet::SearchSpace& space = *supernet.space;
    auto weights = supernet::ExtractWeights(space, choice, *supernet.weights);
    if (!weights.ok()) return weights.status();
    if (auto s = supernet::Recalibrate(space, choice, *weights, device, images, recalibration); !s.ok()) return s;
    auto folded = supernet::FoldedNetwork(space, choice, *weights, batch);
    if (!folded.ok()) return folded.status();
    auto plan = kernels::Plan::Create(folded->graph, folded->outputs, *device, {.constant_weights = true});
    if (!plan.ok()) return plan.status();
    auto context = kernels::Context::Create(*plan, {&folded->weights});
    if (!context.ok()) return context.status();
    for (const std::vector<float>& input : inputs) {
      std::copy(input.begin(), input.end(), (*context)->Input("image")->as<float>().begin());
      if (auto s = (*context)->Run(); !s.ok()) return s;
      const auto logits = (*context)->Output("logits")->as<float>();
      right[choice].emplace_back(logits.begin(), logits.end());
    }
    return absl::OkStatus();
  }

  void Client(DynamicNetwork& network, size_t first) {
    std::vector<float> logits(static_cast<size_t>(batch * network.classes()));
    for (size_t i = first; !stop; ++i) {
      std::fill(logits.begin(), logits.end(), 0.0f);
      ++asked;
      const auto served = network.Run(inputs[i % kInputs], logits);
      if (!served.ok()) {
        ++failed;
        continue;
      }
      ++answered;
      const auto expected = right.find(served->choice);
      if (expected == right.end() || expected->second[i % kInputs] != logits) ++wrong;
    }
  }
};

struct Target {
  Choice choice;
  std::vector<core::Limit> limits;  // of which it is the best; empty: asked for by its choice
};

absl::StatusOr<std::vector<Target>> RandomTargets(const supernet::SearchSpace& space, uint64_t seed, int count) {
  auto table = profile::TableOf(space);
  if (!table.ok()) return table.status();
  std::vector<Target> targets;
  std::set<Choice> seen;
  for (int64_t i = 0; std::ssize(targets) < count && i < 100 * int64_t{count}; ++i) {
    Choice choice = profile::Canonical(space, *table, supernet::RandomChoice(space, seed, i));
    if (seen.insert(choice).second) targets.push_back({std::move(choice), {}});
  }
  return targets;
}

// The best networks within random budgets: fewer where the same is best within several.
absl::StatusOr<std::vector<Target>> BudgetTargets(const supernet::SearchSpace& space, const core::BlockTable& table,
                                                  const std::string& metric, uint64_t seed, int count) {
  const auto least = core::Search(table, {.limits = {{.metric = metric, .value = 0}}});
  if (!least.ok()) return least.status();
  if (least->limits.empty() || !least->limits[0].reachable) {
    return absl::InvalidArgumentError(fmt::format("--metric {}: no network has it", metric));
  }
  const auto [low, high] = *least->limits[0].reachable;
  kernels::Random random(seed);
  std::vector<Target> targets;
  std::set<Choice> seen;
  for (int64_t i = 0; std::ssize(targets) < count && i < 100 * int64_t{count}; ++i) {
    const std::vector<core::Limit> limits = {{.metric = metric, .value = low + (high - low) * random.Uniform()}};
    const auto result = core::Search(table, {.limits = limits});
    if (!result.ok()) return result.status();
    if (result->networks.empty()) continue;
    const core::FoundNetwork& found = result->networks[0];
    Choice choice = profile::InSpace(space, {found.choice, found.shared_index});
    if (seen.insert(choice).second) targets.push_back({std::move(choice), limits});
  }
  return targets;
}

Json Summary(std::vector<double> ms) {
  Json summary = {{"count", ms.size()}};
  if (ms.empty()) return summary;
  for (const auto& [name, q] : {std::pair{"median_ms", 0.5}, {"p99_ms", 0.99}, {"p999_ms", 0.999}, {"max_ms", 1.0}}) {
    summary[name] = *core::Quantile(ms, q);
  }
  return summary;
}

std::string Text(const char* what, const Json& summary) {
  if (!summary.contains("median_ms")) return fmt::format("{}: none\n", what);
  const auto ms = [&summary](const char* name) { return summary[name].get<double>(); };
  return fmt::format("{}: {}, median {:.3f} ms, 99 % within {:.3f} ms, 99.9 % within {:.3f} ms, longest {:.3f} ms\n",
                     what, summary["count"].get<int64_t>(), ms("median_ms"), ms("p99_ms"), ms("p999_ms"), ms("max_ms"));
}

// Times from asking for another subnet until it serves.
struct SwitchTimes {
  std::vector<double> planned, fresh, first;  // prepared before; not, its statistics known; not even these
  // Those of planned in which the thread slept, for a lock or for another thread. The others are our code alone, and
  // what interrupted it.
  std::vector<double> planned_waiting;
};

// How often the calling thread has gone to sleep.
int64_t Sleeps() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

absl::Status SwitchAround(DynamicNetwork& network, const std::vector<Target>& targets, const LiveSwitching& o,
                          uint64_t seed, SwitchTimes& times) {
  kernels::Random random(seed, 1);
  std::set<Choice> known = {network.present()};
  const Clock::time_point begin = Clock::now();
  for (int64_t done = 0; done < o.switches || Seconds(begin) < o.seconds;) {
    if (Interrupted()->load()) return absl::CancelledError("benchmark interrupted");
    const Target& target = targets[random.Below(static_cast<uint32_t>(targets.size()))];
    const int64_t sleeps = Sleeps();
    const Clock::time_point start = Clock::now();
    const auto decision = target.limits.empty() ? network.SetChoice(target.choice) : network.SetLimits(target.limits);
    if (!decision.ok()) return decision.status();
    if (decision->switching == Switching::kPresent) continue;
    if (decision->switching == Switching::kPlanned) {
      if (auto s = network.Wait(); !s.ok()) return s;
    }
    const double ms = 1e3 * Seconds(start);
    if (decision->switching == Switching::kSwitched && Sleeps() > sleeps) times.planned_waiting.push_back(ms);
    const bool had_statistics = !known.insert(decision->choice).second;
    (decision->switching == Switching::kSwitched ? times.planned
     : had_statistics                            ? times.fresh
                                                 : times.first)
        .push_back(ms);
    // Spread over the time, as long as there is some.
    const double due = o.seconds * static_cast<double>(++done) / static_cast<double>(o.switches);
    if (due > Seconds(begin)) std::this_thread::sleep_for(std::chrono::duration<double>(due - Seconds(begin)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Answer> LiveSwitching::Run(const Common& common,
                                          const std::shared_ptr<const supernet::SearchSpace>& space, int networks,
                                          int64_t batch) const {
  if (space->structure().shared >= 0) {
    return absl::InvalidArgumentError("--live: expected one resolution, so that requests have one size");
  }
  Loopback loopback;
  auto device = OpenDevice(common);
  if (!device.ok()) return device.status();
  loopback.device = *device;
  auto weights = std::make_shared<kernels::TensorMap>(
      supernet::AllocateWeights(space->Supernet({.mode = supernet::Mode::kTraining}).graph));
  supernet::InitializeWeights(*weights, common.seed, space->initialization());
  loopback.supernet = {space, std::move(weights)};
  loopback.images = NoiseImages(*space, calibration_images, common.seed);
  loopback.recalibration = {.batches = 1, .batch = calibration_images, .seed = common.seed};
  loopback.batch = batch;
  kernels::Random random(common.seed, 2);
  for (size_t i = 0; i < kInputs; ++i) {
    std::vector<float>& input =
        loopback.inputs.emplace_back(static_cast<size_t>(batch * kernels::NumElements(space->input_shape())));
    for (float& v : input) v = static_cast<float>(random.Normal());
  }

  absl::StatusOr<core::BlockTable> block_table = table.empty() ? profile::CountedTable(*space) : core::Load(table);
  if (!block_table.ok()) return block_table.status();
  auto targets = table.empty() ? RandomTargets(*space, common.seed, networks)
                               : BudgetTargets(*space, *block_table, metric, common.seed, networks);
  if (!targets.ok()) return targets.status();
  if (targets->size() < 2) return absl::InvalidArgumentError("--live: fewer than two networks to switch between");
  runtime::DynamicOptions options;
  options.calibration = {.images = loopback.images, .recalibration = loopback.recalibration, .reading = {}};
  options.batch = batch;
  options.lanes = clients;
  options.prepared = prepared > 0 ? prepared : std::max<int>(2, static_cast<int>(targets->size()) - 1);
  if (table.empty()) {
    options.choosing.request.objective = "flops";
  } else {
    options.choosing.request.limits = targets->front().limits;
  }
  auto network = DynamicNetwork::Create(loopback.supernet, *block_table, *device, std::move(options));
  if (!network.ok()) return network.status();
  std::set<Choice> served = {(*network)->present()};
  for (const Target& target : *targets) served.insert(target.choice);
  for (const Choice& choice : served) {
    if (auto s = loopback.AnswerAlone(choice); !s.ok()) return s;
  }

  std::vector<std::thread> threads;
  for (int c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] { loopback.Client(**network, static_cast<size_t>(c)); });
  }
  SwitchTimes times;
  const Clock::time_point begin = Clock::now();
  const absl::Status switching = SwitchAround(**network, *targets, *this, common.seed, times);
  loopback.stop = true;
  for (std::thread& t : threads) t.join();
  if (!switching.ok()) return switching;
  const double took = Seconds(begin);

  const runtime::DynamicStatistics s = (*network)->statistics();
  const int64_t lost = loopback.asked - loopback.answered;
  Answer answer;
  answer.json = {{"networks", targets->size()},
                 {"clients", clients},
                 {"threads", common.thread_count()},
                 {"batch", batch},
                 {"seconds", took},
                 {"requests", loopback.asked.load()},
                 {"wrong", loopback.wrong.load()},
                 {"lost", lost},
                 {"switches", s.switches},
                 {"planned", Summary(times.planned)},
                 {"planned_waiting", Summary(times.planned_waiting)},
                 {"new", Summary(times.fresh)},
                 {"new_with_recalibration", Summary(times.first)},
                 {"prepared_kept", s.ready},
                 {"weights_bytes", s.weight_bytes},
                 {"packed_bytes", s.packed_bytes},
                 {"arena_bytes", s.arena_bytes}};
  answer.text =
      fmt::format("{} requests in {:.1f} s by {} clients: {} wrong, {} lost; {} switches among {} networks\n",
                  loopback.asked.load(), took, clients, loopback.wrong.load(), lost, s.switches, targets->size());
  answer.text += Text("prepared before", answer.json["planned"]) +
                 Text("of them waiting for a lock", answer.json["planned_waiting"]) + Text("new", answer.json["new"]) +
                 Text("new, recalibrated first", answer.json["new_with_recalibration"]);
  answer.exit_status = loopback.wrong > 0 || lost > 0 ? 1 : 0;
  return answer;
}

void LiveSwitching::AddTo(CLI::App* command) {
  command->add_flag("--live", on,
                    "Switch while clients are served, and compare every answer with that of its network alone");
  command->add_option("--table", table,
                      "live: a block table of the space; networks are then chosen by random budgets, solving included");
  command->add_option("--metric", metric, "live, with --table: the metric that budgets are of")->capture_default_str();
  command->add_option("--clients", clients, "live: threads that ask")->capture_default_str()->check(CLI::Range(1, 256));
  command->add_option("--prepared", prepared, "live: networks that are kept ready (default: all but one)")
      ->check(CLI::Range(2, 100000));
  command->add_option("--switches", switches, "live: at least this many, spread over the seconds")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000000));
  command->add_option("--seconds", seconds, "live: at least this long")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1e6));
  command->add_option("--calibration-images", calibration_images, "live: images of noise that statistics are taken on")
      ->capture_default_str()
      ->check(CLI::Range(2, 65536));
}

}  // namespace mathnas::cli
