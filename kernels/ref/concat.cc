// Tensors one behind the other, and parts of them.
#include <vector>

#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels::ref {
namespace {

// A tensor seen from one of its axes: {outer, extent, inner}.
struct AlongAxis {
  int64_t outer = 1, extent = 1, inner = 1;

  AlongAxis(const Shape& shape, int32_t axis) : extent(shape[static_cast<size_t>(axis)]) {
    for (size_t i = 0; i < shape.size(); ++i) {
      if (i < static_cast<size_t>(axis)) outer *= shape[i];
      if (i > static_cast<size_t>(axis)) inner *= shape[i];
    }
  }
};

}  // namespace

KernelPtr Make(const Concat& op, const Request& request) {
  const AlongAxis to(request.outputs[0].shape, op.axis);
  std::vector<int64_t> extents;
  for (const TensorDesc& d : request.inputs) extents.push_back(AlongAxis(d.shape, op.axis).extent);
  auto run = [to, extents](auto zero, const Operands& o) {
    using T = decltype(zero);
    int64_t begin = 0;
    for (size_t input = 0; input < extents.size(); begin += extents[input++]) {
      for (int64_t a = 0; a < to.outer; ++a) {
        for (int64_t i = 0; i < extents[input] * to.inner; ++i) {
          o.out<T>(0)[(a * to.extent + begin) * to.inner + i] = o.in<T>(input)[a * extents[input] * to.inner + i];
        }
      }
    }
  };
  return MakeKernel(request, run);
}

KernelPtr Make(const Part& op, const Request& request) {
  const AlongAxis from(request.inputs[0].shape, op.axis);
  auto run = [from, op](auto zero, const Operands& o) {
    using T = decltype(zero);
    for (int64_t a = 0; a < from.outer; ++a) {
      for (int64_t i = 0; i < op.count * from.inner; ++i) {
        o.out<T>(0)[a * op.count * from.inner + i] = o.in<T>(0)[(a * from.extent + op.begin) * from.inner + i];
      }
    }
  };
  return MakeKernel(request, run);
}

}  // namespace mathnas::kernels::ref
