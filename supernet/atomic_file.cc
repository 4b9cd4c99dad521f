#include "supernet/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include "fmt/format.h"

namespace mathnas::supernet {
namespace {

absl::Status SystemError(std::string_view path, std::string_view step) {
  return absl::ErrnoToStatus(errno, fmt::format("{}: {}", path, step));
}

// Closes and removes the temporary file unless it has taken its final name.
class Temporary {
 public:
  Temporary(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (fd_ >= 0) close(fd_);
    if (!path_.empty()) unlink(path_.c_str());
  }

  int fd() const { return fd_; }
  bool Close() { return close(std::exchange(fd_, -1)) == 0; }
  bool Rename(const std::string& to) {
    if (rename(path_.c_str(), to.c_str()) != 0) return false;
    path_.clear();
    return true;
  }

 private:
  std::string path_;
  int fd_;
};

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

// Makes the rename itself durable. Some file systems cannot flush a folder, and need no flushing.
absl::Status FlushFolder(const std::string& path, const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError(path, "written, but its folder cannot be opened to flush it");
  const bool flushed = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP;
  absl::Status status =
      flushed ? absl::OkStatus() : SystemError(path, "written, but its folder cannot be flushed to the disk");
  close(fd);
  return status;
}

}  // namespace

absl::Status AtomicWriteFile(const std::string& path, std::span<const std::string_view> parts) {
  std::filesystem::path target = path;
  if (!target.has_filename()) return absl::InvalidArgumentError(fmt::format("{}: expected the name of a file", path));
  struct stat info;
  const bool exists = stat(path.c_str(), &info) == 0;
  if (exists) {
    if (!S_ISREG(info.st_mode)) {
      return absl::InvalidArgumentError(fmt::format("{}: exists and is not a regular file", path));
    }
    std::error_code error;
    target = std::filesystem::canonical(path, error);
    if (error) return absl::ErrnoToStatus(error.value(), fmt::format("{}: cannot be resolved", path));
  }
  const std::string folder = target.has_parent_path() ? target.parent_path().string() : ".";

  // A name may be taken by the left-over of a process that was killed and had the same number.
  static std::atomic<uint64_t> count = 0;
  std::string temporary_path;
  int fd = -1;
  for (int attempt = 0; attempt < 1000 && fd < 0; ++attempt) {
    temporary_path =
        fmt::format("{}/.{}.{}.{}.tmp", folder, target.filename().string().substr(0, 100), getpid(), count++);
    fd = open(temporary_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EEXIST) break;
  }
  if (fd < 0) return SystemError(path, "cannot create a temporary file in its folder");
  Temporary temporary(temporary_path, fd);

  for (std::string_view part : parts) {
    if (!WriteAll(fd, part)) return SystemError(path, "cannot be written");
  }
  if (exists) fchmod(fd, info.st_mode & 0777);  // best effort: some file systems have no permissions
  if (fsync(fd) != 0) return SystemError(path, "cannot be flushed to the disk");
  if (!temporary.Close()) return SystemError(path, "cannot be written");
  if (!temporary.Rename(target.string())) return SystemError(path, "cannot be replaced by the new file");
  return FlushFolder(path, folder);
}

absl::Status AtomicWriteFile(const std::string& path, std::string_view contents) {
  return AtomicWriteFile(path, std::span<const std::string_view>(&contents, 1));
}

}  // namespace mathnas::supernet
