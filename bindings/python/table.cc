// mathnas.Table: what was measured of every block of a search space.
#include "bindings/python/table.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <optional>
#include <utility>

#include "bindings/python/json.h"
#include "bindings/python/module.h"
#include "bindings/python/status.h"
#include "fmt/format.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/networks.h"

namespace mathnas::python {
namespace {

Table Hold(absl::StatusOr<core::BlockTable> table) {
  return {std::make_shared<const core::BlockTable>(Take(std::move(table)))};
}

nb::dict MetricsOf(const core::BlockTable& table) {
  nb::dict metrics;
  for (const auto& [name, metric] : table.metrics) {
    nb::dict m;
    m["unit"] = metric.unit;
    m["goal"] = metric.goal == core::Goal::kMin ? "min" : "max";
    metrics[name.c_str()] = m;
  }
  return metrics;
}

std::optional<std::pair<std::string, std::vector<double>>> SharedOf(const Table& t) {
  if (!t->structure.shared) return std::nullopt;
  return std::pair(t->structure.shared->name, t->structure.shared->values);
}

std::string Represent(const Table& t) {
  std::string metrics;
  for (const auto& [name, metric] : t->metrics)
    metrics += fmt::format("{}{} in {}", metrics.empty() ? "" : ", ", name, metric.unit);
  return fmt::format("<mathnas.Table of {}: {} nodes, {:.6g} networks, {}>", t->space, t->nodes.size(),
                     core::CountNetworks(*t), metrics);
}

}  // namespace

void AddTable(nb::module_& m) {
  nb::class_<core::Node>(m, "Node", "A block node and its candidate blocks.")
      .def_ro("name", &core::Node::name)
      .def_ro("candidates", &core::Node::candidates, "Names of the candidates, in the order of their numbers.")
      .def_ro("reference", &core::Node::reference, "The candidate of the base network.")
      .def("__repr__", [](const core::Node& n) {
        return fmt::format("<mathnas.Node {}: {} candidates>", n.name, n.candidates.size());
      });

  nb::class_<Table>(m, "Table",
                    "A block table: for every metric a base value and one number for each candidate of each node, with "
                    "units. Immutable; threads may share it.")
      .def_static(
          "load", [](const std::filesystem::path& path) { return Hold(core::Load(ExistingFile(path))); }, "path"_a,
          "Reads a file of the format mathnas-block-table/1. ValueError names the field and what was expected.")
      .def_static(
          "from_dict", [](nb::dict table) { return Hold(core::Parse(ToJson(table), "table")); }, "table"_a,
          "The same from the object that the file has; lists of numbers may be arrays, None is 'not measured'.")
      .def_static(
          "from_json", [](const std::string& text) { return Hold(core::Parse(text, "text")); }, "text"_a,
          "The same from JSON text.")
      .def(
          "to_dict", [](const Table& t) { return nb::cast<nb::dict>(FromJson(core::ToJson(*t))); },
          "The object that from_dict takes: Table.from_dict(t.to_dict()) is the same table.")
      .def(
          "to_json", [](const Table& t) { return core::ToJson(*t); }, "As JSON text.")
      .def(
          "save", [](const Table& t, const std::filesystem::path& path) { RaiseUnless(core::Save(*t, path.string())); },
          "path"_a, "Replaces the file at once: readers see the old one or the new one.")
      .def_prop_ro(
          "space", [](const Table& t) { return t->space; }, "Name of the search space.")
      .def_prop_ro(
          "nodes", [](const Table& t) { return t->nodes; }, "Nodes in the order of a choice.")
      .def_prop_ro(
          "metrics", [](const Table& t) { return MetricsOf(*t); },
          nb::sig("def metrics(self) -> dict[str, dict[str, str]]"),
          "'unit' and 'goal' ('min' or 'max') of every metric.")
      .def_prop_ro("shared", &SharedOf,
                   "Name and values of the choice that all nodes share, e.g. ('resolution', [192.0, 224.0]), or None.")
      .def_prop_ro(
          "count", [](const Table& t) { return core::CountNetworks(*t); }, "Number of different networks.")
      .def(
          "names",
          [](const Table& t, const core::Choice& choice) {
            RaiseUnless(core::CheckChoice(*t, choice));
            std::vector<std::string> names;
            for (size_t i = 0; i < choice.size(); ++i) names.push_back(t->nodes[i].candidates[choice[i]]);
            return names;
          },
          "choice"_a, "Names of the candidates that a choice has.")
      .def("__getstate__", [](const Table& t) { return core::ToJson(*t); })
      .def("__setstate__",
           [](Table& t, const std::string& text) { new (&t) Table(Hold(core::Parse(text, "pickled table"))); })
      .def("__repr__", &Represent);
}

}  // namespace mathnas::python
