#include "mathnas/job/landscape.h"

#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "mathnas/core/networks.h"
#include "mathnas/core/search.h"
#include "mathnas/core/statistics.h"
#include "mathnas/profile/space_table.h"
#include "supernet/training/sampling.h"

namespace mathnas::job {
namespace {

// A space with more networks is not looked at one by one: the report shows drawn ones, and what of the front is found
// in a limited time.
constexpr double kMostLookedAt = 1e6;
constexpr uint64_t kCloudSeed = 0xC10D;
constexpr int kDrawn = 20000;
constexpr double kFrontSeconds = 20;

// Predictions of every network of the space, or in a large one of drawn ones: values by metric.
absl::Status ForNetworks(const supernet::SearchSpace& space, const core::BlockTable& table,
                         const core::EstimatorOptions& options, const std::vector<std::string>& metrics,
                         absl::FunctionRef<void(std::span<const double>)> visit) {
  auto estimator = core::Estimator::Create(table, options);
  if (!estimator.ok()) return estimator.status();
  if (!IsLarge(table)) {
    return core::ForEachNetwork(*estimator, metrics, core::AllowAll(table),
                                [&](const core::NetworkView& n) {
                                  visit(n.values);
                                  return true;
                                })
        .status();
  }
  for (int i = 0; i < kDrawn; ++i) {
    const auto [choice, shared] = profile::InTable(space, supernet::RandomChoice(space, kCloudSeed, i));
    std::vector<double> values;
    for (const std::string& metric : metrics) {
      const auto value = estimator->Predict(metric, choice, shared);
      if (value.ok()) values.push_back(*value);
    }
    if (values.size() == metrics.size()) visit(values);
  }
  return absl::OkStatus();
}

}  // namespace

bool IsLarge(const core::BlockTable& table) { return core::CountNetworks(table) > kMostLookedAt; }

absl::StatusOr<double> MedianLatency(const supernet::SearchSpace& space, const core::BlockTable& table,
                                     const core::EstimatorOptions& estimator) {
  std::vector<double> latencies;
  auto s = ForNetworks(space, table, estimator, {"latency"},
                       [&](std::span<const double> values) { latencies.push_back(values[0]); });
  if (!s.ok()) return s;
  return core::Median(latencies);
}

absl::StatusOr<report::Landscape> LandscapeOf(const supernet::SearchSpace& space, const core::BlockTable& table,
                                              const core::EstimatorOptions& estimator,
                                              const std::atomic<bool>* cancel) {
  report::Landscape landscape;
  core::SearchRequest request = {.estimator = estimator, .fronts = {"latency"}, .cancel = cancel};
  if (IsLarge(table)) request.time_limit = kFrontSeconds;
  auto front = core::Search(table, request);
  if (!front.ok()) return front.status();
  for (const core::FoundNetwork& n : front->front) {
    landscape.front.push_back({n.predicted.at("latency"), n.predicted.at("accuracy")});
  }
  auto s = ForNetworks(space, table, estimator, {"latency", "accuracy"}, [&](std::span<const double> values) {
    landscape.cloud.push_back({values[0], values[1]});
  });
  if (!s.ok()) return s;
  landscape.networks = {core::CountNetworks(table)};
  return landscape;
}

}  // namespace mathnas::job
