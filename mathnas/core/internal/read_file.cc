#include "mathnas/core/internal/read_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "fmt/format.h"

namespace mathnas::core::internal {

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit, std::string_view what) {
  const auto error = [&](std::string_view found) {
    return absl::InvalidArgumentError(fmt::format("{}: expected {} that can be read, found {}", path, what, found));
  };
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(std::strerror(errno));
  // Read in steps, not by size: the path may be a pipe or a device.
  constexpr size_t kStep = size_t{1} << 20;
  std::string text;
  while (file && text.size() <= limit) {
    const size_t size = text.size();
    text.resize(size + kStep);
    file.read(text.data() + size, kStep);
    text.resize(size + static_cast<size_t>(file.gcount()));
  }
  if (file.bad() || (text.empty() && !file.eof())) return error("an error while reading");
  return text;
}

}  // namespace mathnas::core::internal
