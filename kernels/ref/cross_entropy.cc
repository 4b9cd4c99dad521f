// Softmax cross-entropy with label smoothing.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

double Target(double smoothing, bool is_label, int64_t classes) {
  return (is_label ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes);
}

}  // namespace

KernelPtr Make(const SoftmaxCrossEntropy& op, const Request& request) {
  const int64_t batch = request.inputs[0].shape[0], classes = request.inputs[0].shape[1];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    double total = 0;
    for (int64_t n = 0; n < batch; ++n) {
      const T* logits = o.in<T>(0) + n * classes;
      const int64_t label = o.in<int64_t>(1)[n];
      const double largest = *std::max_element(logits, logits + classes);
      double sum = 0;
      for (int64_t k = 0; k < classes; ++k) sum += std::exp(logits[k] - largest);
      for (int64_t k = 0; k < classes; ++k) {
        const double log_probability = logits[k] - largest - std::log(sum);
        o.out<T>(1)[n * classes + k] = static_cast<T>(std::exp(log_probability));
        // A class without weight adds nothing, even if it is impossible (0 * -infinity).
        const double target = Target(op.label_smoothing, k == label, classes);
        if (target != 0) total -= target * log_probability;
      }
      if (label < 0 || label >= classes) total = std::numeric_limits<double>::quiet_NaN();
    }
    o.out<T>(0)[0] = static_cast<T>(total / static_cast<double>(batch));
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const SoftmaxCrossEntropyBackward& op, const Request& request) {
  const int64_t batch = request.inputs[0].shape[0], classes = request.inputs[0].shape[1];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    const double factor = o.in<T>(2)[0] / static_cast<double>(batch);
    for (int64_t n = 0; n < batch; ++n) {
      for (int64_t k = 0; k < classes; ++k) {
        const double target = Target(op.label_smoothing, k == o.in<int64_t>(1)[n], classes);
        o.out<T>(0)[n * classes + k] = static_cast<T>(factor * (o.in<T>(0)[n * classes + k] - target));
      }
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const SoftTargetCrossEntropy&, const Request& request) {
  const int64_t batch = request.inputs[0].shape[0], classes = request.inputs[0].shape[1];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    double total = 0;
    for (int64_t n = 0; n < batch; ++n) {
      const T* logits = o.in<T>(0) + n * classes;
      const double largest = *std::max_element(logits, logits + classes);
      double sum = 0;
      for (int64_t k = 0; k < classes; ++k) sum += std::exp(logits[k] - largest);
      for (int64_t k = 0; k < classes; ++k) {
        const double log_probability = logits[k] - largest - std::log(sum);
        o.out<T>(1)[n * classes + k] = static_cast<T>(std::exp(log_probability));
        const double target = o.in<T>(1)[n * classes + k];
        if (target != 0) total -= target * log_probability;
      }
    }
    o.out<T>(0)[0] = static_cast<T>(total / static_cast<double>(batch));
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const SoftTargetCrossEntropyBackward&, const Request& request) {
  const int64_t batch = request.inputs[0].shape[0], classes = request.inputs[0].shape[1];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    const double factor = o.in<T>(2)[0] / static_cast<double>(batch);
    for (int64_t n = 0; n < batch; ++n) {
      const T *p = o.in<T>(0) + n * classes, *targets = o.in<T>(1) + n * classes;
      double sum = 0;
      for (int64_t k = 0; k < classes; ++k) sum += targets[k];
      for (int64_t k = 0; k < classes; ++k) {
        o.out<T>(0)[n * classes + k] = static_cast<T>(factor * (p[k] * sum - targets[k]));
      }
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
