// Embeddings.
#include <algorithm>
#include <limits>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {

KernelPtr Make(const Embedding& op, const Request& request) {
  const int64_t ids = request.inputs[0].elements(), rows = request.inputs[1].shape[0],
                features = request.inputs[1].shape[1];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t i = 0; i < ids; ++i) {
      const int64_t id = o.in<int64_t>(0)[i];
      for (int64_t d = 0; d < features; ++d) {
        const bool known = id >= 0 && id < rows;
        const double value =
            known ? op.scale * o.in<T>(1)[id * features + d] : std::numeric_limits<double>::quiet_NaN();
        o.out<T>(0)[i * features + d] = static_cast<T>(value);
      }
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const EmbeddingBackward& op, const Request& request) {
  const int64_t ids = request.inputs[0].elements(), rows = op.rows, features = request.outputs[0].shape[1];
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    double* sums = static_cast<double*>(o.scratch);
    std::fill_n(sums, rows * features, 0.0);
    for (int64_t i = 0; i < ids; ++i) {
      const int64_t id = o.in<int64_t>(0)[i];
      if (id < 0 || id >= rows || id == op.padding) continue;
      for (int64_t d = 0; d < features; ++d) sums[id * features + d] += o.in<T>(1)[i * features + d];
    }
    for (int64_t k = 0; k < rows * features; ++k) o.out<T>(0)[k] = static_cast<T>(op.scale * sums[k]);
  };
  return MakeKernel(request, run, rows * features);
}

}  // namespace mathnas::kernels::ref
