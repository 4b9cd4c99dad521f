// Files that are either the old one or the new one, never half of each: checkpoints, block tables, reports.
#ifndef MATHNAS_SUPERNET_ATOMIC_FILE_H_
#define MATHNAS_SUPERNET_ATOMIC_FILE_H_

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace mathnas::supernet {

// Replaces the contents of `path`. The bytes go to a temporary file in the same folder (".NAME.PID.COUNT.tmp"), are
// flushed to the disk, and take the name in one rename; the folder is flushed too. On any error (disk full, no
// permission, ...) the temporary is removed, the old file stays as it was, and the status names the file, the step and
// the reason. A symbolic link is followed and stays one; whatever else exists under that name and is not a regular
// file (folder, device, pipe) is an InvalidArgument.
absl::Status AtomicWriteFile(const std::string& path, std::string_view contents);

// The same for a file given in parts, one after the other.
absl::Status AtomicWriteFile(const std::string& path, std::span<const std::string_view> parts);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_ATOMIC_FILE_H_
