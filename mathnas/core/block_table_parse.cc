// Reading block tables.
#include <algorithm>
#include <initializer_list>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/internal/json_document.h"

namespace mathnas::core {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kFormat = "mathnas-block-table/1";
constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

std::string Dump(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Reads fields, keeps the first error and turns later reads into no-ops: readers stay straight lines.
class Reader {
 public:
  explicit Reader(std::string_view source) : source_(source) {}

  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }
  void Fail(const std::string& path, std::string_view expected, std::string_view found) {
    if (ok()) status_ = internal::FieldError(source_, path, expected, found);
  }

  // The member, or nullptr (with an error if it is required).
  const Json* Member(const Json& object, const std::string& path, const char* key, bool required) {
    if (!ok()) return nullptr;
    const auto it = object.find(key);
    if (it != object.end()) return &*it;
    if (required) Fail(Join(path, key), "this field", "nothing");
    return nullptr;
  }

  bool IsObject(const Json& value, const std::string& path) { return Is(value.is_object(), value, path, "an object"); }
  bool IsArray(const Json& value, const std::string& path) { return Is(value.is_array(), value, path, "an array"); }

  std::string String(const Json& value, const std::string& path) {
    return Is(value.is_string(), value, path, "a string") ? value.get<std::string>() : "";
  }
  double Number(const Json& value, const std::string& path) {
    return Is(value.is_number(), value, path, "a number") ? value.get<double>() : 0;
  }
  double NumberOrNull(const Json& value, const std::string& path) {
    if (value.is_null()) return kNotMeasured;
    return Is(value.is_number(), value, path, "a number or null") ? value.get<double>() : 0;
  }
  int64_t Integer(const Json& value, const std::string& path) {
    const bool fits = value.is_number_integer() &&
                      (!value.is_number_unsigned() ||
                       value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
    return Is(fits, value, path, "an integer") ? value.get<int64_t>() : 0;
  }
  int Index(const Json& value, const std::string& path) {
    const int64_t number = Integer(value, path);
    if (number >= 0 && number <= std::numeric_limits<int>::max()) return static_cast<int>(number);
    Fail(path, "an index", fmt::format("{}", number));
    return 0;
  }

  // One result per element; `read(element, path of the element)`.
  template <typename Read>
  auto Array(const Json& value, const std::string& path, Read read) {
    std::vector<decltype(read(value, path))> items;
    if (!IsArray(value, path)) return items;
    items.reserve(value.size());
    for (size_t i = 0; i < value.size() && ok(); ++i) items.push_back(read(value[i], fmt::format("{}[{}]", path, i)));
    return items;
  }

  // Members that are not `known`: kept if they begin with "x-", an error otherwise.
  Extensions Others(const Json& object, const std::string& path, std::initializer_list<std::string_view> known) {
    Extensions extensions;
    for (auto it = object.begin(); it != object.end() && ok(); ++it) {
      if (std::find(known.begin(), known.end(), it.key()) != known.end()) continue;
      if (it.key().starts_with("x-")) {
        extensions[it.key()] = Dump(*it);
      } else {
        Fail(Join(path, it.key()), fmt::format("one of {} or a key that begins with x-", fmt::join(known, ", ")),
             "an unknown key");
      }
    }
    return extensions;
  }

  static std::string Join(const std::string& path, std::string_view key) {
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
  }

 private:
  bool Is(bool right, const Json& value, const std::string& path, std::string_view expected) {
    if (!ok()) return false;
    if (!right) Fail(path, expected, internal::Describe(value));
    return right;
  }

  std::string source_;
  absl::Status status_;
};

template <typename Value>
Value OneOf(Reader& reader, const Json& json, const std::string& path,
            std::initializer_list<std::pair<std::string_view, Value>> names) {
  const std::string text = reader.String(json, path);
  std::vector<std::string_view> known;
  for (const auto& [name, value] : names) {
    if (name == text) return value;
    known.push_back(name);
  }
  reader.Fail(path, fmt::format("one of {}", fmt::join(known, ", ")), fmt::format("'{}'", text));
  return names.begin()->second;
}

Node ReadNode(Reader& reader, const Json& json, const std::string& path) {
  Node node;
  if (!reader.IsObject(json, path)) return node;
  node.extensions = reader.Others(json, path, {"name", "candidates", "reference"});
  if (const Json* name = reader.Member(json, path, "name", true)) node.name = reader.String(*name, path + ".name");
  if (const Json* candidates = reader.Member(json, path, "candidates", true)) {
    node.candidates =
        reader.Array(*candidates, path + ".candidates",
                     [&reader](const Json& item, const std::string& at) { return reader.String(item, at); });
  }
  if (const Json* reference = reader.Member(json, path, "reference", true)) {
    node.reference = reader.Index(*reference, path + ".reference");
  }
  return node;
}

DepthGroup ReadDepthGroup(Reader& reader, const Json& json, const std::string& path) {
  DepthGroup group;
  group.extensions = reader.Others(json, path, {"kind", "nodes", "absent"});
  if (const Json* nodes = reader.Member(json, path, "nodes", true)) {
    group.nodes = reader.Array(*nodes, path + ".nodes",
                               [&reader](const Json& item, const std::string& at) { return reader.Index(item, at); });
  }
  if (const Json* absent = reader.Member(json, path, "absent", true)) {
    group.absent = reader.Array(*absent, path + ".absent", [&reader](const Json& item, const std::string& at) {
      return item.is_null() ? DepthGroup::kCannotBeCut : reader.Index(item, at);
    });
  }
  return group;
}

SharedChoice ReadSharedChoice(Reader& reader, const Json& json, const std::string& path) {
  SharedChoice shared;
  shared.extensions = reader.Others(json, path, {"kind", "name", "values"});
  if (const Json* name = reader.Member(json, path, "name", true)) shared.name = reader.String(*name, path + ".name");
  if (const Json* values = reader.Member(json, path, "values", true)) {
    shared.values = reader.Array(*values, path + ".values", [&reader](const Json& item, const std::string& at) {
      return reader.Number(item, at);
    });
  }
  return shared;
}

CellStructure ReadCell(Reader& reader, const Json& json, const std::string& path) {
  CellStructure cell;
  cell.extensions = reader.Others(json, path, {"kind", "input", "output", "edges"});
  const auto index = [&reader](const Json& object, const std::string& at, const char* key, int& target) {
    if (const Json* field = reader.Member(object, at, key, true)) target = reader.Index(*field, Reader::Join(at, key));
  };
  index(json, path, "input", cell.input);
  index(json, path, "output", cell.output);
  if (const Json* edges = reader.Member(json, path, "edges", true)) {
    cell.edges = reader.Array(*edges, path + ".edges", [&](const Json& item, const std::string& at) {
      CellStructure::Edge edge;
      if (!reader.IsObject(item, at)) return edge;
      reader.Others(item, at, {"node", "from", "to", "none"});
      index(item, at, "node", edge.node);
      index(item, at, "from", edge.from);
      index(item, at, "to", edge.to);
      index(item, at, "none", edge.none);
      return edge;
    });
  }
  return cell;
}

void ReadStructureEntry(Reader& reader, const Json& json, const std::string& path, Structure& structure) {
  if (!reader.IsObject(json, path)) return;
  const Json* kind = reader.Member(json, path, "kind", true);
  if (!kind) return;
  enum class Kind { kDepth, kShared, kCell };
  switch (OneOf<Kind>(reader, *kind, path + ".kind",
                      {{"depth", Kind::kDepth}, {"shared", Kind::kShared}, {"cell", Kind::kCell}})) {
    case Kind::kDepth:
      structure.depth.push_back(ReadDepthGroup(reader, json, path));
      return;
    case Kind::kShared:
      if (structure.shared) return reader.Fail(path, "one entry of kind shared", "a second one");
      structure.shared = ReadSharedChoice(reader, json, path);
      return;
    case Kind::kCell:
      if (structure.cell) return reader.Fail(path, "one entry of kind cell", "a second one");
      structure.cell = ReadCell(reader, json, path);
      return;
  }
}

void CheckCount(Reader& reader, const Json& array, const std::string& path, size_t count, std::string_view what) {
  if (array.size() != count) {
    reader.Fail(path, fmt::format("{} entries, one per {}", count, what), fmt::format("{}", array.size()));
  }
}

Grid ReadGrid(Reader& reader, const Json& json, const std::string& path) {
  return reader.Array(json, path, [&reader](const Json& row, const std::string& at) {
    return reader.Array(
        row, at, [&reader](const Json& item, const std::string& entry) { return reader.NumberOrNull(item, entry); });
  });
}

std::vector<std::vector<int64_t>> ReadCounts(Reader& reader, const Json& json, const std::string& path) {
  return reader.Array(json, path, [&reader](const Json& row, const std::string& at) {
    return reader.Array(row, at, [&reader](const Json& item, const std::string& entry) {
      return item.is_null() ? int64_t{0} : reader.Integer(item, entry);
    });
  });
}

// Reads a field that has one more outer dimension if there is a shared choice; `read(json, path, slice)`.
template <typename Read>
void ReadBySharedValue(Reader& reader, const Json& metric, const std::string& path, const char* key, bool required,
                       const BlockTable& table, std::vector<MetricSlice>& slices, Read read) {
  const Json* field = reader.Member(metric, path, key, required);
  if (!field) return;
  const std::string field_path = Reader::Join(path, key);
  if (!table.structure.shared) return read(*field, field_path, slices[0]);
  if (!reader.IsArray(*field, field_path)) return;
  CheckCount(reader, *field, field_path, slices.size(), "value of the shared choice");
  for (size_t s = 0; s < slices.size() && reader.ok(); ++s) {
    read((*field)[s], fmt::format("{}[{}]", field_path, s), slices[s]);
  }
}

void ReadSlices(Reader& reader, const Json& json, const std::string& path, const BlockTable& table, Metric& metric) {
  metric.slices.resize(table.SharedCount());
  ReadBySharedValue(reader, json, path, "base", true, table, metric.slices,
                    [&reader](const Json& field, const std::string& at, MetricSlice& slice) {
                      slice.base = reader.NumberOrNull(field, at);
                    });
  ReadBySharedValue(reader, json, path, "values", true, table, metric.slices,
                    [&reader](const Json& field, const std::string& at, MetricSlice& slice) {
                      slice.values = ReadGrid(reader, field, at);
                    });
  ReadBySharedValue(reader, json, path, "stddev", false, table, metric.slices,
                    [&reader](const Json& field, const std::string& at, MetricSlice& slice) {
                      slice.stddev = ReadGrid(reader, field, at);
                    });
  ReadBySharedValue(reader, json, path, "samples", false, table, metric.slices,
                    [&reader](const Json& field, const std::string& at, MetricSlice& slice) {
                      slice.samples = ReadCounts(reader, field, at);
                    });
}

Evaluation ReadEvaluation(Reader& reader, const Json& json, const std::string& path) {
  Evaluation evaluation;
  if (!reader.IsObject(json, path)) return evaluation;
  evaluation.extensions = reader.Others(json, path, {"choice", "value"});
  if (const Json* choice = reader.Member(json, path, "choice", true)) {
    evaluation.choice = reader.Array(*choice, path + ".choice", [&reader](const Json& item, const std::string& at) {
      return reader.Index(item, at);
    });
  }
  if (const Json* value = reader.Member(json, path, "value", true)) {
    evaluation.value = reader.Number(*value, path + ".value");
  }
  return evaluation;
}

Metric ReadMetric(Reader& reader, const Json& json, const std::string& path, const BlockTable& table) {
  Metric metric;
  if (!reader.IsObject(json, path)) return metric;
  metric.extensions = reader.Others(json, path,
                                    {"unit", "goal", "form", "base", "values", "device", "batch", "threads",
                                     "convention", "samples", "stddev", "measured_at", "evaluations"});
  if (const Json* unit = reader.Member(json, path, "unit", true)) metric.unit = reader.String(*unit, path + ".unit");
  if (const Json* goal = reader.Member(json, path, "goal", true)) {
    metric.goal = OneOf<Goal>(reader, *goal, path + ".goal", {{"min", Goal::kMin}, {"max", Goal::kMax}});
  }
  if (const Json* form = reader.Member(json, path, "form", true)) {
    metric.form = OneOf<Form>(reader, *form, path + ".form", {{"cost", Form::kCost}, {"saving", Form::kSaving}});
  }
  for (auto [key, text] : {std::pair("device", &metric.device), std::pair("convention", &metric.convention),
                           std::pair("measured_at", &metric.measured_at)}) {
    if (const Json* field = reader.Member(json, path, key, false))
      *text = reader.String(*field, Reader::Join(path, key));
  }
  for (auto [key, number] : {std::pair("batch", &metric.batch), std::pair("threads", &metric.threads)}) {
    if (const Json* field = reader.Member(json, path, key, false)) {
      *number = reader.Integer(*field, Reader::Join(path, key));
    }
  }
  ReadSlices(reader, json, path, table, metric);
  if (const Json* evaluations = reader.Member(json, path, "evaluations", false)) {
    metric.evaluations =
        reader.Array(*evaluations, path + ".evaluations",
                     [&reader](const Json& item, const std::string& at) { return ReadEvaluation(reader, item, at); });
  }
  return metric;
}

void ReadStructure(Reader& reader, const Json& json, BlockTable& table) {
  const Json* entries = reader.Member(json, "", "structure", false);
  if (!entries || !reader.IsArray(*entries, "structure")) return;
  for (size_t i = 0; i < entries->size() && reader.ok(); ++i) {
    ReadStructureEntry(reader, (*entries)[i], fmt::format("structure[{}]", i), table.structure);
  }
}

BlockTable ReadTable(Reader& reader, const Json& json) {
  BlockTable table;
  if (!reader.IsObject(json, "the document")) return table;
  table.extensions = reader.Others(json, "", {"format", "space", "nodes", "metrics", "structure"});
  if (const Json* format = reader.Member(json, "", "format", true)) {
    OneOf<int>(reader, *format, "format", {{kFormat, 1}});
  }
  if (const Json* space = reader.Member(json, "", "space", true)) table.space = reader.String(*space, "space");
  if (const Json* nodes = reader.Member(json, "", "nodes", true)) {
    table.nodes = reader.Array(
        *nodes, "nodes", [&reader](const Json& item, const std::string& at) { return ReadNode(reader, item, at); });
  }
  ReadStructure(reader, json, table);
  const Json* metrics = reader.Member(json, "", "metrics", true);
  if (!metrics || !reader.IsObject(*metrics, "metrics")) return table;
  for (auto it = metrics->begin(); it != metrics->end() && reader.ok(); ++it) {
    table.metrics[it.key()] = ReadMetric(reader, *it, "metrics." + it.key(), table);
  }
  return table;
}

}  // namespace

absl::StatusOr<BlockTable> Parse(std::string_view text, std::string_view source_name) {
  absl::StatusOr<Json> json = internal::ParseDocument(text, source_name);
  if (!json.ok()) return json.status();
  Reader reader(source_name);
  BlockTable table = ReadTable(reader, *json);
  if (!reader.ok()) return reader.status();
  if (absl::Status status = Validate(table, source_name); !status.ok()) return status;
  return table;
}

}  // namespace mathnas::core
