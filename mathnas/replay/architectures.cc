#include "mathnas/replay/architectures.h"

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::replay {

absl::StatusOr<Architectures> ReadArchitectures(std::string_view space, const exchange::CsvTable& csv,
                                                const ArchitectureOptions& options) {
  if (csv.row_count() == 0) {
    return absl::InvalidArgumentError(fmt::format("{}: expected networks, found none", csv.source()));
  }
  if (space == "nasbench201") return ReadNasBench201(csv, options.flops_column);
  if (space == "digits") return ReadDigits(csv, options.flops_column);
  if (space == "mobilenetv3") return ReadMobileNetV3(csv, options.width);
  if (space == "supertransformer") return ReadSuperTransformer(csv);
  return absl::InvalidArgumentError(fmt::format(
      "space: expected nasbench201, mobilenetv3, supertransformer or digits, found {}", exchange::Quoted(space)));
}

}  // namespace mathnas::replay
