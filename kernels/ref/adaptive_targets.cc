// Targets of the adaptive loss, as the formula says.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

template <typename T>
std::vector<double> LogSoftmax(const T* logits, int64_t classes) {
  const double largest = *std::max_element(logits, logits + classes);
  double sum = 0;
  for (int64_t k = 0; k < classes; ++k) sum += std::exp(logits[k] - largest);
  std::vector<double> result(logits, logits + classes);
  for (double& x : result) x -= largest + std::log(sum);
  return result;
}

}  // namespace

KernelPtr Make(const AdaptiveTargets& op, const Request& request) {
  const int64_t batch = request.inputs[0].shape[0], classes = request.inputs[0].shape[1];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t n = 0; n < batch && classes > 0; ++n) {
      const std::vector<double> log_q = LogSoftmax(o.in<T>(0) + n * classes, classes),
                                log_p = LogSoftmax(o.in<T>(1) + n * classes, classes);
      double below = 0, above = 0;  // the divergences of alpha = -1 and of alpha = 1
      std::vector<double> of_below, of_above;
      for (size_t k = 0; k < log_q.size(); ++k) {
        const double q = std::exp(log_q[k]), p = std::exp(log_p[k]);
        const double u = std::min(std::exp(log_q[k] - log_p[k]), op.clip);
        below += q * (u - 1) / 2;
        above += p * (log_p[k] - log_q[k]);
        of_below.push_back(q * (0.5 - u));
        of_above.push_back(p);
      }
      const std::vector<double>& chosen = below > above ? of_below : of_above;
      for (size_t k = 0; k < chosen.size(); ++k) {
        o.out<T>(0)[n * classes + static_cast<int64_t>(k)] = static_cast<T>(chosen[k]);
      }
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
