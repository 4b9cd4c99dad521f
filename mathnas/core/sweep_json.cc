#include "mathnas/core/sweep_json.h"

#include <vector>

#include "mathnas/core/internal/json_writer.h"
#include "mathnas/core/internal/network_json.h"

namespace mathnas::core {

std::string ToJson(const SweepResult& result) {
  internal::JsonWriter json;
  json.BeginObject();
  json.Member("networks", result.networks);
  json.Member("undefined", result.undefined);
  json.Member("within", result.within);
  json.Member("computed", result.computed);
  internal::WriteNetworks("best", result.best, json);
  json.Key("ranges");
  json.BeginObject();
  for (const auto& [metric, range] : result.ranges) json.Member(metric, std::vector{range.first, range.second});
  json.EndObject();
  json.Member("estimator", Name(result.estimator));
  json.Member("flops_fixed", Name(result.estimator.flops_fixed));
  json.Member("seconds", result.seconds);
  json.EndObject();
  return json.text();
}

}  // namespace mathnas::core
