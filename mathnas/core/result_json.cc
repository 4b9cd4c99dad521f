#include "mathnas/core/result_json.h"

#include <algorithm>
#include <cmath>

#include "nlohmann/json.hpp"

namespace mathnas::core {
namespace {

using Json = nlohmann::ordered_json;

std::string_view Name(SearchStatus status) {
  switch (status) {
    case SearchStatus::kOptimal:
      return "optimal";
    case SearchStatus::kFeasible:
      return "feasible";
    case SearchStatus::kInfeasible:
      return "infeasible";
  }
  return "unknown";
}

// Shared values are numbers that name something (a resolution): 224, not 224.0.
Json SharedJson(const std::map<std::string, double>& shared) {
  constexpr double kLargest = 1e15;
  Json json = Json::object();
  for (const auto& [name, value] : shared) {
    const bool whole = std::abs(value) < kLargest && value == std::floor(value);
    json[name] = whole ? Json(static_cast<int64_t>(value)) : Json(value);
  }
  return json;
}

void AddNetwork(const FoundNetwork& network, Json& json) {
  json["choice"] = network.choice;
  json["names"] = network.names;
  json["shared"] = SharedJson(network.shared);
  json["predicted"] = Json::object();
  for (const auto& [metric, value] : network.predicted) json["predicted"][metric] = value;  // NaN is written as null
}

Json NetworksJson(const std::vector<FoundNetwork>& networks) {
  Json json = Json::array();
  for (const FoundNetwork& network : networks) {
    Json& item = json.emplace_back();
    item["objective"] = network.objective;
    AddNetwork(network, item);
  }
  return json;
}

Json LimitJson(const Limit& limit) {
  return {{"metric", limit.metric}, {"op", Name(limit.op)}, {"limit", limit.value}};
}

Json LimitsJson(const std::vector<LimitReport>& reports) {
  Json json = Json::array();
  for (const LimitReport& report : reports) {
    Json& item = json.emplace_back(LimitJson(report.limit));
    item["value"] = report.value ? Json(*report.value) : Json();
    item["reachable"] = report.reachable ? Json::array({report.reachable->first, report.reachable->second}) : Json();
  }
  return json;
}

Json NearestJson(const NearestBudget& nearest) {
  Json json;
  json["distance"] = nearest.distance;
  json["limits"] = Json::array();
  for (const Limit& limit : nearest.limits) json["limits"].push_back(LimitJson(limit));
  json["objective"] = nearest.network.objective;
  AddNetwork(nearest.network, json);
  return json;
}

void AddConflict(const SearchResult& result, Json& json) {
  std::vector<std::string> metrics;  // both ends of a range are one metric
  for (int l : result.conflict) {
    const std::string& metric = result.limits[l].limit.metric;
    if (std::find(metrics.begin(), metrics.end(), metric) == metrics.end()) metrics.push_back(metric);
  }
  json["conflict"] = metrics;
  json["conflict_limits"] = result.conflict;
  if (result.nearest) json["nearest"] = NearestJson(*result.nearest);
}

}  // namespace

std::string ToJson(const SearchResult& result) {
  Json json;
  json["status"] = Name(result.status);
  if (!result.networks.empty()) {
    json["objective"] = result.networks[0].objective;
    json["bound"] = result.bound;
    json["gap"] = result.gap;
    AddNetwork(result.networks[0], json);
  }
  json["limits"] = LimitsJson(result.limits);
  if (result.status == SearchStatus::kInfeasible) AddConflict(result, json);
  if (result.has_top) json["networks"] = NetworksJson(result.networks);
  if (result.has_front) json["front"] = NetworksJson(result.front);
  json["estimator"] = Name(result.estimator.kind);
  json["flops_fixed"] = Name(result.estimator.flops_fixed);
  json["explored"] = result.explored;
  if (result.undefined > 0) json["undefined"] = result.undefined;
  json["seconds"] = result.seconds;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace mathnas::core
