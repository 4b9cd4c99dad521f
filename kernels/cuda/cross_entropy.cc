#include "kernels/cuda/own/cross_entropy.h"

#include <algorithm>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {
namespace {

// A block to a row, with a thread for every few classes.
Grid RowGrid(int64_t rows, int64_t classes) {
  constexpr int64_t kWarp = 32, kMost = 512, kClassesPerThread = 4;
  const int64_t threads = (classes + kWarp * kClassesPerThread - 1) / (kWarp * kClassesPerThread) * kWarp;
  return {.blocks = static_cast<unsigned>(classes == 0 ? 0 : rows),
          .threads = static_cast<unsigned>(std::clamp(threads, kWarp, kMost))};
}

Labels LabelsOf(const void* labels, int32_t ignored) { return {static_cast<const long long*>(labels), ignored}; }

absl::Status EnqueueLoss(Queue& q, const OwnKernel<SoftmaxLossArgs>& kernel, const SoftmaxLossArgs& args, int64_t rows,
                         bool sum, float* loss) {
  if (auto s = q.Launch(kernel, DType::kF32, RowGrid(rows, args.classes), args); !s.ok()) return s;
  return q.Launch(kSumLosses, DType::kF32, {}, SumLossesArgs{args.losses, args.labels, rows, sum, loss});
}

}  // namespace

KernelOr Make(const SoftmaxCrossEntropy& op, const Request& r) {
  const int64_t rows = mathnas::kernels::RowsOf(r.inputs[0].shape), classes = r.inputs[0].shape.back();
  return MakeEnqueued("own:cross_entropy", static_cast<size_t>(rows) * sizeof(double),
                      [op, rows, classes](Queue& q, const Operands& o) {
                        const SoftmaxLossArgs args = {.logits = o.in<float>(0),
                                                      .labels = LabelsOf(o.inputs[1], op.ignored_label),
                                                      .smoothing = op.label_smoothing,
                                                      .probabilities = o.out<float>(1),
                                                      .losses = static_cast<double*>(o.scratch),
                                                      .classes = classes};
                        return EnqueueLoss(q, kLossOfLabels, args, rows, op.sum, o.out<float>(0));
                      });
}

KernelOr Make(const SoftTargetCrossEntropy&, const Request& r) {
  const int64_t rows = r.inputs[0].shape[0], classes = r.inputs[0].shape[1];
  return MakeEnqueued("own:cross_entropy", static_cast<size_t>(rows) * sizeof(double),
                      [rows, classes](Queue& q, const Operands& o) {
                        const SoftmaxLossArgs args = {.logits = o.in<float>(0),
                                                      .targets = o.in<float>(1),
                                                      .labels = LabelsOf(nullptr, -1),
                                                      .probabilities = o.out<float>(1),
                                                      .losses = static_cast<double*>(o.scratch),
                                                      .classes = classes};
                        return EnqueueLoss(q, kLossOfTargets, args, rows, false, o.out<float>(0));
                      });
}

KernelOr Make(const SoftmaxCrossEntropyBackward& op, const Request& r) {
  const int64_t rows = mathnas::kernels::RowsOf(r.inputs[0].shape), classes = r.inputs[0].shape.back();
  const bool counts = !op.sum && op.ignored_label >= 0;  // the divisor is known where all rows have a part
  return MakeEnqueued("own:cross_entropy", counts ? sizeof(double) : 0,
                      [op, rows, classes, counts](Queue& q, const Operands& o) {
                        const LossBackwardArgs args = {
                            .probabilities = o.in<float>(0),
                            .labels = LabelsOf(o.inputs[1], op.ignored_label),
                            .smoothing = op.label_smoothing,
                            .diff_loss = o.in<float>(2),
                            .count = counts ? static_cast<const double*>(o.scratch) : nullptr,
                            .divisor = op.sum ? 1 : static_cast<double>(std::max<int64_t>(1, rows)),
                            .diff_logits = o.out<float>(0),
                            .classes = classes,
                        };
                        if (counts) {
                          const CountLabelsArgs count = {args.labels, rows, static_cast<double*>(o.scratch)};
                          if (auto s = q.Launch(kCountLabels, DType::kF32, {}, count); !s.ok()) return s;
                        }
                        return q.Launch(kLossOfLabelsBackward, DType::kF32, RowGrid(rows, classes), args);
                      });
}

KernelOr Make(const SoftTargetCrossEntropyBackward&, const Request& r) {
  const int64_t rows = r.inputs[0].shape[0], classes = r.inputs[0].shape[1];
  return MakeEnqueued("own:cross_entropy", 0, [rows, classes](Queue& q, const Operands& o) {
    const LossBackwardArgs args = {.probabilities = o.in<float>(0),
                                   .targets = o.in<float>(1),
                                   .diff_loss = o.in<float>(2),
                                   .divisor = static_cast<double>(rows),
                                   .diff_logits = o.out<float>(0),
                                   .classes = classes};
    return q.Launch(kLossOfTargetsBackward, DType::kF32, RowGrid(rows, classes), args);
  });
}

KernelOr Make(const AdaptiveTargets& op, const Request& r) {
  const int64_t rows = r.inputs[0].shape[0], classes = r.inputs[0].shape[1];
  return MakeEnqueued("own:adaptive_targets", 0, [op, rows, classes](Queue& q, const Operands& o) {
    return q.Launch(kAdaptiveTargets, DType::kF32, RowGrid(rows, classes),
                    AdaptiveTargetsArgs{o.in<float>(0), o.in<float>(1), o.out<float>(0), classes, op.clip});
  });
}

}  // namespace mathnas::kernels::cuda
