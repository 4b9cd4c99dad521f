#include "mathnas/profile/meter.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "fmt/format.h"
#include "kernels/internal/json_text.h"
#include "mathnas/profile/rapl.h"
#include "nlohmann/json.hpp"
#include "supernet/atomic_file.h"

namespace mathnas::profile {
namespace {

using kernels::internal::JsonText;
using kernels::internal::ParseJson;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kFormat = "mathnas-measurements/1";
constexpr double kEnergySeconds = 1.0;  // of running one network: RAPL counters move once a millisecond

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

std::vector<Choice> Missing(const std::vector<Choice>& choices, const std::function<bool(const Choice&)>& known) {
  std::vector<Choice> missing;
  for (const Choice& c : choices) {
    if (!known(c) && std::find(missing.begin(), missing.end(), c) == missing.end()) missing.push_back(c);
  }
  return missing;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Meter>> Meter::Create(std::unique_ptr<Workload> workload, MeterOptions options) {
  std::unique_ptr<Meter> meter(new Meter);
  meter->workload_ = std::move(workload);
  meter->options_ = std::move(options);
  meter->latency_device_ = meter->options_.device;
  if (meter->latency_device_ == nullptr || meter->latency_device_->name() == "cpu") {
    auto cpu = kernels::CpuDevice(meter->options_.latency.threads);
    if (!cpu.ok()) return cpu.status();
    meter->latency_device_ = *std::move(cpu);
  }
  if (auto s = meter->ReadJournal(); !s.ok()) return s;
  return meter;
}

absl::Status Meter::Cancelled() const {
  if (options_.cancel != nullptr && options_.cancel->load()) return absl::CancelledError("measurement interrupted");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Runnable>> Meter::MakeRunnable(const Choice& choice) {
  if (auto s = Cancelled(); !s.ok()) return s;
  return workload_->MakeRunnable(choice, options_.latency.batch, latency_device_);
}

absl::Status Meter::MeasureOneAccuracy(const Choice& choice) {
  if (auto s = Cancelled(); !s.ok()) return s;
  auto score = workload_->ScoreOf(choice, options_.cancel);
  if (!score.ok()) return score.status();
  known_[choice].accuracy = score->accuracy;
  known_[choice].loss = score->loss;
  return WriteJournal();
}

absl::Status Meter::MeasureAccuracy(const std::vector<Choice>& choices) {
  const std::vector<Choice> missing = Missing(choices, [&](const Choice& c) { return known_[c].accuracy.has_value(); });
  const Clock::time_point start = Clock::now();
  for (size_t i = 0; i < missing.size(); ++i) {
    if (auto s = MeasureOneAccuracy(missing[i]); !s.ok()) return s;
    if (options_.progress) {
      const double each = Seconds(start) / static_cast<double>(i + 1);
      options_.progress({"accuracy", static_cast<int64_t>(i + 1), static_cast<int64_t>(missing.size()),
                         each * static_cast<double>(missing.size() - i - 1)});
    }
  }
  return absl::OkStatus();
}

absl::Status Meter::MeasureAccuracyInTurn(absl::FunctionRef<absl::StatusOr<std::optional<Choice>>()> next,
                                          int64_t total) {
  const Clock::time_point start = Clock::now();
  int64_t measured = 0;
  for (int64_t done = 1;; ++done) {
    if (auto s = Cancelled(); !s.ok()) return s;
    const absl::StatusOr<std::optional<Choice>> choice = next();
    if (!choice.ok()) return choice.status();
    if (!*choice) return absl::OkStatus();
    if (known_[**choice].accuracy) continue;
    if (auto s = MeasureOneAccuracy(**choice); !s.ok()) return s;
    ++measured;
    if (options_.progress) {
      const double each = Seconds(start) / static_cast<double>(measured);
      options_.progress({"accuracy", done, total, each * static_cast<double>(total - done)});
    }
  }
}

absl::Status Meter::MeasureLatency(const std::vector<Choice>& choices) {
  std::vector<Choice> missing;
  for (const Choice& c : choices) {
    if (!Settled(known_[c].latency_ms, options_.latency)) missing.push_back(c);
  }
  const int shared = workload_->space().structure().shared;
  const auto shared_choice = [&](const Choice& c) { return shared < 0 ? 0 : c[shared]; };
  std::stable_sort(missing.begin(), missing.end(),
                   [&](const Choice& a, const Choice& b) { return shared_choice(a) < shared_choice(b); });
  std::vector<Choice> together;
  std::vector<std::unique_ptr<Runnable>> runnables;
  int64_t bytes = 0;
  const auto measure = [&] {
    bytes = 0;
    return together.empty() ? absl::OkStatus()
                            : MeasureTogether(std::exchange(together, {}), std::exchange(runnables, {}));
  };
  for (const Choice& c : missing) {
    auto runnable = MakeRunnable(c);
    if (!runnable.ok()) return runnable.status();
    // Weights are there once more, packed for the kernels.
    const int64_t more = 2 * (*runnable)->memory_bytes();
    const bool fits = bytes + more <= options_.latency_bytes;
    if (!together.empty() && (!fits || shared_choice(together.back()) != shared_choice(c))) {
      if (auto s = measure(); !s.ok()) return s;
    }
    bytes += more;
    together.push_back(c);
    runnables.push_back(*std::move(runnable));
  }
  return measure();
}

absl::Status Meter::MeasureTogether(const std::vector<Choice>& choices,
                                    std::vector<std::unique_ptr<Runnable>> runnables) {
  std::vector<std::function<absl::Status()>> runs;
  std::vector<std::vector<double>> samples;
  std::set<Choice> named;
  for (size_t i = 0; i < choices.size(); ++i) {
    runs.emplace_back([runnable = runnables[i].get()] { return runnable->Run(); });
    samples.push_back(named.insert(choices[i]).second ? known_[choices[i]].latency_ms : std::vector<double>());
  }
  const Clock::time_point start = Clock::now();
  const auto after_round = [&](int rounds) -> absl::Status {
    for (const Choice& c : named) known_[c].latency_ms.clear();
    for (size_t i = 0; i < choices.size(); ++i) {
      std::vector<double>& known = known_[choices[i]].latency_ms;
      known.insert(known.end(), samples[i].begin(), samples[i].end());
    }
    if (options_.progress) {
      const double each = Seconds(start) / rounds;
      const int64_t most = options_.latency.max_rounds;
      options_.progress({"latency", rounds, most, each * static_cast<double>(most - rounds)});
    }
    return absl::OkStatus();
  };
  const auto clock = [&](size_t run) { return runnables[run]->last_seconds(); };
  const absl::Status status = MeasureInTurn(runs, options_.latency, samples, after_round, options_.cancel, clock);
  const absl::Status saved = WriteJournal();
  return status.ok() ? saved : status;
}

absl::Status Meter::MeasureMemory(const std::vector<Choice>& choices) {
  for (const Choice& c : Missing(choices, [&](const Choice& k) { return known_[k].memory_bytes.has_value(); })) {
    auto runnable = MakeRunnable(c);
    if (!runnable.ok()) return runnable.status();
    known_[c].memory_bytes = (*runnable)->memory_bytes();
  }
  return WriteJournal();
}

absl::Status Meter::MeasureEnergy(const std::vector<Choice>& choices) {
  std::function<absl::StatusOr<double>()> joules = [this] { return latency_device_->Joules(); };
  if (latency_device_->name() == "cpu") {
    auto counter = RaplCounter::Open();
    if (!counter.ok()) return counter.status();
    joules = [counter = *std::move(counter)]() mutable { return counter.Joules(); };
  }
  if (auto first = joules(); !first.ok()) return first.status();
  const std::vector<Choice> missing =
      Missing(choices, [&](const Choice& c) { return known_[c].energy_mj.has_value(); });
  for (size_t i = 0; i < missing.size(); ++i) {
    auto runnable = MakeRunnable(missing[i]);
    if (!runnable.ok()) return runnable.status();
    if (auto s = (*runnable)->Run(); !s.ok()) return s;
    const auto before = joules();
    if (!before.ok()) return before.status();
    const Clock::time_point start = Clock::now();
    int64_t runs = 0;
    do {
      if (auto s = (*runnable)->Run(); !s.ok()) return s;
      ++runs;
    } while (Seconds(start) < kEnergySeconds);
    const auto after = joules();
    if (!after.ok()) return after.status();
    known_[missing[i]].energy_mj = 1e3 * (*after - *before) / static_cast<double>(runs);
    if (auto s = WriteJournal(); !s.ok()) return s;
    if (options_.progress) {
      options_.progress({"energy", static_cast<int64_t>(i + 1), static_cast<int64_t>(missing.size()),
                         kEnergySeconds * static_cast<double>(missing.size() - i - 1)});
    }
  }
  return absl::OkStatus();
}

absl::Status Meter::ReadJournal() {
  const std::string& path = options_.journal_path;
  if (path.empty() || !std::filesystem::exists(path)) return absl::OkStatus();
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const json journal = ParseJson(text);
  const auto bad = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("{}: {}; delete it to measure again", path, what));
  };
  const auto text_of = [&](const char* field) {
    return journal.contains(field) && journal[field].is_string() ? journal[field].get<std::string>() : "";
  };
  if (!journal.is_object() || text_of("format") != kFormat) {
    return bad(fmt::format("expected a JSON object of format \"{}\"", kFormat));
  }
  if (text_of("identity") != options_.identity) {
    return bad("it belongs to another supernet, data set or setting");
  }
  if (!journal.contains("networks") || !journal["networks"].is_array()) return bad("networks: expected a list");
  for (size_t i = 0; i < journal["networks"].size(); ++i) {
    const json& n = journal["networks"][i];
    const auto bad_field = [&](std::string_view field, std::string_view expected) {
      return bad(fmt::format("networks[{}].{}: expected {}", i, field, expected));
    };
    if (!n.is_object() || !n.contains("choice") || !n["choice"].is_array()) return bad_field("choice", "a list");
    Choice choice;
    for (const json& c : n["choice"]) {
      if (!c.is_number_integer() || c < 0 || c > std::numeric_limits<int>::max()) {
        return bad_field("choice", "candidates of the space");
      }
      choice.push_back(c.get<int>());
    }
    if (!workload_->space().Check(choice).ok()) return bad_field("choice", "a network of the space");
    Measurement m;
    for (const auto& [name, field] :
         {std::pair{"accuracy", &m.accuracy}, {"loss", &m.loss}, {"energy_mj", &m.energy_mj}}) {
      if (!n.contains(name)) continue;
      if (!n[name].is_number()) return bad_field(name, "a number");
      *field = n[name].get<double>();
    }
    if (n.contains("memory_bytes")) {
      if (!n["memory_bytes"].is_number_integer()) return bad_field("memory_bytes", "an integer");
      m.memory_bytes = n["memory_bytes"].get<int64_t>();
    }
    if (n.contains("latency_ms")) {
      if (!n["latency_ms"].is_array()) return bad_field("latency_ms", "a list");
      for (const json& v : n["latency_ms"]) {
        if (!v.is_number() || !(v.get<double>() > 0)) return bad_field("latency_ms", "positive numbers");
        m.latency_ms.push_back(v.get<double>());
      }
    }
    known_[choice] = std::move(m);
  }
  return absl::OkStatus();
}

absl::Status Meter::WriteJournal() {
  if (options_.journal_path.empty()) return absl::OkStatus();
  json networks = json::array();
  for (const auto& [choice, m] : known_) {
    json n = {{"choice", choice}};
    if (m.accuracy) n["accuracy"] = *m.accuracy;
    if (m.loss) n["loss"] = *m.loss;
    if (m.energy_mj) n["energy_mj"] = *m.energy_mj;
    if (m.memory_bytes) n["memory_bytes"] = *m.memory_bytes;
    if (!m.latency_ms.empty()) n["latency_ms"] = m.latency_ms;
    networks.push_back(std::move(n));
  }
  const json journal = {
      {"format", std::string(kFormat)}, {"identity", options_.identity}, {"networks", std::move(networks)}};
  return supernet::AtomicWriteFile(options_.journal_path, JsonText(journal) + "\n");
}

}  // namespace mathnas::profile
