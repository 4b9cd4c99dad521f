// Linear layers on the CUDA device where the operator harness does not come: float32 weights of rows of 16 bits, slices
// of weights, results that stay float32, biases at any address.
#include <cmath>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/packed_weights.h"
#include "kernels/random.h"
#include "kernels/status.h"

namespace mathnas::kernels {
namespace {

constexpr int64_t kRows = 19, kIn = 37, kOut = 23, kWeightsRow = 41;
constexpr double kU = 0x1p-24;

struct Case {
  bool backward;  // LinearBackwardData
  DType rows, weights;
  bool wide, constant;
  int64_t bias_offset;  // elements; negative: no bias

  int64_t terms() const { return backward ? kOut : kIn; }
  int64_t results() const { return backward ? kIn : kOut; }
  DType y() const { return wide ? DType::kF32 : rows; }
  std::string text() const {
    return fmt::format("backward {} rows {} weights {} wide {} constant {} bias {}", backward, Name(rows),
                       Name(weights), wide, constant, bias_offset);
  }
};

float Rounded(DType type, float x) {
  return type == DType::kBf16  ? Bfloat16::Rounded(x).ToFloat()
         : type == DType::kF16 ? Float16::Rounded(x).ToFloat()
                               : x;
}

double Get(const Tensor& t, int64_t i) {
  const auto at = static_cast<size_t>(i);
  if (t.desc().dtype == DType::kF16) return t.as<Float16>()[at].ToFloat();
  return t.desc().dtype == DType::kBf16 ? t.as<Bfloat16>()[at].ToFloat() : t.as<float>()[at];
}

class CudaLinear : public ::testing::Test {
 protected:
  void SetUp() override {
    auto device = CudaDevice();
    if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << Message(device.status());
    device_ = *std::move(device);
  }

  Tensor New(DType type, int64_t elements) {
    auto tensor = device_->NewTensor({type, {elements}});
    EXPECT_TRUE(tensor.ok()) << Message(tensor.status());
    return tensor.ok() ? *std::move(tensor) : Tensor();
  }
  void Fill(const Tensor& t) {
    for (int64_t i = 0; i < t.desc().elements(); ++i) {
      const auto x = static_cast<float>(2 * random_.Uniform() - 1);
      if (t.desc().dtype == DType::kBf16) {
        t.as<Bfloat16>()[static_cast<size_t>(i)] = Bfloat16::Rounded(x);
      } else if (t.desc().dtype == DType::kF16) {
        t.as<Float16>()[static_cast<size_t>(i)] = Float16::Rounded(x);
      } else {
        t.as<float>()[static_cast<size_t>(i)] = x;
      }
    }
  }

  // In double, of weights as the product has them. A sum is off by (terms + 2) u of its absolute values, and by 2^-8
  // or 2^-11 where it is rounded to bfloat16 or float16.
  void Check(const Case& c, const Tensor& x, const Tensor& weights, const Tensor& bias, const Tensor& y) {
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t j = 0; j < c.results(); ++j) {
        double sum = 0, absolute = 0;
        for (int64_t k = 0; k < c.terms(); ++k) {
          double w = Get(weights, c.backward ? k * kWeightsRow + j : j * kWeightsRow + k);
          w = Rounded(c.rows, static_cast<float>(w));
          const double product = Get(x, r * c.terms() + k) * w;
          sum += product;
          absolute += std::abs(product);
        }
        if (c.bias_offset >= 0) {
          sum += Get(bias, c.bias_offset + j);
          absolute += std::abs(Get(bias, c.bias_offset + j));
        }
        double bound = static_cast<double>(c.terms() + 3) * kU * absolute;
        if (c.y() == DType::kBf16) bound += 0x1p-8 * (std::abs(sum) + bound);
        if (c.y() == DType::kF16) bound += 0x1p-11 * (std::abs(sum) + bound) + 0x1p-25;
        ASSERT_NEAR(Get(y, r * c.results() + j), sum, bound) << "row " << r << ", " << j;
      }
    }
  }

  void Test(const Case& c) {
    SCOPED_TRACE(c.text());
    const Tensor x = New(c.rows, kRows * c.terms()), weights = New(c.weights, kOut * kWeightsRow),
                 bias = New(DType::kF32, kOut + 8), y = New(c.y(), kRows * c.results());
    for (const Tensor* t : {&x, &weights, &bias}) Fill(*t);
    Descs inputs = {{c.rows, {kRows, c.terms()}}, {c.weights, {kOut, kIn}, kWeightsRow}};
    if (c.bias_offset >= 0) inputs.push_back({DType::kF32, {kOut}});
    const Descs outputs = {{c.y(), {kRows, c.results()}}};
    Operator op = Linear{.has_bias = c.bias_offset >= 0, .wide_dst = c.wide};
    if (c.backward) op = LinearBackwardData{};
    auto kernel = device_->Prepare(op, inputs, outputs);
    ASSERT_TRUE(kernel.ok()) << Message(kernel.status());
    const Tensor scratch = New(DType::kU8, static_cast<int64_t>((*kernel)->scratch_bytes()));
    auto stream = device_->NewStream();
    ASSERT_TRUE(stream.ok()) << Message(stream.status());

    std::vector<KernelBuffers::Operand> operands = {{x.data(), false}, {weights.data(), c.constant}};
    if (c.bias_offset >= 0) operands.push_back({bias.as<float>().data() + c.bias_offset, c.constant});
    void* const results[] = {y.data()};
    PackedWeights packed;
    auto bound = (*kernel)->Bind({operands, results, scratch.data(), &packed, stream->get()});
    ASSERT_TRUE(bound.ok()) << Message(bound.status());
    EXPECT_EQ(packed.stats().size, c.constant && c.weights != c.rows ? 1 : 0);
    for (int run = 0; run < 2; ++run) {
      ASSERT_TRUE((*bound)->Run().ok());
      ASSERT_TRUE((*stream)->Wait().ok());
      Check(c, x, weights, bias, y);
      if (HasFatalFailure()) return;
      if (!c.constant) Fill(weights);
    }
  }

  std::shared_ptr<Device> device_;
  Random random_{1};
};

TEST_F(CudaLinear, SlicesOfWeightsOfEitherType) {
  for (bool backward : {false, true}) {
    for (bool constant : {false, true}) {
      Test({backward, DType::kF32, DType::kF32, false, constant, -1});
      for (DType low : {DType::kBf16, DType::kF16}) {
        Test({backward, low, low, false, constant, -1});
        Test({backward, low, DType::kF32, false, constant, -1});
      }
    }
  }
}

TEST_F(CudaLinear, BiasesAtAnyAddressAndWideResults) {
  for (int64_t offset : {0, 3, 4}) {
    for (bool constant : {false, true}) {
      Test({false, DType::kF32, DType::kF32, false, constant, offset});
      for (DType low : {DType::kBf16, DType::kF16}) {
        Test({false, low, DType::kF32, false, constant, offset});
        Test({false, low, DType::kF32, true, constant, offset});
      }
    }
  }
  for (DType low : {DType::kBf16, DType::kF16}) Test({false, low, low, true, false, -1});
}

}  // namespace
}  // namespace mathnas::kernels
