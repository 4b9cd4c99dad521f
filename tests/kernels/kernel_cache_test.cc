#include "kernels/kernel_cache.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/random.h"

namespace mathnas::kernels {
namespace {

KernelCache::Key KeyOf(int64_t i, Operator op = Relu{}) {
  const TensorDesc desc = {DType::kF32, {i}};
  return {op, {desc}, {desc}};
}

std::shared_ptr<const Kernel> AnyKernel() {
  const TensorDesc desc = {DType::kF32, {1}};
  return *ReferenceDevice(DType::kF32)->Prepare(Relu{}, {desc}, {desc});
}

TEST(KernelCache, FindsWhatWasInserted) {
  KernelCache cache;
  const auto kernel = AnyKernel();
  EXPECT_EQ(cache.Find(KeyOf(1)), nullptr);
  cache.Insert(KeyOf(1), kernel);
  EXPECT_EQ(cache.Find(KeyOf(1)), kernel);
  EXPECT_EQ(cache.stats().hits, 1);
  EXPECT_EQ(cache.stats().misses, 1);
  EXPECT_EQ(cache.stats().size, 1);
  cache.Clear();
  EXPECT_EQ(cache.Find(KeyOf(1)), nullptr);
  EXPECT_EQ(cache.stats().size, 0);
}

TEST(KernelCache, TellsOperatorsAttributesTypesAndShapesApart) {
  KernelCache cache;
  cache.Insert(KeyOf(1, Scale{2}), AnyKernel());
  EXPECT_EQ(cache.Find(KeyOf(1, Scale{3})), nullptr);
  EXPECT_EQ(cache.Find(KeyOf(1, Relu{})), nullptr);
  EXPECT_EQ(cache.Find(KeyOf(2, Scale{2})), nullptr);
  KernelCache::Key other_type = KeyOf(1, Scale{2});
  other_type.inputs[0].dtype = DType::kF64;
  EXPECT_EQ(cache.Find(other_type), nullptr);
  KernelCache::Key other_output = KeyOf(1, Scale{2});
  other_output.outputs[0].shape = {1, 1};
  EXPECT_EQ(cache.Find(other_output), nullptr);
  EXPECT_NE(cache.Find(KeyOf(1, Scale{2})), nullptr);
}

TEST(KernelCache, DropsTheLeastRecentlyUsed) {
  KernelCache cache(3);
  for (int64_t i = 0; i < 3; ++i) cache.Insert(KeyOf(i), AnyKernel());
  EXPECT_NE(cache.Find(KeyOf(0)), nullptr);  // now 1 is the oldest
  cache.Insert(KeyOf(3), AnyKernel());
  EXPECT_EQ(cache.Find(KeyOf(1)), nullptr);
  EXPECT_NE(cache.Find(KeyOf(0)), nullptr);
  EXPECT_NE(cache.Find(KeyOf(2)), nullptr);
  EXPECT_NE(cache.Find(KeyOf(3)), nullptr);
  EXPECT_EQ(cache.stats().evictions, 1);
  EXPECT_EQ(cache.stats().size, 3);
}

TEST(KernelCache, CapacityIsAtLeastOneAndShrinksAtOnce) {
  KernelCache cache(10);
  for (int64_t i = 0; i < 10; ++i) cache.Insert(KeyOf(i), AnyKernel());
  cache.SetCapacity(4);
  EXPECT_EQ(cache.stats().size, 4);
  EXPECT_EQ(cache.stats().evictions, 6);
  cache.SetCapacity(-5);
  EXPECT_EQ(cache.stats().size, 1);
  EXPECT_NE(cache.Find(KeyOf(9)), nullptr);
}

TEST(KernelCache, InsertingTwiceKeepsTheFirst) {
  KernelCache cache;
  const auto first = AnyKernel(), second = AnyKernel();
  cache.Insert(KeyOf(1), first);
  cache.Insert(KeyOf(1), second);
  EXPECT_EQ(cache.Find(KeyOf(1)), first);
  EXPECT_EQ(cache.stats().size, 1);
}

TEST(KernelCache, ThreadsShareIt) {
  KernelCache cache(16);
  const auto kernel = AnyKernel();
  std::vector<std::thread> threads;
  constexpr int kLookUps = 5000;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, &kernel, t] {
      Random random(1, t);
      for (int i = 0; i < kLookUps; ++i) {
        const int64_t key = random.Below(32);
        if (cache.Find(KeyOf(key)) == nullptr) cache.Insert(KeyOf(key), kernel);
        if (i % 1000 == 0) cache.SetCapacity(8 + random.Below(8));
      }
    });
  }
  for (std::thread& t : threads) t.join();
  const KernelCache::Stats stats = cache.stats();
  EXPECT_EQ(stats.hits + stats.misses, 4 * kLookUps);
  EXPECT_LE(stats.size, 16);
  EXPECT_GT(stats.hits, 0);
}

// A kernel that left the cache lives on in whoever holds it.
TEST(KernelCache, DevicePreparesOnceAndEvictedKernelsStayUsable) {
  const auto device = ReferenceDevice(DType::kF32);
  device->cache().SetCapacity(1);
  const TensorDesc one = {DType::kF32, {1}}, two = {DType::kF32, {2}};
  const auto kernel = *device->Prepare(Relu{}, {one}, {one});
  EXPECT_EQ(*device->Prepare(Relu{}, {one}, {one}), kernel);
  ASSERT_TRUE(device->Prepare(Relu{}, {two}, {two}).ok());
  EXPECT_EQ(device->cache().stats().evictions, 1);
  EXPECT_EQ(kernel->implementation(), "ref");
}

}  // namespace
}  // namespace mathnas::kernels
