// JPEG and PNG files to pixels.
#ifndef MATHNAS_SUPERNET_DATA_DECODE_H_
#define MATHNAS_SUPERNET_DATA_DECODE_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace mathnas::supernet {

// Pixels of an image of its own size, as red, green, blue.
struct RgbImage {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> pixels;  // {height, width, 3}, row-major
};

// Most pixels of an image unless the caller says otherwise: 192 MiB of memory.
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 26;

// Decodes a whole file in memory; its first bytes tell the format, whatever its name. `out` is reused: its memory
// grows and is kept.
//   JPEG  8 bits, baseline or progressive; grey is repeated; CMYK and YCCK, stored inverted as Adobe's programs do, are
//         multiplied out (channel * black / 255); an orientation in the metadata is not applied
//   PNG   every kind: palettes looked up, grey repeated, 16 bits rounded to 8, alpha and transparent colours dropped
//         (the colour stored under them shows), gamma and colour profiles not applied
// InvalidArgument, beginning with `name`: neither format, a side above 65535, more than `max_pixels` (both told by the
// header, before pixels are allocated), damaged or cut off. What JPEG readers paper over counts as damage, except
// stray bytes between segments and unknown versions. On an error, `out` holds no image.
absl::Status DecodeImage(std::span<const uint8_t> file, std::string_view name, int64_t max_pixels, RgbImage& out);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_DECODE_H_
