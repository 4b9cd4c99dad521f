// Large pages for memory that is read over and over: with small ones the translation of addresses is a part of the
// time, another one in every process, that depends on which pages the system happened to give.
#ifndef MATHNAS_KERNELS_INTERNAL_LARGE_PAGES_H_
#define MATHNAS_KERNELS_INTERNAL_LARGE_PAGES_H_

#include <cstddef>

namespace mathnas::kernels::internal {

// Memory of `bytes`, a multiple of `alignment`, for std::free; from 2 MiB on in large pages where the system grants
// them on request, as Linux mostly does. Throws std::bad_alloc.
void* AllocatePreferringLargePages(size_t alignment, size_t bytes);

}  // namespace mathnas::kernels::internal

#endif  // MATHNAS_KERNELS_INTERNAL_LARGE_PAGES_H_
