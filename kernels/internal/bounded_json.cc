#include "kernels/internal/bounded_json.h"

#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "fmt/format.h"

namespace mathnas::kernels::internal {
namespace {

using nlohmann::json;

constexpr size_t kShownBytes = 60;

std::string Cut(std::string text) {
  if (text.size() > kShownBytes) text = text.substr(0, kShownBytes) + "...";
  return text;
}

// Builds the document of what passes: nlohmann's own handler, behind checks of depth and of names.
class Handler : public nlohmann::json_sax<json> {
 public:
  Handler(json& document, int max_depth) : builder_(document, /*allow_exceptions=*/false), max_depth_(max_depth) {}

  bool null() override { return builder_.null(); }
  bool boolean(bool v) override { return builder_.boolean(v); }
  bool number_integer(number_integer_t v) override { return builder_.number_integer(v); }
  bool number_unsigned(number_unsigned_t v) override { return builder_.number_unsigned(v); }
  bool number_float(number_float_t v, const string_t& text) override { return builder_.number_float(v, text); }
  bool string(string_t& v) override { return builder_.string(v); }
  bool binary(json::binary_t& v) override { return builder_.binary(v); }
  bool start_object(size_t size) override { return Enter() && builder_.start_object(size); }
  bool start_array(size_t size) override { return Enter() && builder_.start_array(size); }
  bool end_object() override { return Leave(builder_.end_object()); }
  bool end_array() override { return Leave(builder_.end_array()); }
  bool key(string_t& v) override {
    if (!names_.back().insert(v).second) {
      error = fmt::format("name {} twice in one object", Shortened(v));
      return false;
    }
    return builder_.key(v);
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    error = fmt::format("not valid JSON at byte {}", position);
    return false;
  }

  std::string error;

 private:
  bool Enter() {
    names_.emplace_back();
    if (static_cast<int>(names_.size()) <= max_depth_) return true;
    error = fmt::format("nested deeper than {}", max_depth_);
    return false;
  }
  bool Leave(bool ok) {
    names_.pop_back();
    return ok;
  }

  nlohmann::detail::json_sax_dom_parser<json> builder_;
  int max_depth_;
  std::vector<std::set<std::string>> names_;  // of the objects around this place
};

}  // namespace

absl::StatusOr<json> ParseBoundedJson(std::string_view text, size_t max_bytes, int max_depth) {
  if (text.size() > max_bytes) {
    return absl::InvalidArgumentError(fmt::format("{} bytes of JSON, expected at most {}", text.size(), max_bytes));
  }
  // nlohmann takes a zero byte for the end of the text.
  if (text.find('\0') != text.npos) return absl::InvalidArgumentError("holds a zero byte, expected JSON");
  json document;
  Handler handler(document, max_depth);
  if (!json::sax_parse(text.begin(), text.end(), &handler)) {
    return absl::InvalidArgumentError(handler.error.empty() ? "not valid JSON" : handler.error);
  }
  return document;
}

absl::StatusOr<std::string> DumpJson(const json& document) {
  try {
    return document.dump();
  } catch (const json::exception&) {
    return absl::InvalidArgumentError(
        fmt::format("text that is not UTF-8: {}", Cut(document.dump(-1, ' ', true, json::error_handler_t::replace))));
  }
}

std::string Shortened(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  if (value.is_string()) {
    // Cut before it is quoted: the text may be long.
    const std::string& text = value.get_ref<const std::string&>();
    const std::string quoted = json(text.substr(0, kShownBytes)).dump(-1, ' ', true, json::error_handler_t::replace);
    return text.size() > kShownBytes ? quoted + "..." : quoted;
  }
  return value.dump();
}

std::optional<int64_t> IntegerIn(const json& value, int64_t low, int64_t high) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return std::nullopt;
  }
  const auto v = value.get<int64_t>();
  return v >= low && v <= high ? std::optional<int64_t>(v) : std::nullopt;
}

}  // namespace mathnas::kernels::internal
