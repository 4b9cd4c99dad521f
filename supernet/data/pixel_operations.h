// The fifteen operations of RandAugment (Cubuk et al., 2020) on 8-bit pixels, each of them as Pillow computes it.
#ifndef MATHNAS_SUPERNET_DATA_PIXEL_OPERATIONS_H_
#define MATHNAS_SUPERNET_DATA_PIXEL_OPERATIONS_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace mathnas::supernet {

enum class PixelOperation : uint8_t {
  kAutoContrast,  // each channel stretched to 0 .. 255
  kEqualize,      // each channel's histogram made flat
  kInvert,        // 255 - v
  kRotate,        // counter-clockwise about the middle, in degrees
  kPosterize,     // the highest so many bits are kept
  kSolarize,      // 255 - v from this level on
  kSolarizeAdd,   // so much is added to what is below 128
  kColor,         // this and the next three: a factor of the distance from the grey image,
  kContrast,      // from its mean,
  kBrightness,    // from black,
  kSharpness,     // from the smoothed image
  kShearX,        // pixel (x, y) of the result is (x + argument y, y)
  kShearY,        // .. (x, y + argument x)
  kTranslateX,    // .. (x + argument width, y)
  kTranslateY,    // .. (x, y + argument height)
};
inline constexpr int kPixelOperations = 15;
// "AutoContrast" and so on.
std::string_view Name(PixelOperation operation);

// What one thread works on: {height, width, channels}, row-major.
struct PixelImage {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> values;
  std::vector<uint8_t> before;  // of what cannot be computed in place
};

// In place. The first three operations take no argument; kPosterize, kSolarize and kSolarizeAdd take whole ones. Those
// that move pixels interpolate bicubically, and what comes from outside of the image is `fill`{channels}. kColor leaves
// an image alone that does not have three channels; the mean of kContrast is that of the grey image, or of the only
// channel.
void Apply(PixelOperation operation, double argument, std::span<const uint8_t> fill, PixelImage& image);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_PIXEL_OPERATIONS_H_
