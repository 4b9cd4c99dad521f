// Tensors one behind the other, and parts of them: copies of what is dense.
#include <cstddef>
#include <cstring>
#include <vector>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

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

// All in bytes.
void Copy(const std::byte* from, int64_t from_stride, std::byte* to, int64_t to_stride, int64_t pieces, int64_t bytes,
          int threads) {
  if (bytes == 0) return;
  ParallelFor(threads, pieces, GrainOf(bytes / 4), [&](int, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(to + i * to_stride, from + i * from_stride, static_cast<size_t>(bytes));
    }
  });
}

}  // namespace

KernelOr Make(const Concat& op, const Request& r) {
  const int64_t outer = OuterOf(r.outputs[0].shape, op.axis), stride = BytesFrom(r.outputs[0], op.axis);
  std::vector<int64_t> pieces;
  for (const TensorDesc& d : r.inputs) pieces.push_back(BytesFrom(d, op.axis));
  return MakeFunctionKernel("copy", 0, [=, threads = r.threads](const Operands& o) {
    auto* to = o.out<std::byte>(0);
    for (size_t i = 0; i < pieces.size(); to += pieces[i++]) {
      Copy(o.in<std::byte>(i), pieces[i], to, stride, outer, pieces[i], threads);
    }
  });
}

KernelOr Make(const Part& op, const Request& r) {
  const Shape& from = r.inputs[0].shape;
  const int64_t outer = OuterOf(from, op.axis), stride = BytesFrom(r.inputs[0], op.axis);
  const int64_t inner = BytesFrom(r.inputs[0], op.axis + 1);
  return MakeFunctionKernel("copy", 0, [=, threads = r.threads](const Operands& o) {
    Copy(o.in<std::byte>(0) + op.begin * inner, stride, o.out<std::byte>(0), op.count * inner, outer, op.count * inner,
         threads);
  });
}

}  // namespace mathnas::kernels::cpu
