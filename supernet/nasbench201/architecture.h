// Architectures of NAS-Bench-201 as text (spec/search-spaces.md 2.6): "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|".
#ifndef MATHNAS_SUPERNET_NASBENCH201_ARCHITECTURE_H_
#define MATHNAS_SUPERNET_NASBENCH201_ARCHITECTURE_H_

#include <array>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "blocks/nasbench201_cell.h"

namespace mathnas::supernet {

// The operation of each edge e0 .. e5.
using Architecture = std::array<blocks::CellOp, 6>;

// InvalidArgument says at which edge the text stops being an architecture and what was expected there.
absl::StatusOr<Architecture> ParseArchitecture(std::string_view text);
std::string ToString(const Architecture& architecture);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_NASBENCH201_ARCHITECTURE_H_
