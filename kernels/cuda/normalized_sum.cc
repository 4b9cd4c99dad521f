#include "kernels/cuda/normalized_sum.h"

#include <algorithm>

#include "fmt/format.h"
#include "kernels/cuda/carver.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/zero_outputs.h"

namespace mathnas::kernels::cuda {
namespace {

struct BackwardScratch {
  double* sums;
  float* coefficients;
  size_t bytes;

  BackwardScratch(const Columns& m, int terms, Carver scratch)
      : sums(scratch.Take<double>((1 + terms) * PartElements(m))),
        coefficients(scratch.Take<float>(int64_t{3} * terms * m.channels)),
        bytes(scratch.bytes()) {}
};

SumActivation Of(Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return SumActivation::kNone;
    case Activation::kRelu:
      return SumActivation::kRelu;
    case Activation::kHardSwish:
      return SumActivation::kHardSwish;
    case Activation::kSwish:
      return SumActivation::kSwish;
  }
  return SumActivation::kNone;
}

// The operands of term `k`, the same in forward and backward.
template <typename Op>
NormalizedTerm TermOf(const Op& op, const Operands& o, int k) {
  const size_t first = static_cast<size_t>(k) * op.inputs_per_term();
  return {o.in<void>(first), o.in<float>(first + 1), o.in<float>(first + 2),
          op.affine ? o.in<float>(first + 3) : nullptr, op.affine ? o.in<float>(first + 4) : nullptr};
}

absl::Status CheckCounts(int32_t terms, size_t others) {
  if (terms <= kMostTerms && others <= kMostAddends) return absl::OkStatus();
  return absl::UnimplementedError(fmt::format("{} terms with {} more tensors: expected at most {} and {}", terms,
                                              others, kMostTerms, kMostAddends));
}

}  // namespace

size_t NormalizedSumBackwardScratch(const Columns& columns, int terms) {
  return BackwardScratch(columns, terms, Carver(nullptr)).bytes;
}

absl::Status EnqueueNormalizedSumBackward(Queue& q, DType type, NormalizedSumBackwardArgs args, void* scratch) {
  const BackwardScratch s(args.columns, args.term_count, Carver(scratch));
  args.sums = s.sums;
  args.coefficients = s.coefficients;
  for (args.first_term = 0; args.first_term < args.term_count; args.first_term += kTermsPerLaunch) {
    const auto& sums =
        args.term_count - args.first_term == 1 ? kNormalizedSumBackwardSumsOfOne : kNormalizedSumBackwardSumsOfSome;
    if (auto status = q.Launch(sums, type, GridOf(args.columns), args); !status.ok()) return status;
  }
  Grid finish = FinishGridOf(args.columns);
  finish.rows = static_cast<unsigned>(args.term_count);
  if (auto status = q.Launch(kNormalizedSumBackwardFinish, type, finish, args); !status.ok()) return status;
  return q.Launch(kNormalizedSumBackward, type, GridOf(args.columns), args);
}

KernelOr Make(const NormalizedSum& op, const Request& r) {
  if (auto s = CheckCounts(op.terms, r.inputs.size() - op.term_inputs()); !s.ok()) return s;
  const Columns m = ColumnsOf(r.inputs[0].shape, r.gpu);
  return MakeEnqueued("own:normalized_sum", 0, [op, m, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
    NormalizedSumArgs args = {.columns = m, .term_count = op.terms, .activation = Of(op.activation), .y = o.outputs[0]};
    for (int k = 0; k < op.terms; ++k) args.terms[k] = TermOf(op, o, k);
    for (size_t i = op.term_inputs(); i < o.inputs.size(); ++i) args.addends[args.addend_count++] = o.inputs[i];
    return q.Launch(kNormalizedSum, type, GridOf(m), args);
  });
}

KernelOr Make(const NormalizedSumBackward& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  if (auto s = CheckCounts(op.terms, r.inputs.size() - op.first_flow()); !s.ok()) return s;
  const Columns m = ColumnsOf(r.inputs[0].shape, r.gpu);
  return MakeEnqueued(
      "own:normalized_sum", NormalizedSumBackwardScratch(m, op.terms),
      [op, m, type = r.inputs[0].dtype](Queue& q, const Operands& o) {
        NormalizedSumBackwardArgs args = {.columns = m, .term_count = op.terms, .activation = Of(op.activation)};
        for (int k = 0; k < op.terms; ++k) {
          const size_t out = static_cast<size_t>(k) * op.outputs_per_term();
          args.terms[k] = {TermOf(op, o, k), o.outputs[out], op.affine ? o.out<float>(out + 1) : nullptr,
                           op.affine ? o.out<float>(out + 2) : nullptr};
        }
        const size_t first = op.first_flow();
        if (op.has_y()) args.y = o.inputs[first - 1];
        for (size_t i = first; i < o.inputs.size(); ++i) args.flows[args.flow_count++] = o.inputs[i];
        if (op.has_total) args.total = o.outputs[op.total_output()];
        return EnqueueNormalizedSumBackward(q, type, args, o.scratch);
      });
}

}  // namespace mathnas::kernels::cuda
