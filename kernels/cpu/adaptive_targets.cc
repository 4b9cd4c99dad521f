// Targets of the adaptive loss: own loops, in double.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// log(sum_k exp(z_k)).
double LogSumExp(const float* z, int64_t classes) {
  const double largest = *std::max_element(z, z + classes);
  double sum = 0;
  for (int64_t k = 0; k < classes; ++k) sum += std::exp(z[k] - largest);
  return largest + std::log(sum);
}

// One row. Which side is taken is known at the end only, so the usual one is written first.
void TargetsOfRow(double clip, const float* student, const float* teacher, float* targets, int64_t classes) {
  const double student_sum = LogSumExp(student, classes), teacher_sum = LogSumExp(teacher, classes);
  double below = 0, above = 0;
  for (int64_t k = 0; k < classes; ++k) {
    const double log_q = student[k] - student_sum, log_p = teacher[k] - teacher_sum;
    const double q = std::exp(log_q), u = std::min(std::exp(log_q - log_p), clip);
    below += q * (0.5 * u - 0.5);
    above += std::exp(log_p) * (log_p - log_q);
    targets[k] = static_cast<float>(q * (0.5 - u));
  }
  if (below > above) return;
  for (int64_t k = 0; k < classes; ++k) targets[k] = static_cast<float>(std::exp(teacher[k] - teacher_sum));
}

}  // namespace

KernelOr Make(const AdaptiveTargets& op, const Request& r) {
  const int64_t batch = r.inputs[0].shape[0], classes = r.inputs[0].shape[1];
  // An exponential is worth some ten elements of what else is split.
  return MakeFunctionKernel("loops", 0, [=, threads = r.threads](const Operands& o) {
    if (classes == 0) return;
    ParallelFor(threads, batch, GrainOf(10 * classes), [&](int, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        TargetsOfRow(op.clip, o.in<float>(0) + i * classes, o.in<float>(1) + i * classes, o.out<float>(0) + i * classes,
                     classes);
      }
    });
  });
}

}  // namespace mathnas::kernels::cpu
