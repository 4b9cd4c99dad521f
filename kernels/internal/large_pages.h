// Large pages for memory that is read over and over: with small ones the translation of addresses is a part of the
// time, another one in every process, that depends on which pages the system happened to give.
#ifndef MATHNAS_KERNELS_INTERNAL_LARGE_PAGES_H_
#define MATHNAS_KERNELS_INTERNAL_LARGE_PAGES_H_

#include <cstddef>
#include <utility>
#include <vector>

namespace mathnas::kernels::internal {

// A part of memory: address and bytes.
using Extent = std::pair<const void*, size_t>;

// Memory of `bytes`, a multiple of `alignment`, for std::free; from 2 MiB on in large pages where the system grants
// them on request, as Linux mostly does. Throws std::bad_alloc.
void* AllocatePreferringLargePages(size_t alignment, size_t bytes);

// Asks the system to put all large pages (2 MiB) that the extents touch in one piece each, with what else lies in them;
// contents and addresses stay. It copies what is not in one yet, some 0.3 ms a page. Where the system cannot, as
// before Linux 6.1, nothing happens.
void PreferLargePages(const std::vector<Extent>& extents);

}  // namespace mathnas::kernels::internal

#endif  // MATHNAS_KERNELS_INTERNAL_LARGE_PAGES_H_
