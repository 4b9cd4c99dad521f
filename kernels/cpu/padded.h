// Small matrices as the products of attention take them: rows of whole vectors (see ProductOperands).
#ifndef MATHNAS_KERNELS_CPU_PADDED_H_
#define MATHNAS_KERNELS_CPU_PADDED_H_

#include <cstdint>

namespace mathnas::kernels::cpu {

inline int64_t Padded(int64_t columns) { return (columns + 15) / 16 * 16; }

struct PaddedRows {
  const float* data;
  int64_t stride;
};

// Rows as they are where they are whole vectors, otherwise copied to copy{rows, padded size}; padding is 0.
inline PaddedRows PadRows(const float* from, int64_t stride, int64_t rows, int64_t size, float* copy) {
  const int64_t width = Padded(size);
  if (width == size) return {from, stride};
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t d = 0; d < width; ++d) copy[r * width + d] = d < size ? from[r * stride + d] : 0;
  }
  return {copy, width};
}

// to = factor * from, without the padding of `from`.
inline void CopyRows(const float* from, int64_t rows, int64_t size, float factor, float* to, int64_t to_stride) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t d = 0; d < size; ++d) to[r * to_stride + d] = factor * from[r * Padded(size) + d];
  }
}

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_PADDED_H_
