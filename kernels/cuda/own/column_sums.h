// Sums over the rows of a matrix, on the GPU.
#ifndef MATHNAS_KERNELS_CUDA_OWN_COLUMN_SUMS_H_
#define MATHNAS_KERNELS_CUDA_OWN_COLUMN_SUMS_H_

#include "kernels/cuda/own/kernel.h"

namespace mathnas::kernels::cuda {

// y{parts,columns} = the sums of rows_per_part rows of x{rows,columns} each. Blocks of kColumnSumColumns columns, and a
// row of blocks for each part.
struct ColumnSumsArgs {
  const void* x;
  float* y;
  long long rows, columns, rows_per_part;
};
constexpr OwnKernel<ColumnSumsArgs> kColumnSums = {"column_sums"};
constexpr int kColumnSumColumns = 32;
constexpr int kColumnSumThreads = 256;

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_COLUMN_SUMS_H_
