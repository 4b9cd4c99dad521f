#include <immintrin.h>

#include <bit>
#include <cstring>

#include "mathnas/core/internal/vector/kernels.h"

namespace mathnas::core::internal::avx2 {
namespace {

constexpr char kName[] = "avx2";
constexpr bool kFused = true;
constexpr int kLanes = 4;
constexpr int kRegisterEntries = 0;  // codes must be apart: LookUp8 doubles them
constexpr int kChannelsAtOnce = 2;
using Doubles = __m256d;
using Words = __m256i;
using Mask = __m256i;

Words Fill(uint64_t word) { return _mm256_set1_epi64x(static_cast<long long>(word)); }
Words LoadWords(const uint64_t* words) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words)); }
void StoreWords(uint64_t* words, Words x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), x); }
long long WordAt(const uint8_t* row) {
  long long word;
  std::memcpy(&word, row, sizeof word);
  return word;
}
Words GatherRows(const uint8_t* row, int64_t stride) {
  return _mm256_set_epi64x(WordAt(row + 3 * stride), WordAt(row + 2 * stride), WordAt(row + stride), WordAt(row));
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
    order_ = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(order)));
  }
  Words Load(const uint8_t* row) const {
    const auto* low = reinterpret_cast<const __m128i*>(row);
    const auto* high = reinterpret_cast<const __m128i*>(row + 2 * stride_);
    return _mm256_shuffle_epi8(_mm256_loadu2_m128i(high, low), order_);
  }

 private:
  int64_t stride_;
  __m256i order_;
};
Words MinCodes(Words x, Words limit, bool wide) {
  return wide ? _mm256_min_epu16(x, limit) : _mm256_min_epu8(x, limit);
}
Words WeighDifferent(Words x, Words none, Words weights, bool wide) {
  const __m256i equal = wide ? _mm256_cmpeq_epi16(x, none) : _mm256_cmpeq_epi8(x, none);
  return _mm256_sad_epu8(_mm256_andnot_si256(equal, weights), _mm256_setzero_si256());
}
bool AnyBit(Words x) { return _mm256_testz_si256(x, x) == 0; }
Words ShiftRight(Words x, uint32_t bits) { return _mm256_srl_epi64(x, _mm_cvtsi32_si128(static_cast<int>(bits))); }
Words ShiftLeft(Words x, uint32_t bits) { return _mm256_sll_epi64(x, _mm_cvtsi32_si128(static_cast<int>(bits))); }
Words And(Words x, Words y) { return _mm256_and_si256(x, y); }
Words Or(Words x, Words y) { return _mm256_or_si256(x, y); }
Words Xor(Words x, Words y) { return _mm256_xor_si256(x, y); }
Mask Equal(Words x, Words y) { return _mm256_cmpeq_epi64(x, y); }
Words Select(Mask mask, Words yes, Words no) { return _mm256_blendv_epi8(no, yes, mask); }
Words GatherWords(const uint64_t* table, Words index) {
  return _mm256_i64gather_epi64(reinterpret_cast<const long long*>(table), index, 8);
}

Doubles Fill(double x) { return _mm256_set1_pd(x); }
Doubles LoadDoubles(const double* x) { return _mm256_loadu_pd(x); }
void StoreDoubles(double* x, Doubles value) { _mm256_storeu_pd(x, value); }
void StreamDoubles(double* x, Doubles value) { _mm256_stream_pd(x, value); }
void StoreFloats(float* x, Doubles value) { _mm_storeu_ps(x, _mm256_cvtpd_ps(value)); }
void StreamFloats(float* x, Doubles value) { _mm_stream_ps(x, _mm256_cvtpd_ps(value)); }
void StreamFence() { _mm_sfence(); }
Doubles Add(Doubles x, Doubles y) { return _mm256_add_pd(x, y); }
Doubles Subtract(Doubles x, Doubles y) { return _mm256_sub_pd(x, y); }
Doubles Multiply(Doubles x, Doubles y) { return _mm256_mul_pd(x, y); }
Doubles Divide(Doubles x, Doubles y) { return _mm256_div_pd(x, y); }
Doubles DivideByScale(Doubles x, const Scale& scale) {
  return _mm256_fmadd_pd(x, Fill(scale.high), _mm256_mul_pd(x, Fill(scale.low)));
}
Doubles SelectPositive(Doubles x, Doubles yes, Doubles no) {
  return _mm256_blendv_pd(no, yes, _mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_GT_OQ));
}
// A double is a pair of 32-bit numbers, which one permutation finds in a table of 4 doubles; bit 2 of the code says in
// which half of 8.
Doubles LookUp8(const double* table, Words code) {
  const __m256i low = _mm256_add_epi64(code, code);
  const __m256i pair = _mm256_add_epi64(_mm256_or_si256(low, _mm256_slli_epi64(low, 32)), Fill(uint64_t{1} << 32));
  const __m256i* halves = reinterpret_cast<const __m256i*>(table);
  const __m256i first = _mm256_permutevar8x32_epi32(_mm256_load_si256(halves), pair);
  const __m256i second = _mm256_permutevar8x32_epi32(_mm256_load_si256(halves + 1), pair);
  return _mm256_blendv_pd(_mm256_castsi256_pd(first), _mm256_castsi256_pd(second),
                          _mm256_castsi256_pd(_mm256_slli_epi64(code, 61)));
}
Doubles LookUp(const double* table, Words code) { return _mm256_i64gather_pd(table, code, 8); }
Doubles LookUp16(const double* table, Words code) { return LookUp(table, code); }

class Numbering {
 public:
  Numbering(const NumberWeights& weights, int64_t stride)
      : codes_(Fill(std::bit_cast<uint64_t>(weights.codes))),
        pairs_(Fill(std::bit_cast<uint64_t>(weights.pairs))),
        second_(Fill(uint64_t{weights.second})),
        stride_(Fill(static_cast<uint64_t>(stride))) {}
  Words Of(Words codes) const {
    const __m256i fours = _mm256_madd_epi16(_mm256_maddubs_epi16(codes, codes_), pairs_);
    const __m256i number = _mm256_add_epi32(fours, _mm256_mul_epu32(_mm256_srli_epi64(fours, 32), second_));
    return _mm256_mul_epu32(number, stride_);
  }

 private:
  __m256i codes_, pairs_, second_, stride_;
};

}  // namespace

#include "mathnas/core/internal/vector/predict.inc"
#include "mathnas/core/internal/vector/sweep.inc"

}  // namespace mathnas::core::internal::avx2
