#include "kernels/cuda/own/elementwise.h"

#include "fmt/format.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {
namespace {

KernelOr MakeUnary(const OwnKernel<UnaryArgs>& kernel, float parameter, const Request& r) {
  const DType type = r.outputs[0].dtype;
  const int64_t n = r.outputs[0].elements();
  return MakeEnqueued("own:elementwise", 0, [&kernel, parameter, type, n](Queue& q, const Operands& o) {
    const void* x = o.inputs.empty() ? nullptr : o.inputs[0];
    return q.Launch(kernel, type, q.Over(n), UnaryArgs{x, o.outputs[0], n, parameter});
  });
}

}  // namespace

KernelOr Make(const Relu&, const Request& r) { return MakeUnary(kRelu, 0, r); }
KernelOr Make(const Scale& op, const Request& r) { return MakeUnary(kScale, static_cast<float>(op.factor), r); }
KernelOr Make(const Fill& op, const Request& r) { return MakeUnary(kFill, static_cast<float>(op.value), r); }
KernelOr Make(const Zero&, const Request& r) { return MakeUnary(kFill, 0, r); }

KernelOr Make(const ReluBackward&, const Request& r) {
  const DType type = r.outputs[0].dtype;
  const int64_t n = r.outputs[0].elements();
  return MakeEnqueued("own:elementwise", 0, [type, n](Queue& q, const Operands& o) {
    return q.Launch(kReluBackward, type, q.Over(n), BackwardArgs{o.inputs[0], o.inputs[1], o.outputs[0], n});
  });
}

KernelOr Make(const Add&, const Request& r) {
  const DType type = r.outputs[0].dtype;
  const int64_t n = r.outputs[0].elements();
  if (r.inputs.size() > AddArgs::kMost) {
    return absl::UnimplementedError(fmt::format("{} terms: expected at most {}", r.inputs.size(), AddArgs::kMost));
  }
  return MakeEnqueued("own:elementwise", 0, [type, n](Queue& q, const Operands& o) {
    AddArgs args = {{}, static_cast<int>(o.inputs.size()), o.outputs[0], n};
    std::copy(o.inputs.begin(), o.inputs.end(), args.x);
    return q.Launch(kAdd, type, q.Over(n), args);
  });
}

}  // namespace mathnas::kernels::cuda
