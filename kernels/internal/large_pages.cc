#include "kernels/internal/large_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <new>

namespace mathnas::kernels::internal {
namespace {

constexpr uintptr_t kLargePage = uintptr_t{2} << 20;
constexpr int kCollapse = 25;  // MADV_COLLAPSE, which headers before Linux 6.1 do not have

// Advice that is not taken is no error.
void Advise(uintptr_t begin, uintptr_t end, int advice) {
  const int before = errno;
  madvise(reinterpret_cast<void*>(begin), end - begin, advice);
  errno = before;
}

}  // namespace

void* AllocatePreferringLargePages(size_t alignment, size_t bytes) {
  void* memory = std::aligned_alloc(bytes >= kLargePage ? kLargePage : alignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  // Whole pages alone: what lies behind keeps its size.
  if (bytes >= kLargePage) Advise(begin, begin + bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
  return memory;
}

void PreferLargePages(const std::vector<Extent>& extents) {
  std::map<uintptr_t, uintptr_t> pages;  // begin and end
  for (const auto& [data, bytes] : extents) {
    const auto address = reinterpret_cast<uintptr_t>(data);
    uintptr_t& end = pages[address / kLargePage * kLargePage];
    end = std::max(end, (address + bytes + kLargePage - 1) / kLargePage * kLargePage);
  }
  for (auto run = pages.begin(); run != pages.end();) {
    const uintptr_t begin = run->first;
    uintptr_t end = run->second;
    for (++run; run != pages.end() && run->first <= end; ++run) end = std::max(end, run->second);
    // What is not the process's own memory is left out by the system.
    Advise(begin, end, kCollapse);
  }
}

}  // namespace mathnas::kernels::internal
