#include <immintrin.h>

#include <bit>
#include <cstring>

#include "mathnas/core/internal/vector/kernels.h"

namespace mathnas::core::internal::avx512 {
namespace {

constexpr char kName[] = "avx512";
constexpr bool kFused = true;
constexpr int kLanes = 8;
constexpr int kRegisterEntries = 16;  // tables up to this size are looked up by the lowest bits of a lane
constexpr int kChannelsAtOnce = 4;
using Doubles = __m512d;
using Words = __m512i;
using Mask = __mmask8;

Words Fill(uint64_t word) { return _mm512_set1_epi64(static_cast<long long>(word)); }
Words LoadWords(const uint64_t* words) { return _mm512_loadu_si512(words); }
void StoreWords(uint64_t* words, Words x) { _mm512_storeu_si512(words, x); }
long long WordAt(const uint8_t* row) {
  long long word;
  std::memcpy(&word, row, sizeof word);
  return word;
}
Words GatherRows(const uint8_t* row, int64_t stride) {
  return _mm512_set_epi64(WordAt(row + 7 * stride), WordAt(row + 6 * stride), WordAt(row + 5 * stride),
                          WordAt(row + 4 * stride), WordAt(row + 3 * stride), WordAt(row + 2 * stride),
                          WordAt(row + stride), WordAt(row));
}
// Rows of at most 8 bytes: two of them lie within 16 bytes.
class DenseRows {
 public:
  explicit DenseRows(int64_t stride) : stride_(stride) {
    alignas(16) uint8_t order[16];
    for (int b = 0; b < 8; ++b) {
      order[b] = static_cast<uint8_t>(b);
      order[8 + b] = static_cast<uint8_t>(stride + b);
    }
    order_ = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(order)));
  }
  Words Load(const uint8_t* row) const {
    __m512i pairs = _mm512_castsi128_si512(Pair(row));
    pairs = _mm512_inserti64x2(pairs, Pair(row + 2 * stride_), 1);
    pairs = _mm512_inserti64x2(pairs, Pair(row + 4 * stride_), 2);
    return _mm512_shuffle_epi8(_mm512_inserti64x2(pairs, Pair(row + 6 * stride_), 3), order_);
  }

 private:
  static __m128i Pair(const uint8_t* row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row)); }

  int64_t stride_;
  __m512i order_;
};
Words MinCodes(Words x, Words limit, bool wide) {
  return wide ? _mm512_min_epu16(x, limit) : _mm512_min_epu8(x, limit);
}
Words WeighDifferent(Words x, Words none, Words weights, bool wide) {
  const __m512i different = wide ? _mm512_maskz_mov_epi16(_mm512_cmpneq_epi16_mask(x, none), weights)
                                 : _mm512_maskz_mov_epi8(_mm512_cmpneq_epi8_mask(x, none), weights);
  return _mm512_sad_epu8(different, _mm512_setzero_si512());
}
bool AnyBit(Words x) { return _mm512_test_epi64_mask(x, x) != 0; }
Words ShiftRight(Words x, uint32_t bits) { return _mm512_srl_epi64(x, _mm_cvtsi32_si128(static_cast<int>(bits))); }
Words ShiftLeft(Words x, uint32_t bits) { return _mm512_sll_epi64(x, _mm_cvtsi32_si128(static_cast<int>(bits))); }
Words And(Words x, Words y) { return _mm512_and_si512(x, y); }
Words Or(Words x, Words y) { return _mm512_or_si512(x, y); }
Words Xor(Words x, Words y) { return _mm512_xor_si512(x, y); }
Mask Equal(Words x, Words y) { return _mm512_cmpeq_epi64_mask(x, y); }
Words Select(Mask mask, Words yes, Words no) { return _mm512_mask_mov_epi64(no, mask, yes); }
Words GatherWords(const uint64_t* table, Words index) { return _mm512_i64gather_epi64(index, table, 8); }

Doubles Fill(double x) { return _mm512_set1_pd(x); }
Doubles LoadDoubles(const double* x) { return _mm512_loadu_pd(x); }
void StoreDoubles(double* x, Doubles value) { _mm512_storeu_pd(x, value); }
void StreamDoubles(double* x, Doubles value) { _mm512_stream_pd(x, value); }
void StoreFloats(float* x, Doubles value) { _mm256_storeu_ps(x, _mm512_cvtpd_ps(value)); }
void StreamFloats(float* x, Doubles value) { _mm256_stream_ps(x, _mm512_cvtpd_ps(value)); }
void StreamFence() { _mm_sfence(); }
Doubles Add(Doubles x, Doubles y) { return _mm512_add_pd(x, y); }
Doubles Subtract(Doubles x, Doubles y) { return _mm512_sub_pd(x, y); }
Doubles Multiply(Doubles x, Doubles y) { return _mm512_mul_pd(x, y); }
Doubles Divide(Doubles x, Doubles y) { return _mm512_div_pd(x, y); }
Doubles DivideByScale(Doubles x, const Scale& scale) {
  return _mm512_fmadd_pd(x, Fill(scale.high), _mm512_mul_pd(x, Fill(scale.low)));
}
Doubles SelectPositive(Doubles x, Doubles yes, Doubles no) {
  return _mm512_mask_mov_pd(no, _mm512_cmp_pd_mask(x, _mm512_setzero_pd(), _CMP_GT_OQ), yes);
}
Doubles LookUp8(const double* table, Words code) { return _mm512_permutexvar_pd(code, _mm512_load_pd(table)); }
Doubles LookUp16(const double* table, Words code) {
  return _mm512_permutex2var_pd(_mm512_load_pd(table), code, _mm512_load_pd(table + 8));
}
Doubles LookUp(const double* table, Words code) { return _mm512_i64gather_pd(code, table, 8); }

class Numbering {
 public:
  Numbering(const NumberWeights& weights, int64_t stride)
      : codes_(Fill(std::bit_cast<uint64_t>(weights.codes))),
        pairs_(Fill(std::bit_cast<uint64_t>(weights.pairs))),
        second_(Fill(uint64_t{weights.second})),
        stride_(Fill(static_cast<uint64_t>(stride))) {}
  Words Of(Words codes) const {
    const __m512i fours = _mm512_madd_epi16(_mm512_maddubs_epi16(codes, codes_), pairs_);
    const __m512i number = _mm512_add_epi32(fours, _mm512_mul_epu32(_mm512_srli_epi64(fours, 32), second_));
    return _mm512_mul_epu32(number, stride_);
  }

 private:
  __m512i codes_, pairs_, second_, stride_;
};

}  // namespace

#include "mathnas/core/internal/vector/predict.inc"
#include "mathnas/core/internal/vector/sweep.inc"

}  // namespace mathnas::core::internal::avx512
