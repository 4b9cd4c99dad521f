// Networks that were found, as JSON.
#ifndef MATHNAS_CORE_INTERNAL_NETWORK_JSON_H_
#define MATHNAS_CORE_INTERNAL_NETWORK_JSON_H_

#include <string_view>
#include <vector>

#include "mathnas/core/internal/json_writer.h"
#include "mathnas/core/search.h"

namespace mathnas::core::internal {

// The members of a network, within an object that is open: choice, names, shared, predicted (null = not measured).
void WriteNetworkMembers(const FoundNetwork& network, JsonWriter& json);

// "KEY": [{objective and the members}, ..].
void WriteNetworks(std::string_view key, const std::vector<FoundNetwork>& networks, JsonWriter& json);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_NETWORK_JSON_H_
