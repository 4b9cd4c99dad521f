#include "kernels/internal/large_pages.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/tensor.h"

namespace mathnas::kernels {
namespace {

constexpr size_t kLargePage = size_t{2} << 20;

// What the system says of the mapping that holds the address: its line of /proc/self/smaps that begins with `key`.
std::string SystemSays(const void* address, const std::string& key) {
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    std::istringstream words(line);
    uintptr_t begin = 0, end = 0;
    char dash = 0;
    if (words >> std::hex >> begin >> dash >> end && dash == '-') {
      inside = begin <= reinterpret_cast<uintptr_t>(address) && reinterpret_cast<uintptr_t>(address) < end;
    } else if (inside && line.starts_with(key)) {
      return line + " ";
    }
  }
  return "";
}

bool SystemHasLargePages() { return std::filesystem::exists("/sys/kernel/mm/transparent_hugepage/enabled"); }

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

TEST(LargePages, SmallMemoryIsAlignedAsAsked) {
  for (size_t alignment : {size_t{64}, size_t{128}, size_t{4096}}) {
    const Memory memory(internal::AllocatePreferringLargePages(alignment, 4096));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.get()) % alignment, 0u);
  }
}

TEST(LargePages, LargeMemoryAsksForThem) {
  const size_t bytes = 3 * kLargePage + 64;
  const Memory memory(internal::AllocatePreferringLargePages(64, bytes));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.get()) % kLargePage, 0u);
  auto* data = static_cast<uint8_t*>(memory.get());
  std::fill(data, data + bytes, uint8_t{7});
  EXPECT_EQ(std::accumulate(data, data + bytes, size_t{0}), 7 * bytes);
  if (!SystemHasLargePages()) GTEST_SKIP() << "this system has no transparent large pages";
  EXPECT_NE(SystemSays(data, "VmFlags:").find(" hg "), std::string::npos) << SystemSays(data, "VmFlags:");
}

TEST(LargePages, TensorsAndWorkspacesAskForThem) {
  if (!SystemHasLargePages()) GTEST_SKIP() << "this system has no transparent large pages";
  const Tensor tensor(DType::kF32, {1024, 1024});
  EXPECT_NE(SystemSays(tensor.data(), "VmFlags:").find(" hg "), std::string::npos);
  const Tensor copy = tensor.Clone();
  EXPECT_NE(SystemSays(copy.data(), "VmFlags:").find(" hg "), std::string::npos);
  Workspace workspace;
  EXPECT_NE(SystemSays(workspace.Reserve(kLargePage), "VmFlags:").find(" hg "), std::string::npos);
}

TEST(LargePages, TooMuchMemoryIsBadAlloc) {
  EXPECT_THROW(internal::AllocatePreferringLargePages(64, std::numeric_limits<size_t>::max() / 128 * 64),
               std::bad_alloc);
}

// Memory in small pages, of which some were never touched, one is read-only and one belongs to nobody.
TEST(LargePages, ContentsAndAddressesStay) {
  constexpr size_t kPages = 4;
  void* map = mmap(nullptr, (kPages + 1) * kLargePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(map, MAP_FAILED);
  const uintptr_t first = (reinterpret_cast<uintptr_t>(map) + kLargePage - 1) / kLargePage * kLargePage;
  auto* words = reinterpret_cast<uint32_t*>(first);
  constexpr size_t kWords = kLargePage / sizeof(uint32_t);
  for (size_t i = 0; i < kWords * 3 / 2; ++i) words[i] = static_cast<uint32_t>(i * 2654435761u);
  ASSERT_EQ(mprotect(words + kWords, 4096, PROT_READ), 0);
  ASSERT_EQ(munmap(words + 3 * kWords, kLargePage), 0);
  errno = 17;
  internal::PreferLargePages({{words + 100, 40}, {words + kWords + 5, kLargePage}, {words + 3 * kWords, 1}});
  internal::PreferLargePages({});
  EXPECT_EQ(errno, 17);
  for (size_t i = 0; i < kWords * 3; ++i) {
    ASSERT_EQ(words[i], i < kWords * 3 / 2 ? static_cast<uint32_t>(i * 2654435761u) : 0u) << i;
  }
  munmap(map, (kPages + 1) * kLargePage);
}

}  // namespace
}  // namespace mathnas::kernels
