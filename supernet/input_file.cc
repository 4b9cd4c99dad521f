#include "supernet/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "fmt/format.h"

namespace mathnas::supernet {

absl::StatusOr<InputFile> InputFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, fmt::format("{}: cannot be opened", path));
  InputFile file(path, fd, 0);
  struct stat info;
  if (fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, fmt::format("{}: cannot be examined", path));
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(fmt::format("{}: expected a regular file", path));
  file.size_ = info.st_size;
  return file;
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

InputFile::~InputFile() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<size_t> InputFile::Read(std::span<uint8_t> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = read(fd_, out.data() + done, out.size() - done);
    if (n == 0) break;
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, fmt::format("{}: cannot be read", path_));
    }
  }
  return done;
}

absl::Status InputFile::ReadFully(std::span<uint8_t> out, std::string_view field) {
  absl::StatusOr<size_t> n = Read(out);
  if (!n.ok()) return n.status();
  if (*n == out.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{}: {}: file ends after {} bytes of it, expected {}", path_, field, *n, out.size()));
}

}  // namespace mathnas::supernet
