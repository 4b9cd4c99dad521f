#include "kernels/internal/large_pages.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/packed_weights.h"
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

// Many small tensors to a large page, none over another, each alive for as long as somebody holds it.
TEST(LargePages, PackedWeightsShareThem) {
  PackedWeights packed;
  constexpr int64_t kBytes = 300000;
  constexpr size_t kTensors = 40;  // of several slabs
  const std::vector<uint8_t> sources(kTensors);
  std::vector<std::shared_ptr<const Tensor>> held;
  for (size_t i = 0; i < kTensors; ++i) {
    auto tensor = packed.Get(&packed, &sources[i], {DType::kU8, {kBytes}}, [&](const TensorView& to) {
      std::ranges::fill(to.as<uint8_t>(), static_cast<uint8_t>(i));
      return absl::OkStatus();
    });
    ASSERT_TRUE(tensor.ok());
    if (i % 3 == 0) continue;  // not held
    held.push_back(*std::move(tensor));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(held.back()->data()) % 64, 0u);
    if (!SystemHasLargePages()) continue;
    const std::string flags = SystemSays(held.back()->data(), "VmFlags:");
    EXPECT_NE(flags.find(" hg "), std::string::npos) << flags;
  }
  EXPECT_EQ(packed.stats().size, static_cast<int64_t>(held.size()));
  EXPECT_EQ(packed.bytes(), held.size() * kBytes);
  for (size_t i = 0, h = 0; i < kTensors; ++i) {
    if (i % 3 == 0) continue;
    const std::span<const uint8_t> bytes = held[h++]->as<const uint8_t>();
    EXPECT_TRUE(std::ranges::all_of(bytes, [&](uint8_t b) { return b == i; })) << i;
  }
  const auto failed =
      packed.Get(&packed, &packed, {DType::kU8, {kBytes}}, [](const TensorView&) { return absl::InternalError("no"); });
  EXPECT_EQ(failed.status().message(), "no");
}

}  // namespace
}  // namespace mathnas::kernels
