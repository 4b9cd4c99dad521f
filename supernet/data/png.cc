// PNG by libpng.
#include "png.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "fmt/format.h"
#include "supernet/data/formats.h"
#include "supernet/data/image_formats.h"

namespace mathnas::supernet {
namespace {

// Most memory of one chunk other than the pixels: a text or a profile of a few bytes can inflate to gigabytes.
constexpr png_alloc_size_t kMaxChunk = size_t{8} << 20;

// libpng reports errors by longjmp, so each member function that calls it sets the place to come back to, and has no
// objects with destructors.
class PngReader {
 public:
  explicit PngReader(std::span<const uint8_t> file) : rest_(file) {
    png_ = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, this,
        [](png_structp png, png_const_charp what) {
          auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
          std::snprintf(self.message_.data(), self.message_.size(), "%s", what);
          std::longjmp(self.back_, 1);
        },
        [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  bool created() const { return info_ != nullptr; }

  bool ReadHeader() {
    if (setjmp(back_) != 0) return false;
    png_set_read_fn(png_, this, [](png_structp png, png_bytep out, size_t size) {
      auto& self = *static_cast<PngReader*>(png_get_io_ptr(png));
      if (size > self.rest_.size()) png_error(png, "file ends too early");
      std::memcpy(out, self.rest_.data(), size);
      self.rest_ = self.rest_.subspan(size);
    });
    png_set_user_limits(png_, static_cast<png_uint_32>(kMaxExtent), static_cast<png_uint_32>(kMaxExtent));
    png_set_chunk_malloc_max(png_, kMaxChunk);
    png_read_info(png_, info_);
    png_set_expand(png_);
    png_set_scale_16(png_);
    png_set_strip_alpha(png_);
    png_set_gray_to_rgb(png_);
    return true;
  }

  // `pixels`: {height, width, 3}.
  bool ReadPixels(uint8_t* pixels) {
    if (setjmp(back_) != 0) return false;
    const int passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    const size_t row = static_cast<size_t>(width()) * 3;
    if (png_get_rowbytes(png_, info_) != row) png_error(png_, "rows of another length than three bytes a pixel");
    for (int pass = 0; pass < passes; ++pass) {
      for (int64_t y = 0; y < height(); ++y) png_read_row(png_, pixels + static_cast<size_t>(y) * row, nullptr);
    }
    png_read_end(png_, nullptr);
    return true;
  }

  int64_t height() const { return png_get_image_height(png_, info_); }
  int64_t width() const { return png_get_image_width(png_, info_); }
  const char* message() const { return message_.data(); }

 private:
  std::span<const uint8_t> rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf back_;
  std::array<char, 200> message_{};
};

}  // namespace

absl::Status DecodePng(std::span<const uint8_t> file, int64_t max_pixels, RgbImage& out) {
  PngReader reader(file);
  if (!reader.created()) return absl::ResourceExhaustedError("no memory to read a PNG");
  auto fail = [&] { return absl::InvalidArgumentError(fmt::format("damaged PNG: {}", reader.message())); };
  if (!reader.ReadHeader()) return fail();
  if (absl::Status s = Allocate(reader.height(), reader.width(), max_pixels, out); !s.ok()) return s;
  // An interlaced image is filled in several passes, over what was there.
  std::fill(out.pixels.begin(), out.pixels.end(), uint8_t{0});
  if (!reader.ReadPixels(out.pixels.data())) return fail();
  return absl::OkStatus();
}

}  // namespace mathnas::supernet
