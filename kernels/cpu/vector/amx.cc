// Gradients of the weights of convolutions in bfloat16 by Intel's AMX: products of tiles of 16 rows of 64 bytes, here
// of 16 output channels and 16 input channels, over 32 pixels each.
//
// Of one factor the unit wants the pixels of a channel in a row: that is diff_dst, turned once. Of the other it wants
// pairs of pixels next to one another for each channel: that is src, of which a tap reads tiles that begin kernel
// positions further on in the raster. Tiles that do not begin on a cache line take six times as long to load, so there
// are pairs that begin with even pixels and pairs that begin with odd ones. The rule of vector_kernels.inc holds here,
// too: intrinsics are always inlined.
#include <immintrin.h>

#include "kernels/cpu/vector/vector_kernels.h"

namespace mathnas::kernels::cpu::amx {
namespace {

constexpr int64_t kPixels = kMatrixUnitPixels;  // of a tile
constexpr int64_t kTile = 16 * kPixels;         // elements
constexpr int64_t kTilesOfPiece = 8;            // are turned at once: those of 32 channels stay in the first cache
constexpr int64_t kPiece = kTilesOfPiece * kPixels;

constexpr int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t Max(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t RoundedUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Pixels from that of the first tap to that of the last, or one more: so many more of src are read than of diff_dst.
constexpr int64_t Halo(const MatrixUnitShape& s) { return RoundedUp((s.kernel - 1) * (s.line() + 1), 2); }

// Rows of turned pixels. A multiple of 4 KB apart they would share a few lines of the first cache.
constexpr int64_t kRow = kPiece / kPixels % 2 == 0 ? kPiece + kPixels : kPiece;

struct Scratch {
  const Bfloat16** at;  // of each pixel of a piece and one more, where it is
  Bfloat16* zeros;
  Bfloat16* src;   // {input_tiles,2 of even and odd,(halo + kPiece) / 2,16,2}
  Bfloat16* diff;  // {output_tiles,16,kRow}
  size_t bytes;

  Scratch(const MatrixUnitShape& s, void* memory) {
    size_t end = 0;
    const auto take = [&](int64_t size) {
      std::byte* const taken = memory != nullptr ? static_cast<std::byte*>(memory) + end : nullptr;
      end += static_cast<size_t>(RoundedUp(size, 64));
      return taken;
    };
    const auto elements = [&](int64_t count) { return reinterpret_cast<Bfloat16*>(take(2 * count)); };
    at = reinterpret_cast<const Bfloat16**>(take(8 * (Max(kPiece, Halo(s)) + 1)));
    zeros = elements(16 * Max(s.input_tiles(), s.output_tiles()));
    src = elements(s.input_tiles() * 2 * 16 * (Halo(s) + kPiece));
    diff = elements(s.output_tiles() * 16 * kRow);
    bytes = end;
  }
};

// Where `count` pixels of the raster are, from `pixel` on.
void Locate(const MatrixUnitOperands& o, const Bfloat16* image, int64_t channels, const Bfloat16* zeros, int64_t pixel,
            int64_t count, const Bfloat16** at) {
  const MatrixUnitShape& s = o.shape;
  for (; pixel < 0 && count > 0; ++pixel, --count) *at++ = zeros;
  const int64_t lines = s.height + s.padding(), line = pixel / s.line(), row = s.width * channels;
  const Bfloat16* const end = image + o.images * s.height * row;
  const Bfloat16* from = image + (line / lines * s.height + Min(line % lines, s.height)) * row;
  for (int64_t y = line % lines, x = pixel % s.line(); count > 0; y = y + 1 < lines ? y + 1 : 0, x = 0) {
    const int64_t size = Min(s.line() - x, count),
                  inside = y < s.height && from < end ? Max(0, Min(s.width - x, size)) : 0;
#pragma omp simd
    for (int64_t i = 0; i < inside; ++i) at[i] = from + (x + i) * channels;
    for (int64_t i = inside; i < size; ++i) at[i] = zeros;
    if (y < s.height) from += row;
    at += size;
    count -= size;
  }
}

// 16 channels of a pixel, the last ones of which may be missing, each twice.
template <bool kAll>
__m512i Twice(const Bfloat16* channels, __mmask16 mask) {
  const __m512i order = _mm512_set_epi16(15, 15, 14, 14, 13, 13, 12, 12, 11, 11, 10, 10, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5,
                                         4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
  const __m256i pixel =
      kAll ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(channels)) : _mm256_maskz_loadu_epi16(mask, channels);
  return _mm512_permutexvar_epi16(order, _mm512_castsi256_si512(pixel));
}

// Those of two pixels next to one another.
__m512i Pair(__m512i first, __m512i second) { return _mm512_mask_blend_epi16(0xAAAAAAAA, first, second); }

__mmask16 MaskOf(int64_t channels) { return static_cast<__mmask16>((1U << Min(16, channels)) - 1); }

// Channels from `channel` on of pixels and one more: even, odd{pixels / 2,16 channels,2}.
template <bool kAll>
void InPairs(const Bfloat16* const* at, int64_t pixels, int64_t channel, __mmask16 mask, Bfloat16* even,
             Bfloat16* odd) {
  __m512i first = Twice<kAll>(at[0] + channel, mask);
  for (int64_t p = 0; p < pixels; p += 2) {
    const __m512i second = Twice<kAll>(at[p + 1] + channel, mask), third = Twice<kAll>(at[p + 2] + channel, mask);
    _mm512_store_si512(even + 16 * p, Pair(first, second));
    _mm512_store_si512(odd + 16 * p, Pair(second, third));
    first = third;
  }
}

// to{16 channels,kRow}.
template <bool kAll>
void Turned(const Bfloat16* const* at, int64_t pixels, int64_t channel, __mmask16 mask, Bfloat16* to) {
  for (int64_t p = 0; p < pixels; p += kPixels) {
    __m512i a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const Bfloat16* const* const pair = at + p + 2 * i;
      a[i] = Pair(Twice<kAll>(pair[0] + channel, mask), Twice<kAll>(pair[1] + channel, mask));
    }
    // A matrix of 16 by 16 pairs, turned in four steps.
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 2) {
      b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
      b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const int from = i / 4 * 4 + i % 4 / 2;
      a[i] = i % 2 == 0 ? _mm512_unpacklo_epi64(b[from], b[from + 2]) : _mm512_unpackhi_epi64(b[from], b[from + 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const int from = i / 8 * 8 + i % 4;
      b[i] = i % 8 < 4 ? _mm512_shuffle_i32x4(a[from], a[from + 4], 0x88)
                       : _mm512_shuffle_i32x4(a[from], a[from + 4], 0xDD);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 8; ++i) {
      _mm512_store_si512(to + i * kRow + p, _mm512_shuffle_i32x4(b[i], b[i + 8], 0x88));
      _mm512_store_si512(to + (i + 8) * kRow + p, _mm512_shuffle_i32x4(b[i], b[i + 8], 0xDD));
    }
  }
}

struct alignas(64) TileConfiguration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

template <int kRegister>
void Load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kRegister) : "memory");
}
template <int kRegister>
void Store(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kRegister) : "memory");
}
template <int kRegister>
void Zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kRegister));
}
template <int kSum, int kRows, int kPairs>
void MultiplyAdd() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSum), "i"(kRows), "i"(kPairs));
}

// Products of tiles of 16 output channels, at most two, with tiles of 16 input channels, which are added to or put into
// sums[output * inputs + input].
struct Product {
  int64_t tiles;  // of pixels
  bool accumulate;
  const Bfloat16* diff[2] = {};
  const Bfloat16* src[3] = {};
  float* sums[4] = {};
};

// Sums are registers 0 to 3, tiles of diff_dst 4 and 5, tiles of src 6 and 7 in turns.
template <int kCount, int kSum = 0>
void LoadSums(const Product& p) {
  if constexpr (kSum < kCount) {
    if (p.accumulate) {
      Load<kSum>(p.sums[kSum], 64);
    } else {
      Zero<kSum>();
    }
    LoadSums<kCount, kSum + 1>(p);
  }
}
template <int kCount, int kSum = 0>
void StoreSums(const Product& p) {
  if constexpr (kSum < kCount) {
    Store<kSum>(p.sums[kSum], 64);
    StoreSums<kCount, kSum + 1>(p);
  }
}
template <int kOutputs, int kInputs, int kInput = 0>
void Step(const Product& p, int64_t tile) {
  if constexpr (kInput < kInputs) {
    constexpr int kSrc = 6 + kInput % 2;
    Load<kSrc>(p.src[kInput] + tile * kTile, 64);
    MultiplyAdd<kInput, 4, kSrc>();
    if constexpr (kOutputs == 2) MultiplyAdd<kInputs + kInput, 5, kSrc>();
    Step<kOutputs, kInputs, kInput + 1>(p, tile);
  }
}
template <int kOutputs, int kInputs>
void Multiply(const Product& p) {
  LoadSums<kOutputs * kInputs>(p);
  for (int64_t tile = 0; tile < p.tiles; ++tile) {
    Load<4>(p.diff[0] + tile * kPixels, 2 * kRow);
    if constexpr (kOutputs == 2) Load<5>(p.diff[1] + tile * kPixels, 2 * kRow);
    Step<kOutputs, kInputs>(p, tile);
  }
  StoreSums<kOutputs * kInputs>(p);
}

constexpr void (*kMultiply[2][3])(const Product&) = {{Multiply<1, 1>, Multiply<1, 2>, Multiply<1, 3>},
                                                     {Multiply<2, 1>, Multiply<2, 2>, nullptr}};

// The products of a piece, whose turned pixels lie in `scratch`.
void Multiply(const MatrixUnitOperands& o, const Scratch& scratch, int64_t tiles, bool accumulate) {
  const MatrixUnitShape& s = o.shape;
  const int64_t taps = s.kernel * s.kernel, rows = taps * s.input_tiles();
  for (int64_t t = 0; t < s.output_tiles(); t += 2) {
    const int64_t outputs = Min(2, s.output_tiles() - t), most = outputs == 2 ? 2 : 3;
    for (int64_t row = 0; row < rows; row += most) {  // a tap of 16 input channels
      const int64_t inputs = Min(most, rows - row);
      Product p = {.tiles = tiles, .accumulate = accumulate};
      for (int64_t u = 0; u < outputs; ++u) p.diff[u] = scratch.diff + (t + u) * 16 * kRow;
      for (int64_t i = 0; i < inputs; ++i) {
        const int64_t tile = (row + i) / taps, tap = (row + i) % taps;
        const int64_t pixel = tap / s.kernel * s.line() + tap % s.kernel;
        p.src[i] = scratch.src + (2 * tile + pixel % 2) * 16 * (Halo(s) + kPiece) + pixel / 2 * 32;
        for (int64_t u = 0; u < outputs; ++u) {
          p.sums[u * inputs + i] = o.sums + ((tap * s.input_tiles() + tile) * s.output_tiles() + t + u) * 256;
        }
      }
      kMultiply[outputs - 1][inputs - 1](p);
    }
  }
}

size_t ScratchBytes(const MatrixUnitShape& s) { return Scratch(s, nullptr).bytes; }

void BackwardWeights(const MatrixUnitOperands& o) {
  const MatrixUnitShape& s = o.shape;
  const Scratch scratch(s, o.scratch);
  const int64_t halo = Halo(s), pairs = 16 * (halo + kPiece);
  for (int64_t i = 0; i < 16 * Max(s.input_tiles(), s.output_tiles()); ++i) scratch.zeros[i] = {};
  // Pixels of src that the first tap of pixels of diff_dst from 0 on would read.
  const auto take_src = [&](int64_t pixel, int64_t count, int64_t to) {
    Locate(o, o.src, s.inputs, scratch.zeros, pixel - s.padding() * (s.line() + 1), count + 1, scratch.at);
    for (int64_t i = 0; i < s.input_tiles(); ++i) {
      const int64_t left = s.inputs - 16 * i;
      Bfloat16* const even = scratch.src + 2 * i * pairs + 16 * to;
      (left >= 16 ? InPairs<true> : InPairs<false>)(scratch.at, count, 16 * i, MaskOf(left), even, even + pairs);
    }
  };
  const TileConfiguration configuration;
  asm volatile("ldtilecfg %0" ::"m"(configuration));
  take_src(o.first * kPixels, halo, 0);
  for (int64_t first = o.first; first < o.last; first += kTilesOfPiece) {
    const int64_t tiles = Min(kTilesOfPiece, o.last - first), pixel = first * kPixels;
    if (first > o.first) {  // the halo of the piece before
      for (int64_t i = 0; i < 2 * s.input_tiles(); ++i) {
        Bfloat16* const to = scratch.src + i * pairs;
        for (int64_t j = 0; j < 16 * halo; j += 32) _mm512_store_si512(to + j, _mm512_load_si512(to + 16 * kPiece + j));
      }
    }
    take_src(pixel + halo, tiles * kPixels, halo);
    Locate(o, o.diff_dst, s.outputs, scratch.zeros, pixel, tiles * kPixels, scratch.at);
    for (int64_t t = 0; t < s.output_tiles(); ++t) {
      const int64_t left = s.outputs - 16 * t;
      (left >= 16 ? Turned<true> : Turned<false>)(scratch.at, tiles * kPixels, 16 * t, MaskOf(left),
                                                  scratch.diff + t * 16 * kRow);
    }
    Multiply(o, scratch, tiles, first > o.first);
  }
  asm volatile("tilerelease");
}

}  // namespace

extern constexpr MatrixUnitKernels kMatrixUnitKernels = {
    .name = "vector:amx_bf16", .scratch_bytes = ScratchBytes, .backward_weights = BackwardWeights};

}  // namespace mathnas::kernels::cpu::amx
