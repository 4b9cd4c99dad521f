// Assignments, applied to a table: the first line of the input is one to fix, the second one to forbid.
#include <string>
#include <string_view>

#include "check.h"
#include "mathnas/core/assignment.h"

namespace {

using mathnas::fuzz::Check;
namespace core = mathnas::core;

core::BlockTable Table() {
  core::BlockTable table;
  table.space = "fuzz";
  table.nodes = {{"a", {"0", "1", "x y"}, 0}, {"0->1", {"none", "b=c"}, 1}, {"\xE5\xB1\x82", {"="}, 0}};
  table.structure.shared = core::SharedChoice{.name = "resolution", .values = {192, 224, 0.5}};
  return table;
}

int CountAllowed(const core::NetworkFilter& filter) {
  int count = 0;
  for (const auto& row : filter.candidates) {
    for (const bool allowed : row) count += allowed ? 1 : 0;
  }
  for (const bool allowed : filter.shared) count += allowed ? 1 : 0;
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const core::BlockTable table = Table();
  constexpr int kAll = 9;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  const auto fixed = core::ParseAssignment(text.substr(0, line));
  const auto forbidden = core::ParseAssignment(line == text.npos ? "" : text.substr(line + 1));
  for (const auto* assignment : {&fixed, &forbidden}) {
    if (assignment->ok()) {
      Check(!(*assignment)->name.empty() && !(*assignment)->candidate.empty(), "an assignment without names");
      Check((*assignment)->name.find('=') == std::string::npos, "a name with =");
    } else {
      Check(absl::IsInvalidArgument(assignment->status()), "another error than a bad argument");
    }
  }
  core::NetworkFilter filter = core::AllowAll(table);
  Check(CountAllowed(filter) == kAll, "all allowed");
  if (forbidden.ok() && core::ApplyForbidden(table, {*forbidden}, filter).ok()) {
    Check(CountAllowed(filter) == kAll - 1, "one forbidden");
  }
  filter = core::AllowAll(table);
  if (fixed.ok() && core::ApplyFixed(table, {*fixed}, filter).ok()) {
    const int allowed = CountAllowed(filter);
    Check(allowed == kAll - 2 || allowed == kAll - 1 || allowed == kAll, "one fixed");
  }
  return 0;
}
