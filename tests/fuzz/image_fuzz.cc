// Image files: refused with a message, or an image of the size that was allowed, the same every time.
#include <string>

#include "check.h"
#include "supernet/data/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mathnas;  // the parts under test
  constexpr int64_t kMaxPixels = 1 << 14;
  // What one image leaves in it must not show in the next one.
  static supernet::RgbImage image;
  const absl::Status status = supernet::DecodeImage({data, size}, "input", kMaxPixels, image);
  fuzz::Check(image.pixels.capacity() <= 2 * 3 * kMaxPixels, "more memory than the largest image takes");
  if (!status.ok()) {
    fuzz::Check(absl::IsInvalidArgument(status), "another error than a bad argument");
    fuzz::Check(std::string(status.message()).starts_with("input: "), "an error that does not name the file");
    fuzz::Check(image.height == 0 && image.width == 0, "an image that was refused");
    return 0;
  }
  fuzz::Check(image.height >= 1 && image.width >= 1 && image.height * image.width <= kMaxPixels, "the size");
  fuzz::Check(image.pixels.size() == static_cast<size_t>(image.height * image.width * 3), "the number of values");
  supernet::RgbImage again;
  fuzz::Check(supernet::DecodeImage({data, size}, "input", kMaxPixels, again).ok() && again.pixels == image.pixels,
              "pixels that change when they are decoded again");
  return 0;
}
