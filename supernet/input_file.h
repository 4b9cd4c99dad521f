// A regular file open for reading. Folders, devices and pipes are refused, so that reading never hangs and the size
// is known before anything is allocated for it.
#ifndef MATHNAS_SUPERNET_INPUT_FILE_H_
#define MATHNAS_SUPERNET_INPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mathnas::supernet {

class InputFile {
 public:
  // NotFound, PermissionDenied, ... as the system says; InvalidArgument when it is no regular file.
  static absl::StatusOr<InputFile> Open(const std::string& path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();

  const std::string& path() const { return path_; }
  // Bytes, when it was opened.
  int64_t size() const { return size_; }
  int descriptor() const { return fd_; }

  // Reads on from the current position until `out` is full or the file ends; returns the number of bytes.
  absl::StatusOr<size_t> Read(std::span<uint8_t> out);
  // The same, but the end of the file is an InvalidArgument that names `field`.
  absl::Status ReadFully(std::span<uint8_t> out, std::string_view field);

 private:
  InputFile(std::string path, int fd, int64_t size) : path_(std::move(path)), fd_(fd), size_(size) {}

  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_INPUT_FILE_H_
