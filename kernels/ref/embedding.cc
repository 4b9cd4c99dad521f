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

namespace {

// sums{rows,features} of the rows of y over the places of each id.
struct RowSums {
  int64_t ids, rows, features;
  int32_t padding;

  template <typename T>
  const double* Of(const int64_t* id, const T* y, void* scratch) const {
    double* sums = static_cast<double*>(scratch);
    std::fill_n(sums, rows * features, 0.0);
    for (int64_t i = 0; i < ids; ++i) {
      if (id[i] < 0 || id[i] >= rows || id[i] == padding) continue;
      for (int64_t d = 0; d < features; ++d) sums[id[i] * features + d] += y[i * features + d];
    }
    return sums;
  }
};

}  // namespace

KernelPtr Make(const EmbeddingBackward& op, const Request& request) {
  const RowSums rows = {request.inputs[0].elements(), op.rows, request.outputs[0].shape[1], op.padding};
  const int64_t elements = rows.rows * rows.features;
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    const double* sums = rows.Of(o.in<int64_t>(0), o.in<T>(1), o.scratch);
    for (int64_t k = 0; k < elements; ++k) o.out<T>(0)[k] = static_cast<T>(op.scale * sums[k]);
  };
  return MakeKernel(request, run, elements);
}

KernelPtr Make(const AccumulateRows& op, const Request& request) {
  const Shape& shape = request.inputs[0].shape;
  const RowSums rows = {request.inputs[1].elements(), shape[0], shape[1], op.padding};
  const int64_t elements = rows.rows * rows.features;
  auto run = [=](auto zero, const Operands& o) {
    using T = decltype(zero);
    const double* sums = rows.Of(o.in<int64_t>(1), o.in<T>(2), o.scratch);
    T* state = static_cast<T*>(o.inputs[0]);
    for (int64_t k = 0; k < elements; ++k) state[k] = static_cast<T>(state[k] + op.scale * sums[k]);
  };
  return MakeKernel(request, run, elements);
}

}  // namespace mathnas::kernels::ref
