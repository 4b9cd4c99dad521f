// Writing a file so that nobody ever sees half of it.
#ifndef MATHNAS_CORE_INTERNAL_REPLACE_FILE_H_
#define MATHNAS_CORE_INTERNAL_REPLACE_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace mathnas::core::internal {

// A temporary file beside `path`, synced, then renamed over it. Internal with the system's words if that fails; `path`
// is then as before and nothing is left behind.
absl::Status ReplaceFile(const std::string& path, std::string_view text);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_REPLACE_FILE_H_
