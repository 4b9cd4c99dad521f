// Copies of dense pieces, in words as wide as all of their places and sizes allow.
#include "kernels/cuda/own/copy.h"

#include <cstddef>
#include <cstdint>
#include <numeric>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {
namespace {

// As CopyArgs, all in bytes.
absl::Status Enqueue(Queue& q, CopyArgs a) {
  int64_t all = 16;
  for (int64_t bytes : {static_cast<int64_t>(reinterpret_cast<uintptr_t>(a.from)),
                        static_cast<int64_t>(reinterpret_cast<uintptr_t>(a.to)), int64_t{a.from_stride},
                        int64_t{a.to_stride}, int64_t{a.columns}, int64_t{a.step}}) {
    all = std::gcd(all, bytes);
  }
  const OwnKernel<CopyArgs>& kernel = all == 16  ? kCopyWordsOf16
                                      : all == 8 ? kCopyWordsOf8
                                      : all == 4 ? kCopyWordsOf4
                                                 : kCopyWordsOf2;
  for (long long* bytes : {&a.from_stride, &a.to_stride, &a.columns, &a.step}) *bytes /= all;
  return q.Launch(kernel, DType::kF32, q.Over(a.rows * a.columns), a);
}

absl::Status Enqueue(Queue& q, const StridedCopy& copy, const void* from, void* to) {
  return Enqueue(q, CopyArgs{.from = static_cast<const std::byte*>(from) + copy.from,
                             .to = static_cast<std::byte*>(to) + copy.to,
                             .from_stride = copy.from_stride,
                             .to_stride = copy.to_stride,
                             .rows = copy.pieces,
                             .columns = copy.bytes});
}

}  // namespace

KernelOr Make(const Concat& op, const Request& r) {
  return MakeEnqueued("own:copy", 0, [copies = CopiesOf(op, r.inputs, r.outputs[0])](Queue& q, const Operands& o) {
    for (size_t i = 0; i < copies.size(); ++i) {
      if (auto s = Enqueue(q, copies[i], o.inputs[i], o.outputs[0]); !s.ok()) return s;
    }
    return absl::OkStatus();
  });
}

KernelOr Make(const Part& op, const Request& r) {
  return MakeEnqueued("own:copy", 0, [copy = CopyOf(op, r.inputs[0])](Queue& q, const Operands& o) {
    return Enqueue(q, copy, o.inputs[0], o.outputs[0]);
  });
}

KernelOr Make(const Store&, const Request& r) {
  const TensorDesc &state = r.inputs[0], &x = r.inputs[1];
  const auto bytes = static_cast<int64_t>(SizeOf(state.dtype));
  const CopyArgs args = {.from_stride = x.row_elements() * bytes,
                         .to_stride = state.row_elements() * bytes,
                         .rows = x.shape[0],
                         .columns = x.shape[1] * x.shape[2] * bytes,
                         .step = x.shape[2] * bytes,
                         .last = state.shape[1] - x.shape[1]};
  return MakeEnqueued("own:copy", 0, [args](Queue& q, const Operands& o) {
    CopyArgs a = args;
    a.to = o.inputs[0];
    a.from = o.inputs[1];
    a.at = static_cast<const long long*>(o.inputs[2]);
    a.fault = q.fault();
    return Enqueue(q, a);
  });
}

}  // namespace mathnas::kernels::cuda
