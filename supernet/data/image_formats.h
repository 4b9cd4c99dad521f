// The two decoders behind DecodeImage. Private to supernet/data.
#ifndef MATHNAS_SUPERNET_DATA_IMAGE_FORMATS_H_
#define MATHNAS_SUPERNET_DATA_IMAGE_FORMATS_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "supernet/data/decode.h"

namespace mathnas::supernet {

// Errors do not name the file.
absl::Status DecodeJpeg(std::span<const uint8_t> file, int64_t max_pixels, RgbImage& out);
absl::Status DecodePng(std::span<const uint8_t> file, int64_t max_pixels, RgbImage& out);

// Checks a size that a header promises, then sizes `out`. ResourceExhausted when there is no memory for it.
absl::Status Allocate(int64_t height, int64_t width, int64_t max_pixels, RgbImage& out);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_IMAGE_FORMATS_H_
