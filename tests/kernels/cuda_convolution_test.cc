// Convolutions on the GPU beyond the shapes of operator_test: weights that are slices and begin anywhere, weights wider
// than the images, one kernel in several threads. Compared with exact arithmetic, as there.
#include <cstring>
#include <thread>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "kernels/testing/operator_cases.h"

namespace mathnas::kernels::testing {
namespace {

std::shared_ptr<Device> Gpu() {
  static const absl::StatusOr<std::shared_ptr<Device>> device = CudaDevice();
  return device.ok() ? *device : nullptr;
}

// A tensor of the device with `before` elements in front of it, rows `row` elements apart, NaN everywhere else.
struct Placed {
  Tensor memory;
  TensorView view;

  Placed(Device& device, const Tensor& tensor, DType type, int64_t before, int64_t row) {
    const Shape& shape = tensor.shape();
    const int64_t rows = shape[0], columns = tensor.desc().elements() / rows;
    const size_t size = SizeOf(type);
    auto made = device.NewTensor({DType::kU8, {static_cast<int64_t>(size) * (before + rows * row)}});
    EXPECT_TRUE(made.ok()) << Message(made.status());
    memory = *std::move(made);
    std::memset(memory.data(), 0xFF, memory.desc().bytes());
    const Tensor converted = Mapped(tensor, type, [](double x) { return x; });
    auto* data = static_cast<std::byte*>(memory.data()) + size * static_cast<size_t>(before);
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(data + size * static_cast<size_t>(r * row),
                  static_cast<const std::byte*>(converted.data()) + size * static_cast<size_t>(r * columns),
                  size * static_cast<size_t>(columns));
    }
    view = {{type, shape, row == columns ? 0 : row}, data};
  }
};

// A convolution with its operands on the device; all but the images begin at an odd element.
struct Convolution {
  const OperatorCase& entry;
  Problem problem;
  Tensors inputs;
  std::vector<Placed> placed;
  Descs input_descs, output_descs;
  std::shared_ptr<const Kernel> kernel;

  // Weights have rows so many elements longer than they need, and are of that type whatever the images are.
  Convolution(std::string_view name, std::string_view line, int64_t surplus, DType weights)
      : entry(*FindOperatorCase(name)), problem(BuildProblem(entry, *ShapeLine::Parse(line, KeysOf(entry)))) {
    inputs = RandomInputs(problem, Random(7));
    const Descs dense = InputDescs(problem, DType::kF32, true);
    for (size_t i = 0; i < inputs.size(); ++i) {
      const bool is_weights = i == 1 && problem.inputs[i].role == InputSpec::kParameter;
      const int64_t columns = inputs[i].desc().elements() / inputs[i].shape()[0];
      const int64_t before = problem.inputs[i].role == InputSpec::kParameter ? 3 : 0;
      placed.emplace_back(*Gpu(), inputs[i], is_weights ? weights : dense[i].dtype, before,
                          columns + (is_weights ? surplus : 0));
      input_descs.push_back(placed[i].view.desc);
    }
    auto outputs = OutputDescs(problem.op, dense, DType::kF32, true);
    EXPECT_TRUE(outputs.ok()) << Message(outputs.status());
    output_descs = *outputs;
    auto prepared = Gpu()->Prepare(problem.op, input_descs, output_descs);
    EXPECT_TRUE(prepared.ok()) << Message(prepared.status());
    if (prepared.ok()) kernel = *prepared;
  }

  absl::StatusOr<Tensors> Run(bool constant) const {
    absl::InlinedVector<KernelBuffers::Operand, 6> operands;
    for (size_t i = 0; i < placed.size(); ++i) {
      operands.push_back({placed[i].view.data, constant && problem.inputs[i].role == InputSpec::kParameter});
    }
    Tensors outputs;
    absl::InlinedVector<void*, 4> addresses;
    for (const TensorDesc& d : output_descs) {
      auto tensor = Gpu()->NewTensor(d);
      if (!tensor.ok()) return tensor.status();
      addresses.push_back(tensor->data());
      outputs.push_back(*std::move(tensor));
    }
    auto scratch = Gpu()->NewTensor({DType::kU8, {static_cast<int64_t>(kernel->scratch_bytes())}});
    if (!scratch.ok()) return scratch.status();
    std::memset(scratch->data(), 0xFF, scratch->desc().bytes());
    auto stream = Gpu()->NewStream();
    if (!stream.ok()) return stream.status();
    PackedWeights packed;
    auto bound = kernel->Bind({operands, addresses, scratch->data(), &packed, stream->get()});
    if (!bound.ok()) return bound.status();
    if (auto s = (*bound)->Run(); !s.ok()) return s;
    if (auto s = (*stream)->Wait(); !s.ok()) return s;
    return outputs;
  }

  void Check(bool constant) const {
    SCOPED_TRACE(constant ? "constant weights" : "weights that change");
    ASSERT_NE(kernel, nullptr);
    auto exact = RunOperator(*ReferenceDevice(DType::kF64), problem, inputs);
    ASSERT_TRUE(exact.ok()) << Message(exact.status());
    auto run = Run(constant);
    ASSERT_TRUE(run.ok()) << Message(run.status());
    EXPECT_EQ(DeviationOf(*run, exact->results, BoundsOf(entry, problem, inputs, exact->results)).text, "")
        << kernel->implementation();
  }
};

class CudaConvolution : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Gpu() == nullptr) GTEST_SKIP() << "no CUDA device: " << Message(CudaDevice().status());
  }
};

TEST_F(CudaConvolution, TakesSlicesOfWeightsWhereverTheyBegin) {
  constexpr std::pair<std::string_view, std::string_view> kCases[] = {
      {"conv2d", "n2 h7 w6 c8 o24 k3 p1 bias relu"},
      {"conv2d", "n2 h7 w6 c8 o24 k1"},
      {"conv2d", "n2 h7 w6 c24 o24 k5 p2 g24 bias"},
      {"conv2d", "n2 h7 w6 c24 o24 k3 p1 g24 bias swish bfloat16"},
      {"conv2d", "n2 h7 w6 c8 o24 k3 p1 bias hard_swish bfloat16"},
      {"conv2d_backward_data", "n2 h7 w6 c8 o24 k3 s2 p1"},
      {"conv2d_backward_data", "n2 h7 w6 c16 o8 k3 p1 g2 bfloat16"},
      {"conv2d", "n2 h7 w6 c24 o24 k3 p1 g24 bias swish float16"},
      {"conv2d", "n2 h7 w6 c8 o24 k3 p1 bias hard_swish float16"},
      {"conv2d", "n2 h7 w6 c8 o24 k1 float16"},
      {"conv2d_backward_data", "n2 h7 w6 c16 o8 k3 p1 g2 float16"},
  };
  for (const auto& [name, line] : kCases) {
    SCOPED_TRACE(std::string(name) + " " + std::string(line));
    const DType type = line.ends_with(" bfloat16")  ? DType::kBf16
                       : line.ends_with(" float16") ? DType::kF16
                                                    : DType::kF32;
    for (int64_t surplus : {0, 5}) {
      const Convolution convolution(name, line, surplus, type);
      convolution.Check(false);
      convolution.Check(true);
    }
  }
}

// The values of such weights are those of the 16 bits, so rounding them once more changes nothing.
TEST_F(CudaConvolution, TakesMastersOfWeightsForImagesOf16Bits) {
  for (std::string_view line : {"n2 h7 w6 c8 o24 k3 p1", "n2 h7 w6 c8 o24 k3 p1 bias relu", "n2 h7 w6 c8 o8 k1",
                                "n2 h7 w6 c24 o24 k3 p1 g24 bias relu"}) {
    SCOPED_TRACE(line);
    for (const char* type : {" bfloat16", " float16"}) {
      const std::string low = std::string(line) + type;
      const Convolution forward("conv2d", low, 7, DType::kF32);
      forward.Check(false);
      forward.Check(true);
      Convolution("conv2d_backward_data", low, 7, DType::kF32).Check(false);
    }
  }
}

// The rounding itself: masters that lie a quarter of a step or less above one of the 16 bits give what that gives.
TEST_F(CudaConvolution, RoundsMastersOnce) {
  for (std::string_view line : {"n1 h4 w4 c8 o8 k3 p1", "n1 h4 w4 c8 o8 k3 p1 bias", "n1 h4 w4 c8 o8 k3 p1 g8 bias"}) {
    for (const auto& [word, type, more] :
         {std::tuple{" bfloat16", DType::kBf16, 0x1p-10F}, {" float16", DType::kF16, 0x1p-13F}}) {
      const std::string low = std::string(line) + word;
      SCOPED_TRACE(low);
      const Convolution rounded("conv2d", low, 0, type), masters("conv2d", low, 0, DType::kF32);
      auto* weights = static_cast<float*>(masters.placed[1].view.data);
      for (int64_t i = 0; i < masters.placed[1].view.desc.elements(); ++i) weights[i] *= 1 + more;
      auto expected = rounded.Run(false), got = masters.Run(false);
      ASSERT_TRUE(expected.ok() && got.ok()) << Message(expected.status()) << Message(got.status());
      EXPECT_EQ(ToDoubles((*got)[0]), ToDoubles((*expected)[0]));
    }
  }
}

// Plans and handles of cuDNN belong to a thread, kernels to all.
TEST_F(CudaConvolution, OneKernelRunsInSeveralThreads) {
  const Convolution convolution("conv2d", "n2 h9 w8 c16 o24 k3 p1 bias", 0, DType::kF32);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 4; ++i) convolution.Check(i % 2 == 0);
    });
  }
  for (std::thread& t : threads) t.join();
}

}  // namespace
}  // namespace mathnas::kernels::testing
