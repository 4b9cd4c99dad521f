#include "kernels/cuda/own/copy.h"
#include "kernels/cuda/own/rows.h"

namespace mathnas::kernels::cuda {
namespace {

template <typename Word>
__device__ void CopyWords(const CopyArgs& a) {
  const Word* from = static_cast<const Word*>(a.from);
  Word* to = static_cast<Word*>(a.to);
  if (a.at != nullptr) {
    const long long at = *a.at;
    if (at < 0 || at > a.last) {
      // Kernels of a queue run one after the other, so no other one writes.
      if (GridIndex() == 0 && a.fault->found == 0) *a.fault = {1, at, a.last};
      return;
    }
    to += at * a.step;
  }
  ForRows(a.rows, a.columns, [&](long long row, long long column) {
    to[row * a.to_stride + column] = from[row * a.from_stride + column];
  });
}

}  // namespace

MATHNAS_CUDA_KERNEL(copy_words_of_16, CopyArgs, CopyWords<uint4>)
MATHNAS_CUDA_KERNEL(copy_words_of_8, CopyArgs, CopyWords<uint2>)
MATHNAS_CUDA_KERNEL(copy_words_of_4, CopyArgs, CopyWords<unsigned>)
MATHNAS_CUDA_KERNEL(copy_words_of_2, CopyArgs, CopyWords<unsigned short>)

}  // namespace mathnas::kernels::cuda
