// Work on the channels of images (own/columns.h), laid out for a GPU.
#ifndef MATHNAS_KERNELS_CUDA_COLUMNS_H_
#define MATHNAS_KERNELS_CUDA_COLUMNS_H_

#include "kernels/cuda/own/columns.h"
#include "kernels/cuda/queue.h"
#include "kernels/tensor.h"

namespace mathnas::kernels::cuda {

// Of x{.., channels}, whose first axes are `images` times rows. No more parts than keep the GPU busy.
Columns ColumnsOf(const Shape& x, int64_t images, const Gpu& gpu);
inline Columns ColumnsOf(const Shape& x, const Gpu& gpu) { return ColumnsOf(x, 1, gpu); }

// A block for each tile of each part; none where there are no elements.
Grid GridOf(const Columns& columns);
// Of the kernel that sums the parts.
Grid FinishGridOf(const Columns& columns);
// Elements of a {parts, channels} of all images.
int64_t PartElements(const Columns& columns);

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_COLUMNS_H_
