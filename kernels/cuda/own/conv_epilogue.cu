#include "kernels/cuda/own/conv_activation.h"
#include "kernels/cuda/own/conv_epilogue.h"
#include "kernels/cuda/own/language.h"

namespace mathnas::kernels::cuda {
namespace {

template <typename T>
__device__ void Epilogue(const ConvEpilogueArgs& a) {
  const T* addend = static_cast<const T*>(a.addend);
  T* y = static_cast<T*>(a.y);
  // The channel goes along with the element: a division for each would cost more than its memory.
  const int step = static_cast<int>(GridStride() % a.channels);
  int channel = static_cast<int>(GridIndex() % a.channels);
  for (long long i = GridIndex(); i < a.n; i += GridStride()) {
    float sum = a.sums[i];
    if (a.bias != nullptr) sum += a.bias[channel];
    if (addend != nullptr) sum += Load(addend + i);
    Store(y + i, Activate(a.activation, sum));
    channel += step;
    if (channel >= a.channels) channel -= a.channels;
  }
}

}  // namespace

MATHNAS_CUDA_KERNELS(conv_epilogue, ConvEpilogueArgs, Epilogue)

}  // namespace mathnas::kernels::cuda
