#include "tests/kernels/error_bounds.h"

#include <algorithm>
#include <cmath>

namespace mathnas::kernels::testing {
namespace {

constexpr double kU = 0x1p-24;  // half the distance from 1 to the next float

// Terms of the longest sum that the operator forms.
struct TermsVisitor {
  const std::vector<InputSpec>& inputs;

  const Shape& shape(size_t i) const { return inputs[i].shape; }
  int64_t operator()(const Conv2d&) const { return shape(1)[1] * shape(1)[2] * shape(1)[3] + 2; }
  int64_t operator()(const Conv2dBackwardData& op) const { return shape(1)[0] / op.groups * shape(1)[2] * shape(1)[3]; }
  int64_t operator()(const Conv2dBackwardWeights&) const { return shape(1)[0] * shape(1)[1] * shape(1)[2]; }
  int64_t operator()(const AvgPool2d& op) const { return int64_t{op.kernel} * op.kernel; }
  int64_t operator()(const AvgPool2dBackward& op) const { return int64_t{op.kernel} * op.kernel; }
  int64_t operator()(const GlobalAvgPool&) const { return shape(0)[1] * shape(0)[2]; }
  int64_t operator()(const ScaleChannelsBackwardScale&) const { return shape(0)[1] * shape(0)[2]; }
  int64_t operator()(const KernelTransform&) const { return shape(1)[0]; }
  int64_t operator()(const KernelTransformBackwardWeights&) const { return shape(1)[0]; }
  int64_t operator()(const KernelTransformBackwardMatrix&) const { return shape(0)[0]; }
  int64_t operator()(const Linear&) const { return shape(0)[1] + 1; }
  int64_t operator()(const LinearBackwardData&) const { return shape(0)[1]; }
  int64_t operator()(const LinearBackwardWeights&) const { return shape(0)[0]; }
  template <typename Elementwise>
  int64_t operator()(const Elementwise&) const {
    return static_cast<int64_t>(inputs.size());
  }
};

Bounds Roundings(int count, const Tensors& results) {
  Bounds bounds;
  for (const Tensor& r : results) {
    bounds.push_back(ToDoubles(r));
    for (double& b : bounds.back()) b = count * kU * std::abs(b);
  }
  return bounds;
}

}  // namespace

Bounds Exact(const Problem&, const Tensors&, const Tensors& results) {
  Bounds bounds;
  for (const Tensor& r : results) bounds.emplace_back(ToDoubles(r).size(), 0.0);
  return bounds;
}

Bounds Rounded(const Problem&, const Tensors&, const Tensors& results) { return Roundings(2, results); }
Bounds RoundedOften(const Problem&, const Tensors&, const Tensors& results) { return Roundings(4, results); }

Bounds OfSums(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  Tensors absolute;
  for (const Tensor& t : inputs) absolute.push_back(Mapped(t, DType::kF64, [](double x) { return std::abs(x); }));
  Problem positive = problem;
  if (auto* scale = std::get_if<Scale>(&positive.op)) scale->factor = std::abs(scale->factor);
  auto sums = RunOperator(*ReferenceDevice(DType::kF64), positive, absolute);
  if (!sums.ok()) return Exact(problem, inputs, results);
  const double factor = static_cast<double>(std::visit(TermsVisitor{problem.inputs}, problem.op) + 2) * kU;
  Bounds bounds;
  for (const Tensor& t : sums->results) {
    bounds.push_back(ToDoubles(t));
    for (double& b : bounds.back()) b *= factor;
  }
  return bounds;
}

// With n samples, X = M|x| the mean of |x| over a channel and s = inv_std: the mean is off by dm <= (n + 2) u X; the
// variance, from centred values, relatively by dv <= (n + 8) u + (dm s)^2; so inv_std relatively by dv / 2 + 2 u, and y
// by |gamma| s (dm + 2 u |x - mean|) + |y - beta| (dv / 2 + 4 u) + 2 u |y|. A one-pass variance E[x^2] - E[x]^2 in
// float32 is outside of this when the mean is large, on purpose.
Bounds OfBatchNormTraining(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const auto& op = std::get<BatchNormTraining>(problem.op);
  const std::vector<double> x = ToDoubles(inputs[0]), y = ToDoubles(results[0]), mean = ToDoubles(results[1]),
                            inv_std = ToDoubles(results[2]);
  const size_t channels = mean.size(), samples = x.size() / channels;
  const std::vector<double> gamma = op.affine ? ToDoubles(inputs[1]) : std::vector<double>(channels, 1.0);
  const std::vector<double> beta = op.affine ? ToDoubles(inputs[2]) : std::vector<double>(channels, 0.0);
  const double n = static_cast<double>(samples);
  Bounds bounds = Exact(problem, inputs, results);
  for (size_t c = 0; c < channels; ++c) {
    double mean_abs = 0, variance = 0;
    for (size_t i = c; i < x.size(); i += channels) {
      mean_abs += std::abs(x[i]) / n;
      variance += (x[i] - mean[c]) * (x[i] - mean[c]) / n;
    }
    const double dm = (n + 2) * kU * mean_abs, s = inv_std[c];
    const double dv = (n + 8) * kU + dm * s * dm * s;
    for (size_t i = c; i < x.size(); i += channels) {
      bounds[0][i] = std::abs(gamma[c]) * s * (dm + 2 * kU * std::abs(x[i] - mean[c])) +
                     std::abs(y[i] - beta[c]) * (dv / 2 + 4 * kU) + 2 * kU * (std::abs(y[i]) + std::abs(beta[c]));
    }
    bounds[1][c] = dm;
    bounds[2][c] = s * (dv / 2 + 2 * kU);
    if (op.track) {
      const double unbiased = samples > 1 ? n / (n - 1) : 1;
      const size_t m = op.affine ? 3 : 1;  // the running mean among the inputs
      const double old_mean = std::abs(ToDoubles(inputs[m])[c]), old_var = std::abs(ToDoubles(inputs[m + 1])[c]);
      bounds[3][c] = op.momentum * dm + 3 * kU * (old_mean + op.momentum * std::abs(mean[c]));
      const double dvar = dv * variance + dm * dm;  // of the variance itself: epsilon does not help a small one
      bounds[4][c] = unbiased * op.momentum * dvar + 4 * kU * (old_var + op.momentum * unbiased * variance);
    }
  }
  return bounds;
}

// Sums over n samples, of terms with up to 4 roundings each: (n + 8) u times the same expressions of absolute values.
Bounds OfBatchNormBackward(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const auto& op = std::get<BatchNormBackward>(problem.op);
  const std::vector<double> x = ToDoubles(inputs[0]), dy = ToDoubles(inputs[1]), mean = ToDoubles(inputs[2]),
                            inv_std = ToDoubles(inputs[3]);
  const size_t channels = mean.size(), samples = x.size() / std::max<size_t>(channels, 1);
  const std::vector<double> gamma = op.affine ? ToDoubles(inputs[4]) : std::vector<double>(channels, 1.0);
  const double n = static_cast<double>(samples), factor = (n + 8) * kU;
  Bounds bounds = Exact(problem, inputs, results);
  for (size_t c = 0; c < channels; ++c) {
    const auto xhat = [&](size_t i) { return (std::abs(x[i]) + std::abs(mean[c])) * inv_std[c]; };
    double sum_dy = 0, sum_dy_xhat = 0;
    for (size_t i = c; i < x.size(); i += channels) {
      sum_dy += std::abs(dy[i]);
      sum_dy_xhat += std::abs(dy[i]) * xhat(i);
    }
    for (size_t i = c; i < x.size(); i += channels) {
      bounds[0][i] =
          factor * std::abs(gamma[c]) * inv_std[c] * (std::abs(dy[i]) + (sum_dy + xhat(i) * sum_dy_xhat) / n);
    }
    if (op.affine) {
      bounds[1][c] = factor * sum_dy_xhat;
      bounds[2][c] = factor * sum_dy;
    }
  }
  return bounds;
}

// y = x * scale + (beta - mean * scale), or the same centred first: 8 roundings of terms of the size of these products.
Bounds OfBatchNormInference(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const auto& op = std::get<BatchNormInference>(problem.op);
  const std::vector<double> x = ToDoubles(inputs[0]), mean = ToDoubles(inputs[op.affine ? 3 : 1]),
                            variance = ToDoubles(inputs[op.affine ? 4 : 2]);
  const size_t channels = mean.size();
  Bounds bounds = Exact(problem, inputs, results);
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i % channels;
    const double gamma = op.affine ? std::abs(ToDoubles(inputs[1])[c]) : 1;
    const double beta = op.affine ? std::abs(ToDoubles(inputs[2])[c]) : 0;
    bounds[0][i] = 8 * kU * ((std::abs(x[i]) + std::abs(mean[c])) * gamma / std::sqrt(variance[c] + op.epsilon) + beta);
  }
  return bounds;
}

// An exponential is off by 2 u and what its argument's rounding adds, |x - max| u; the sum over K classes by K u more:
// a probability relatively by (K + 8 + range) u, with range = the largest |x - max|, doubled for the one in the
// divisor. Its logarithm is off by that much absolutely, plus u of its own size (at most range + log K); the mean over
// N adds N u of the mean of the absolute values.
Bounds OfCrossEntropy(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const std::vector<double> logits = ToDoubles(inputs[0]), p = ToDoubles(results[1]);
  const auto classes = static_cast<size_t>(problem.inputs[0].shape[1]);
  const double k = static_cast<double>(classes), n = static_cast<double>(problem.inputs[0].shape[0]);
  double range = 0;
  for (size_t row = 0; row < logits.size(); row += classes) {
    const auto [low, high] = std::minmax_element(logits.begin() + static_cast<std::ptrdiff_t>(row),
                                                 logits.begin() + static_cast<std::ptrdiff_t>(row + classes));
    range = std::max(range, *high - *low);
  }
  const double relative = 2 * (k + 8 + range) * kU;
  Bounds bounds = Exact(problem, inputs, results);
  bounds[0][0] = relative + (n + 4) * kU * (range + std::log(k));
  for (size_t i = 0; i < p.size(); ++i) bounds[1][i] = relative * p[i] + 0x1p-126;  // below this floats lose digits
  return bounds;
}

// Six roundings of terms of the size of (probability + target) diff_loss / N.
Bounds OfCrossEntropyBackward(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const double n = static_cast<double>(problem.inputs[0].shape[0]);
  const double diff_loss = std::abs(ToDoubles(inputs[2])[0]);
  Bounds bounds = Exact(problem, inputs, results);
  const std::vector<double> p = ToDoubles(inputs[0]);
  for (size_t i = 0; i < p.size(); ++i) bounds[0][i] = 6 * kU * (std::abs(p[i]) + 1) * diff_loss / n;
  return bounds;
}

}  // namespace mathnas::kernels::testing
