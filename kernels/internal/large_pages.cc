#include "kernels/internal/large_pages.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace mathnas::kernels::internal {
namespace {

constexpr uintptr_t kLargePage = uintptr_t{2} << 20;

// Advice that is not taken is no error.
void Advise(uintptr_t begin, uintptr_t end, int advice) {
  const int before = errno;
  madvise(reinterpret_cast<void*>(begin), end - begin, advice);
  errno = before;
}

}  // namespace

void* AllocatePreferringLargePages(size_t alignment, size_t bytes) {
  // Not aligned_alloc: by the letter of C11, and to sanitizers, that takes multiples of the alignment alone.
  void* memory = nullptr;
  if (posix_memalign(&memory, bytes >= kLargePage ? kLargePage : alignment, bytes) != 0) throw std::bad_alloc();
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  // Whole pages alone: what lies behind keeps its size.
  if (bytes >= kLargePage) Advise(begin, begin + bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
  return memory;
}

}  // namespace mathnas::kernels::internal
