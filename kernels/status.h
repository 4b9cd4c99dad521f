// Small helpers around absl::Status.
#ifndef MATHNAS_KERNELS_STATUS_H_
#define MATHNAS_KERNELS_STATUS_H_

#include <string_view>

#include "absl/status/status.h"

namespace mathnas::kernels {

// The text of a status. (Distributions build Abseil with a string_view of its own, which fmt cannot print.)
inline std::string_view Message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// The same code with "CONTEXT: " in front of the text; an OK status stays as it is.
absl::Status Annotate(const absl::Status& status, std::string_view context);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_STATUS_H_
