#include "kernels/internal/json_text.h"

namespace mathnas::kernels::internal {

using nlohmann::json;

json ParseJson(std::string_view text) { return json::parse(text, nullptr, /*allow_exceptions=*/false); }

std::string JsonText(const json& document) { return document.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace mathnas::kernels::internal
