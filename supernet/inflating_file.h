// A regular file, plain or gzip (told by its first bytes, 1f 8b), read from begin to end; at most what is asked for is
// ever inflated.
#ifndef MATHNAS_SUPERNET_INFLATING_FILE_H_
#define MATHNAS_SUPERNET_INFLATING_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::supernet {

class InflatingFile {
 public:
  // Errors of InputFile::Open.
  static absl::StatusOr<InflatingFile> Open(const std::string& path);
  InflatingFile(InflatingFile&& other) noexcept;
  InflatingFile& operator=(InflatingFile&& other) noexcept;
  ~InflatingFile();

  const std::string& path() const;
  bool is_gzip() const;
  // Bytes on disk, and the most that can come out of them.
  int64_t size() const;
  int64_t most_bytes() const;

  // Fills `out`; returns the number of bytes, less only at the end of the data. InvalidArgument: damaged or cut off.
  absl::StatusOr<size_t> Read(std::span<uint8_t> out);
  // After all data was read: InvalidArgument if bytes follow the end of the gzip data.
  absl::Status ExpectEnd();

 private:
  struct State;
  explicit InflatingFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The whole file as text. InvalidArgument if it has more than `max_bytes`.
absl::StatusOr<std::string> ReadText(const std::string& path, int64_t max_bytes);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_INFLATING_FILE_H_
