// JSON documents from text and to text. The reader and the writer of the JSON library are large templates: a source
// that calls them itself takes seconds longer to compile and is twice as large. Internal: names a JSON library, so it
// is not installed. For text that nobody vouches for see bounded_json.h.
#ifndef MATHNAS_KERNELS_INTERNAL_JSON_TEXT_H_
#define MATHNAS_KERNELS_INTERNAL_JSON_TEXT_H_

#include <string>
#include <string_view>

#include "nlohmann/json.hpp"

namespace mathnas::kernels::internal {

// The document; discarded (is_discarded()) when the text is not JSON.
nlohmann::json ParseJson(std::string_view text);

// The document in one line. What is not UTF-8 in its strings becomes U+FFFD.
std::string JsonText(const nlohmann::json& document);

}  // namespace mathnas::kernels::internal

#endif  // MATHNAS_KERNELS_INTERNAL_JSON_TEXT_H_
