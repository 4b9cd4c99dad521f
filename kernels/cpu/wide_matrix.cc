#include "kernels/cpu/wide_matrix.h"

namespace mathnas::kernels::cpu {

template <typename T>
void ComputeMoments(const VectorKernels& v, const WideMatrix& m, const T* x, const ColumnSums& moments) {
  const auto column_moments = BatchNormOf<T>(v).column_moments;
  if (m.wide_rows > 0) {
    m.ParallelRows([&](int part, int64_t begin, int64_t end) {
      column_moments(x + begin * m.columns, end - begin, m.columns, moments.first_of(part), moments.second_of(part));
    });
  }
  int64_t rows = m.wide_rows > 0 ? m.rows_of_part(0) : 0;
  for (int64_t part = 1; part < m.parts; ++part) {
    const int64_t more = m.rows_of_part(part);
    v.merge_moments(moments.first, moments.second, rows, moments.first_of(part), moments.second_of(part), more,
                    m.columns);
    rows += more;
  }
  if (m.wide_rows > 0) {
    for (int64_t i = 1; i < m.repeat; ++i) {
      const int64_t at = i * m.channels;
      v.merge_moments(moments.first, moments.second, i * rows, moments.first + at, moments.second + at, rows,
                      m.channels);
    }
  }
  if (m.rest > 0) {
    double* mean = m.wide_rows > 0 ? moments.first_of(m.parts) : moments.first;
    double* squares = m.wide_rows > 0 ? moments.second_of(m.parts) : moments.second;
    column_moments(x + m.elements_before_rest(), m.rest, m.channels, mean, squares);
    if (m.wide_rows > 0) {
      v.merge_moments(moments.first, moments.second, m.rows - m.rest, mean, squares, m.rest, m.channels);
    }
  }
}

template void ComputeMoments(const VectorKernels&, const WideMatrix&, const float*, const ColumnSums&);
template void ComputeMoments(const VectorKernels&, const WideMatrix&, const Bfloat16*, const ColumnSums&);

void AddToFirst(const WideMatrix& m, const ColumnSums& sums) {
  for (int64_t part = 0; part <= m.parts; ++part) {
    const int64_t columns = part < m.parts ? m.columns : m.channels;
    for (int64_t j = part == 0 ? m.channels : 0; j < columns; ++j) {
      sums.first[j % m.channels] += sums.first_of(part)[j];
      sums.second[j % m.channels] += sums.second_of(part)[j];
    }
  }
}

}  // namespace mathnas::kernels::cpu
