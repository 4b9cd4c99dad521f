// The gradient of a sum of normalised tensors writes over several of its inputs at once where a plan lets it
// (InPlaceInput in plan.cc): every gradient of x over its x, and the total over the first tensor that flows in.
#include <cstring>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/packed_weights.h"
#include "kernels/status.h"
#include "kernels/testing/operator_runner.h"

namespace mathnas::kernels::testing {
namespace {

Problem ProblemOf(int32_t terms, Activation activation, DType compute) {
  const NormalizedSumBackward op = {.terms = terms, .activation = activation, .has_total = true};
  const Shape x = {3, 9, 5, 24}, c = {24};
  Problem problem = {op, {}, compute};
  for (int32_t t = 0; t < terms; ++t) {
    problem.inputs.insert(problem.inputs.end(), {{InputSpec::kActivation, x, -2, 2},
                                                 {InputSpec::kActivation, c},
                                                 {InputSpec::kActivation, c, 0.5, 2},
                                                 {InputSpec::kParameter, c, 0.5, 1.5},
                                                 {InputSpec::kParameter, c}});
  }
  const int others = activation == Activation::kRelu ? 3 : 2;  // y, and two that flow in
  problem.inputs.insert(problem.inputs.end(), static_cast<size_t>(others), {InputSpec::kActivation, x});
  return problem;
}

absl::StatusOr<Tensors> Run(Device& device, const Problem& problem, const Tensors& values, bool in_place) {
  const auto& op = std::get<NormalizedSumBackward>(problem.op);
  const Descs input_descs = InputDescs(problem, DType::kF32, true);
  Tensors inputs, results;
  absl::InlinedVector<KernelBuffers::Operand, 6> operands;
  for (size_t i = 0; i < values.size(); ++i) {
    const Tensor converted = Mapped(values[i], input_descs[i].dtype, [](double x) { return x; });
    auto tensor = device.NewTensor(input_descs[i]);
    if (!tensor.ok()) return tensor.status();
    std::memcpy(tensor->data(), converted.data(), input_descs[i].bytes());
    operands.push_back({tensor->data(), false});
    inputs.push_back(*std::move(tensor));
  }
  auto output_descs = OutputDescs(problem.op, input_descs, DType::kF32, true);
  if (!output_descs.ok()) return output_descs.status();
  absl::InlinedVector<void*, 4> outputs;
  for (size_t k = 0; k < output_descs->size(); ++k) {
    const bool is_total = k == op.total_output();
    if (in_place && (is_total || k % op.outputs_per_term() == 0)) {
      const size_t input = is_total ? op.first_flow() : k / op.outputs_per_term() * op.inputs_per_term();
      outputs.push_back(inputs[input].data());
      results.push_back(std::move(inputs[input]));
      continue;
    }
    auto tensor = device.NewTensor((*output_descs)[k]);
    if (!tensor.ok()) return tensor.status();
    outputs.push_back(tensor->data());
    results.push_back(*std::move(tensor));
  }
  auto kernel = device.Prepare(problem.op, input_descs, *output_descs);
  if (!kernel.ok()) return kernel.status();
  auto scratch = device.NewTensor({DType::kU8, {static_cast<int64_t>((*kernel)->scratch_bytes()) + 1}});
  if (!scratch.ok()) return scratch.status();
  auto stream = device.NewStream();
  if (!stream.ok()) return stream.status();
  PackedWeights packed;
  auto bound = (*kernel)->Bind({operands, outputs, scratch->data(), &packed, stream->get()});
  if (!bound.ok()) return bound.status();
  if (auto s = (*bound)->Run(); !s.ok()) return s;
  if (*stream != nullptr) {
    if (auto s = (*stream)->Wait(); !s.ok()) return s;
  }
  return results;
}

void CompareOn(Device& device) {
  for (DType compute : {DType::kF32, DType::kBf16, DType::kF16}) {
    if (compute != DType::kF32 && !device.CheckLow(compute).ok()) continue;
    for (int32_t terms : {1, 2, 4, 7}) {
      for (Activation activation : {Activation::kNone, Activation::kRelu, Activation::kHardSwish, Activation::kSwish}) {
        if (terms > 1 && activation != Activation::kNone && activation != Activation::kRelu) continue;
        SCOPED_TRACE(fmt::format("{} terms, {}, {}", terms, Name(activation), Name(compute)));
        const Problem problem = ProblemOf(terms, activation, compute);
        const Tensors inputs = RandomInputs(problem, Random(5));
        auto apart = Run(device, problem, inputs, false), in_place = Run(device, problem, inputs, true);
        ASSERT_TRUE(apart.ok()) << Message(apart.status());
        ASSERT_TRUE(in_place.ok()) << Message(in_place.status());
        for (size_t k = 0; k < apart->size(); ++k) {
          const size_t bytes = (*apart)[k].desc().bytes();
          EXPECT_EQ(std::memcmp((*apart)[k].data(), (*in_place)[k].data(), bytes), 0) << "output " << k;
        }
      }
    }
  }
}

TEST(NormalizedSumInPlace, Cpu) {
  auto device = CpuDevice(2);
  if (absl::IsUnimplemented(device.status())) GTEST_SKIP() << "no CPU kernels: " << Message(device.status());
  ASSERT_TRUE(device.ok()) << Message(device.status());
  CompareOn(**device);
}

TEST(NormalizedSumInPlace, Cuda) {
  auto device = CudaDevice();
  if (!device.ok()) GTEST_SKIP() << "no CUDA device: " << Message(device.status());
  CompareOn(**device);
}

}  // namespace
}  // namespace mathnas::kernels::testing
