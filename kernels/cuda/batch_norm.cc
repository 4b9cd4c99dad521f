// Batch normalisation: its statistics here, the rest as sums of one normalised term.
#include "kernels/cuda/own/batch_norm.h"

#include "kernels/cuda/carver.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/normalized_sum.h"
#include "kernels/cuda/zero_outputs.h"

namespace mathnas::kernels::cuda {
namespace {

constexpr std::string_view kName = "own:batch_norm";

size_t MomentBytes(const Columns& m) {
  Carver books(nullptr);
  books.Take<double>(2 * PartElements(m));
  return books.bytes();
}

// Of BatchNormTraining and BatchNormMoments; running_mean is input `running`, mean is output `mean`.
template <typename Op>
absl::Status EnqueueMoments(Queue& q, DType type, const Columns& m, const Op& op, const Operands& o, size_t running,
                            size_t mean) {
  const BatchNormMomentsArgs args = {.columns = m,
                                     .x = o.inputs[0],
                                     .sums = static_cast<double*>(o.scratch),
                                     .mean = o.out<float>(mean),
                                     .inv_std = o.out<float>(mean + 1),
                                     .running_mean = op.track ? static_cast<float*>(o.inputs[running]) : nullptr,
                                     .running_var = op.track ? static_cast<float*>(o.inputs[running + 1]) : nullptr,
                                     .epsilon = op.epsilon,
                                     .momentum = op.momentum};
  if (auto s = q.Launch(kBatchNormMomentSums, type, GridOf(m), args); !s.ok()) return s;
  return q.Launch(kBatchNormMoments, type, FinishGridOf(m), args);
}

}  // namespace

KernelOr Make(const BatchNormTraining& op, const Request& r) {
  const Columns m = ColumnsOf(r.inputs[0].shape, r.gpu);
  return MakeEnqueued(std::string(kName), MomentBytes(m),
                      [op, m, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
                        if (auto s = EnqueueMoments(q, type, m, op, o, op.affine ? 3 : 1, 1); !s.ok()) return s;
                        NormalizedSumArgs args = {.columns = m, .y = o.outputs[0]};
                        args.terms[0] = {o.inputs[0], o.out<float>(1), o.out<float>(2),
                                         op.affine ? o.in<float>(1) : nullptr, op.affine ? o.in<float>(2) : nullptr};
                        return q.Launch(kNormalizedSum, type, GridOf(m), args);
                      });
}

KernelOr Make(const BatchNormMoments& op, const Request& r) {
  const Columns m = ColumnsOf(r.inputs[0].shape, r.gpu);
  return MakeEnqueued(std::string(kName), MomentBytes(m),
                      [op, m, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
                        return EnqueueMoments(q, type, m, op, o, 1, 0);
                      });
}

KernelOr Make(const BatchNormBackward& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const Columns m = ColumnsOf(r.inputs[0].shape, r.gpu);
  return MakeEnqueued(std::string(kName), NormalizedSumBackwardScratch(m, 1),
                      [op, m, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
                        NormalizedSumBackwardArgs args = {.columns = m, .flow_count = 1};
                        args.flows[0] = o.inputs[1];
                        const float* gamma = op.affine ? o.in<float>(4) : nullptr;
                        args.terms[0] = {{o.inputs[0], o.in<float>(2), o.in<float>(3), gamma, nullptr},
                                         o.outputs[0],
                                         op.affine ? o.out<float>(1) : nullptr,
                                         op.affine ? o.out<float>(2) : nullptr};
                        return EnqueueNormalizedSumBackward(q, type, args, o.scratch);
                      });
}

KernelOr Make(const BatchNormInference& op, const Request& r) {
  const Columns m = ColumnsOf(r.inputs[0].shape, r.gpu);
  return MakeEnqueued(std::string(kName), 0, [op, m, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
    const size_t statistics = op.affine ? 3 : 1;
    NormalizedSumArgs args = {.columns = m,
                              .activation = op.relu ? SumActivation::kRelu : SumActivation::kNone,
                              .of_variance = true,
                              .epsilon = static_cast<float>(op.epsilon),
                              .y = o.outputs[0]};
    args.terms[0] = {o.inputs[0], o.in<float>(statistics), o.in<float>(statistics + 1),
                     op.affine ? o.in<float>(1) : nullptr, op.affine ? o.in<float>(2) : nullptr};
    return q.Launch(kNormalizedSum, type, GridOf(m), args);
  });
}

}  // namespace mathnas::kernels::cuda
