// Reading a whole file that nobody vouches for.
#ifndef MATHNAS_CORE_INTERNAL_READ_FILE_H_
#define MATHNAS_CORE_INTERNAL_READ_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace mathnas::core::internal {

// At most `limit` bytes and a bit more, so that whoever parses the text sees that it is too long. InvalidArgument with
// the system's words if it cannot be read; `what` is what was expected, "a block table".
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit, std::string_view what);

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_READ_FILE_H_
