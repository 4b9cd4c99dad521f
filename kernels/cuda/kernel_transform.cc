// Smaller depthwise kernels from the centre of larger ones.
#include "kernels/cuda/own/kernel_transform.h"

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {
namespace {

constexpr std::string_view kName = "own:kernel_transform";

// Of weights and transformed weights as described.
KernelTransformArgs Extents(const TensorDesc& weights, const TensorDesc& transformed) {
  return {.weights = nullptr,
          .transformed = nullptr,
          .matrix = nullptr,
          .to = nullptr,
          .channels = weights.shape[0],
          .source = static_cast<int>(weights.shape[2]),
          .kernel = static_cast<int>(transformed.shape[2])};
}

}  // namespace

KernelOr Make(const KernelTransform& op, const Request& r) {
  const int64_t n = r.outputs[0].elements();
  return MakeEnqueued(std::string(kName), 0,
                      [op, n, extents = Extents(r.inputs[0], r.outputs[0])](Queue& q, const Operands& o) {
                        KernelTransformArgs args = extents;
                        args.weights = o.in<float>(0);
                        args.matrix = op.has_matrix ? o.in<float>(1) : nullptr;
                        args.to = o.out<float>(0);
                        return q.Launch(kKernelTransform, DType::kF32, q.Over(n), args);
                      });
}

KernelOr Make(const KernelTransformBackwardWeights& op, const Request& r) {
  const int64_t n = r.outputs[0].elements();
  return MakeEnqueued(std::string(kName), 0,
                      [op, n, extents = Extents(r.outputs[0], r.inputs[0])](Queue& q, const Operands& o) {
                        KernelTransformArgs args = extents;
                        args.transformed = o.in<float>(0);
                        args.matrix = op.has_matrix ? o.in<float>(1) : nullptr;
                        args.to = o.out<float>(0);
                        return q.Launch(kKernelTransformBackwardWeights, DType::kF32, q.Over(n), args);
                      });
}

KernelOr Make(const KernelTransformBackwardMatrix&, const Request& r) {
  const Grid grid = {.blocks = static_cast<unsigned>(r.outputs[0].elements()), .threads = 128};
  return MakeEnqueued(std::string(kName), 0,
                      [grid, extents = Extents(r.inputs[0], r.inputs[1])](Queue& q, const Operands& o) {
                        KernelTransformArgs args = extents;
                        args.weights = o.in<float>(0);
                        args.transformed = o.in<float>(1);
                        args.to = o.out<float>(0);
                        return q.Launch(kKernelTransformBackwardMatrix, DType::kF32, grid, args);
                      });
}

}  // namespace mathnas::kernels::cuda
