// mathnas space describe SPACE
#include "bindings/cli/space_options.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace mathnas::cli {
namespace {

struct Options {
  Common common;
  SpaceOptions space;
};

absl::StatusOr<Answer> Describe(const Options& o) {
  auto space = o.space.Make();
  if (!space.ok()) return space.status();
  Answer answer;
  answer.text = fmt::format("{}: {:.0f} networks, macro parameters {}\n", (*space)->name(), (*space)->size(),
                            (*space)->MacroJson());
  Json nodes = Json::array();
  for (const supernet::SpaceNode& n : (*space)->nodes()) {
    nodes.push_back({{"name", n.name}, {"candidates", n.candidates}, {"reference", n.reference}});
    answer.text +=
        fmt::format("  node {}: {} (reference {})\n", n.name, fmt::join(n.candidates, ", "), n.candidates[n.reference]);
  }
  answer.json = {{"space", (*space)->name()},
                 {"networks", (*space)->size()},
                 {"nodes", nodes},
                 {"macro", Json::parse((*space)->MacroJson())},
                 {"flops_convention", (*space)->flops_convention()}};
  return answer;
}

}  // namespace

void AddSpace(CLI::App& app) {
  static Options o;
  CLI::App* space = AddGroup(app, "space", "What a search space consists of");
  CLI::App* describe = AddCommand(*space, "describe", "Nodes, candidates, reference blocks, number of networks",
                                  "mathnas space describe nasbench201 --json", o.common, [] { return Describe(o); });
  o.space.AddTo(describe);
}

}  // namespace mathnas::cli
