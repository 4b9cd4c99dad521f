// Softmax cross-entropy: own vector code; logarithms and the loss in double.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

bool Ignored(int32_t ignored_label, int64_t label) { return ignored_label >= 0 && label == ignored_label; }

// What the loss of all rows is divided by.
template <typename Op>
double DivisorOf(const Op& op, const int64_t* labels, int64_t rows) {
  if (op.sum) return 1;
  const int64_t ignored =
      std::count_if(labels, labels + rows, [&](int64_t label) { return Ignored(op.ignored_label, label); });
  return static_cast<double>(std::max<int64_t>(1, rows - ignored));
}

bool Valid(int64_t label, int64_t classes) { return label >= 0 && label < classes; }

// -sum_k target_k log softmax(logits)_k. With lse = max + log(sum_exp), log softmax(z)_k = z_k - lse.
double LossOfRow(const SoftmaxRow& row, const float* logits, int64_t label, int64_t classes, double smoothing) {
  if (!Valid(label, classes)) return std::numeric_limits<double>::quiet_NaN();
  const double log_sum = std::log(row.sum_exp);
  double loss = (1 - smoothing) * (log_sum - (logits[label] - row.max));
  // An infinite logit has no part in a loss without smoothing, and would make 0 * infinity of it.
  if (smoothing > 0) loss += smoothing * (log_sum - (row.sum / static_cast<double>(classes) - row.max));
  return loss;
}

// The same with targets: sum_k target_k (lse - z_k). An impossible class without weight adds nothing.
double LossOfRow(const SoftmaxRow& row, const float* logits, const float* targets, int64_t classes) {
  const double log_sum = std::log(row.sum_exp);
  double loss = 0;
  for (int64_t k = 0; k < classes; ++k) {
    if (targets[k] != 0) loss += targets[k] * (log_sum - (double{logits[k]} - row.max));
  }
  return loss;
}

// Softmax of each row, then loss_of_row(operands, row, number of the row) in the order of the rows; their sum is
// divided by divisor(operands).
template <typename LossOfRow, typename Divisor>
KernelOr MakeLoss(const Request& r, const LossOfRow& loss_of_row, const Divisor& divisor) {
  const VectorKernels& v = Vector();
  const int64_t batch = RowsOf(r.inputs[0].shape), classes = r.inputs[0].shape.back();
  Carver book(nullptr);
  book.Take<SoftmaxRow>(batch);
  return MakeFunctionKernel(v.name, book.bytes(), [=, &v, threads = r.threads](const Operands& o) {
    const float* logits = o.in<float>(0);
    SoftmaxRow* rows = Carver(o.scratch).Take<SoftmaxRow>(batch);
    ParallelFor(threads, batch, GrainOf(classes), [&](int, int64_t begin, int64_t end) {
      v.softmax(logits + begin * classes, o.out<float>(1) + begin * classes, rows + begin, end - begin, classes);
    });
    double loss = 0;
    for (int64_t i = 0; i < batch; ++i) loss += loss_of_row(o, rows[i], i);
    *o.out<float>(0) = static_cast<float>(loss / divisor(o));
  });
}

}  // namespace

KernelOr Make(const SoftmaxCrossEntropy& op, const Request& r) {
  const int64_t rows = RowsOf(r.inputs[0].shape), classes = r.inputs[0].shape.back();
  return MakeLoss(
      r,
      [classes, op](const Operands& o, const SoftmaxRow& row, int64_t i) {
        const int64_t label = o.in<int64_t>(1)[i];
        if (Ignored(op.ignored_label, label)) return 0.0;
        return LossOfRow(row, o.in<float>(0) + i * classes, label, classes, op.label_smoothing);
      },
      [rows, op](const Operands& o) { return DivisorOf(op, o.in<int64_t>(1), rows); });
}

KernelOr Make(const SoftTargetCrossEntropy&, const Request& r) {
  return MakeLoss(
      r,
      [classes = r.inputs[0].shape[1]](const Operands& o, const SoftmaxRow& row, int64_t i) {
        return LossOfRow(row, o.in<float>(0) + i * classes, o.in<float>(1) + i * classes, classes);
      },
      [rows = static_cast<double>(r.inputs[0].shape[0])](const Operands&) { return rows; });
}

KernelOr Make(const SoftmaxCrossEntropyBackward& op, const Request& r) {
  const VectorKernels& v = Vector();
  const int64_t batch = RowsOf(r.inputs[0].shape), classes = r.inputs[0].shape.back();
  const float off_target = static_cast<float>(op.label_smoothing / static_cast<double>(std::max<int64_t>(1, classes)));
  const float on_target = static_cast<float>(1 - op.label_smoothing);
  return MakeFunctionKernel(v.name, 0, [=, &v, threads = r.threads](const Operands& o) {
    const auto factor = static_cast<float>(*o.in<float>(2) / DivisorOf(op, o.in<int64_t>(1), batch));
    ParallelFor(threads, batch, GrainOf(classes), [&](int, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if (Ignored(op.ignored_label, o.in<int64_t>(1)[i])) {
          v.fill(0, o.out<float>(0) + i * classes, classes);
          continue;
        }
        const float* probabilities = o.in<float>(0) + i * classes;
        float* diff = o.out<float>(0) + i * classes;
        const int64_t label = o.in<int64_t>(1)[i];
        const bool valid = Valid(label, classes);
        const float at_label = valid ? probabilities[label] : 0;  // read first: diff may be the same buffer
        v.shift_scale(off_target, factor, probabilities, diff, classes);
        if (valid) diff[label] = factor * (at_label - off_target - on_target);
      }
    });
  });
}

KernelOr Make(const SoftTargetCrossEntropyBackward&, const Request& r) {
  const int64_t batch = r.inputs[0].shape[0], classes = r.inputs[0].shape[1];
  return MakeFunctionKernel("loops", 0, [=, threads = r.threads](const Operands& o) {
    const double factor = *o.in<float>(2) / static_cast<double>(batch);
    ParallelFor(threads, batch, GrainOf(classes), [&](int, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float *p = o.in<float>(0) + i * classes, *targets = o.in<float>(1) + i * classes;
        double sum = 0;
        for (int64_t k = 0; k < classes; ++k) sum += targets[k];
        for (int64_t k = 0; k < classes; ++k) {
          o.out<float>(0)[i * classes + k] = static_cast<float>(factor * (p[k] * sum - targets[k]));
        }
      }
    });
  });
}

}  // namespace mathnas::kernels::cpu
