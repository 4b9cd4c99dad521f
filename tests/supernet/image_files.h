// Image files for tests, written by libpng and libjpeg themselves.
#ifndef MATHNAS_TESTS_SUPERNET_IMAGE_FILES_H_
#define MATHNAS_TESTS_SUPERNET_IMAGE_FILES_H_

#include <png.h>
#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "jpeglib.h"
#include "kernels/random.h"

namespace mathnas::supernet::testing {

// `size` bytes that follow no rule.
inline std::vector<uint8_t> Noise(size_t size, uint64_t seed) {
  kernels::Random random(seed);
  std::vector<uint8_t> bytes(size);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random.Next() >> 24);
  return bytes;
}

struct PngKind {
  int color_type = PNG_COLOR_TYPE_RGB;
  int bit_depth = 8;
  bool interlaced = false;
  std::vector<png_color> palette = {};
  std::vector<uint8_t> palette_alpha = {};
};

// `rows`: packed as PNG stores them, 16 bits with the high byte first.
inline std::string EncodePng(int width, int height, std::span<const uint8_t> rows, const PngKind& kind = {}) {
  std::string file;
  auto throw_text = [](png_structp, png_const_charp what) { throw std::runtime_error(what); };
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, throw_text, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &file,
      [](png_structp p, png_bytep bytes, size_t size) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(bytes), size);
      },
      [](png_structp) {});
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), kind.bit_depth,
               kind.color_type, kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!kind.palette.empty()) png_set_PLTE(png, info, kind.palette.data(), static_cast<int>(kind.palette.size()));
  if (!kind.palette_alpha.empty()) {
    png_set_tRNS(png, info, kind.palette_alpha.data(), static_cast<int>(kind.palette_alpha.size()), nullptr);
  }
  png_write_info(png, info);
  const size_t stride = png_get_rowbytes(png, info);
  if (rows.size() != stride * static_cast<size_t>(height)) throw std::runtime_error("rows of another size");
  std::vector<png_bytep> pointers;
  for (int y = 0; y < height; ++y) {
    pointers.push_back(const_cast<png_bytep>(rows.data()) + static_cast<size_t>(y) * stride);
  }
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return file;
}

struct JpegKind {
  J_COLOR_SPACE space = JCS_RGB;  // of the pixels: JCS_GRAYSCALE, JCS_RGB or JCS_CMYK
  int quality = 100;
  bool progressive = false;
  bool full_chroma = true;                               // not subsampled
  std::function<void(jpeg_compress_struct&)> also = {};  // other settings
};

// `pixels`: {height, width, 1, 3 or 4}.
inline std::string EncodeJpeg(int width, int height, std::span<const uint8_t> pixels, const JpegKind& kind = {}) {
  jpeg_compress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg.err = jpeg_std_error(&errors);  // ends the test when something is wrong
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.image_height = static_cast<JDIMENSION>(height);
  jpeg.in_color_space = kind.space;
  jpeg.input_components = kind.space == JCS_GRAYSCALE ? 1 : kind.space == JCS_RGB ? 3 : 4;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, kind.quality, TRUE);
  if (kind.progressive) jpeg_simple_progression(&jpeg);
  if (kind.full_chroma) jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
  if (kind.also) kind.also(jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  const size_t stride = static_cast<size_t>(width * jpeg.input_components);
  while (jpeg.next_scanline < jpeg.image_height) {
    auto* row = const_cast<JSAMPROW>(pixels.data() + jpeg.next_scanline * stride);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  std::string file(reinterpret_cast<char*>(bytes), size);
  std::free(bytes);
  return file;
}

inline std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace mathnas::supernet::testing

#endif  // MATHNAS_TESTS_SUPERNET_IMAGE_FILES_H_
