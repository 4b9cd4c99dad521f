#include "kernels/testing/error_bounds.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"

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
  int64_t operator()(const KernelTransform& op) const { return op.has_matrix ? shape(1)[0] : 1; }
  int64_t operator()(const KernelTransformBackwardWeights& op) const { return op.has_matrix ? shape(1)[0] : 1; }
  int64_t operator()(const KernelTransformBackwardMatrix&) const { return shape(0)[0]; }
  int64_t operator()(const Linear&) const { return shape(0).back() + 1; }
  int64_t operator()(const LinearBackwardData&) const { return shape(0).back(); }
  int64_t operator()(const LinearBackwardWeights&) const { return RowsOf(shape(0)); }
  int64_t operator()(const LayerScaleBackwardTable&) const { return RowsOf(shape(0)) + 1; }
  int64_t operator()(const EmbeddingBackward&) const { return NumElements(shape(0)) + 1; }
  int64_t operator()(const AccumulateRows&) const { return NumElements(shape(1)) + 2; }
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

Bounds WithRounding(const Problem& problem, Bounds bounds, const Tensors& results) {
  if (LowTypeOf(problem) == DType::kF32) return bounds;
  const auto outputs = OutputDescs(problem.op, InputDescs(problem, DType::kF32, true), DType::kF32, true);
  for (size_t r = 0; outputs.ok() && r < outputs->size(); ++r) {
    const DType type = (*outputs)[r].dtype;
    if (!IsLow(type)) continue;
    const double relative = type == DType::kF16 ? 0x1p-11 : 0x1p-8, least = type == DType::kF16 ? 0x1p-25 : 0x1p-134;
    const std::vector<double> exact = ToDoubles(results[r]);
    for (size_t i = 0; i < exact.size(); ++i) {
      bounds[r][i] += relative * (std::abs(exact[i]) + bounds[r][i]) + least;
    }
  }
  return bounds;
}

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

// As the statistics of OfBatchNormTraining.
Bounds OfBatchNormMoments(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const auto& op = std::get<BatchNormMoments>(problem.op);
  Problem training = {BatchNormTraining{op.epsilon, op.momentum, false, op.track}, problem.inputs};
  Tensors all;  // as if x were y
  all.push_back(inputs[0].Clone());
  for (const Tensor& t : results) all.push_back(t.Clone());
  Bounds bounds = OfBatchNormTraining(training, inputs, all);
  bounds.erase(bounds.begin());
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

// Two sums, one within the other. Activations do not grow faster than 1.5 times their argument, and are off by at most
// 12 u.
Bounds OfExpandDepthwise(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  Tensors absolute;
  for (const Tensor& t : inputs) absolute.push_back(Mapped(t, DType::kF64, [](double x) { return std::abs(x); }));
  Problem positive = problem;
  auto& op = std::get<ExpandDepthwise>(positive.op);
  op.activation = op.expand_activation = Activation::kNone;
  auto sums = RunOperator(*ReferenceDevice(DType::kF64), positive, absolute);
  if (!sums.ok()) return Exact(problem, inputs, results);
  const Shape &expand = problem.inputs[1].shape, &weights = problem.inputs[3].shape;
  const auto terms = static_cast<double>(expand[1] + weights[2] * weights[3] + 2);
  Bounds bounds = {ToDoubles(sums->results[0])};
  for (double& b : bounds[0]) b *= 1.5 * 1.5 * (terms + 24) * kU;
  return bounds;
}

namespace {

// Element i of a normalised sum, exact, and the sum of the absolute values of all that is added.
struct SumElement {
  double exact = 0, absolute = 0;
};

class NormalizedTerms {
 public:
  NormalizedTerms(int32_t terms, bool affine, const Tensors& inputs) : terms_(terms), affine_(affine) {
    for (const Tensor& t : inputs) inputs_.push_back(ToDoubles(t));
    channels_ = inputs_[1].size();
    per_term_ = affine ? 5 : 3;
  }
  SumElement At(size_t i) const {
    SumElement sum;
    for (int32_t t = 0; t < terms_; ++t) {
      const double beta = affine_ ? vector(t, 4, i) : 0;
      sum.exact += (x(t, i) - vector(t, 1, i)) * scale(t, i) + beta;
      sum.absolute += (std::abs(x(t, i)) + std::abs(vector(t, 1, i))) * std::abs(scale(t, i)) + std::abs(beta);
    }
    return sum;
  }
  double scale(int32_t t, size_t i) const { return vector(t, 2, i) * (affine_ ? vector(t, 3, i) : 1); }
  double xhat(int32_t t, size_t i) const { return (std::abs(x(t, i)) + std::abs(vector(t, 1, i))) * vector(t, 2, i); }
  const std::vector<double>& input(size_t k) const { return inputs_[k]; }
  size_t inputs() const { return inputs_.size(); }
  size_t channels() const { return channels_; }

 private:
  double x(int32_t t, size_t i) const { return inputs_[static_cast<size_t>(t) * per_term_][i]; }
  double vector(int32_t t, size_t which, size_t i) const {
    return inputs_[static_cast<size_t>(t) * per_term_ + which][i % channels_];
  }

  int32_t terms_;
  bool affine_;
  std::vector<std::vector<double>> inputs_;
  size_t channels_, per_term_;
};

}  // namespace

// Every term has 8 roundings at most and every sum one more; the activations stretch by 1.5 at most, and add what
// OfSwish allows.
Bounds OfNormalizedSum(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const auto& op = std::get<NormalizedSum>(problem.op);
  const NormalizedTerms terms(op.terms, op.affine, inputs);
  Bounds bounds = Exact(problem, inputs, results);
  const double factor = (8 + static_cast<double>(inputs.size())) * kU;
  const std::vector<double> y = ToDoubles(results[0]);
  for (size_t i = 0; i < y.size(); ++i) {
    double absolute = terms.At(i).absolute;
    for (size_t a = op.term_inputs(); a < terms.inputs(); ++a) absolute += std::abs(terms.input(a)[i]);
    bounds[0][i] = 1.5 * factor * absolute + 12 * kU * std::abs(y[i]);
  }
  return bounds;
}

// As OfBatchNormBackward, where what flows in has an error of its own: of its sum, and of the slope of the activation,
// which is at most 1.5 and changes by at most 0.5 times what its argument is off by; 16 roundings in it as in
// OfSwishBackward.
Bounds OfNormalizedSumBackward(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const auto& op = std::get<NormalizedSumBackward>(problem.op);
  const NormalizedTerms terms(op.terms, op.affine, inputs);
  Bounds bounds = Exact(problem, inputs, results);
  const size_t elements = terms.input(0).size(), channels = terms.channels();
  const double n = static_cast<double>(elements) / static_cast<double>(std::max<size_t>(channels, 1));
  const double factor = (n + 24 + static_cast<double>(inputs.size())) * kU;
  std::vector<double> flow(elements, 0);
  for (size_t i = 0; i < elements; ++i) {
    for (size_t f = op.first_flow(); f < terms.inputs(); ++f) flow[i] += std::abs(terms.input(f)[i]);
    const bool curved = op.activation == Activation::kHardSwish || op.activation == Activation::kSwish;
    if (curved) flow[i] *= 1.5 + terms.At(i).absolute;
    if (op.has_total) bounds[op.total_output()][i] = factor * flow[i];
  }
  for (int32_t t = 0; t < op.terms; ++t) {
    const size_t out = static_cast<size_t>(t) * op.outputs_per_term();
    std::vector<double> sum(channels, 0), sum_xhat(channels, 0);
    for (size_t i = 0; i < elements; ++i) {
      sum[i % channels] += flow[i];
      sum_xhat[i % channels] += flow[i] * terms.xhat(t, i);
    }
    for (size_t i = 0; i < elements; ++i) {
      const size_t c = i % channels;
      bounds[out][i] = factor * std::abs(terms.scale(t, i)) * (flow[i] + (sum[c] + terms.xhat(t, i) * sum_xhat[c]) / n);
    }
    for (size_t c = 0; op.affine && c < channels; ++c) {
      bounds[out + 1][c] = factor * sum_xhat[c];
      bounds[out + 2][c] = factor * sum[c];
    }
  }
  return bounds;
}

// The exponential is off by 4 u, what follows adds at most 6 roundings.
Bounds OfSwish(const Problem&, const Tensors&, const Tensors& results) { return Roundings(12, results); }

// s (1 + x (1 - s)): the terms in the bracket may cancel; s and 1 - s are off by at most 10 u each.
Bounds OfSwishBackward(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const std::vector<double> x = ToDoubles(inputs[0]), dy = ToDoubles(inputs[1]);
  Bounds bounds = Exact(problem, inputs, results);
  for (size_t i = 0; i < x.size(); ++i) {
    const double s = 1 / (1 + std::exp(-x[i]));
    bounds[0][i] = 16 * kU * std::abs(dy[i]) * s * (1 + std::abs(x[i]));
  }
  return bounds;
}

// As of batch normalisation, by groups.
Bounds OfLayerNorm(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const std::vector<double> x = ToDoubles(inputs[0]), gamma = ToDoubles(inputs[1]), beta = ToDoubles(inputs[2]),
                            y = ToDoubles(results[0]), mean = ToDoubles(results[1]), inv_std = ToDoubles(results[2]);
  Bounds bounds = Exact(problem, inputs, results);
  const size_t group = mean.empty() ? 0 : x.size() / mean.size(), channels = gamma.size();
  const double n = static_cast<double>(group);
  for (size_t k = 0; k < mean.size(); ++k) {
    double mean_abs = 0;
    for (size_t i = k * group; i < (k + 1) * group; ++i) mean_abs += std::abs(x[i]) / n;
    const double dm = (n + 2) * kU * mean_abs, s = inv_std[k];
    const double dv = (n + 8) * kU + dm * s * dm * s;
    for (size_t i = k * group; i < (k + 1) * group; ++i) {
      const size_t c = i % channels;
      bounds[0][i] = std::abs(gamma[c]) * s * (dm + 2 * kU * std::abs(x[i] - mean[k])) +
                     std::abs(y[i] - beta[c]) * (dv / 2 + 4 * kU) + 2 * kU * (std::abs(y[i]) + std::abs(beta[c]));
    }
    bounds[1][k] = dm;
    bounds[2][k] = s * (dv / 2 + 2 * kU);
  }
  return bounds;
}

Bounds OfLayerNormBackward(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const std::vector<double> x = ToDoubles(inputs[0]), dy = ToDoubles(inputs[1]), mean = ToDoubles(inputs[2]),
                            inv_std = ToDoubles(inputs[3]), gamma = ToDoubles(inputs[4]);
  Bounds bounds = Exact(problem, inputs, results);
  const size_t group = mean.empty() ? 0 : x.size() / mean.size(), channels = gamma.size();
  const double n = static_cast<double>(group);
  const double rows = channels == 0 ? 0 : static_cast<double>(x.size() / channels);
  for (size_t k = 0; k < mean.size(); ++k) {
    const auto h = [&](size_t i) { return (std::abs(x[i]) + std::abs(mean[k])) * inv_std[k]; };
    double sum_g = 0, sum_gh = 0;
    for (size_t i = k * group; i < (k + 1) * group; ++i) {
      const double g = std::abs(gamma[i % channels] * dy[i]);
      sum_g += g;
      sum_gh += g * h(i);
      bounds[1][i % channels] += (rows + 8) * kU * std::abs(dy[i]) * h(i);
      bounds[2][i % channels] += (rows + 8) * kU * std::abs(dy[i]);
    }
    for (size_t i = k * group; i < (k + 1) * group; ++i) {
      const double g = std::abs(gamma[i % channels] * dy[i]);
      bounds[0][i] = (n + 8) * kU * inv_std[k] * (g + (sum_g + h(i) * sum_gh) / n);
    }
  }
  return bounds;
}

double LargestOf(const Tensor& tensor) {
  double largest = 0;
  for (double x : ToDoubles(tensor)) largest = std::max(largest, std::abs(x));
  return largest;
}

// How far a probability of a softmax over `keys` is off relatively, if its logits are by `logit_error` and no larger
// than `logits`: as OfCrossEntropy has it.
double OfProbability(double keys, double logits, double logit_error) {
  return 2 * (logit_error + (keys + 8 + 2 * logits) * kU);
}

// Scores are off by (size + 4) u times the sums of absolute products.
double LargestScore(double size, const Tensors& inputs) {
  return std::sqrt(size) * LargestOf(inputs[0]) * LargestOf(inputs[1]);
}

Bounds OfAttention(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const auto& op = std::get<Attention>(problem.op);
  Tensors absolute;
  for (const Tensor& t : inputs) absolute.push_back(t.Clone());
  absolute[2] = Mapped(inputs[2], DType::kF64, [](double x) { return std::abs(x); });
  auto sums = RunOperator(*ReferenceDevice(DType::kF64), problem, absolute);
  Bounds bounds = Exact(problem, inputs, results);
  if (!sums.ok()) return bounds;
  const double keys = static_cast<double>(problem.inputs[1].shape[1]);
  const double size = static_cast<double>(problem.inputs[0].shape[2] / op.heads);
  const double score = LargestScore(size, inputs), error = OfProbability(keys, score, (size + 4) * kU * score);
  const std::vector<double> y = ToDoubles(sums->results[0]), log_sums = ToDoubles(results[1]);
  for (size_t i = 0; i < y.size(); ++i) bounds[0][i] = (error + (keys + 4) * kU) * y[i];
  for (size_t i = 0; i < log_sums.size(); ++i) {
    if (std::isfinite(log_sums[i])) bounds[1][i] = error + 4 * kU * (std::abs(log_sums[i]) + score);
  }
  return bounds;
}

// Sums of products of absolute values, with y of the other sign so that its part does not cancel, and probabilities as
// large as absolute scores make them.
Bounds OfAttentionBackward(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const auto& op = std::get<AttentionBackward>(problem.op);
  const size_t y = inputs.size() - 3;
  Tensors absolute;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const double sign = i == y ? -1 : 1;
    absolute.push_back(Mapped(inputs[i], DType::kF64, [sign](double x) { return sign * std::abs(x); }));
  }
  auto sums = RunOperator(*ReferenceDevice(DType::kF64), problem, absolute);
  Bounds bounds = Exact(problem, inputs, results);
  if (!sums.ok()) return bounds;
  const double keys = static_cast<double>(problem.inputs[1].shape[1]);
  const double queries = static_cast<double>(problem.inputs[y + 1].shape[2]);
  const double size = static_cast<double>(problem.inputs[0].shape[2] / op.heads);
  const double values = static_cast<double>(problem.inputs[2].shape[2] / op.heads);
  const double score = LargestScore(size, inputs);
  const double factor = (size + 4) * kU * score + (8 + score + 6 + values + keys + queries + 16) * kU;
  for (size_t k = 0; k < bounds.size(); ++k) {
    bounds[k] = ToDoubles(sums->results[k]);
    for (double& b : bounds[k]) b *= factor;
  }
  return bounds;
}

// The logits of TalkingHeads: how large they may be, and how far they are off.
struct Logits {
  double largest, error;

  explicit Logits(const Tensors& inputs) {
    const double heads = static_cast<double>(inputs[3].shape()[1]);
    const double size = static_cast<double>(inputs[0].shape()[3]) / heads, before = LargestOf(inputs[4]);
    const double score = LargestScore(size, inputs) + LargestOf(inputs[3]);
    largest = heads * before * score + LargestOf(inputs[5]);
    error = heads * before * (size + 5) * kU * score + (heads + 2) * kU * largest;
  }
};

// What |after|, |after_bias| and |v| make of the probabilities.
Bounds OfTalkingHeads(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  Tensors absolute;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool linear = i == 2 || i >= 6;
    absolute.push_back(linear ? Mapped(inputs[i], DType::kF64, [](double x) { return std::abs(x); })
                              : inputs[i].Clone());
  }
  auto sums = RunOperator(*ReferenceDevice(DType::kF64), problem, absolute);
  if (!sums.ok() || inputs[0].desc().elements() == 0) return Exact(problem, inputs, results);
  const double keys = static_cast<double>(problem.inputs[0].shape[1] * problem.inputs[0].shape[2]);
  const double heads = static_cast<double>(problem.inputs[3].shape[1]);
  const Logits logits(inputs);
  const double factor = OfProbability(keys, logits.largest, logits.error) + (heads + keys + 4) * kU;
  Bounds bounds = {ToDoubles(sums->results[0])};
  for (double& b : bounds[0]) b *= factor;
  return bounds;
}

// No closed bound: differences of probabilities' gradients cancel. Instead, for each result as a whole, the relative
// error of a probability plus (terms of the longest sum) u, times the largest element.
Bounds OfTalkingHeadsBackward(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  Bounds bounds = Exact(problem, inputs, results);
  if (inputs[0].desc().elements() == 0) return bounds;
  const double images = static_cast<double>(problem.inputs[0].shape[0]);
  const double keys = static_cast<double>(problem.inputs[0].shape[1] * problem.inputs[0].shape[2]);
  const double heads = static_cast<double>(problem.inputs[3].shape[1]);
  const double values = static_cast<double>(problem.inputs[2].shape[3]) / heads;
  const Logits logits(inputs);
  const double factor =
      4 * OfProbability(keys, logits.largest, logits.error) + (images * keys + heads * heads + values + 16) * kU;
  for (size_t k = 0; k < results.size(); ++k) {
    std::fill(bounds[k].begin(), bounds[k].end(), factor * LargestOf(results[k]));
  }
  // In exact arithmetic the logits' gradients of a query add up to nothing: measured by what they are made of.
  std::fill(
      bounds[5].begin(), bounds[5].end(),
      factor * images * keys * heads * values * LargestOf(inputs[8]) * LargestOf(inputs[2]) * LargestOf(inputs[6]));
  return bounds;
}

// Two sums of four products; the absolute weights of an axis add up to at most 1.5.
Bounds OfResize(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  Bounds bounds = Exact(problem, inputs, results);
  for (double& b : bounds[0]) b = 2.25 * 14 * kU * LargestOf(inputs[0]);
  return bounds;
}

// An exponential is off by 2 u and what its argument's rounding adds, |x - max| u; the sum over K classes by K u more:
// a probability relatively by (K + 8 + range) u, with range = the largest |x - max|, doubled for the one in the
// divisor. Its logarithm is off by that much absolutely, plus u of its own size (at most range + log K); the mean over
// N adds N u of the mean of the absolute values.
Bounds OfCrossEntropy(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const std::vector<double> logits = ToDoubles(inputs[0]), p = ToDoubles(results[1]);
  const auto classes = static_cast<size_t>(problem.inputs[0].shape.back());
  const double k = static_cast<double>(classes), n = static_cast<double>(RowsOf(problem.inputs[0].shape));
  const auto* labels = std::get_if<SoftmaxCrossEntropy>(&problem.op);
  double range = 0;
  for (size_t row = 0; row < logits.size(); row += classes) {
    const auto [low, high] = std::minmax_element(logits.begin() + static_cast<std::ptrdiff_t>(row),
                                                 logits.begin() + static_cast<std::ptrdiff_t>(row + classes));
    range = std::max(range, *high - *low);
  }
  const double relative = 2 * (k + 8 + range) * kU;
  Bounds bounds = Exact(problem, inputs, results);
  bounds[0][0] = (labels != nullptr && labels->sum ? n : 1) * (relative + (n + 4) * kU * (range + std::log(k)));
  for (size_t i = 0; i < p.size(); ++i) bounds[1][i] = relative * p[i] + 0x1p-126;  // below this floats lose digits
  return bounds;
}

Bounds OfAdaptiveTargets(const Problem&, const Tensors&, const Tensors& results) {
  Bounds bounds = Roundings(2, results);
  for (double& b : bounds[0]) b += 0x1p-149;
  return bounds;
}

// What the gradient of a loss is divided by: the rows that are not ignored, unless the loss is a sum.
double DivisorOf(const Problem& problem, const Tensors& inputs) {
  const auto* op = std::get_if<SoftmaxCrossEntropyBackward>(&problem.op);
  if (op == nullptr) return static_cast<double>(problem.inputs[0].shape[0]);
  const auto labels = inputs[1].as<int64_t>();
  const auto ignored = op->ignored_label < 0 ? 0 : std::count(labels.begin(), labels.end(), op->ignored_label);
  return op->sum ? 1 : static_cast<double>(std::max<int64_t>(1, std::ssize(labels) - ignored));
}

// Six roundings of terms of the size of (probability + target) diff_loss / N.
Bounds OfCrossEntropyBackward(const Problem& problem, const Tensors& inputs, const Tensors& results) {
  const double n = DivisorOf(problem, inputs);
  const double diff_loss = std::abs(ToDoubles(inputs[2])[0]);
  Bounds bounds = Exact(problem, inputs, results);
  const std::vector<double> p = ToDoubles(inputs[0]);
  for (size_t i = 0; i < p.size(); ++i) bounds[0][i] = 6 * kU * (std::abs(p[i]) + 1) * diff_loss / n;
  return bounds;
}

Deviation DeviationOf(const Tensors& results, const Tensors& exact, const Bounds& bounds) {
  Deviation deviation;
  for (size_t r = 0; r < exact.size(); ++r) {
    const std::vector<double> got = ToDoubles(results[r]), want = ToDoubles(exact[r]);
    size_t wrong = 0, worst = 0;
    double worst_excess = -1;
    for (size_t i = 0; i < want.size(); ++i) {
      const double off = std::abs(got[i] - want[i]);
      if (bounds[r][i] > 0) deviation.worst = std::max(deviation.worst, off / bounds[r][i]);
      if (off <= bounds[r][i]) continue;
      ++wrong;
      const double excess = std::isnan(off) ? INFINITY : off - bounds[r][i];
      if (excess > worst_excess) worst = i, worst_excess = excess;
    }
    if (wrong > 0) {
      deviation.text +=
          fmt::format("\nresult {}[{}]: {}, expected {}, at most {:.2g} off ({} of {} elements are wrong)", r, worst,
                      got[worst], want[worst], bounds[r][worst], wrong, want.size());
    }
  }
  return deviation;
}

}  // namespace mathnas::kernels::testing
