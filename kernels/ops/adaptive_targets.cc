#include "kernels/ops/adaptive_targets.h"

#include "fmt/format.h"

namespace mathnas::kernels {

absl::StatusOr<Descs> InferOutputs(const AdaptiveTargets& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {2, 2}); !s.ok()) return s;
  if (auto s = CheckSame(op.kName, "teacher logits", inputs[1].shape, inputs[0].shape); !s.ok()) return s;
  if (!(op.clip > 0)) return OperatorError(op.kName, fmt::format("clip {}: expected x > 0", op.clip));
  return Descs{inputs[0]};
}

}  // namespace mathnas::kernels
