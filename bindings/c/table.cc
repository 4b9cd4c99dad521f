// mathnas_table_...: what was measured of every block.
#include "bindings/c/table.h"

#include <memory>
#include <string_view>

#include "bindings/c/status.h"
#include "bindings/c/structs.h"
#include "fmt/format.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/interaction.h"
#include "nlohmann/json.hpp"

namespace mathnas::c {
namespace {

using nlohmann::ordered_json;

std::string Description(const core::BlockTable& table) {
  ordered_json nodes = ordered_json::array();
  for (const core::Node& n : table.nodes) {
    nodes.push_back({{"name", n.name}, {"candidates", n.candidates}, {"reference", n.reference}});
  }
  ordered_json shared;
  if (table.structure.shared) {
    shared = {{"name", table.structure.shared->name}, {"values", table.structure.shared->values}};
  }
  ordered_json metrics = ordered_json::object();
  for (const auto& [name, metric] : table.metrics) {
    metrics[name] = {{"unit", metric.unit}, {"goal", metric.goal == core::Goal::kMin ? "min" : "max"}};
  }
  return ordered_json{{"space", table.space}, {"nodes", nodes}, {"shared", shared}, {"metrics", metrics}}.dump();
}

absl::Status HandOutTable(absl::StatusOr<core::BlockTable> table, mathnas_table* handle) {
  if (!table.ok()) return table.status();
  std::string description = Description(*table);
  return HandOut(std::make_unique<TableHandle>(*std::move(table), std::move(description)), handle);
}

}  // namespace

absl::StatusOr<core::EstimatorOptions> EstimatorOf(const char* estimator, const char* flops_fixed,
                                                   const core::BlockTable& table,
                                                   const std::vector<std::string>& metrics) {
  const auto name = Text(estimator, "estimator"), fixed_name = Text(flops_fixed, "flops_fixed");
  if (!name.ok()) return name.status();
  if (!fixed_name.ok()) return fixed_name.status();
  return core::NamedEstimator(*name, *fixed_name, table, metrics);
}

}  // namespace mathnas::c

using namespace mathnas::c;  // NOLINT: what follows is the interface, and nothing else
namespace core = mathnas::core;

mathnas_status mathnas_table_open(const char* path, mathnas_table* table) {
  return Call([&]() -> absl::Status {
    if (table == nullptr) return Null("table", "the address of a handle");
    *table = nullptr;
    const auto name = Text(path, "path");
    if (!name.ok()) return name.status();
    return HandOutTable(core::Load(*name), table);
  });
}

mathnas_status mathnas_table_read(const char* text, size_t size, mathnas_table* table) {
  return Call([&]() -> absl::Status {
    if (table == nullptr) return Null("table", "the address of a handle");
    *table = nullptr;
    if (text == nullptr) return Null("text", "that of a block table");
    return HandOutTable(core::Parse(std::string_view(text, size), "memory"), table);
  });
}

mathnas_status mathnas_table_destroy(mathnas_table table) {
  return Call([&] { return Destroy<TableHandle>(table); });
}

mathnas_status mathnas_table_node_count(mathnas_table table, uint32_t* count) {
  return Call([&]() -> absl::Status {
    const Pinned<TableHandle> pinned(table);
    if (!pinned.ok()) return pinned.status();
    if (count == nullptr) return Null("count", "an address");
    *count = static_cast<uint32_t>(pinned->table.nodes.size());
    return absl::OkStatus();
  });
}

mathnas_status mathnas_table_candidate_count(mathnas_table table, uint32_t node, uint32_t* count) {
  return Call([&]() -> absl::Status {
    const Pinned<TableHandle> pinned(table);
    if (!pinned.ok()) return pinned.status();
    if (count == nullptr) return Null("count", "an address");
    const auto& nodes = pinned->table.nodes;
    if (node >= nodes.size()) {
      return absl::InvalidArgumentError(fmt::format("node {}: the table has {}", node, nodes.size()));
    }
    *count = static_cast<uint32_t>(nodes[node].candidates.size());
    return absl::OkStatus();
  });
}

mathnas_status mathnas_table_describe(mathnas_table table, const char** json) {
  return Call([&]() -> absl::Status {
    const Pinned<TableHandle> pinned(table);
    if (!pinned.ok()) return pinned.status();
    if (json == nullptr) return Null("json", "an address");
    *json = pinned->description.c_str();
    return absl::OkStatus();
  });
}
