#include "mathnas/profile/space_table.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "fmt/format.h"

namespace mathnas::profile {
namespace {

using supernet::SearchSpace;
using supernet::SpaceNode;

absl::StatusOr<core::SharedChoice> SharedChoiceOf(const SpaceNode& node) {
  if (std::ssize(node.candidates) > kMaxSharedValues) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {} values, expected at most {}, since each is measured for itself", node.name,
                    node.candidates.size(), kMaxSharedValues));
  }
  core::SharedChoice shared = {.name = node.name, .values = {}};
  for (const std::string& candidate : node.candidates) {
    if (!absl::SimpleAtod(candidate, &shared.values.emplace_back())) {
      return absl::InvalidArgumentError(fmt::format("{} \"{}\": expected a number", node.name, candidate));
    }
  }
  return shared;
}

}  // namespace

absl::StatusOr<core::BlockTable> TableOf(const SearchSpace& space) {
  const supernet::SpaceStructure structure = space.structure();
  core::BlockTable table;
  table.space = space.name();
  for (int i = 0; i < std::ssize(space.nodes()); ++i) {
    const SpaceNode& node = space.nodes()[i];
    if (i != structure.shared) {
      table.nodes.push_back({node.name, node.candidates, node.reference});
      continue;
    }
    absl::StatusOr<core::SharedChoice> shared = SharedChoiceOf(node);
    if (!shared.ok()) return shared.status();
    table.structure.shared = *std::move(shared);
  }
  for (const supernet::SpaceStructure::DepthGroup& group : structure.depth) {
    core::DepthGroup& made = table.structure.depth.emplace_back();
    for (int node : group.nodes) made.nodes.push_back(NodeInTable(space, node));
    for (int absent : group.absent) made.absent.push_back(absent < 0 ? core::DepthGroup::kCannotBeCut : absent);
  }
  if (const auto cell = space.cell()) {
    core::CellStructure& made = table.structure.cell.emplace();
    made.input = cell->input;
    made.output = cell->output;
    for (const supernet::SpaceCell::Edge& e : cell->edges) {
      made.edges.push_back({NodeInTable(space, e.node), e.from, e.to, e.none});
    }
  }
  return table;
}

int NodeInTable(const SearchSpace& space, int node) {
  const int shared = space.structure().shared;
  return shared >= 0 && node > shared ? node - 1 : node;
}

TableNetwork InTable(const SearchSpace& space, const supernet::Choice& choice) {
  TableNetwork network = {choice, 0};
  if (const int shared = space.structure().shared; shared >= 0) {
    network.shared = choice[shared];
    network.choice.erase(network.choice.begin() + shared);
  }
  return network;
}

supernet::Choice InSpace(const SearchSpace& space, const TableNetwork& network) {
  supernet::Choice choice = network.choice;
  if (const int shared = space.structure().shared; shared >= 0) choice.insert(choice.begin() + shared, network.shared);
  return choice;
}

supernet::Choice Canonical(const SearchSpace& space, const core::BlockTable& table, const supernet::Choice& choice) {
  TableNetwork network = InTable(space, choice);
  network.choice = core::CanonicalChoice(table, std::move(network.choice));
  return InSpace(space, network);
}

}  // namespace mathnas::profile
