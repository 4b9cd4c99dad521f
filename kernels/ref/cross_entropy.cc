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

bool Ignored(int32_t ignored_label, int64_t label) { return ignored_label >= 0 && label == ignored_label; }

// Rows that have a part in the loss.
template <typename Op>
int64_t Counted(const Op& op, const int64_t* labels, int64_t rows) {
  return std::count_if(labels, labels + rows, [&](int64_t label) { return !Ignored(op.ignored_label, label); });
}

// Leaves the probabilities of a row of logits and returns -sum_k target(k) log probability_k. A class without weight
// adds nothing, even if it is impossible (0 * -infinity).
template <typename T, typename Target>
double LossOfRow(const T* logits, int64_t classes, T* probabilities, const Target& target) {
  const double largest = *std::max_element(logits, logits + classes);
  double sum = 0, loss = 0;
  for (int64_t k = 0; k < classes; ++k) sum += std::exp(logits[k] - largest);
  for (int64_t k = 0; k < classes; ++k) {
    const double log_probability = logits[k] - largest - std::log(sum);
    probabilities[k] = static_cast<T>(std::exp(log_probability));
    if (target(k) != 0) loss -= target(k) * log_probability;
  }
  return loss;
}

}  // namespace

KernelPtr Make(const SoftmaxCrossEntropy& op, const Request& request) {
  const int64_t rows = RowsOf(request.inputs[0].shape), classes = request.inputs[0].shape.back();
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    const int64_t* labels = o.in<int64_t>(1);
    double total = 0;
    for (int64_t n = 0; n < rows; ++n) {
      const double loss = LossOfRow(o.in<T>(0) + n * classes, classes, o.out<T>(1) + n * classes,
                                    [&](int64_t k) { return Target(op.label_smoothing, k == labels[n], classes); });
      if (Ignored(op.ignored_label, labels[n])) continue;
      const bool known = labels[n] >= 0 && labels[n] < classes;
      total += known ? loss : std::numeric_limits<double>::quiet_NaN();
    }
    const int64_t counted = op.sum ? 1 : std::max<int64_t>(1, Counted(op, labels, rows));
    o.out<T>(0)[0] = static_cast<T>(total / static_cast<double>(counted));
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const SoftmaxCrossEntropyBackward& op, const Request& request) {
  const int64_t rows = RowsOf(request.inputs[0].shape), classes = request.inputs[0].shape.back();
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    const int64_t* labels = o.in<int64_t>(1);
    const int64_t counted = op.sum ? 1 : std::max<int64_t>(1, Counted(op, labels, rows));
    for (int64_t n = 0; n < rows; ++n) {
      const double factor =
          Ignored(op.ignored_label, labels[n]) ? 0 : double{o.in<T>(2)[0]} / static_cast<double>(counted);
      for (int64_t k = 0; k < classes; ++k) {
        const double target = Target(op.label_smoothing, k == labels[n], classes);
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
      total += LossOfRow(o.in<T>(0) + n * classes, classes, o.out<T>(1) + n * classes,
                         [&](int64_t k) { return double{o.in<T>(1)[n * classes + k]}; });
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
