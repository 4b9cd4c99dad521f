#include "mathnas/core/result_json.h"

#include <algorithm>
#include <map>

#include "mathnas/core/internal/json_writer.h"

namespace mathnas::core {
namespace {

using internal::JsonWriter;

std::string_view Name(SearchStatus status) {
  switch (status) {
    case SearchStatus::kOptimal:
      return "optimal";
    case SearchStatus::kFeasible:
      return "feasible";
    case SearchStatus::kInfeasible:
      return "infeasible";
    case SearchStatus::kUnknown:
      break;
  }
  return "unknown";
}

void WriteShared(const std::map<std::string, double>& shared, JsonWriter& json) {
  json.Key("shared");
  json.BeginObject();
  for (const auto& [name, value] : shared) json.Member(name, value);
  json.EndObject();
}

// The members of a network, within an object that is open.
void WriteNetworkMembers(const FoundNetwork& network, JsonWriter& json) {
  json.Member("choice", network.choice);
  json.Member("names", network.names);
  WriteShared(network.shared, json);
  json.Key("predicted");
  json.BeginObject();
  for (const auto& [metric, value] : network.predicted) json.Member(metric, value);  // NaN is written as null
  json.EndObject();
}

void WriteNetworks(std::string_view key, const std::vector<FoundNetwork>& networks, JsonWriter& json) {
  json.Key(key);
  json.BeginArray();
  for (const FoundNetwork& network : networks) {
    json.BeginObject();
    json.Member("objective", network.objective);
    WriteNetworkMembers(network, json);
    json.EndObject();
  }
  json.EndArray();
}

void WriteLimitMembers(const Limit& limit, JsonWriter& json) {
  json.Member("metric", limit.metric);
  json.Member("op", Name(limit.op));
  json.Member("limit", limit.value);
}

void WriteLimits(const std::vector<LimitReport>& reports, JsonWriter& json) {
  json.Key("limits");
  json.BeginArray();
  for (const LimitReport& report : reports) {
    json.BeginObject();
    WriteLimitMembers(report.limit, json);
    json.Key("value");
    report.value ? json.Value(*report.value) : json.Null();
    json.Key("reachable");
    report.reachable ? json.Value(std::vector{report.reachable->first, report.reachable->second}) : json.Null();
    json.EndObject();
  }
  json.EndArray();
}

void WriteNearest(const NearestBudget& nearest, JsonWriter& json) {
  json.Key("nearest");
  json.BeginObject();
  json.Member("distance", nearest.distance);
  json.Key("limits");
  json.BeginArray();
  for (const Limit& limit : nearest.limits) {
    json.BeginObject();
    WriteLimitMembers(limit, json);
    json.EndObject();
  }
  json.EndArray();
  json.Member("objective", nearest.network.objective);
  WriteNetworkMembers(nearest.network, json);
  json.EndObject();
}

void WriteConflict(const SearchResult& result, JsonWriter& json) {
  std::vector<std::string> metrics;  // both ends of a range are one metric
  for (int l : result.conflict) {
    const std::string& metric = result.limits[l].limit.metric;
    if (std::find(metrics.begin(), metrics.end(), metric) == metrics.end()) metrics.push_back(metric);
  }
  json.Member("conflict", metrics);
  json.Member("conflict_limits", result.conflict);
  if (result.nearest) WriteNearest(*result.nearest, json);
}

}  // namespace

std::string ToJson(const SearchResult& result) {
  JsonWriter json;
  json.BeginObject();
  json.Member("status", Name(result.status));
  if (!result.networks.empty()) {
    json.Member("objective", result.networks[0].objective);
    json.Member("bound", result.bound);
    json.Member("gap", result.gap);
    WriteNetworkMembers(result.networks[0], json);
  }
  WriteLimits(result.limits, json);
  if (result.status == SearchStatus::kInfeasible) WriteConflict(result, json);
  if (result.has_top) WriteNetworks("networks", result.networks, json);
  if (result.has_front) WriteNetworks("front", result.front, json);
  json.Member("estimator", Name(result.estimator.kind));
  json.Member("flops_fixed", Name(result.estimator.flops_fixed));
  json.Member("explored", result.explored);
  if (result.undefined > 0) json.Member("undefined", result.undefined);
  json.Member("seconds", result.seconds);
  json.EndObject();
  return json.text();
}

std::string ToJson(const SweepResult& result) {
  JsonWriter json;
  json.BeginObject();
  json.Member("networks", result.networks);
  json.Member("undefined", result.undefined);
  json.Member("within", result.within);
  json.Member("computed", result.computed);
  WriteNetworks("best", result.best, json);
  json.Key("ranges");
  json.BeginObject();
  for (const auto& [metric, range] : result.ranges) json.Member(metric, std::vector{range.first, range.second});
  json.EndObject();
  json.Member("estimator", Name(result.estimator.kind));
  json.Member("flops_fixed", Name(result.estimator.flops_fixed));
  json.Member("seconds", result.seconds);
  json.EndObject();
  return json.text();
}

}  // namespace mathnas::core
