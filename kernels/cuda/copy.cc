// Copies of dense pieces, in words as wide as all of their places and sizes allow.
#include "kernels/cuda/own/copy.h"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

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

// Bytes of a tensor from one index of the axes before `axis` to the next.
int64_t BytesFrom(const TensorDesc& desc, int32_t axis) {
  auto bytes = static_cast<int64_t>(SizeOf(desc.dtype));
  for (size_t i = static_cast<size_t>(axis); i < desc.shape.size(); ++i) bytes *= desc.shape[i];
  return bytes;
}

int64_t OuterOf(const Shape& shape, int32_t axis) {
  int64_t outer = 1;
  for (size_t i = 0; i < static_cast<size_t>(axis); ++i) outer *= shape[i];
  return outer;
}

}  // namespace

KernelOr Make(const Concat& op, const Request& r) {
  const int64_t outer = OuterOf(r.outputs[0].shape, op.axis), stride = BytesFrom(r.outputs[0], op.axis);
  std::vector<int64_t> pieces;
  for (const TensorDesc& d : r.inputs) pieces.push_back(BytesFrom(d, op.axis));
  return MakeEnqueued("own:copy", 0, [outer, stride, pieces](Queue& q, const Operands& o) {
    auto* to = o.out<std::byte>(0);
    for (size_t i = 0; i < pieces.size(); to += pieces[i++]) {
      auto s = Enqueue(q, {.from = o.inputs[i],
                           .to = to,
                           .from_stride = pieces[i],
                           .to_stride = stride,
                           .rows = outer,
                           .columns = pieces[i]});
      if (!s.ok()) return s;
    }
    return absl::OkStatus();
  });
}

KernelOr Make(const Part& op, const Request& r) {
  const int64_t outer = OuterOf(r.inputs[0].shape, op.axis), stride = BytesFrom(r.inputs[0], op.axis);
  const int64_t inner = BytesFrom(r.inputs[0], op.axis + 1), begin = op.begin * inner, piece = op.count * inner;
  return MakeEnqueued("own:copy", 0, [outer, stride, begin, piece](Queue& q, const Operands& o) {
    return Enqueue(q, {.from = o.in<std::byte>(0) + begin,
                       .to = o.outputs[0],
                       .from_stride = stride,
                       .to_stride = piece,
                       .rows = outer,
                       .columns = piece});
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
