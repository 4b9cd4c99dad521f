#include "supernet/nasbench201/architecture.h"

#include <algorithm>

#include "fmt/format.h"
#include "fmt/ranges.h"

namespace mathnas::supernet {
namespace {

using blocks::CellOp;
using blocks::kCellEdges;
using blocks::kCellOpNames;

// The text between two operations: nodes are joined by '+'.
std::string_view Separator(size_t edge) {
  if (edge == 0) return "|";
  return kCellEdges[edge].from == 0 ? "|+|" : "|";
}

}  // namespace

absl::StatusOr<Architecture> ParseArchitecture(std::string_view text) {
  const auto error = [&](size_t edge, std::string_view expected) {
    return absl::InvalidArgumentError(fmt::format("arch \"{:.200}\", edge {}<-{}: expected {}", text,
                                                  kCellEdges[edge].to, kCellEdges[edge].from, expected));
  };
  Architecture architecture{};
  std::string_view rest = text;
  for (size_t e = 0; e < kCellEdges.size(); ++e) {
    const std::string_view separator = Separator(e);
    if (!rest.starts_with(separator)) return error(e, fmt::format("\"{}\"", separator));
    rest.remove_prefix(separator.size());
    const size_t end = std::min(rest.find('~'), rest.size());
    const auto* op = std::find(kCellOpNames.begin(), kCellOpNames.end(), rest.substr(0, end));
    if (op == kCellOpNames.end()) return error(e, fmt::format("one of {}", fmt::join(kCellOpNames, ", ")));
    architecture[e] = static_cast<CellOp>(op - kCellOpNames.begin());
    rest.remove_prefix(end);
    const std::string source = fmt::format("~{}", kCellEdges[e].from);
    if (!rest.starts_with(source)) return error(e, fmt::format("\"{}\" after the operation", source));
    rest.remove_prefix(source.size());
  }
  if (rest != "|") return error(kCellEdges.size() - 1, "\"|\" and then the end");
  return architecture;
}

std::string ToString(const Architecture& architecture) {
  std::string text;
  for (size_t e = 0; e < kCellEdges.size(); ++e) {
    text +=
        fmt::format("{}{}~{}", Separator(e), kCellOpNames[static_cast<size_t>(architecture[e])], kCellEdges[e].from);
  }
  return text + "|";
}

}  // namespace mathnas::supernet
