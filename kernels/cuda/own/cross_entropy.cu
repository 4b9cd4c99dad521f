#include "kernels/cuda/own/cross_entropy.h"
#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {
namespace {

// Of a row, in all threads. Logarithms and losses are in double as on the CPU: a few to a row.
struct Softmax {
  double max, log_sum;
};

// A row is read three times instead of being kept: it stays in the cache, and there may be any number of classes.
__device__ Softmax ProbabilitiesOf(const float* logits, float* probabilities, long long classes) {
  float largest = -INFINITY;
  for (long long k = threadIdx.x; k < classes; k += blockDim.x) largest = fmaxf(largest, logits[k]);
  largest = BlockMax(largest);
  float sum = 0;
  for (long long k = threadIdx.x; k < classes; k += blockDim.x) sum += expf(logits[k] - largest);
  sum = BlockSum(sum);
  for (long long k = threadIdx.x; k < classes; k += blockDim.x) probabilities[k] = expf(logits[k] - largest) / sum;
  return {largest, log(static_cast<double>(sum))};
}

__device__ bool Ignored(const Labels& labels, long long row) {
  return labels.ignored >= 0 && labels.labels[row] == labels.ignored;
}

// -sum_k target_k log softmax(logits)_k. With lse = max + log_sum, log softmax(z)_k = z_k - lse.
__device__ void LossOfLabels(const SoftmaxLossArgs& a) {
  const long long row = blockIdx.x;
  const float* logits = a.logits + row * a.classes;
  const Softmax s = ProbabilitiesOf(logits, a.probabilities + row * a.classes, a.classes);
  float sum = 0;
  // An infinite logit has no part in a loss without smoothing, and would make 0 * infinity of it.
  if (a.smoothing > 0) {
    for (long long k = threadIdx.x; k < a.classes; k += blockDim.x) sum += logits[k];
    sum = BlockSum(sum);
  }
  if (threadIdx.x != 0) return;
  const long long label = a.labels.labels[row];
  double loss = NAN;
  if (Ignored(a.labels, row)) {
    loss = 0;
  } else if (label >= 0 && label < a.classes) {
    loss = (1 - a.smoothing) * (s.log_sum - (logits[label] - s.max));
    if (a.smoothing > 0) loss += a.smoothing * (s.log_sum - (sum / static_cast<double>(a.classes) - s.max));
  }
  a.losses[row] = loss;
}

// The same with targets: sum_k target_k (lse - z_k). An impossible class without weight adds nothing.
__device__ void LossOfTargets(const SoftmaxLossArgs& a) {
  const long long row = blockIdx.x;
  const float *logits = a.logits + row * a.classes, *targets = a.targets + row * a.classes;
  const Softmax s = ProbabilitiesOf(logits, a.probabilities + row * a.classes, a.classes);
  double loss = 0;
  for (long long k = threadIdx.x; k < a.classes; k += blockDim.x) {
    if (targets[k] != 0) loss += targets[k] * (s.log_sum - (logits[k] - s.max));
  }
  loss = BlockSum(loss);
  if (threadIdx.x == 0) a.losses[row] = loss;
}

__device__ long long CountOf(const Labels& labels, long long rows) {
  long long count = 0;
  for (long long row = threadIdx.x; row < rows; row += blockDim.x) count += Ignored(labels, row) ? 0 : 1;
  return BlockSum(count);
}

__device__ void SumLosses(const SumLossesArgs& a) {
  double loss = 0;
  for (long long row = threadIdx.x; row < a.rows; row += blockDim.x) loss += a.losses[row];
  loss = BlockSum(loss);
  long long count = a.sum ? 1 : a.rows;
  if (!a.sum && a.labels.labels != nullptr) count = CountOf(a.labels, a.rows);
  if (threadIdx.x == 0) *a.loss = static_cast<float>(loss / static_cast<double>(count > 1 ? count : 1));
}

__device__ void CountLabels(const CountLabelsArgs& a) {
  const long long count = CountOf(a.labels, a.rows);
  if (threadIdx.x == 0) *a.count = static_cast<double>(count > 1 ? count : 1);
}

__device__ double FactorOf(const LossBackwardArgs& a) {
  return *a.diff_loss / (a.count != nullptr ? *a.count : a.divisor);
}

__device__ void LossOfLabelsBackward(const LossBackwardArgs& a) {
  const long long row = blockIdx.x, label = a.labels.labels[row];
  const bool ignored = Ignored(a.labels, row);
  const auto factor = static_cast<float>(FactorOf(a));
  const auto off_target = static_cast<float>(a.smoothing / static_cast<double>(a.classes));
  const auto on_target = static_cast<float>(1 - a.smoothing);
  const float* p = a.probabilities + row * a.classes;
  float* diff = a.diff_logits + row * a.classes;
  for (long long k = threadIdx.x; k < a.classes; k += blockDim.x) {
    diff[k] = ignored ? 0.f : factor * (p[k] - off_target - (k == label ? on_target : 0.f));
  }
}

__device__ void LossOfTargetsBackward(const LossBackwardArgs& a) {
  const long long row = blockIdx.x;
  const double factor = FactorOf(a);
  const float *p = a.probabilities + row * a.classes, *targets = a.targets + row * a.classes;
  float* diff = a.diff_logits + row * a.classes;
  double sum = 0;
  for (long long k = threadIdx.x; k < a.classes; k += blockDim.x) sum += targets[k];
  sum = BlockSum(sum);
  for (long long k = threadIdx.x; k < a.classes; k += blockDim.x) {
    diff[k] = static_cast<float>(factor * (p[k] * sum - targets[k]));
  }
}

// log(sum_k exp(z_k)), in all threads.
__device__ double LogSumExp(const float* z, long long classes) {
  float largest = -INFINITY;
  for (long long k = threadIdx.x; k < classes; k += blockDim.x) largest = fmaxf(largest, z[k]);
  const double max = BlockMax(largest);
  double sum = 0;
  for (long long k = threadIdx.x; k < classes; k += blockDim.x) sum += exp(z[k] - max);
  return max + log(BlockSum(sum));
}

// In double: where u is close to 1/2 little is left of q (1/2 - u).
__device__ void AdaptiveTargets(const AdaptiveTargetsArgs& a) {
  const long long begin = blockIdx.x * a.classes;
  const float *student = a.student + begin, *teacher = a.teacher + begin;
  float* targets = a.targets + begin;
  const double student_sum = LogSumExp(student, a.classes), teacher_sum = LogSumExp(teacher, a.classes);
  double below = 0, above = 0;  // the divergences of alpha = -1 and of alpha = 1
  for (long long k = threadIdx.x; k < a.classes; k += blockDim.x) {
    const double log_q = student[k] - student_sum, log_p = teacher[k] - teacher_sum;
    below += exp(log_q) * (0.5 * fmin(exp(log_q - log_p), a.clip) - 0.5);
    above += exp(log_p) * (log_p - log_q);
  }
  below = BlockSum(below);
  above = BlockSum(above);
  for (long long k = threadIdx.x; k < a.classes; k += blockDim.x) {
    const double log_q = student[k] - student_sum, log_p = teacher[k] - teacher_sum;
    const double target = below > above ? exp(log_q) * (0.5 - fmin(exp(log_q - log_p), a.clip)) : exp(log_p);
    targets[k] = static_cast<float>(target);
  }
}

}  // namespace

MATHNAS_CUDA_KERNEL(loss_of_labels, SoftmaxLossArgs, LossOfLabels)
MATHNAS_CUDA_KERNEL(loss_of_targets, SoftmaxLossArgs, LossOfTargets)
MATHNAS_CUDA_KERNEL(sum_losses, SumLossesArgs, SumLosses)
MATHNAS_CUDA_KERNEL(count_labels, CountLabelsArgs, CountLabels)
MATHNAS_CUDA_KERNEL(loss_of_labels_backward, LossBackwardArgs, LossOfLabelsBackward)
MATHNAS_CUDA_KERNEL(loss_of_targets_backward, LossBackwardArgs, LossOfTargetsBackward)
MATHNAS_CUDA_KERNEL(adaptive_targets, AdaptiveTargetsArgs, AdaptiveTargets)

}  // namespace mathnas::kernels::cuda
