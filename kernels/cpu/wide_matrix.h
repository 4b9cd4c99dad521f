// What normalisation over the channels of an image is made of: matrices with long rows, moments and coefficients of
// their columns.
#ifndef MATHNAS_KERNELS_CPU_WIDE_MATRIX_H_
#define MATHNAS_KERNELS_CPU_WIDE_MATRIX_H_

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/tensor.h"

namespace mathnas::kernels::cpu {

// x{rows, channels} seen as wide rows of `repeat` rows each: long enough for loops over columns to be fast with 3
// channels too, and of whole vectors where that takes few repeats. Column j is channel j % channels. What is left at
// the end are `rest` rows.
struct WideMatrix {
  int64_t channels, rows;  // both positive
  int64_t repeat = 1, columns = 0;
  int64_t wide_rows = 0, rest = 0;
  int64_t grain = 1;
  int64_t parts = 1;  // threads that work on it

  WideMatrix(const TensorDesc& x, int threads) : channels(x.shape.back()), rows(x.elements() / channels) {
    constexpr int64_t kColumns = 128, kMostColumns = 1024;
    // Compilers take as many elements at a time as fit into a vector, and the rest of a row one by one.
    const int64_t vector = x.dtype == DType::kBf16 ? 32 : 16;
    if (channels < 2 * kColumns || (x.dtype == DType::kBf16 && channels % vector != 0)) {
      const auto repeats = [&](int64_t step) { return (kColumns + channels * step - 1) / (channels * step) * step; };
      int64_t step = 1;  // the fewest repeats that make whole vectors
      while (channels * step % vector != 0) step *= 2;
      repeat = repeats(step) * channels <= kMostColumns ? repeats(step) : repeats(1);
    }
    columns = repeat * channels;
    wide_rows = rows / repeat;
    rest = rows % repeat;
    grain = GrainOf(columns);
    parts = std::clamp<int64_t>(wide_rows / grain, 1, threads);
  }

  int64_t elements_before_rest() const { return wide_rows * columns; }
  int64_t rows_of_part(int64_t t) const { return wide_rows * (t + 1) / parts - wide_rows * t / parts; }

  // body(part, begin, end) for ranges of wide rows.
  template <typename Body>
  void ParallelRows(const Body& body) const {
    ParallelFor(static_cast<int>(parts), wide_rows, grain, body);
  }
  // Calls body(part, first element, rows, columns) on all threads, for all elements, in pieces of at most
  // PieceElements(piece) elements: from the last to the first, as the last are those that a pass of sums has left in
  // the caches of the same threads.
  template <typename Body>
  void ForAllBackwards(int64_t piece, const Body& body) const {
    if (rest > 0) body(0, elements_before_rest(), rest, channels);
    const int64_t step = RowsOfPiece(piece);
    ParallelRows([&](int part, int64_t begin, int64_t end) {
      for (int64_t last = end; last > begin; last -= step) {
        const int64_t first = std::max(begin, last - step);
        body(part, first * columns, last - first, columns);
      }
    });
  }
  int64_t RowsOfPiece(int64_t piece) const { return std::max<int64_t>(1, piece / columns); }
  int64_t PieceElements(int64_t piece) const { return std::max(columns * RowsOfPiece(piece), rest * channels); }
  // Repeats the values of the channels to all columns.
  void Repeat(float* values) const {
    for (int64_t j = channels; j < columns; ++j) values[j] = values[j - channels];
  }
};

// Two sums for each column of each part, then of the rest.
struct ColumnSums {
  double* first;
  double* second;

  ColumnSums(const WideMatrix& m, Carver& scratch)
      : stride((std::max(m.columns, m.channels) + 7) / 8 * 8) {  // whole cache lines: threads share none
    first = scratch.Take<double>(stride * (m.parts + 1));
    second = scratch.Take<double>(stride * (m.parts + 1));
  }
  double* first_of(int64_t part) const { return first + part * stride; }
  double* second_of(int64_t part) const { return second + part * stride; }
  void Clear(int64_t part) const {
    std::fill_n(first_of(part), stride, 0.0);
    std::fill_n(second_of(part), stride, 0.0);
  }

  int64_t stride;
};

// Leaves the mean and the sum of squared distances of each channel at the beginning of `moments`. For float and
// Bfloat16.
template <typename T>
void ComputeMoments(const VectorKernels& v, const WideMatrix& m, const T* x, const ColumnSums& moments);

// Adds the sums of all columns of a channel, in all parts, to those at the beginning of `sums`.
void AddToFirst(const WideMatrix& m, const ColumnSums& sums);

// The coefficients of NormalizeColumns, written.
struct Coefficients {
  float* mean;
  float* scale;
  float* shift;

  Coefficients(const WideMatrix& m, Carver& scratch)
      : mean(scratch.Take<float>(std::max(m.columns, m.channels))),
        scale(scratch.Take<float>(std::max(m.columns, m.channels))),
        shift(scratch.Take<float>(std::max(m.columns, m.channels))) {}

  // (x - mean_c) * scale_c + shift_c with a mean in double: what its float lacks goes into the shift.
  void Set(int64_t c, double channel_mean, double channel_scale, double channel_shift) {
    mean[c] = static_cast<float>(channel_mean);
    scale[c] = static_cast<float>(channel_scale);
    shift[c] = static_cast<float>(channel_shift - (channel_mean - mean[c]) * channel_scale);
  }
  void Repeat(const WideMatrix& m) { m.Repeat(mean), m.Repeat(scale), m.Repeat(shift); }
  NormalizeColumns columns() const { return {mean, scale, shift}; }
};

// The coefficients of NormalizeBackwardColumns, written.
struct BackwardCoefficients {
  float *scale, *slope, *offset;

  BackwardCoefficients(const WideMatrix& m, Carver& scratch)
      : scale(scratch.Take<float>(std::max(m.columns, m.channels))),
        slope(scratch.Take<float>(std::max(m.columns, m.channels))),
        offset(scratch.Take<float>(std::max(m.columns, m.channels))) {}

  // With g = gamma * inv_std: diff_x = g * (diff_y - sum(diff_y) / n - (x - mean) * inv_std^2 * sum(diff_y * (x -
  // mean)) / n). diff_gamma and diff_beta of the channels are left where they are not null.
  void Set(const WideMatrix& m, const ColumnSums& sums, const float* inv_std, const float* gamma, float* diff_gamma,
           float* diff_beta) {
    const double inverse_n = 1 / static_cast<double>(m.rows);
    for (int64_t c = 0; c < m.channels; ++c) {
      const double s = inv_std[c], g = gamma ? gamma[c] * s : s, sum = sums.first[c], sum_x = sums.second[c];
      if (diff_gamma != nullptr) diff_gamma[c] = static_cast<float>(sum_x * s);
      if (diff_beta != nullptr) diff_beta[c] = static_cast<float>(sum);
      scale[c] = static_cast<float>(g);
      slope[c] = static_cast<float>(g * s * s * sum_x * inverse_n);
      offset[c] = static_cast<float>(g * sum * inverse_n);
    }
    m.Repeat(scale), m.Repeat(slope), m.Repeat(offset);
  }
  NormalizeBackwardColumns columns() const { return {scale, slope, offset}; }
};

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_WIDE_MATRIX_H_
