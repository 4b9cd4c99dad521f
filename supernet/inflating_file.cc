#include "supernet/inflating_file.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <utility>

#include "fmt/format.h"
#include "supernet/input_file.h"

namespace mathnas::supernet {
namespace {

// Deflate cannot do better than 258 bytes for two bits (zlib's technical notes: 1032 to 1).
constexpr int64_t kMaxDeflateRatio = 1032;

}  // namespace

struct InflatingFile::State {
  explicit State(InputFile opened) : file(std::move(opened)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (gzip) inflateEnd(&z);
  }

  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(fmt::format("{}: {}", file.path(), what));
  }

  absl::Status Refill() {
    absl::StatusOr<size_t> n = file.Read(input);
    if (!n.ok()) return n.status();
    z.next_in = input.data();
    z.avail_in = static_cast<uInt>(*n);
    return absl::OkStatus();
  }

  InputFile file;
  bool gzip = false;
  bool ended = false;
  z_stream z{};
  std::array<uint8_t, 1 << 16> input;
};

InflatingFile::InflatingFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
InflatingFile::InflatingFile(InflatingFile&&) noexcept = default;
InflatingFile& InflatingFile::operator=(InflatingFile&&) noexcept = default;
InflatingFile::~InflatingFile() = default;

const std::string& InflatingFile::path() const { return state_->file.path(); }
bool InflatingFile::is_gzip() const { return state_->gzip; }
int64_t InflatingFile::size() const { return state_->file.size(); }
int64_t InflatingFile::most_bytes() const { return is_gzip() ? size() * kMaxDeflateRatio : size(); }

absl::StatusOr<InflatingFile> InflatingFile::Open(const std::string& path) {
  absl::StatusOr<InputFile> file = InputFile::Open(path);
  if (!file.ok()) return file.status();
  auto state = std::make_unique<State>(*std::move(file));
  if (absl::Status s = state->Refill(); !s.ok()) return s;
  state->gzip = state->z.avail_in >= 2 && state->input[0] == 0x1f && state->input[1] == 0x8b;
  if (state->gzip && inflateInit2(&state->z, 16 + MAX_WBITS) != Z_OK) {
    state->gzip = false;
    return absl::ResourceExhaustedError(fmt::format("{}: zlib cannot start", path));
  }
  return InflatingFile(std::move(state));
}

absl::StatusOr<size_t> InflatingFile::Read(std::span<uint8_t> out) {
  State& s = *state_;
  size_t done = 0;
  while (done < out.size() && !s.ended) {
    if (s.z.avail_in == 0) {
      if (absl::Status status = s.Refill(); !status.ok()) return status;
      if (s.z.avail_in == 0) {
        if (s.gzip) return s.Error("gzip data is cut off");
        s.ended = true;
        break;
      }
    }
    const size_t room = std::min<size_t>(out.size() - done, 1 << 30);  // zlib counts in 32 bits
    if (!s.gzip) {
      const size_t n = std::min<size_t>(room, s.z.avail_in);
      std::copy_n(s.z.next_in, n, out.data() + done);
      s.z.next_in += n;
      s.z.avail_in -= static_cast<uInt>(n);
      done += n;
      continue;
    }
    s.z.next_out = out.data() + done;
    s.z.avail_out = static_cast<uInt>(room);
    const int code = inflate(&s.z, Z_NO_FLUSH);
    done += room - s.z.avail_out;
    if (code == Z_STREAM_END) {
      s.ended = true;
    } else if (code != Z_OK) {
      return s.Error(fmt::format("gzip data is damaged ({})", s.z.msg != nullptr ? s.z.msg : "checksum or structure"));
    }
  }
  return done;
}

absl::Status InflatingFile::ExpectEnd() {
  State& s = *state_;
  if (!s.gzip) return absl::OkStatus();
  std::array<uint8_t, 1> more;
  absl::StatusOr<size_t> n = s.z.avail_in > 0 ? s.z.avail_in : s.file.Read(more);
  if (!n.ok()) return n.status();
  if (*n > 0) return s.Error("bytes after the end of the gzip data, expected the end of the file");
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadText(const std::string& path, int64_t max_bytes) {
  absl::StatusOr<InflatingFile> file = InflatingFile::Open(path);
  if (!file.ok()) return file.status();
  std::string text;
  std::array<uint8_t, 1 << 16> piece;
  while (true) {
    const absl::StatusOr<size_t> n = file->Read(piece);
    if (!n.ok()) return n.status();
    if (*n == 0) break;
    text.append(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(*n));
    if (static_cast<int64_t>(text.size()) > max_bytes) {
      return absl::InvalidArgumentError(
          fmt::format("{}: expected at most {} bytes of text, found more", path, max_bytes));
    }
  }
  if (absl::Status s = file->ExpectEnd(); !s.ok()) return s;
  return text;
}

}  // namespace mathnas::supernet
