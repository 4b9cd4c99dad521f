#include "kernels/status.h"

#include <string>

namespace mathnas::kernels {

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok() || context.empty()) return status;
  return absl::Status(status.code(), std::string(context) + ": " + std::string(Message(status)));
}

}  // namespace mathnas::kernels
