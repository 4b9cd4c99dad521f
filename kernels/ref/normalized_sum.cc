// Sums of normalised tensors, element by element.
#include <algorithm>
#include <cmath>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

double Activated(Activation activation, double x) {
  if (activation == Activation::kRelu) return x < 0 ? 0 : x;
  if (activation == Activation::kHardSwish) return x * std::clamp((x + 3) / 6, 0.0, 1.0);
  if (activation == Activation::kSwish) return x / (1 + std::exp(-x));
  return x;
}

// Its derivative at x.
double Slope(Activation activation, double x) {
  if (activation == Activation::kRelu) return x > 0 ? 1 : 0;
  if (activation == Activation::kHardSwish) return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6;
  if (activation == Activation::kSwish) {
    const double s = 1 / (1 + std::exp(-x));
    return s * (1 + x * (1 - s));
  }
  return 1;
}

// (x - mean) * inv_std of element i of a term, and that times gamma plus beta.
template <typename T, typename Op>
class TermOf {
 public:
  TermOf(const Op& op, const Operands& o, int32_t term, int64_t channels)
      : o_(o), first_(static_cast<size_t>(term) * op.inputs_per_term()), affine_(op.affine), channels_(channels) {}
  double Normalized(int64_t i) const {
    return (double{o_.in<T>(first_)[i]} - o_.in<T>(first_ + 1)[i % channels_]) * InvStd(i);
  }
  double Scaled(int64_t i) const {
    return affine_ ? Normalized(i) * Gamma(i) + o_.in<T>(first_ + 4)[i % channels_] : Normalized(i);
  }
  double InvStd(int64_t i) const { return o_.in<T>(first_ + 2)[i % channels_]; }
  double Gamma(int64_t i) const { return affine_ ? o_.in<T>(first_ + 3)[i % channels_] : 1; }

 private:
  const Operands& o_;
  size_t first_;
  bool affine_;
  int64_t channels_;
};

}  // namespace

KernelPtr Make(const NormalizedSum& op, const Request& request) {
  const int64_t elements = request.inputs[0].elements(), channels = request.inputs[0].shape.back();
  auto run = [op, elements, channels](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t i = 0; i < elements; ++i) {
      double sum = 0;
      for (int32_t t = 0; t < op.terms; ++t) sum += TermOf<T, NormalizedSum>(op, o, t, channels).Scaled(i);
      for (size_t a = op.term_inputs(); a < o.inputs.size(); ++a) sum += o.in<T>(a)[i];
      o.out<T>(0)[i] = static_cast<T>(Activated(op.activation, sum));
    }
  };
  return MakeKernel(request, run);
}

// As BatchNormBackward, with what flows in behind the activation.
KernelPtr Make(const NormalizedSumBackward& op, const Request& request) {
  const int64_t elements = request.inputs[0].elements(), channels = request.inputs[0].shape.back();
  auto run = [op, elements, channels](auto zero, const Operands& o) {
    using T = decltype(zero);
    double* flow = static_cast<double*>(o.scratch);
    double* sum = flow + elements;
    double* sum_xhat = sum + channels;
    const size_t first = op.first_flow();
    for (int64_t i = 0; i < elements; ++i) {
      flow[i] = 0;
      for (size_t f = first; f < o.inputs.size(); ++f) flow[i] += o.in<T>(f)[i];
      if (op.has_y()) {
        flow[i] = o.in<T>(first - 1)[i] > 0 ? flow[i] : 0;
      } else {
        flow[i] *= Slope(op.activation, TermOf<T, NormalizedSumBackward>(op, o, 0, channels).Scaled(i));
      }
    }
    const double count = static_cast<double>(elements) / static_cast<double>(std::max<int64_t>(channels, 1));
    for (int32_t t = 0; t < op.terms; ++t) {
      const TermOf<T, NormalizedSumBackward> term(op, o, t, channels);
      const size_t out = static_cast<size_t>(t) * op.outputs_per_term();
      std::fill_n(sum, 2 * channels, 0.0);
      for (int64_t i = 0; i < elements; ++i) {
        sum[i % channels] += flow[i];
        sum_xhat[i % channels] += flow[i] * term.Normalized(i);
      }
      for (int64_t i = 0; i < elements; ++i) {
        const int64_t c = i % channels;
        const double centred = flow[i] - sum[c] / count - term.Normalized(i) * sum_xhat[c] / count;
        o.out<T>(out)[i] = static_cast<T>(term.Gamma(i) * term.InvStd(i) * centred);
      }
      for (int64_t c = 0; op.affine && c < channels; ++c) {
        o.out<T>(out + 1)[c] = static_cast<T>(sum_xhat[c]);
        o.out<T>(out + 2)[c] = static_cast<T>(sum[c]);
      }
    }
    for (int64_t i = 0; op.has_total && i < elements; ++i) o.out<T>(op.total_output())[i] = static_cast<T>(flow[i]);
  };
  return MakeKernel(request, run, elements + 2 * channels);
}

}  // namespace mathnas::kernels::ref
