#include "mathnas/core/assignment.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/internal/text.h"

namespace mathnas::core {
namespace {

// A node's row of the filter, or that of the shared choice, and the index of the candidate in it.
struct Target {
  std::vector<bool>* row;
  int index;
};

constexpr size_t kNamesShown = 20;

std::string Known(std::vector<std::string> names) {
  const bool more = names.size() > kNamesShown;
  if (more) names.resize(kNamesShown);
  return fmt::format("{}{}", fmt::join(names, ", "), more ? ", ..." : "");
}

absl::StatusOr<Target> ResolveShared(const SharedChoice& shared, const Assignment& assignment, NetworkFilter& filter) {
  const std::optional<double> value = internal::ParseNumber(assignment.candidate);
  std::vector<std::string> known;
  for (int s = 0; s < std::ssize(shared.values); ++s) {
    if (value == shared.values[s]) return Target{.row = &filter.shared, .index = s};
    known.push_back(fmt::format("{}", shared.values[s]));
  }
  return absl::InvalidArgumentError(
      fmt::format("{}: expected one of {}, found '{}'", assignment.name, Known(known), assignment.candidate));
}

absl::StatusOr<Target> Resolve(const BlockTable& table, const Assignment& assignment, NetworkFilter& filter) {
  if (table.structure.shared && table.structure.shared->name == assignment.name) {
    return ResolveShared(*table.structure.shared, assignment, filter);
  }
  const std::optional<int> node = table.FindNode(assignment.name);
  if (!node) {
    std::vector<std::string> known;
    if (table.structure.shared) known.push_back(table.structure.shared->name);
    for (const Node& candidate : table.nodes) known.push_back(candidate.name);
    return absl::InvalidArgumentError(
        fmt::format("node: expected one of {}, found '{}'", Known(known), assignment.name));
  }
  const std::optional<int> candidate = table.FindCandidate(*node, assignment.candidate);
  if (candidate) return Target{.row = &filter.candidates[*node], .index = *candidate};
  return absl::InvalidArgumentError(fmt::format("{}: expected one of {}, found '{}'", assignment.name,
                                                Known(table.nodes[*node].candidates), assignment.candidate));
}

}  // namespace

absl::StatusOr<Assignment> ParseAssignment(std::string_view text) {
  const size_t at = text.find('=');
  Assignment assignment;
  if (at != std::string_view::npos) {
    assignment.name = std::string(internal::Trimmed(text.substr(0, at)));
    assignment.candidate = std::string(internal::Trimmed(text.substr(at + 1)));
  }
  if (!assignment.name.empty() && !assignment.candidate.empty()) return assignment;
  return absl::InvalidArgumentError(fmt::format("'{}': expected NAME=CANDIDATE", text));
}

absl::Status ApplyFixed(const BlockTable& table, const std::vector<Assignment>& fixed, NetworkFilter& filter) {
  NetworkFilter chosen = AllowAll(table);
  for (auto& row : chosen.candidates) row.assign(row.size(), false);
  chosen.shared.assign(chosen.shared.size(), false);
  for (const Assignment& assignment : fixed) {
    const absl::StatusOr<Target> target = Resolve(table, assignment, chosen);
    if (!target.ok()) return target.status();
    (*target->row)[target->index] = true;
  }
  const auto keep_chosen = [](std::vector<bool>& row, const std::vector<bool>& chosen_row) {
    if (std::find(chosen_row.begin(), chosen_row.end(), true) == chosen_row.end()) return;  // not fixed
    for (size_t j = 0; j < row.size(); ++j) row[j] = row[j] && chosen_row[j];
  };
  for (size_t i = 0; i < filter.candidates.size(); ++i) keep_chosen(filter.candidates[i], chosen.candidates[i]);
  keep_chosen(filter.shared, chosen.shared);
  return absl::OkStatus();
}

absl::Status ApplyForbidden(const BlockTable& table, const std::vector<Assignment>& forbidden, NetworkFilter& filter) {
  for (const Assignment& assignment : forbidden) {
    const absl::StatusOr<Target> target = Resolve(table, assignment, filter);
    if (!target.ok()) return target.status();
    (*target->row)[target->index] = false;
  }
  return absl::OkStatus();
}

absl::Status ApplyForbiddenPairs(const BlockTable& table, const std::vector<std::pair<Assignment, Assignment>>& pairs,
                                 NetworkFilter& filter) {
  for (const auto& [first, second] : pairs) {
    CandidatePair pair;
    for (const auto& [assignment, node, candidate] :
         {std::tie(first, pair.node, pair.candidate), std::tie(second, pair.other_node, pair.other)}) {
      if (table.structure.shared && table.structure.shared->name == assignment.name) {
        return absl::InvalidArgumentError(
            fmt::format("{}: expected nodes in a forbidden pair, found the shared choice", assignment.name));
      }
      const absl::StatusOr<Target> target = Resolve(table, assignment, filter);
      if (!target.ok()) return target.status();
      node = *table.FindNode(assignment.name);
      candidate = target->index;
    }
    if (pair.node == pair.other_node) {
      return absl::InvalidArgumentError(
          fmt::format("{}: expected two different nodes in a forbidden pair", first.name));
    }
    filter.forbidden_pairs.push_back(pair);
  }
  return absl::OkStatus();
}

}  // namespace mathnas::core
