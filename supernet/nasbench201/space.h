// NAS-Bench-201, the topology space of NATS-Bench (spec/search-spaces.md 2), and its weight-sharing supernet (2.5).
#ifndef MATHNAS_SUPERNET_NASBENCH201_SPACE_H_
#define MATHNAS_SUPERNET_NASBENCH201_SPACE_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "supernet/nasbench201/architecture.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

// The reference's values by default. Stages have channels, 2 channels and 4 channels, `cells` cells each.
struct NasBench201Macro {
  int64_t channels = 16;
  int64_t cells = 5;
  int64_t classes = 10;
  int64_t height = 32;  // a multiple of 4: two reductions halve it
  int64_t width = 32;
  int64_t input_channels = 3;
  // Normalisation of the search cells and of lastact in the supernet; networks with own weights always have both.
  bool affine = true;
  bool track = true;
};

// InvalidArgument names the macro parameter that is out of range.
absl::StatusOr<std::shared_ptr<const SearchSpace>> NasBench201(const NasBench201Macro& macro);
// From MacroJson().
absl::StatusOr<NasBench201Macro> ParseNasBench201Macro(std::string_view json);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_NASBENCH201_SPACE_H_
