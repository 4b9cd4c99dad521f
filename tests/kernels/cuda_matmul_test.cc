// Products of cuBLASLt through kernels/cuda/matmul.h against loops in double: what is transposed, strided, repeated,
// scaled, added.
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/matmul.h"
#include "kernels/random.h"
#include "kernels/status.h"

namespace mathnas::kernels::cuda {
namespace {

using Epilogue = Product::Epilogue;

constexpr int64_t kGap = 3;  // elements between rows, and between matrices

// A matrix{batch,rows,columns} with gaps, in memory that host and device reach.
struct Matrix {
  DType type;
  int64_t rows, columns;
  std::shared_ptr<void> memory;

  int64_t row() const { return columns + kGap; }
  int64_t step() const { return rows * row() + kGap; }
  float Get(int64_t at) const {
    if (type == DType::kF32) return static_cast<const float*>(memory.get())[at];
    if (type == DType::kF16) return static_cast<const Float16*>(memory.get())[at].ToFloat();
    return static_cast<const Bfloat16*>(memory.get())[at].ToFloat();
  }
  void Set(int64_t at, float value) const {
    if (type == DType::kF32) {
      static_cast<float*>(memory.get())[at] = value;
    } else if (type == DType::kF16) {
      static_cast<Float16*>(memory.get())[at] = Float16::Rounded(value);
    } else {
      static_cast<Bfloat16*>(memory.get())[at] = Bfloat16::Rounded(value);
    }
  }
};

class CudaMatmul : public ::testing::Test {
 protected:
  void SetUp() override {
    auto gpu = Gpu::Open({});
    if (!gpu.ok()) GTEST_SKIP() << "no CUDA device: " << Message(gpu.status());
    gpu_ = *std::move(gpu);
    auto queue = Queue::Create(gpu_);
    ASSERT_TRUE(queue.ok()) << Message(queue.status());
    queue_ = *std::move(queue);
    auto workspace = gpu_->Allocate(Gpu::Memory::kDevice, Matmul::kWorkspaceBytes);
    ASSERT_TRUE(workspace.ok()) << Message(workspace.status());
    workspace_ = *std::move(workspace);
  }

  // Random, the gaps NaN.
  Matrix New(DType type, int64_t batch, int64_t rows, int64_t columns) {
    Matrix m = {type, rows, columns, nullptr};
    const int64_t elements = batch * m.step();
    auto memory = gpu_->Allocate(Gpu::Memory::kManaged, static_cast<size_t>(elements) * SizeOf(type));
    EXPECT_TRUE(memory.ok()) << Message(memory.status());
    if (!memory.ok()) return m;
    m.memory = *std::move(memory);
    for (int64_t i = 0; i < elements; ++i) m.Set(i, std::numeric_limits<float>::quiet_NaN());
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < rows * columns; ++i) {
        m.Set(b * m.step() + i / columns * m.row() + i % columns, static_cast<float>(2 * random_.Uniform() - 1));
      }
    }
    return m;
  }

  // With u = 2^-24 a sum of k products and an addition or two are off by (k + 4) u of the absolute values.
  void Test(Product p) {
    SCOPED_TRACE(fmt::format("{}, transposed {} {}, beta {}, epilogue {}", ToString(p), p.transpose_a, p.transpose_b,
                             p.beta, static_cast<int>(p.epilogue)));
    const Matrix a = p.transpose_a ? New(p.type, p.batch, p.k, p.m) : New(p.type, p.batch, p.m, p.k);
    const Matrix b = p.transpose_b ? New(p.type, p.batch, p.n, p.k) : New(p.type, p.batch, p.k, p.n);
    const Matrix y = New(p.y_type, p.batch, p.m, p.n), bias = New(p.y_type, 1, 1, p.n);
    p.a_row = a.row(), p.b_row = b.row(), p.y_row = y.row();
    p.a_batch = a.step(), p.b_batch = b.step(), p.y_batch = y.step();
    const bool has_bias = p.epilogue == Epilogue::kBias || p.epilogue == Epilogue::kBiasRelu;
    const bool has_relu = p.epilogue == Epilogue::kRelu || p.epilogue == Epilogue::kBiasRelu;
    std::vector<float> before;
    for (int64_t i = 0; i < p.batch * y.step(); ++i) before.push_back(y.Get(i));

    auto matmul = Matmul::Create(
        *queue_, p,
        {a.memory.get(), b.memory.get(), has_bias ? bias.memory.get() : nullptr, y.memory.get(), workspace_.get()});
    ASSERT_TRUE(matmul.ok()) << Message(matmul.status());
    ASSERT_TRUE(matmul->Run().ok());
    ASSERT_TRUE(queue_->Wait().ok());

    for (int64_t i = 0; i < p.batch * y.step(); ++i) {
      const int64_t batch = i / y.step(), row = i % y.step() / y.row(), column = i % y.step() % y.row();
      if (row >= p.m || column >= p.n) {
        ASSERT_TRUE(std::isnan(y.Get(i))) << "a gap was written to";
        continue;
      }
      double sum = 0, absolute = 0;
      const auto add = [&](double x) { sum += x, absolute += std::abs(x); };
      for (int64_t k = 0; k < p.k; ++k) {
        const int64_t at_a = p.transpose_a ? k * a.row() + row : row * a.row() + k;
        const int64_t at_b = p.transpose_b ? column * b.row() + k : k * b.row() + column;
        add(double{p.alpha} * a.Get(batch * a.step() + at_a) * b.Get(batch * b.step() + at_b));
      }
      if (p.beta != 0) add(double{p.beta} * before[static_cast<size_t>(i)]);
      if (has_bias) add(bias.Get(column));
      if (has_relu) sum = std::max(sum, 0.0);
      double bound = static_cast<double>(p.k + 4) * 0x1p-24 * absolute;
      if (p.y_type == DType::kBf16) bound += 0x1p-8 * (std::abs(sum) + bound);
      if (p.y_type == DType::kF16) bound += 0x1p-11 * (std::abs(sum) + bound) + 0x1p-25;
      ASSERT_NEAR(y.Get(i), sum, bound) << "batch " << batch << ", row " << row << ", column " << column;
    }
  }

  std::shared_ptr<Gpu> gpu_;
  std::unique_ptr<Queue> queue_;
  std::shared_ptr<void> workspace_;
  Random random_{1};
};

TEST_F(CudaMatmul, AsLoops) {
  constexpr std::pair<DType, DType> kTypes[] = {{DType::kF32, DType::kF32},
                                                {DType::kBf16, DType::kF32},
                                                {DType::kBf16, DType::kBf16},
                                                {DType::kF16, DType::kF32},
                                                {DType::kF16, DType::kF16}};
  for (const auto& [type, y_type] : kTypes) {
    for (int transposed = 0; transposed < 4; ++transposed) {
      for (int64_t batch : {1, 3}) {
        for (float beta : {0.0F, 0.75F}) {
          for (Epilogue epilogue : {Epilogue::kNone, Epilogue::kBias, Epilogue::kRelu, Epilogue::kBiasRelu}) {
            Test({.m = 9,
                  .n = 70,
                  .k = 11,
                  .transpose_a = transposed % 2 == 1,
                  .transpose_b = transposed / 2 == 1,
                  .batch = batch,
                  .type = type,
                  .y_type = y_type,
                  .alpha = 0.5F,
                  .beta = beta,
                  .epilogue = epilogue});
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST_F(CudaMatmul, SaysWhichProductHasNoAlgorithm) {
  const Product product = {.m = 6, .n = 5, .k = 7, .type = DType::kF32, .y_type = DType::kBf16};
  const auto matmul = Matmul::Create(*queue_, product, {nullptr, nullptr, nullptr, nullptr, workspace_.get()});
  EXPECT_TRUE(absl::IsUnimplemented(matmul.status())) << Message(matmul.status());
  EXPECT_NE(Message(matmul.status()).find("6x5x7 of F32 to BF16"), std::string::npos) << Message(matmul.status());
}

}  // namespace
}  // namespace mathnas::kernels::cuda
