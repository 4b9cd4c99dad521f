#include "kernels/internal/large_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>

namespace mathnas::kernels::internal {
namespace {

constexpr uintptr_t kLargePage = uintptr_t{2} << 20;
constexpr int kCollapse = 25;  // MADV_COLLAPSE, which headers before Linux 6.1 do not have

}  // namespace

void PreferLargePages(const std::vector<Extent>& extents) {
  std::map<uintptr_t, uintptr_t> pages;  // begin and end
  for (const auto& [data, bytes] : extents) {
    const auto address = reinterpret_cast<uintptr_t>(data);
    uintptr_t& end = pages[address / kLargePage * kLargePage];
    end = std::max(end, (address + bytes + kLargePage - 1) / kLargePage * kLargePage);
  }
  const int before = errno;
  for (auto run = pages.begin(); run != pages.end();) {
    const uintptr_t begin = run->first;
    uintptr_t end = run->second;
    for (++run; run != pages.end() && run->first <= end; ++run) end = std::max(end, run->second);
    // What is not the process's own memory is left out by the system.
    madvise(reinterpret_cast<void*>(begin), end - begin, kCollapse);
  }
  errno = before;
}

}  // namespace mathnas::kernels::internal
