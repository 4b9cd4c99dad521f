// Batch normalisation: own vector code. One pass over the data for sums, one to apply.
#include <cmath>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/cpu/zero_outputs.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

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
    constexpr int64_t kColumns = 128, kMostColumns = 1024, kVector = 16;
    if (channels < 2 * kColumns) {
      const auto repeats = [&](int64_t step) { return (kColumns + channels * step - 1) / (channels * step) * step; };
      int64_t step = 1;  // the fewest repeats that make whole vectors
      while (channels * step % kVector != 0) step *= 2;
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
  // Calls body(first element, rows, columns) on all threads, for all elements: from the last to the first, as the last
  // are those that a pass of sums has left in the caches of the same threads.
  template <typename Body>
  void ForAllBackwards(const Body& body) const {
    constexpr int64_t kPiece = 16384;
    if (rest > 0) body(elements_before_rest(), rest, channels);
    const int64_t step = std::max<int64_t>(1, kPiece / columns);
    ParallelRows([&](int, int64_t begin, int64_t end) {
      for (int64_t last = end; last > begin; last -= step) {
        const int64_t first = std::max(begin, last - step);
        body(first * columns, last - first, columns);
      }
    });
  }
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
      : stride((m.columns + 7) / 8 * 8),  // whole cache lines: threads share none
        channels(m.channels) {
    first = scratch.Take<double>(stride * (m.parts + 1));
    second = scratch.Take<double>(stride * (m.parts + 1));
  }
  double* first_of(int64_t part) const { return first + part * stride; }
  double* second_of(int64_t part) const { return second + part * stride; }

  int64_t stride, channels;
};

// Leaves the mean and the sum of squared distances of each channel at the beginning of `moments`.
void ComputeMoments(const VectorKernels& v, const WideMatrix& m, const float* x, const ColumnSums& moments) {
  if (m.wide_rows > 0) {
    m.ParallelRows([&](int part, int64_t begin, int64_t end) {
      v.column_moments(x + begin * m.columns, end - begin, m.columns, moments.first_of(part), moments.second_of(part));
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
    v.column_moments(x + m.elements_before_rest(), m.rest, m.channels, mean, squares);
    if (m.wide_rows > 0) {
      v.merge_moments(moments.first, moments.second, m.rows - m.rest, mean, squares, m.rest, m.channels);
    }
  }
}

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

struct TrainingScratch {
  ColumnSums moments;
  Coefficients coefficients;
  TrainingScratch(const WideMatrix& m, Carver&& scratch) : moments(m, scratch), coefficients(m, scratch) {
    bytes = scratch.bytes();
  }
  size_t bytes;
};

void RunTraining(const VectorKernels& v, const WideMatrix& m, const BatchNormTraining& op, const Operands& o) {
  TrainingScratch scratch(m, Carver(o.scratch));
  const float* x = o.in<float>(0);
  ComputeMoments(v, m, x, scratch.moments);
  const float* gamma = op.affine ? o.in<float>(1) : nullptr;
  const float* beta = op.affine ? o.in<float>(2) : nullptr;
  const size_t running = op.affine ? 3 : 1;
  float* running_mean = op.track ? static_cast<float*>(o.inputs[running]) : nullptr;
  float* running_var = op.track ? static_cast<float*>(o.inputs[running + 1]) : nullptr;
  const double n = static_cast<double>(m.rows), inverse_n = 1 / n, unbiased = 1 / (m.rows > 1 ? n - 1 : n);
  for (int64_t c = 0; c < m.channels; ++c) {
    const double mean = scratch.moments.first[c], sum_squares = scratch.moments.second[c];
    const double squares = sum_squares < 0 ? 0 : sum_squares;  // rounding may leave a little below 0; NaN stays
    const double inv_std = 1 / std::sqrt(squares * inverse_n + op.epsilon);
    o.out<float>(1)[c] = static_cast<float>(mean);
    o.out<float>(2)[c] = static_cast<float>(inv_std);
    scratch.coefficients.Set(c, mean, gamma ? gamma[c] * inv_std : inv_std, beta ? beta[c] : 0);
    if (op.track) {
      running_mean[c] = static_cast<float>((1 - op.momentum) * running_mean[c] + op.momentum * mean);
      running_var[c] = static_cast<float>((1 - op.momentum) * running_var[c] + op.momentum * squares * unbiased);
    }
  }
  scratch.coefficients.Repeat(m);
  m.ForAllBackwards([&](int64_t at, int64_t rows, int64_t columns) {
    v.normalize(x + at, o.out<float>(0) + at, rows, columns, scratch.coefficients.columns());
  });
}

struct BackwardScratch {
  ColumnSums sums;
  float *mean, *scale, *slope, *offset;  // of NormalizeBackwardColumns
  BackwardScratch(const WideMatrix& m, Carver&& scratch)
      : sums(m, scratch),
        mean(scratch.Take<float>(std::max(m.columns, m.channels))),
        scale(scratch.Take<float>(std::max(m.columns, m.channels))),
        slope(scratch.Take<float>(std::max(m.columns, m.channels))),
        offset(scratch.Take<float>(std::max(m.columns, m.channels))) {
    bytes = scratch.bytes();
  }
  size_t bytes;
};

// Leaves sum diff_y and sum diff_y * (x - mean) of each channel at the beginning of scratch.sums.
void ComputeBackwardSums(const VectorKernels& v, const WideMatrix& m, const float* x, const float* diff_y,
                         const BackwardScratch& scratch) {
  const ColumnSums& sums = scratch.sums;
  m.ParallelRows([&](int part, int64_t begin, int64_t end) {
    const int64_t at = begin * m.columns;
    v.normalize_backward_sums(x + at, diff_y + at, end - begin, m.columns, scratch.mean, sums.first_of(part),
                              sums.second_of(part));
  });
  const int64_t at = m.elements_before_rest();
  v.normalize_backward_sums(x + at, diff_y + at, m.rest, m.channels, scratch.mean, sums.first_of(m.parts),
                            sums.second_of(m.parts));
  for (int64_t part = 0; part <= m.parts; ++part) {
    const int64_t columns = part < m.parts ? m.columns : m.channels;
    for (int64_t j = part == 0 ? m.channels : 0; j < columns; ++j) {
      sums.first[j % m.channels] += sums.first_of(part)[j];
      sums.second[j % m.channels] += sums.second_of(part)[j];
    }
  }
}

// With g = gamma * inv_std: diff_x = g * (diff_y - sum(diff_y) / n - (x - mean) * inv_std^2 * sum(diff_y * (x - mean))
// / n).
void RunBackward(const VectorKernels& v, const WideMatrix& m, bool affine, const Operands& o) {
  BackwardScratch scratch(m, Carver(o.scratch));
  const float *x = o.in<float>(0), *diff_y = o.in<float>(1), *mean = o.in<float>(2), *inv_std = o.in<float>(3);
  for (int64_t c = 0; c < m.channels; ++c) scratch.mean[c] = mean[c];
  m.Repeat(scratch.mean);
  ComputeBackwardSums(v, m, x, diff_y, scratch);
  const double inverse_n = 1 / static_cast<double>(m.rows);
  for (int64_t c = 0; c < m.channels; ++c) {
    const double s = inv_std[c], g = affine ? o.in<float>(4)[c] * s : s;
    const double sum = scratch.sums.first[c], sum_x = scratch.sums.second[c];
    if (affine) {
      o.out<float>(1)[c] = static_cast<float>(sum_x * s);
      o.out<float>(2)[c] = static_cast<float>(sum);
    }
    scratch.scale[c] = static_cast<float>(g);
    scratch.slope[c] = static_cast<float>(g * s * s * sum_x * inverse_n);
    scratch.offset[c] = static_cast<float>(g * sum * inverse_n);
  }
  m.Repeat(scratch.scale), m.Repeat(scratch.slope), m.Repeat(scratch.offset);
  const NormalizeBackwardColumns with = {scratch.mean, scratch.scale, scratch.slope, scratch.offset};
  m.ForAllBackwards([&](int64_t at, int64_t rows, int64_t columns) {
    v.normalize_backward(x + at, diff_y + at, o.out<float>(0) + at, rows, columns, with);
  });
}

struct InferenceScratch {
  Coefficients coefficients;
  InferenceScratch(const WideMatrix& m, Carver&& scratch) : coefficients(m, scratch) { bytes = scratch.bytes(); }
  size_t bytes;
};

void RunInference(const VectorKernels& v, const WideMatrix& m, const BatchNormInference& op, const Operands& o) {
  InferenceScratch scratch(m, Carver(o.scratch));
  const size_t statistics = op.affine ? 3 : 1;
  for (int64_t c = 0; c < m.channels; ++c) {
    const double inv_std = 1 / std::sqrt(o.in<float>(statistics + 1)[c] + op.epsilon);
    scratch.coefficients.Set(c, o.in<float>(statistics)[c], op.affine ? o.in<float>(1)[c] * inv_std : inv_std,
                             op.affine ? o.in<float>(2)[c] : 0);
  }
  scratch.coefficients.Repeat(m);
  const auto normalize = op.relu ? v.normalize_relu : v.normalize;
  m.ForAllBackwards([&](int64_t at, int64_t rows, int64_t columns) {
    normalize(o.in<float>(0) + at, o.out<float>(0) + at, rows, columns, scratch.coefficients.columns());
  });
}

}  // namespace

KernelOr Make(const BatchNormTraining& op, const Request& r) {
  const VectorKernels& v = Vector();
  const WideMatrix m(r.inputs[0], r.threads);
  return MakeFunctionKernel(v.name, TrainingScratch(m, Carver(nullptr)).bytes,
                            [&v, m, op](const Operands& o) { RunTraining(v, m, op, o); });
}

KernelOr Make(const BatchNormBackward& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const WideMatrix m(r.inputs[0], r.threads);
  return MakeFunctionKernel(v.name, BackwardScratch(m, Carver(nullptr)).bytes,
                            [&v, m, affine = op.affine](const Operands& o) { RunBackward(v, m, affine, o); });
}

KernelOr Make(const BatchNormInference& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const WideMatrix m(r.inputs[0], r.threads);
  return MakeFunctionKernel(v.name, InferenceScratch(m, Carver(nullptr)).bytes,
                            [&v, m, op](const Operands& o) { RunInference(v, m, op, o); });
}

}  // namespace mathnas::kernels::cpu
