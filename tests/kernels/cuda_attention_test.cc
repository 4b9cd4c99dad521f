// Attention on the CUDA device with more scores than it has in scratch at a time (16 MiB): in several turns, against
// exact arithmetic. The shapes of the harness take one.
#include <string>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "kernels/testing/operator_cases.h"

namespace mathnas::kernels::testing {
namespace {

class CudaAttention : public ::testing::Test {
 protected:
  void SetUp() override {
    auto device = CudaDevice();
    if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << Message(device.status());
    device_ = *std::move(device);
  }

  void Test(std::string_view name, std::string_view text) {
    SCOPED_TRACE(std::string(name) + " " + std::string(text));
    const OperatorCase* entry = FindOperatorCase(name);
    ASSERT_NE(entry, nullptr);
    const auto line = ShapeLine::Parse(text, entry->keys);
    ASSERT_TRUE(line.ok()) << Message(line.status());
    const Problem problem = entry->build(*line);
    const Tensors inputs = RandomInputs(problem, Random(1));
    const auto exact = RunOperator(*ReferenceDevice(DType::kF64), problem, inputs);
    ASSERT_TRUE(exact.ok()) << Message(exact.status());
    const auto run = RunOperator(*device_, problem, inputs);
    ASSERT_TRUE(run.ok()) << Message(run.status());
    EXPECT_EQ(DeviationOf(run->results, exact->results, BoundsOf(*entry, problem, inputs, exact->results)).text, "");
  }

 private:
  std::shared_ptr<Device> device_;
};

// 4 MiB of scores for each head, in the backward pass twice.
TEST_F(CudaAttention, SomeHeadsAtATime) { Test("attention", "b=1 t=64 s=16384 heads=5 e=5 f=5 causal=1 rate=0.1"); }
TEST_F(CudaAttention, SomeHeadsAtATimeBackward) {
  Test("attention_backward", "b=1 t=64 s=16384 heads=2 e=4 f=4 causal=1 rate=0.1");
}
// 313 KiB for each image twice, in the backward pass four times.
TEST_F(CudaAttention, SomeImagesAtATime) { Test("talking_heads", "n=27 h=10 w=10 heads=8 e=8 f=8 window=10"); }
TEST_F(CudaAttention, SomeImagesAtATimeBackward) {
  Test("talking_heads_backward", "n=14 h=10 w=10 heads=8 e=8 f=8 window=10");
}

}  // namespace
}  // namespace mathnas::kernels::testing
