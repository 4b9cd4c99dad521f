// Batch normalisation: own vector code. One pass over the data for sums, one to apply.
#include <cmath>

#include "kernels/cpu/batch_norm_backward.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/cpu/vector_activation.h"
#include "kernels/cpu/wide_matrix.h"
#include "kernels/cpu/zero_outputs.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

constexpr int64_t kPiece = 16384;  // elements that a thread normalises at a time

struct TrainingScratch {
  ColumnSums moments;
  Coefficients coefficients;
  TrainingScratch(const WideMatrix& m, Carver&& scratch) : moments(m, scratch), coefficients(m, scratch) {
    bytes = scratch.bytes();
  }
  size_t bytes;
};

// What BatchNormTraining and BatchNormMoments say of the statistics. Calls set(channel, mean, inv_std), both in double.
template <typename T, typename Op, typename Set>
void ComputeStatistics(const VectorKernels& v, const WideMatrix& m, const Op& op, const T* x, float* running_mean,
                       float* running_var, const ColumnSums& moments, const Set& set) {
  ComputeMoments(v, m, x, moments);
  const double n = static_cast<double>(m.rows), inverse_n = 1 / n, unbiased = 1 / (m.rows > 1 ? n - 1 : n);
  for (int64_t c = 0; c < m.channels; ++c) {
    const double mean = moments.first[c], sum_squares = moments.second[c];
    const double squares = sum_squares < 0 ? 0 : sum_squares;  // rounding may leave a little below 0; NaN stays
    set(c, mean, 1 / std::sqrt(squares * inverse_n + op.epsilon));
    if (op.track) {
      running_mean[c] = static_cast<float>((1 - op.momentum) * running_mean[c] + op.momentum * mean);
      running_var[c] = static_cast<float>((1 - op.momentum) * running_var[c] + op.momentum * squares * unbiased);
    }
  }
}

template <typename T>
void RunTraining(const VectorKernels& v, const WideMatrix& m, const BatchNormTraining& op, const Operands& o) {
  TrainingScratch scratch(m, Carver(o.scratch));
  const T* x = o.in<T>(0);
  const float* gamma = op.affine ? o.in<float>(1) : nullptr;
  const float* beta = op.affine ? o.in<float>(2) : nullptr;
  const size_t running = op.affine ? 3 : 1;
  float* running_mean = op.track ? static_cast<float*>(o.inputs[running]) : nullptr;
  float* running_var = op.track ? static_cast<float*>(o.inputs[running + 1]) : nullptr;
  ComputeStatistics(v, m, op, x, running_mean, running_var, scratch.moments,
                    [&](int64_t c, double mean, double inv_std) {
                      o.out<float>(1)[c] = static_cast<float>(mean);
                      o.out<float>(2)[c] = static_cast<float>(inv_std);
                      scratch.coefficients.Set(c, mean, gamma ? gamma[c] * inv_std : inv_std, beta ? beta[c] : 0);
                    });
  scratch.coefficients.Repeat(m);
  const auto normalize = Of(Activation::kNone, BatchNormOf<T>(v).normalize);
  m.ForAllBackwards(kPiece, [&](int, int64_t at, int64_t rows, int64_t columns) {
    normalize(x + at, o.out<T>(0) + at, rows, columns, scratch.coefficients.columns());
  });
}

struct MomentsScratch {
  ColumnSums moments;
  MomentsScratch(const WideMatrix& m, Carver&& scratch) : moments(m, scratch) { bytes = scratch.bytes(); }
  size_t bytes;
};

template <typename T>
void RunMoments(const VectorKernels& v, const WideMatrix& m, const BatchNormMoments& op, const Operands& o) {
  MomentsScratch scratch(m, Carver(o.scratch));
  float* running_mean = op.track ? static_cast<float*>(o.inputs[1]) : nullptr;
  float* running_var = op.track ? static_cast<float*>(o.inputs[2]) : nullptr;
  ComputeStatistics(v, m, op, o.in<T>(0), running_mean, running_var, scratch.moments,
                    [&](int64_t c, double mean, double inv_std) {
                      o.out<float>(0)[c] = static_cast<float>(mean);
                      o.out<float>(1)[c] = static_cast<float>(inv_std);
                    });
}

template <typename T>
void RunBackward(const VectorKernels& v, const WideMatrix& m, bool affine, const Operands& o) {
  const BatchNormGradient<T> gradient = {.x = o.in<T>(0),
                                         .diff_y = o.in<T>(1),
                                         .mean = o.in<float>(2),
                                         .inv_std = o.in<float>(3),
                                         .gamma = affine ? o.in<float>(4) : nullptr,
                                         .beta = nullptr,
                                         .diff_x = o.out<T>(0),
                                         .diff_gamma = affine ? o.out<float>(1) : nullptr,
                                         .diff_beta = affine ? o.out<float>(2) : nullptr};
  gradient.Run(v, m, Activation::kNone, o.scratch);
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
  const auto normalize = Of(op.relu ? Activation::kRelu : Activation::kNone, v.batch_norm.normalize);
  m.ForAllBackwards(kPiece, [&](int, int64_t at, int64_t rows, int64_t columns) {
    normalize(o.in<float>(0) + at, o.out<float>(0) + at, rows, columns, scratch.coefficients.columns());
  });
}

}  // namespace

KernelOr Make(const BatchNormTraining& op, const Request& r) {
  const VectorKernels& v = Vector();
  const WideMatrix m(r.inputs[0], r.threads);
  const auto run = IsBfloat16(r.inputs[0]) ? RunTraining<Bfloat16> : RunTraining<float>;
  return MakeFunctionKernel(v.name, TrainingScratch(m, Carver(nullptr)).bytes,
                            [&v, m, op, run](const Operands& o) { run(v, m, op, o); });
}

KernelOr Make(const BatchNormMoments& op, const Request& r) {
  const VectorKernels& v = Vector();
  const WideMatrix m(r.inputs[0], r.threads);
  const auto run = IsBfloat16(r.inputs[0]) ? RunMoments<Bfloat16> : RunMoments<float>;
  return MakeFunctionKernel(v.name, MomentsScratch(m, Carver(nullptr)).bytes,
                            [&v, m, op, run](const Operands& o) { run(v, m, op, o); });
}

KernelOr Make(const BatchNormBackward& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const WideMatrix m(r.inputs[0], r.threads);
  const auto run = IsBfloat16(r.inputs[0]) ? RunBackward<Bfloat16> : RunBackward<float>;
  return MakeFunctionKernel(v.name, BatchNormGradientScratch(m),
                            [&v, m, affine = op.affine, run](const Operands& o) { run(v, m, affine, o); });
}

KernelOr Make(const BatchNormInference& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const WideMatrix m(r.inputs[0], r.threads);
  return MakeFunctionKernel(v.name, InferenceScratch(m, Carver(nullptr)).bytes,
                            [&v, m, op](const Operands& o) { RunInference(v, m, op, o); });
}

}  // namespace mathnas::kernels::cpu
