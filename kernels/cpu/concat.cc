// Tensors one behind the other, and parts of them: copies of what is dense.
#include <cstring>
#include <vector>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// Elements of a tensor from one index of the axes before `axis` to the next.
int64_t ElementsFrom(const Shape& shape, int32_t axis) {
  int64_t elements = 1;
  for (size_t i = static_cast<size_t>(axis); i < shape.size(); ++i) elements *= shape[i];
  return elements;
}

int64_t OuterOf(const Shape& shape, int32_t axis) {
  int64_t outer = 1;
  for (size_t i = 0; i < static_cast<size_t>(axis); ++i) outer *= shape[i];
  return outer;
}

void Copy(const float* from, int64_t from_stride, float* to, int64_t to_stride, int64_t pieces, int64_t elements,
          int threads) {
  if (elements == 0) return;
  ParallelFor(threads, pieces, GrainOf(elements), [&](int, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(to + i * to_stride, from + i * from_stride, static_cast<size_t>(elements) * sizeof(float));
    }
  });
}

}  // namespace

KernelOr Make(const Concat& op, const Request& r) {
  const int64_t outer = OuterOf(r.outputs[0].shape, op.axis), stride = ElementsFrom(r.outputs[0].shape, op.axis);
  std::vector<int64_t> pieces;
  for (const TensorDesc& d : r.inputs) pieces.push_back(ElementsFrom(d.shape, op.axis));
  return MakeFunctionKernel("copy", 0, [=, threads = r.threads](const Operands& o) {
    float* to = o.out<float>(0);
    for (size_t i = 0; i < pieces.size(); to += pieces[i++]) {
      Copy(o.in<float>(i), pieces[i], to, stride, outer, pieces[i], threads);
    }
  });
}

KernelOr Make(const Part& op, const Request& r) {
  const Shape& from = r.inputs[0].shape;
  const int64_t outer = OuterOf(from, op.axis), stride = ElementsFrom(from, op.axis);
  const int64_t inner = ElementsFrom(from, op.axis + 1);
  return MakeFunctionKernel("copy", 0, [=, threads = r.threads](const Operands& o) {
    Copy(o.in<float>(0) + op.begin * inner, stride, o.out<float>(0), op.count * inner, outer, op.count * inner,
         threads);
  });
}

}  // namespace mathnas::kernels::cpu
