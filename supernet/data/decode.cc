#include "supernet/data/decode.h"

#include <algorithm>
#include <array>
#include <new>

#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/data/formats.h"
#include "supernet/data/image_formats.h"

namespace mathnas::supernet {
namespace {

constexpr std::array<uint8_t, 3> kJpegStart = {0xFF, 0xD8, 0xFF};
constexpr std::array<uint8_t, 8> kPngStart = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

template <size_t N>
bool StartsWith(std::span<const uint8_t> file, const std::array<uint8_t, N>& start) {
  return file.size() >= N && std::equal(start.begin(), start.end(), file.begin());
}

}  // namespace

absl::Status Allocate(int64_t height, int64_t width, int64_t max_pixels, RgbImage& out) {
  if (height < 1 || height > kMaxExtent || width < 1 || width > kMaxExtent || width > max_pixels / height) {
    return absl::InvalidArgumentError(fmt::format("image of {}x{}, expected sides of 1 to {} and at most {} pixels",
                                                  height, width, kMaxExtent, max_pixels));
  }
  try {
    out.pixels.resize(static_cast<size_t>(height * width * 3));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(fmt::format("no memory for an image of {}x{}", height, width));
  }
  out.height = height;
  out.width = width;
  return absl::OkStatus();
}

absl::Status DecodeImage(std::span<const uint8_t> file, std::string_view name, int64_t max_pixels, RgbImage& out) {
  absl::Status status;
  if (StartsWith(file, kJpegStart)) {
    status = DecodeJpeg(file, max_pixels, out);
  } else if (StartsWith(file, kPngStart)) {
    status = DecodePng(file, max_pixels, out);
  } else {
    status = absl::InvalidArgumentError(fmt::format("{} bytes that are neither JPEG nor PNG", file.size()));
  }
  if (!status.ok()) out.height = out.width = 0;
  return kernels::Annotate(status, name);
}

}  // namespace mathnas::supernet
