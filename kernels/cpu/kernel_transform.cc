// Smaller depthwise kernels from the centre of larger ones: small matrix products over gathered centres.
#include <algorithm>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

// The central kernel x kernel of each channel of weights{C,1,source,source}.
struct Centre {
  int64_t source, kernel;

  int64_t size() const { return kernel * kernel; }
  int64_t row(int64_t channel, int64_t r) const {
    const int64_t begin = (source - kernel) / 2;
    return (channel * source + begin + r) * source + begin;
  }
  void Gather(const float* weights, int64_t begin, int64_t end, float* v) const {
    for (int64_t c = begin; c < end; ++c) {
      for (int64_t r = 0; r < kernel; ++r, v += kernel) std::copy_n(weights + row(c, r), kernel, v);
    }
  }
  void Scatter(const float* v, int64_t begin, int64_t end, float* weights) const {
    std::fill(weights + begin * source * source, weights + end * source * source, 0.f);
    for (int64_t c = begin; c < end; ++c) {
      for (int64_t r = 0; r < kernel; ++r, v += kernel) std::copy_n(v, kernel, weights + row(c, r));
    }
  }
};

}  // namespace

KernelOr Make(const KernelTransform& op, const Request& r) {
  const VectorKernels& v = Vector();
  const Centre centre = {r.inputs[0].shape[2], op.kernel};
  const int64_t channels = r.inputs[0].shape[0], size = centre.size();
  if (!op.has_matrix) {
    return MakeFunctionKernel("copy", 0,
                              [=](const Operands& o) { centre.Gather(o.in<float>(0), 0, channels, o.out<float>(0)); });
  }
  Carver books(nullptr);
  books.Take<float>(size * size), books.Take<float>(channels * size);
  return MakeFunctionKernel(v.name, books.bytes(), [=, &v, threads = r.threads](const Operands& o) {
    Carver scratch(o.scratch);
    float *transposed = scratch.Take<float>(size * size), *centres = scratch.Take<float>(channels * size);
    for (int64_t j = 0; j < size; ++j) {
      for (int64_t i = 0; i < size; ++i) transposed[i * size + j] = o.in<float>(1)[j * size + i];
    }
    ParallelFor(threads, channels, GrainOf(size * size), [&](int, int64_t begin, int64_t end) {
      centre.Gather(o.in<float>(0), begin, end, centres + begin * size);
      v.fill(0, o.out<float>(0) + begin * size, (end - begin) * size);
      v.add_product(centres + begin * size, transposed, o.out<float>(0) + begin * size, end - begin, size, size);
    });
  });
}

KernelOr Make(const KernelTransformBackwardWeights& op, const Request& r) {
  const VectorKernels& v = Vector();
  const Centre centre = {op.source_kernel, r.inputs[0].shape[2]};
  const int64_t channels = r.inputs[0].shape[0], size = centre.size();
  if (!op.has_matrix) {
    return MakeFunctionKernel("copy", 0,
                              [=](const Operands& o) { centre.Scatter(o.in<float>(0), 0, channels, o.out<float>(0)); });
  }
  Carver books(nullptr);
  books.Take<float>(channels * size);
  return MakeFunctionKernel(v.name, books.bytes(), [=, &v, threads = r.threads](const Operands& o) {
    auto* centres = static_cast<float*>(o.scratch);
    ParallelFor(threads, channels, GrainOf(size * size), [&](int, int64_t begin, int64_t end) {
      v.fill(0, centres + begin * size, (end - begin) * size);
      v.add_product(o.in<float>(0) + begin * size, o.in<float>(1), centres + begin * size, end - begin, size, size);
      centre.Scatter(centres + begin * size, begin, end, o.out<float>(0));
    });
  });
}

KernelOr Make(const KernelTransformBackwardMatrix&, const Request& r) {
  const VectorKernels& v = Vector();
  const Centre centre = {r.inputs[0].shape[2], r.inputs[1].shape[2]};
  const int64_t channels = r.inputs[0].shape[0], size = centre.size();
  Carver books(nullptr);
  books.Take<float>(channels * size), books.Take<float>(channels * size);
  return MakeFunctionKernel(v.name, books.bytes(), [=, &v, threads = r.threads](const Operands& o) {
    Carver scratch(o.scratch);
    float *centres = scratch.Take<float>(channels * size), *transposed = scratch.Take<float>(channels * size);
    centre.Gather(o.in<float>(0), 0, channels, centres);
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t j = 0; j < size; ++j) transposed[j * channels + c] = o.in<float>(1)[c * size + j];
    }
    ParallelFor(threads, size, GrainOf(channels * size), [&](int, int64_t begin, int64_t end) {
      v.fill(0, o.out<float>(0) + begin * size, (end - begin) * size);
      v.add_product(transposed + begin * channels, centres, o.out<float>(0) + begin * size, end - begin, channels,
                    size);
    });
  });
}

}  // namespace mathnas::kernels::cpu
