// Embeddings: own vector code. The table may be a slice. In the gradient every thread adds all rows of its own columns,
// so that the order of the sums does not depend on the threads.
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

KernelOr Make(const EmbeddingBackward& op, const Request& r) {
  if (r.inputs[1].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const int64_t ids = r.inputs[0].elements(), features = r.outputs[0].shape[1];
  return MakeFunctionKernel(v.name, 0, [=, &v, threads = r.threads](const Operands& o) {
    constexpr int64_t kColumns = 16;  // a cache line
    const int64_t pieces = (features + kColumns - 1) / kColumns;
    ParallelElements(threads, int64_t{op.rows} * features,
                     [&](int64_t begin, int64_t size) { v.fill(0, o.out<float>(0) + begin, size); });
    ParallelFor(threads, pieces, GrainOf(ids * kColumns), [&](int, int64_t begin, int64_t end) {
      const int64_t first = begin * kColumns, width = std::min(end * kColumns, features) - first;
      for (int64_t i = 0; i < ids; ++i) {
        const int64_t id = o.in<int64_t>(0)[i];
        if (id < 0 || id >= op.rows || id == op.padding) continue;
        v.add_scaled(static_cast<float>(op.scale), o.in<float>(1) + i * features + first,
                     o.out<float>(0) + id * features + first, width);
      }
    });
  });
}

}  // namespace mathnas::kernels::cpu
