// Serial kernels over many networks at once, compiled once per instruction set and chosen at run time. Threads, tables
// and errors are the business of predict_many.cc and sweep.cc.
//
// Every value is computed by the same operations in the same order as ValueFromTotals (linear_form.h) does, without
// fused multiply-adds, so that all instruction sets give the same bits.
#ifndef MATHNAS_CORE_INTERNAL_VECTOR_KERNELS_H_
#define MATHNAS_CORE_INTERNAL_VECTOR_KERNELS_H_

#include <cstdint>
#include <string_view>

#include "mathnas/core/linear_form.h"

namespace mathnas::core::internal {

// A row of choices is read as 64-bit words, each with 8 codes of one byte or 4 of two bytes, code 0 of a word lowest.
struct NodeCodes {
  uint32_t word = 0;
  uint32_t shift = 0;
  uint64_t behind_cut = 0;   // the code whose terms are -0.0: adding it changes nothing
  uint64_t group_bit = 0;    // of the depth group (Eq 9), 0 = none
  uint64_t absent = 0;       // the code that cuts; no code if it cannot be cut here
  int64_t size = 0;          // entries per channel: 8, 16 or more
  const double* terms = {};  // channel c, code j: terms[c * size + j]; aligned to 64 bytes
};

// The number of a network among all of a space with one word: the sum of its codes, each times the product of the
// numbers of candidates before. Codes are weighed in pairs, sums of two, and the two sums of four.
struct NumberWeights {
  int8_t codes[8] = {};  // 0 where there is no node
  int16_t pairs[4] = {};
  uint32_t second = 0;  // of the last four
};

// The edges of a cell (cell.h) that lie in one word.
struct CellWord {
  uint32_t word = 0;
  uint64_t none = 0;          // their `none` codes
  uint64_t weights = 0;       // 1, 2, 4, .. at the codes of edges, else 0
  uint32_t offset = 0;        // of their bits among all edges
  const uint64_t* keep = {};  // by carrying edges: zeros where an edge is dead, ones elsewhere
};

struct CodeTable {
  bool wide = false;  // codes of two bytes
  int64_t row_bytes = 0;
  int64_t words = 0;
  int64_t nodes = 0;
  int64_t channels = 0;
  const uint64_t* limits = {};  // by word: the largest code of every node, all ones where there is no node
  const NodeCodes* node = {};
  const double* constants = {};  // by channel
  int64_t cell_words = 0;
  const CellWord* cell = {};
  const double* cut = {};  // by carrying edges: NaN if the cell is cut, else -0.0
};

// Division of integers below 2^53 by a scale 10^k, k <= 15 (linear_form.h), as two products: with high + low = 1/scale
// to 106 bits, x * high + (x * low) is off by less than 2^-52 units in the last place before its only rounding that
// counts, while x/scale is at least 1/(2 * 10^k) > 2^-52 of them away from where roundings change. So the result is the
// rounded quotient itself.
struct Scale {
  double scale = 1;
  double high = 1;
  double low = 0;
};

// value = sum / scale, or base - factor * (sum / scale) / (denominator / denominator_scale), NaN unless that is above
// 0.
struct ValueForm {
  bool divided = false;
  double base = 0;
  double factor = 1;
  Scale scale = {};
  Scale denominator_scale = {};
};

Scale MakeScale(double scale);
ValueForm MakeValueForm(const MetricForm& form);

inline constexpr int64_t kBlockRows = 256;

struct VectorKernels {
  const char* name;  // "portable", "avx2", "avx512"

  // predict.inc: up to kBlockRows networks.
  // Words of `count` rows, codes above their limit lowered to it: words[w * kBlockRows + row], filled with code 0 up to
  // a multiple of 32. `available` bytes may be read from `rows` on. With a cell, edges that are dead become `none` and
  // poison[row] = NaN or -0.0. False if a code was above its limit.
  bool (*load)(const CodeTable& table, const uint8_t* rows, int64_t stride, int64_t count, int64_t available,
               uint64_t* words, double* poison);
  // totals[c * kBlockRows + row], nodes added in their order, constant first.
  void (*totals)(const CodeTable& table, const uint64_t* words, int64_t count, double* totals);
  // `poison` may be null. `stream` asks for stores that bypass the caches, where `values` is aligned to 64 bytes.
  void (*finish_double)(const ValueForm& form, const double* sum, const double* denominator, const double* poison,
                        int64_t count, double* values, bool stream);
  void (*finish_float)(const ValueForm& form, const double* sum, const double* denominator, const double* poison,
                       int64_t count, float* values, bool stream);
  // Where every network of a space has been predicted: values[row] = known[number of the network * stride].
  void (*recall_double)(const NumberWeights& weights, const double* known, int64_t stride, const uint64_t* words,
                        int64_t count, double* values, bool stream);
  void (*recall_float)(const NumberWeights& weights, const double* known, int64_t stride, const uint64_t* words,
                       int64_t count, float* values, bool stream);
  // Makes streamed values visible to other threads.
  void (*fence)();

  // sweep.inc: arrays of n sums, and x[e] + term for one candidate of a further node. Masks are -1 or 0.
  // y[k * n + e] = x[e] + terms[k].
  void (*expand)(const double* x, int64_t n, const double* terms, int64_t count, double* y);
  // mask &= least <= x + term <= greatest.
  void (*within)(const double* x, double term, int64_t n, double least, double greatest, int64_t* mask);
  int64_t (*count)(const int64_t* mask, int64_t n);
  // Widens [least, greatest] to the masked x + term.
  void (*range)(const double* x, double term, int64_t n, const int64_t* mask, double* least, double* greatest);
  // Of a divided form.
  void (*ratio)(const ValueForm& form, const double* sum, double sum_term, const double* denominator,
                double denominator_term, int64_t n, double* values);
};

// The best table that this machine can run, within the upper limit `isa` (portable, avx2, avx512; empty = none) and
// that of the environment variable MATHNAS_ISA, read once.
const VectorKernels& Vector(std::string_view isa = {});

namespace portable {
extern const VectorKernels kVectorKernels;
}
namespace avx2 {
extern const VectorKernels kVectorKernels;
}
namespace avx512 {
extern const VectorKernels kVectorKernels;
}

}  // namespace mathnas::core::internal

#endif  // MATHNAS_CORE_INTERNAL_VECTOR_KERNELS_H_
