#include "mathnas/core/internal/replace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "fmt/format.h"

namespace mathnas::core::internal {
namespace {

absl::Status SystemError(const std::string& path, std::string_view verb) {
  return absl::InternalError(fmt::format("{}: cannot {}: {}", path, verb, std::strerror(errno)));
}

absl::Status WriteAndSync(int file, const std::string& path, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(path, "write");
    text.remove_prefix(static_cast<size_t>(written));
  }
  return ::fsync(file) == 0 ? absl::OkStatus() : SystemError(path, "write to the disk");
}

// A rename is durable once its folder is; not every file system can sync a folder, so failing is no error.
void SyncFolderOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

}  // namespace

absl::Status ReplaceFile(const std::string& path, std::string_view text) {
  std::string temporary = path + ".XXXXXX";
  const int file = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) return SystemError(path, "create a file beside it");
  constexpr mode_t kReadableByAll = 0644;  // mkostemp gives 0600
  absl::Status status = WriteAndSync(file, path, text);
  if (status.ok() && ::fchmod(file, kReadableByAll) != 0) status = SystemError(path, "set its mode");
  if (::close(file) != 0 && status.ok()) status = SystemError(path, "close");
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) status = SystemError(path, "replace");
  if (status.ok()) {
    SyncFolderOf(path);
  } else {
    ::unlink(temporary.c_str());
  }
  return status;
}

}  // namespace mathnas::core::internal
