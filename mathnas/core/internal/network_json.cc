#include "mathnas/core/internal/network_json.h"

#include <map>
#include <string>

namespace mathnas::core::internal {
namespace {

void WriteShared(const std::map<std::string, double>& shared, JsonWriter& json) {
  json.Key("shared");
  json.BeginObject();
  for (const auto& [name, value] : shared) json.Member(name, value);
  json.EndObject();
}

}  // namespace

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

}  // namespace mathnas::core::internal
