#include "kernels/cuda/own/dropout.h"
#include "kernels/cuda/own/random.h"
#include "kernels/cuda/own/rows.h"

namespace mathnas::kernels::cuda {
namespace {

__device__ void Dropout(const DropoutArgs& a) {
  const DropoutKeys keys = KeysOf(a.mask);
  if (a.group == 1) {
    for (long long i = GridIndex(); i < a.n; i += GridStride()) {
      a.y[i] = Drops(keys, static_cast<unsigned>(i)) ? 0.f : a.factor * a.x[i];
    }
    return;
  }
  ForRows(a.n / a.group, a.group, [&](long long row, long long column) {
    const long long i = row * a.group + column;
    a.y[i] = Drops(keys, static_cast<unsigned>(row)) ? 0.f : a.factor * a.x[i];
  });
}

}  // namespace

MATHNAS_CUDA_KERNEL(dropout, DropoutArgs, Dropout)

}  // namespace mathnas::kernels::cuda
