// mathnas.SearchSpace: nodes, candidates, networks and what they cost.
#include "bindings/python/space.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/json.h"
#include "bindings/python/module.h"
#include "bindings/python/status.h"
#include "fmt/format.h"
#include "supernet/counting.h"
#include "supernet/mobilenetv3/block_sets.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/supertransformer/space.h"
#include "supernet/supervit/space.h"
#include "supernet/training/checkpoint.h"
#include "supernet/training/sampling.h"

namespace mathnas::python {
namespace {

using supernet::Choice;
using supernet::SpaceNode;

// The space of that name with default parameters.
absl::StatusOr<std::shared_ptr<const supernet::SearchSpace>> DefaultSpace(const std::string& name) {
  if (name == "nasbench201") return supernet::NasBench201({});
  if (name == "mobilenetv3") return supernet::MobileNetV3({});
  if (name == "supervit") return supernet::SuperVit({});
  if (name == "supertransformer") return supernet::SuperTransformer({});
  return absl::InvalidArgumentError(
      fmt::format("space \"{:.100}\": expected nasbench201, mobilenetv3, supertransformer or supervit", name));
}

// `parameters` in place of the defaults. A block set may be named, by "cpu", "gpu" or its file.
Space Make(const std::string& name, nb::kwargs parameters) {
  const auto space = Take(DefaultSpace(name));
  nb::dict macro = nb::cast<nb::dict>(FromJson(space->MacroJson()));
  for (const auto& [key, value] : parameters) {
    const auto parameter = nb::cast<std::string>(key);
    if (parameter == "blocks" && name == "mobilenetv3") {
      if (nb::isinstance<nb::str>(value)) {
        const auto blocks = Take(supernet::mobilenetv3::LoadBlockSet(nb::cast<std::string>(value)));
        macro[key] = FromJson(supernet::mobilenetv3::ToJson(blocks));
      } else if (!value.is_none()) {
        macro[key] = value;
      }
    } else if (macro.contains(key)) {
      macro[key] = value;
    } else {
      RaiseValueError(fmt::format("{}: {} has no such parameter, expected one of {}{}", parameter, name,
                                  nb::cast<std::string>(nb::str(", ").attr("join")(macro.keys())),
                                  name == "mobilenetv3" ? ", blocks" : ""));
    }
  }
  return {Take(supernet::SpaceOf(name, ToJson(macro)))};
}

nb::dict Count(const Space& s, nb::handle subnet) {
  const Choice choice = ChoiceOf(*s, subnet);
  const supernet::NetworkCost network = Take(supernet::CountNetwork(*s, choice));
  const std::pair<const char*, int64_t supernet::Cost::*> fields[] = {
      {"flops", &supernet::Cost::flops},
      {"macs", &supernet::Cost::macs},
      {"parameters", &supernet::Cost::parameters},
      {"activation_bytes", &supernet::Cost::activation_bytes}};
  nb::dict count, by_block;
  for (const auto& [name, field] : fields) {
    count[name] = network.total.*field;
    nb::dict blocks;
    for (const supernet::BlockCost& b : network.blocks) blocks[b.block.c_str()] = b.cost.*field;
    by_block[name] = blocks;
  }
  count["by_block"] = by_block;
  count["convention"] = std::string(s->flops_convention());
  return count;
}

nb::tuple InputShape(const Space& s, nb::handle subnet) {
  const kernels::Shape shape = subnet.is_none() ? s->input_shape() : s->input_shape(ChoiceOf(*s, subnet));
  return nb::tuple(nb::cast(std::vector<int64_t>(shape.begin(), shape.end())));
}

std::vector<std::optional<Choice>> Networks(const Space& s, const std::string& sampling, uint64_t seed, int64_t step) {
  const supernet::Sampling kind = Take(supernet::ParseSampling(sampling));
  RaiseUnless(supernet::Check(*s, kind));
  return supernet::SamplePaths(*s, kind, seed, step);
}

}  // namespace

Choice ChoiceOf(const supernet::SearchSpace& space, nb::handle subnet) {
  if (nb::isinstance<nb::str>(subnet)) return Take(space.ParseSubnet(nb::cast<std::string>(subnet)));
  if (nb::isinstance<nb::dict>(subnet)) return Take(space.ParseSubnet(ToJson(subnet)));
  Choice choice;
  if (!nb::try_cast(subnet, choice)) {
    throw nb::type_error("expected a network: a candidate number for each node, or its subnet as a dict or JSON text");
  }
  RaiseUnless(space.Check(choice));
  return choice;
}

void AddSpace(nb::module_& m) {
  nb::class_<SpaceNode>(m, "SpaceNode", "A node of a search space and its candidate blocks.")
      .def_ro("name", &SpaceNode::name)
      .def_ro("candidates", &SpaceNode::candidates)
      .def_ro("reference", &SpaceNode::reference, "The candidate of the base network.")
      .def("__repr__", [](const SpaceNode& n) {
        return fmt::format("<mathnas.SpaceNode {}: {} candidates>", n.name, n.candidates.size());
      });

  nb::class_<Space>(m, "SearchSpace",
                    "A search space: 'nasbench201', 'mobilenetv3', 'supervit' or 'supertransformer'. Immutable.\n\n"
                    "A network is, wherever one is asked for, a choice (a candidate number for each node) or a subnet "
                    "in the form that the command line takes, as a dict or JSON text.")
      .def(
          "__init__",
          [](Space* s, const std::string& name, nb::kwargs parameters) { new (s) Space(Make(name, parameters)); },
          "name"_a, "parameters"_a, nb::sig("def __init__(self, name: str, **parameters: typing.Any) -> None"),
          "Parameters, in place of the published ones (see `macro`):\n"
          "nasbench201: channels, cells, classes, height, width, input_channels, affine, track.\n"
          "mobilenetv3: width (1.0 or 1.2), classes, input_channels, resolutions, blocks ('cpu', 'gpu', a file or a "
          "dict of a block set: nodes are stages; None: layers).\n"
          "supervit: classes, input_channels, resolutions.\n"
          "supertransformer: task ('wmt', 'iwslt', 'small'), source_vocabulary, target_vocabulary, widths.")
      .def_prop_ro("name", [](const Space& s) { return std::string(s->name()); })
      .def_prop_ro(
          "nodes", [](const Space& s) { return s->nodes(); }, "Nodes in the order of a choice.")
      .def_prop_ro(
          "networks", [](const Space& s) { return s->size(); }, "How many there are.")
      .def_prop_ro("classes", [](const Space& s) { return s->classes(); })
      .def_prop_ro(
          "macro", [](const Space& s) { return nb::cast<nb::dict>(FromJson(s->MacroJson())); },
          nb::sig("def macro(self) -> dict[str, typing.Any]"),
          "The parameters: SearchSpace(s.name, **s.macro) is the same space.")
      .def_prop_ro(
          "translates", [](const Space& s) { return s->translates(); },
          "Whether its networks translate sentences; all others take images.")
      .def("input_shape", &InputShape, "subnet"_a = nb::none(),
           nb::sig("def input_shape(self, subnet: collections.abc.Sequence[int] | dict[str, typing.Any] | str | None = "
                   "None) -> tuple[int, ...]"),
           "(height, width, channels) of an image for a network (default: the base network), or (tokens,).")
      .def(
          "choice", [](const Space& s, nb::handle subnet) { return ChoiceOf(*s, subnet); }, "subnet"_a,
          nb::sig("def choice(self, subnet: collections.abc.Sequence[int] | dict[str, typing.Any] | str) -> list[int]"),
          "A candidate number for each node. ValueError names the entry that is none of the space.")
      .def(
          "subnet", [](const Space& s, nb::handle subnet) { return FromJson(s->SubnetJson(ChoiceOf(*s, subnet))); },
          "choice"_a,
          nb::sig("def subnet(self, choice: collections.abc.Sequence[int] | dict[str, typing.Any] | str) -> dict[str, "
                  "typing.Any]"),
          "The inverse: what the command line takes as --subnet.")
      .def_prop_ro(
          "base", [](const Space& s) { return s->base(); }, "The network of reference blocks.")
      .def_prop_ro(
          "smallest",
          [](const Space& s) -> std::optional<Choice> {
            const auto extremes = s->extremes();
            return extremes ? std::optional(extremes->smallest) : std::nullopt;
          },
          "The smallest network of a space where all others lie between it and `largest`; otherwise None.")
      .def_prop_ro("largest",
                   [](const Space& s) -> std::optional<Choice> {
                     const auto extremes = s->extremes();
                     return extremes ? std::optional(extremes->largest) : std::nullopt;
                   })
      .def(
          "sample",
          [](const Space& s, uint64_t seed, int64_t index) { return supernet::RandomChoice(*s, seed, index); },
          nb::kw_only(), "seed"_a = 0, "index"_a = 0,
          "Number `index` of the sequence of random networks that belongs to `seed`: each node uniform.")
      .def("sample_step", &Networks, "sampling"_a, nb::kw_only(), "seed"_a = 0, "step"_a = 0,
           "The networks that training step `step` runs: 'uniform' (one), 'fair' (each candidate once), 'sandwich' "
           "(largest, smallest, two drawn), 'full' (None: the whole supernet).")
      .def("count", &Count, "subnet"_a,
           nb::sig("def count(self, subnet: collections.abc.Sequence[int] | dict[str, typing.Any] | str) -> dict[str, "
                   "typing.Any]"),
           "'flops' (in the space's 'convention'), 'macs', 'parameters', 'activation_bytes' (peak, batch 1), and "
           "these 'by_block'.")
      .def("__repr__", [](const Space& s) {
        return fmt::format("<mathnas.SearchSpace {}: {} nodes, {:.6g} networks>", s->name(), s->nodes().size(),
                           s->size());
      });
}

}  // namespace mathnas::python
