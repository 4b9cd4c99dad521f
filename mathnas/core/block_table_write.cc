// Writing block tables.
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/internal/json_document.h"
#include "mathnas/core/internal/json_writer.h"

namespace mathnas::core {
namespace {

using internal::JsonWriter;

constexpr std::string_view kFormat = "mathnas-block-table/1";

void WriteExtensions(const Extensions& extensions, JsonWriter& json) {
  for (const auto& [key, text] : extensions) {
    json.Key(key);
    // Text that is no JSON can only come from a caller; it is kept as a string.
    internal::IsJson(text) ? json.Raw(text) : json.Value(text);
  }
}

// The inverse of ReadBySharedValue: one more dimension if there is a shared choice.
template <typename Field>
void WriteBySharedValue(const BlockTable& table, const Metric& metric, std::string_view key, Field field,
                        JsonWriter& json) {
  json.Key(key);
  if (table.structure.shared) json.BeginArray();
  for (const MetricSlice& slice : metric.slices) json.Value(slice.*field);  // NaN is written as null
  if (table.structure.shared) json.EndArray();
}

void WriteMetric(const BlockTable& table, const Metric& metric, JsonWriter& json) {
  json.BeginObject();
  json.Member("unit", metric.unit);
  json.Member("goal", metric.goal == Goal::kMax ? "max" : "min");
  json.Member("form", metric.form == Form::kSaving ? "saving" : "cost");
  if (metric.device) json.Member("device", *metric.device);
  if (metric.batch) json.Member("batch", *metric.batch);
  if (metric.threads) json.Member("threads", *metric.threads);
  if (metric.convention) json.Member("convention", *metric.convention);
  if (metric.measured_at) json.Member("measured_at", *metric.measured_at);
  WriteBySharedValue(table, metric, "base", &MetricSlice::base, json);
  WriteBySharedValue(table, metric, "values", &MetricSlice::values, json);
  if (!metric.slices.empty() && !metric.slices[0].samples.empty()) {
    WriteBySharedValue(table, metric, "samples", &MetricSlice::samples, json);
  }
  if (!metric.slices.empty() && !metric.slices[0].stddev.empty()) {
    WriteBySharedValue(table, metric, "stddev", &MetricSlice::stddev, json);
  }
  if (!metric.evaluations.empty()) {
    json.Key("evaluations");
    json.BeginArray();
    for (const Evaluation& evaluation : metric.evaluations) {
      json.BeginObject();
      json.Member("choice", evaluation.choice);
      json.Member("value", evaluation.value);
      WriteExtensions(evaluation.extensions, json);
      json.EndObject();
    }
    json.EndArray();
  }
  WriteExtensions(metric.extensions, json);
  json.EndObject();
}

void WriteNode(const Node& node, JsonWriter& json) {
  json.BeginObject();
  json.Member("name", node.name);
  json.Member("candidates", node.candidates);
  json.Member("reference", node.reference);
  WriteExtensions(node.extensions, json);
  json.EndObject();
}

void WriteDepthGroup(const DepthGroup& group, JsonWriter& json) {
  json.BeginObject();
  json.Member("kind", "depth");
  json.Member("nodes", group.nodes);
  json.Key("absent");
  json.BeginArray();
  for (int absent : group.absent) absent == DepthGroup::kCannotBeCut ? json.Null() : json.Value(absent);
  json.EndArray();
  WriteExtensions(group.extensions, json);
  json.EndObject();
}

void WriteStructure(const Structure& structure, JsonWriter& json) {
  json.Key("structure");
  json.BeginArray();
  for (const DepthGroup& group : structure.depth) WriteDepthGroup(group, json);
  if (const auto& cell = structure.cell) {
    json.BeginObject();
    json.Member("kind", "cell");
    json.Member("input", cell->input);
    json.Member("output", cell->output);
    json.Key("edges");
    json.BeginArray();
    for (const CellStructure::Edge& edge : cell->edges) {
      json.BeginObject();
      json.Member("node", edge.node);
      json.Member("from", edge.from);
      json.Member("to", edge.to);
      json.Member("none", edge.none);
      json.EndObject();
    }
    json.EndArray();
    WriteExtensions(cell->extensions, json);
    json.EndObject();
  }
  if (structure.shared) {
    json.BeginObject();
    json.Member("kind", "shared");
    json.Member("name", structure.shared->name);
    json.Member("values", structure.shared->values);
    WriteExtensions(structure.shared->extensions, json);
    json.EndObject();
  }
  json.EndArray();
}

}  // namespace

std::string ToJson(const BlockTable& table) {
  JsonWriter json;
  json.BeginObject();
  json.Member("format", kFormat);
  json.Member("space", table.space);
  json.Key("nodes");
  json.BeginArray();
  for (const Node& node : table.nodes) WriteNode(node, json);
  json.EndArray();
  const Structure& structure = table.structure;
  if (!structure.depth.empty() || structure.shared || structure.cell) WriteStructure(table.structure, json);
  json.Key("metrics");
  json.BeginObject();
  for (const auto& [name, metric] : table.metrics) {
    json.Key(name);
    WriteMetric(table, metric, json);
  }
  json.EndObject();
  WriteExtensions(table.extensions, json);
  json.EndObject();
  return json.text() + "\n";
}

}  // namespace mathnas::core
