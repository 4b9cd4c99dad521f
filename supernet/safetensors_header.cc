#include "supernet/safetensors_header.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace mathnas::supernet {
namespace {

using nlohmann::json;

constexpr size_t kMaxRank = 32;
constexpr size_t kShownName = 80;  // characters of a hostile name that an error repeats

// A name as text for one line: JSON quotes and escapes, cut when long.
std::string Quoted(std::string_view name) {
  const bool cut = name.size() > kShownName;
  return json(std::string(name.substr(0, kShownName))).dump(-1, ' ', true, json::error_handler_t::replace) +
         (cut ? "..." : "");
}

// Receives the events of nlohmann's parser. The grammar is two levels deep, so the place in it is a handful of states.
class Handler : public nlohmann::json_sax<json> {
 public:
  bool null() override { return Value("null"); }
  bool boolean(bool) override { return Value("a boolean"); }
  bool number_integer(number_integer_t v) override { return Value(fmt::format("{}", v)); }
  bool number_float(number_float_t, const string_t& text) override {
    return Value(text.size() > kShownName ? "a number beyond 64 bits" : text);
  }
  bool binary(json::binary_t&) override { return Value("binary data"); }

  bool number_unsigned(number_unsigned_t v) override {
    if (place_ == Place::kShape) {
      if (v > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return Value(fmt::format("{}", v));
      if (entry_.desc.shape.size() == kMaxRank) return Fail(fmt::format("expected at most {} extents", kMaxRank));
      entry_.desc.shape.push_back(static_cast<int64_t>(v));
      return true;
    }
    if (place_ == Place::kOffsets && offsets_ < 2) {
      (offsets_++ == 0 ? entry_.begin : entry_.end) = v;
      return true;
    }
    return Value(fmt::format("{}", v));
  }

  bool string(string_t& v) override {
    if (place_ == Place::kMetadata) {
      header.metadata[field_] = std::move(v);
      return true;
    }
    if (place_ == Place::kTensor && field_ == "dtype") {
      absl::StatusOr<kernels::DType> dtype = kernels::ParseDType(v);
      if (!dtype.ok()) {
        return Fail(
            fmt::format("element type {} is not supported, expected F32, F64, I64, I32, U8, BF16 or F16", Quoted(v)));
      }
      entry_.desc.dtype = *dtype;
      return true;
    }
    return Value(fmt::format("the string {}", Quoted(v)));
  }

  bool start_object(size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop) {
      place_ = entry_.name == "__metadata__" ? Place::kMetadata : Place::kTensor;
      field_.clear();
    } else {
      return Value("an object");
    }
    return true;
  }

  bool key(string_t& v) override {
    if (place_ == Place::kTop) {
      field_.clear();
      entry_ = TensorEntry{std::move(v), {}, 0, 0};
      fields_.clear();
      offsets_ = 0;
      in_entry_ = true;
      if (!names_.insert(entry_.name).second) return Fail("expected every name once");
      return true;
    }
    field_ = std::move(v);
    if (place_ == Place::kTensor && field_ != "dtype" && field_ != "shape" && field_ != "data_offsets") {
      return Fail("unknown field, expected dtype, shape and data_offsets");
    }
    const bool again = place_ == Place::kMetadata ? header.metadata.contains(field_) : !fields_.insert(field_).second;
    if (again) return Fail("expected every field once");
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) {
      field_.clear();
      for (const char* field : {"dtype", "shape", "data_offsets"}) {
        if (!fields_.contains(field)) return Fail(fmt::format("field {} is missing", field));
      }
      header.tensors.push_back(std::move(entry_));
      place_ = Place::kTop;
    } else if (place_ == Place::kMetadata) {
      place_ = Place::kTop;
    } else {
      place_ = Place::kEnd;
    }
    in_entry_ = false;
    field_.clear();
    return true;
  }

  bool start_array(size_t) override {
    if (place_ == Place::kTensor && field_ == "shape") {
      place_ = Place::kShape;
    } else if (place_ == Place::kTensor && field_ == "data_offsets") {
      place_ = Place::kOffsets;
    } else {
      return Value("an array");
    }
    return true;
  }

  bool end_array() override {
    if (place_ == Place::kOffsets && offsets_ != 2) return Value(fmt::format("{} numbers", offsets_));
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    error = fmt::format("header: not valid JSON at byte {}", position);
    return false;
  }

  std::string error;
  SafetensorsHeader header;

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  bool Fail(std::string_view what) {
    const bool metadata = in_entry_ && entry_.name == "__metadata__";
    const bool known = field_ == "dtype" || field_ == "shape" || field_ == "data_offsets";
    if (!in_entry_) {
      error = "header: ";
    } else if (metadata) {
      error = "__metadata__: ";
    } else {
      error = fmt::format("tensor {}: ", Quoted(entry_.name));
    }
    if (!field_.empty()) error += (known && !metadata ? field_ : Quoted(field_)) + ": ";
    error += what;
    return false;
  }

  // A value that the grammar does not have here.
  bool Value(std::string_view got) {
    std::string_view expected;
    switch (place_) {
      case Place::kTop:
      case Place::kStart:
        expected = "an object";
        break;
      case Place::kMetadata:
        expected = "a string";
        break;
      case Place::kShape:
        expected = "extents from 0 to 2^63-1";
        break;
      case Place::kOffsets:
        expected = "two numbers from 0 to 2^64-1";
        break;
      default:
        expected = field_ == "dtype" ? "a string" : "an array of numbers";
    }
    return Fail(fmt::format("found {}, expected {}", got, expected));
  }

  Place place_ = Place::kStart;
  bool in_entry_ = false;  // after the name of a tensor, or after "__metadata__"
  TensorEntry entry_;
  std::string field_;
  int offsets_ = 0;
  std::set<std::string> names_;
  std::set<std::string> fields_;
};

// Bytes of a tensor; false when they do not fit 63 bits, whatever the order of the extents (a zero among them does not
// excuse the others: NumElements multiplies from the left).
bool CheckedBytes(const kernels::TensorDesc& desc, uint64_t* bytes) {
  int64_t product = static_cast<int64_t>(kernels::SizeOf(desc.dtype));
  bool empty = false;
  for (int64_t extent : desc.shape) {
    empty |= extent == 0;
    if (extent != 0 && __builtin_mul_overflow(product, extent, &product)) return false;
  }
  *bytes = empty ? 0 : static_cast<uint64_t>(product);
  return true;
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(const std::string& path, std::string_view text,
                                                         uint64_t data_bytes) {
  auto fail = [&](std::string_view what) { return absl::InvalidArgumentError(fmt::format("{}: {}", path, what)); };
  if (text.empty() || text.front() != '{') return fail("header: expected a JSON object, beginning with '{'");
  // nlohmann takes a zero byte for the end of the text.
  if (text.find('\0') != text.npos) return fail("header: holds a zero byte, expected JSON");

  Handler handler;
  if (!json::sax_parse(text.begin(), text.end(), &handler)) return fail(handler.error);

  SafetensorsHeader header = std::move(handler.header);
  for (const TensorEntry& t : header.tensors) {
    const std::string name = Quoted(t.name);
    if (t.end < t.begin || t.end > data_bytes) {
      return fail(
          fmt::format("tensor {}: data_offsets [{}, {}]: expected begin <= end <= {}, the bytes after the header", name,
                      t.begin, t.end, data_bytes));
    }
    uint64_t bytes = 0;
    if (!CheckedBytes(t.desc, &bytes)) {
      return fail(fmt::format("tensor {}: shape {}: does not fit 63 bits", name, kernels::ToString(t.desc.shape)));
    }
    if (t.end - t.begin != bytes) {
      return fail(fmt::format("tensor {}: data_offsets [{}, {}]: hold {} bytes, expected {} for {} {}", name, t.begin,
                              t.end, t.end - t.begin, bytes, kernels::Name(t.desc.dtype),
                              kernels::ToString(t.desc.shape)));
    }
  }

  std::sort(header.tensors.begin(), header.tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t at = 0;
  for (const TensorEntry& t : header.tensors) {
    if (t.begin != at) {
      return fail(
          fmt::format("tensor {}: data_offsets begin at {}, expected {}: tensors neither overlap nor leave gaps",
                      Quoted(t.name), t.begin, at));
    }
    at = t.end;
  }
  if (at != data_bytes) {
    return fail(fmt::format("{} bytes after the header, expected {}, the end of the last tensor", data_bytes, at));
  }
  return header;
}

}  // namespace mathnas::supernet
