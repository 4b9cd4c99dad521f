// JPEG by libjpeg-turbo.
#include <array>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it before itself

#include "fmt/format.h"
#include "jerror.h"
#include "jpeglib.h"
#include "supernet/data/image_formats.h"

namespace mathnas::supernet {
namespace {

// Every scan of a progressive file is work for the whole image: a small file must not ask for thousands of them.
// Encoders write about ten.
constexpr int kMaxScans = 100;

// Warnings about what lies between the segments or in the header's label; all others mean that pixels were made up.
bool IsHarmless(int message) {
  return message == JWRN_EXTRANEOUS_DATA || message == JWRN_JFIF_MAJOR || message == JWRN_ADOBE_XFORM;
}

// libjpeg reports errors by longjmp, so each member function that calls it sets the place to come back to, and has no
// objects with destructors.
class JpegReader {
 public:
  JpegReader() {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = [](j_common_ptr jpeg) { Self(jpeg).Leave(jpeg); };
    errors_.emit_message = [](j_common_ptr jpeg, int level) {
      if (level < 0 && !IsHarmless(jpeg->err->msg_code)) Self(jpeg).Leave(jpeg);
    };
    progress_.progress_monitor = [](j_common_ptr jpeg) {
      const auto scans = reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number;
      if (scans > kMaxScans) Self(jpeg).LeaveWith("more than %d scans", kMaxScans);
    };
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool ReadHeader(std::span<const uint8_t> file) {
    if (setjmp(back_) != 0) return false;
    jpeg_create_decompress(&jpeg_);
    jpeg_.progress = &progress_;
    jpeg_mem_src(&jpeg_, file.data(), file.size());
    jpeg_read_header(&jpeg_, TRUE);
    const bool cmyk = jpeg_.jpeg_color_space == JCS_CMYK || jpeg_.jpeg_color_space == JCS_YCCK;
    jpeg_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    return true;
  }

  // `pixels`: {height, width, 3}; `cmyk_row`: {width, 4}, null unless cmyk().
  bool ReadPixels(uint8_t* pixels, uint8_t* cmyk_row) {
    if (setjmp(back_) != 0) return false;
    jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      uint8_t* out = pixels + size_t{jpeg_.output_scanline} * jpeg_.output_width * 3;
      JSAMPROW row = cmyk_row != nullptr ? cmyk_row : out;
      jpeg_read_scanlines(&jpeg_, &row, 1);
      if (cmyk_row != nullptr) MultiplyBlack(cmyk_row, jpeg_.output_width, out);
    }
    jpeg_finish_decompress(&jpeg_);
    return true;
  }

  int64_t height() const { return jpeg_.image_height; }
  int64_t width() const { return jpeg_.image_width; }
  bool cmyk() const { return jpeg_.out_color_space == JCS_CMYK; }
  absl::Status error() const {
    if (errors_.msg_code == JERR_OUT_OF_MEMORY) return absl::ResourceExhaustedError("no memory to decode a JPEG");
    return absl::InvalidArgumentError(fmt::format("damaged JPEG: {}", message_.data()));
  }

 private:
  static JpegReader& Self(j_common_ptr jpeg) { return *static_cast<JpegReader*>(jpeg->client_data); }

  [[noreturn]] void Leave(j_common_ptr jpeg) {
    (*jpeg->err->format_message)(jpeg, message_.data());
    std::longjmp(back_, 1);
  }
  [[noreturn]] void LeaveWith(const char* format, int value) {
    std::snprintf(message_.data(), message_.size(), format, value);
    std::longjmp(back_, 1);
  }

  // Inverted cyan, magenta, yellow and black are red, green and blue under a grey filter.
  static void MultiplyBlack(const uint8_t* cmyk, size_t count, uint8_t* out) {
    for (size_t i = 0; i < count; ++i, cmyk += 4, out += 3) {
      for (int c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>((cmyk[c] * cmyk[3] + 127) / 255);
    }
  }

  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf back_;
  std::array<char, JMSG_LENGTH_MAX> message_{};
};

}  // namespace

absl::Status DecodeJpeg(std::span<const uint8_t> file, int64_t max_pixels, RgbImage& out) {
  JpegReader reader;
  if (!reader.ReadHeader(file)) return reader.error();
  if (absl::Status s = Allocate(reader.height(), reader.width(), max_pixels, out); !s.ok()) return s;
  std::vector<uint8_t> cmyk_row(reader.cmyk() ? static_cast<size_t>(reader.width() * 4) : 0);
  if (!reader.ReadPixels(out.pixels.data(), reader.cmyk() ? cmyk_row.data() : nullptr)) return reader.error();
  return absl::OkStatus();
}

}  // namespace mathnas::supernet
