#include "mathnas/core/result_json.h"

#include <algorithm>
#include <map>

#include "mathnas/core/internal/json_writer.h"
#include "mathnas/core/internal/network_json.h"

namespace mathnas::core {
namespace {

using internal::JsonWriter;
using internal::WriteNetworkMembers;
using internal::WriteNetworks;

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
  if (!nearest.proven) json.Member("proven", false);
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
  json.Member("estimator", Name(result.estimator));
  json.Member("flops_fixed", Name(result.estimator.flops_fixed));
  json.Member("explored", result.explored);
  if (result.undefined > 0) json.Member("undefined", result.undefined);
  json.Member("seconds", result.seconds);
  json.EndObject();
  return json.text();
}

}  // namespace mathnas::core
