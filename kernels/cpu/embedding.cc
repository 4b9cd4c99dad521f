// Embeddings: own vector code. The table may be a slice. In the gradient every thread adds all rows of its own columns,
// so that the order of the sums does not depend on the threads.
#include <algorithm>
#include <limits>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/cpu/zero_outputs.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {

KernelOr Make(const Embedding& op, const Request& r) {
  const VectorKernels& v = Vector();
  const int64_t ids = r.inputs[0].elements(), rows = r.inputs[1].shape[0], features = r.inputs[1].shape[1];
  const int64_t stride = r.inputs[1].row_elements();
  return MakeFunctionKernel(v.name, 0,
                            [=, &v, threads = r.threads, scale = static_cast<float>(op.scale)](const Operands& o) {
                              ParallelFor(threads, ids, GrainOf(features), [&](int, int64_t begin, int64_t end) {
                                for (int64_t i = begin; i < end; ++i) {
                                  const int64_t id = o.in<int64_t>(0)[i];
                                  float* y = o.out<float>(0) + i * features;
                                  if (id >= 0 && id < rows) {
                                    v.scale(scale, o.in<float>(1) + id * stride, y, features);
                                  } else {
                                    v.fill(std::numeric_limits<float>::quiet_NaN(), y, features);
                                  }
                                }
                              });
                            });
}

namespace {

// sum[id] += scale * y over the places of each id: every thread adds all rows of its own columns.
struct RowSums {
  int64_t ids, rows, features, stride;  // of the sum
  float scale;
  int32_t padding;
  int threads;

  void AddTo(float* sum, const int64_t* id, const float* y) const {
    constexpr int64_t kColumns = 16;  // a cache line
    const VectorKernels& v = Vector();
    const int64_t pieces = (features + kColumns - 1) / kColumns;
    ParallelFor(threads, pieces, GrainOf(ids * kColumns), [&](int, int64_t begin, int64_t end) {
      const int64_t first = begin * kColumns, width = std::min(end * kColumns, features) - first;
      for (int64_t i = 0; i < ids; ++i) {
        if (id[i] < 0 || id[i] >= rows || id[i] == padding) continue;
        v.add_scaled(scale, y + i * features + first, sum + id[i] * stride + first, width);
      }
    });
  }
};

template <typename Op>
RowSums RowSumsOf(const Op& op, const TensorDesc& ids, const TensorDesc& sum, int threads) {
  return {ids.elements(), sum.shape[0], sum.shape[1], sum.row_elements(), static_cast<float>(op.scale),
          op.padding,     threads};
}

}  // namespace

KernelOr Make(const EmbeddingBackward& op, const Request& r) {
  if (r.inputs[1].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const RowSums rows = RowSumsOf(op, r.inputs[0], r.outputs[0], r.threads);
  return MakeFunctionKernel(v.name, 0, [=, &v](const Operands& o) {
    ParallelElements(rows.threads, rows.rows * rows.features,
                     [&](int64_t begin, int64_t size) { v.fill(0, o.out<float>(0) + begin, size); });
    rows.AddTo(o.out<float>(0), o.in<int64_t>(0), o.in<float>(1));
  });
}

KernelOr Make(const AccumulateRows& op, const Request& r) {
  const RowSums rows = RowSumsOf(op, r.inputs[1], r.inputs[0], r.threads);
  return MakeFunctionKernel(Vector().name, 0, [=](const Operands& o) {
    rows.AddTo(static_cast<float*>(o.inputs[0]), o.in<int64_t>(1), o.in<float>(2));
  });
}

}  // namespace mathnas::kernels::cpu
