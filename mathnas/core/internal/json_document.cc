#include "mathnas/core/internal/json_document.h"

#include <cmath>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::core::internal {
namespace {

using Json = nlohmann::json;

// Builds the document from parser events and refuses what is out of bounds as soon as it appears.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view source, size_t text_size) : source_(source), text_size_(text_size) {}

  bool null() override { return Add(Json(nullptr)); }
  bool boolean(bool value) override { return Add(Json(value)); }
  bool number_integer(number_integer_t value) override { return Add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Add(Json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return Add(Json(value)); }
  bool string(string_t& value) override { return Add(Json(std::move(value))); }
  bool binary(binary_t&) override { return Fail("JSON text", "binary data"); }

  bool start_object(size_t) override { return Open(Json::object()); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    frames_.back().key = name;
    if (frames_.back().value->contains(name)) return Fail("every key once", "a second one");
    return true;
  }

  bool parse_error(size_t position, const std::string& token, const nlohmann::detail::exception& error) override {
    // 406: a number too large for a double, which the parser reports like a syntax error.
    constexpr int kOutOfRange = 406;
    if (error.id == kOutOfRange) {
      StepIn();
      return Fail("a finite number", token.substr(0, kMaxQuoted));
    }
    const std::string found =
        position > text_size_ ? "the end" : fmt::format("'{}'", Printable(token.substr(0, kMaxQuoted)));
    return Fail("valid JSON", fmt::format("{} at byte {}", found, position));
  }

  absl::Status status() const { return status_; }
  Json Take() { return std::move(root_); }

 private:
  static constexpr size_t kMaxQuoted = 40;

  struct Frame {
    Json* value;
    std::string key;   // of the member being read, in an object
    size_t index = 0;  // of the element being read, in an array
    bool started = false;
  };

  static std::string Printable(std::string text) {
    for (char& c : text) {
      if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) >= 0x7F) c = '?';
    }
    return text;
  }

  // Where the parser is, as in metrics.latency.values[3][1].
  std::string Path() const {
    std::string path;
    for (const Frame& frame : frames_) {
      if (frame.value->is_array()) {
        if (frame.started) path += fmt::format("[{}]", frame.index);
      } else if (!frame.key.empty()) {
        path += fmt::format("{}{}", path.empty() ? "" : ".", Printable(frame.key.substr(0, kMaxQuoted)));
      }
    }
    return path;
  }

  bool Fail(std::string_view expected, std::string_view found) {
    status_ = FieldError(source_, Path(), expected, found);
    return false;
  }

  // Counts the element that is about to be read, so that errors name it.
  void StepIn() {
    if (frames_.empty() || !frames_.back().value->is_array()) return;
    Frame& frame = frames_.back();
    if (frame.started) ++frame.index;
    frame.started = true;
  }

  Json* Place(Json value) {
    if (frames_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Frame& frame = frames_.back();
    if (frame.value->is_array()) {
      frame.value->push_back(std::move(value));
      return &frame.value->back();
    }
    Json& member = (*frame.value)[frame.key];
    member = std::move(value);
    return &member;
  }

  bool Add(Json value) {
    StepIn();
    if (++count_ > kMaxJsonValues) return Fail(fmt::format("at most {} values", kMaxJsonValues), "more");
    Place(std::move(value));
    return true;
  }

  bool Open(Json value) {
    StepIn();
    if (frames_.size() >= kMaxJsonDepth) return Fail(fmt::format("nesting of at most {}", kMaxJsonDepth), "more");
    if (++count_ > kMaxJsonValues) return Fail(fmt::format("at most {} values", kMaxJsonValues), "more");
    // Pointers to parents stay valid: a container grows only while it is the innermost open one.
    frames_.push_back({.value = Place(std::move(value)), .key = {}});
    return true;
  }

  bool Close() {
    frames_.pop_back();
    return true;
  }

  std::string source_;
  size_t text_size_;
  absl::Status status_;
  Json root_;
  std::vector<Frame> frames_;
  size_t count_ = 0;
};

}  // namespace

absl::Status FieldError(std::string_view source, std::string_view path, std::string_view expected,
                        std::string_view found) {
  return absl::InvalidArgumentError(
      fmt::format("{}: {}{}expected {}, found {}", source, path, path.empty() ? "" : ": ", expected, found));
}

absl::StatusOr<Json> ParseDocument(std::string_view text, std::string_view source) {
  if (text.size() > kMaxJsonBytes) {
    return FieldError(source, "", fmt::format("at most {} MB", kMaxJsonBytes >> 20), "more");
  }
  Builder builder(source, text.size());
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) return builder.status();
  return builder.Take();
}

bool IsJson(std::string_view text) { return Json::accept(text); }

std::string Describe(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return value.get<bool>() ? "true" : "false";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::array:
      return "an array";
    case Json::value_t::object:
      return "an object";
    default:
      return fmt::format("the number {}", value.dump());
  }
}

}  // namespace mathnas::core::internal
