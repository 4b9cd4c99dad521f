#include "mathnas/job/audit.h"

#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "mathnas/core/networks.h"
#include "mathnas/profile/space_table.h"
#include "supernet/training/sampling.h"

namespace mathnas::job {
namespace {

using supernet::Choice;

constexpr uint64_t kAuditSeed = 0xA0D17;

}  // namespace

std::vector<Choice> AuditedNetworks(const supernet::SearchSpace& space, const core::BlockTable& table, int networks) {
  std::vector<Choice> choices;
  for (int i = 0; static_cast<int>(choices.size()) < networks; ++i) {
    const Choice drawn = supernet::RandomChoice(space, kAuditSeed, i);
    if (!core::ComputesSomething(table, profile::InTable(space, drawn).choice)) continue;
    choices.push_back(profile::Canonical(space, table, drawn));
  }
  return choices;
}

absl::StatusOr<std::vector<report::Audit>> Audit(const supernet::SearchSpace& space, const core::BlockTable& table,
                                                 const core::EstimatorOptions& options,
                                                 const std::vector<Choice>& networks, profile::Meter& meter,
                                                 const profile::LatencyOptions& latency_options,
                                                 const Wording& wording) {
  if (auto s = meter.MeasureAccuracy(networks); !s.ok()) return s;
  if (auto s = meter.MeasureLatency(networks); !s.ok()) return s;
  auto estimator = core::Estimator::Create(table, options);
  if (!estimator.ok()) return estimator.status();
  report::Audit quality = {.metric = wording.quality,
                           .unit = wording.unit,
                           .method = "networks drawn at random, cut ones left out; " + wording.audit};
  report::Audit latency = {.metric = "latency",
                           .unit = "ms",
                           .method = fmt::format("the same networks; batch {}, {} threads, median of rounds",
                                                 latency_options.batch, latency_options.threads)};
  for (const Choice& c : networks) {
    const profile::Measurement& m = meter.of(c);
    const std::string architecture = space.SubnetJson(c);
    const auto predict = [&](std::string_view metric) {
      const auto [choice, shared] = profile::InTable(space, c);
      auto value = estimator->Predict(metric, choice, shared);
      return value.ok() ? *value : std::numeric_limits<double>::quiet_NaN();
    };
    quality.networks.push_back({architecture, predict("accuracy"), *m.accuracy});
    auto stats = profile::Summarise(m.latency_ms);
    if (!stats.ok()) return stats.status();
    latency.networks.push_back({architecture, predict("latency"), stats->median_ms});
  }
  return std::vector<report::Audit>{std::move(quality), std::move(latency)};
}

}  // namespace mathnas::job
