#include "kernels/testing/operator_runner.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "fmt/format.h"
#include "kernels/ops/element_types.h"
#include "kernels/packed_weights.h"

namespace mathnas::kernels::testing {
namespace {

constexpr size_t kGuard = 128;  // bytes watched behind a buffer
constexpr int kPattern = 0xFF;  // a NaN in every floating type

// Memory that the device reaches, filled with NaN, with a guard behind it.
class GuardedBuffer {
 public:
  GuardedBuffer(size_t bytes, Tensor memory) : bytes_(bytes), memory_(std::move(memory)) {
    std::memset(memory_.data(), kPattern, bytes + kGuard);
  }
  static absl::StatusOr<GuardedBuffer> Of(Device& device, size_t bytes) {
    auto memory = device.NewTensor({DType::kU8, {static_cast<int64_t>(bytes + kGuard)}});
    if (!memory.ok()) return memory.status();
    return GuardedBuffer(bytes, *std::move(memory));
  }
  void* data() const { return memory_.data(); }
  void Set(const Tensor& tensor) {
    if (tensor.desc().bytes() > 0) std::memcpy(data(), tensor.data(), tensor.desc().bytes());
  }
  Tensor Get(const TensorDesc& desc) const {
    Tensor tensor(desc);
    if (desc.bytes() > 0) std::memcpy(tensor.data(), data(), desc.bytes());
    return tensor;
  }
  bool Holds(const Tensor& tensor) const {
    return tensor.desc().bytes() == 0 || std::memcmp(data(), tensor.data(), tensor.desc().bytes()) == 0;
  }
  bool guard_intact() const {
    const auto bytes = memory_.as<uint8_t>();
    return std::all_of(bytes.begin() + static_cast<std::ptrdiff_t>(bytes_), bytes.end(),
                       [](uint8_t b) { return b == kPattern; });
  }

 private:
  size_t bytes_;
  Tensor memory_;
};

}  // namespace

DType LowTypeOf(const Problem& problem) {
  const auto* convert = std::get_if<Convert>(&problem.op);
  return problem.compute == DType::kF32 && convert != nullptr ? convert->to : problem.compute;
}

namespace {

// Whether the problem has values of its 16 bits there.
bool ComputesLow(const Device& device, const Problem& problem) {
  const DType low = LowTypeOf(problem);
  return low != DType::kF32 && device.CheckLow(low).ok();
}

template <typename Low>
std::vector<double> LowToDoubles(const Tensor& tensor) {
  std::vector<double> to;
  for (Low x : tensor.as<Low>()) to.push_back(x.ToFloat());
  return to;
}

}  // namespace

Descs InputDescs(const Problem& problem, DType real, bool low) {
  Descs descs;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const InputSpec& spec = problem.inputs[i];
    const bool is_low = low && problem.compute != DType::kF32 && TypeOfInput(problem.op, i) != OperandType::kReal;
    descs.push_back({spec.role == InputSpec::kLabels ? DType::kI64 : is_low ? problem.compute : real, spec.shape});
  }
  return descs;
}

absl::StatusOr<Descs> OutputDescs(const Operator& op, DescSpan inputs, DType real, bool low) {
  auto descs = std::visit([&](const auto& o) { return InferOutputs(o, inputs); }, op);
  if (!descs.ok()) return descs.status();
  for (size_t k = 0; k < descs->size(); ++k) (*descs)[k].dtype = low ? OutputType(op, inputs, k, real) : real;
  return descs;
}

absl::Status CheckProblem(const Problem& problem, double most_bytes) {
  const auto bytes_of = [](const Shape& shape) {  // as a double: a product of extents may be any size
    double bytes = sizeof(float);
    for (int64_t extent : shape) bytes *= static_cast<double>(extent);
    return bytes;
  };
  const auto check = [&](const Shape& shape, std::string_view what) -> absl::Status {
    for (int64_t extent : shape) {
      if (extent < 1) {
        return OperatorError(NameOf(problem.op),
                             fmt::format("{} is {}, expected extents of at least 1", what, ToString(shape)));
      }
    }
    if (bytes_of(shape) > 0x1p33) {
      return OperatorError(NameOf(problem.op),
                           fmt::format("{} is {}, expected less than 2^31 elements", what, ToString(shape)));
    }
    return absl::OkStatus();
  };
  double bytes = 0;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const InputSpec& spec = problem.inputs[i];
    if (auto s = check(spec.shape, fmt::format("input {}", i)); !s.ok()) return s;
    bytes += bytes_of(spec.shape) * (spec.role == InputSpec::kLabels ? 2 : 1);
    if (spec.role == InputSpec::kLabels && (spec.high < 1 || spec.high > std::numeric_limits<uint32_t>::max())) {
      return OperatorError(NameOf(problem.op),
                           fmt::format("input {} draws ids below {}, expected at least 1", i, spec.high));
    }
  }
  auto outputs = OutputDescs(problem.op, InputDescs(problem, DType::kF32), DType::kF32);
  if (!outputs.ok()) return outputs.status();
  for (size_t k = 0; k < outputs->size(); ++k) {
    if (auto s = check((*outputs)[k].shape, fmt::format("output {}", k)); !s.ok()) return s;
    bytes += bytes_of((*outputs)[k].shape);
  }
  if (bytes > most_bytes) {
    return OperatorError(NameOf(problem.op), fmt::format("its operands are {:.1f} MiB, expected at most {:.1f}",
                                                         bytes / 0x1p20, most_bytes / 0x1p20));
  }
  return absl::OkStatus();
}

std::optional<size_t> AlwaysInPlace(const Problem& problem) {
  const auto* conv = std::get_if<Conv2d>(&problem.op);
  if (conv == nullptr || !conv->has_addend) return std::nullopt;
  return problem.inputs.size() - 1;
}

Tensors RandomInputs(const Problem& problem, Random random) {
  Tensors inputs;
  const Descs descs = InputDescs(problem, DType::kF32, true);
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const InputSpec& spec = problem.inputs[i];
    const DType type = descs[i].dtype;
    if (spec.role == InputSpec::kLabels) {
      Tensor labels(DType::kI64, spec.shape);
      for (int64_t& x : labels.as<int64_t>()) x = random.Below(static_cast<uint32_t>(spec.high));
      inputs.push_back(std::move(labels));
      continue;
    }
    Tensor tensor(DType::kF32, spec.shape);
    for (float& x : tensor.as<float>()) {
      const double value = spec.low + (spec.high - spec.low) * random.Uniform();
      x = static_cast<float>(value + (value < 0 ? -spec.away_from_zero : spec.away_from_zero));
      // The kinks of an activation that saturates there.
      if (spec.saturation != 0 && std::abs(std::abs(x) - spec.saturation) < 1e-3) x *= 1.001F;
      if (type == DType::kBf16) x = Bfloat16::Rounded(x).ToFloat();
      if (type == DType::kF16) x = Float16::Rounded(x).ToFloat();
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

std::vector<double> ToDoubles(const Tensor& tensor) {
  if (tensor.desc().dtype == DType::kF64) {
    const auto from = tensor.as<double>();
    return {from.begin(), from.end()};
  }
  if (tensor.desc().dtype == DType::kBf16) return LowToDoubles<Bfloat16>(tensor);
  if (tensor.desc().dtype == DType::kF16) return LowToDoubles<Float16>(tensor);
  const auto from = tensor.as<float>();
  return {from.begin(), from.end()};
}

absl::StatusOr<RunResults> RunOperator(Device& device, const Problem& problem, const Tensors& inputs,
                                       const RunOptions& options) {
  Tensors converted;
  const bool low = ComputesLow(device, problem);
  const Descs input_descs = InputDescs(problem, device.real(), low);
  std::vector<GuardedBuffer> buffers;
  absl::InlinedVector<KernelBuffers::Operand, 6> operands;
  for (size_t i = 0; i < inputs.size(); ++i) {
    converted.push_back(Mapped(inputs[i], input_descs[i].dtype, [](double x) { return x; }));
    auto buffer = GuardedBuffer::Of(device, converted[i].desc().bytes());
    if (!buffer.ok()) return buffer.status();
    buffers.push_back(*std::move(buffer));
    buffers[i].Set(converted[i]);
    const InputSpec::Role role = problem.inputs[i].role;
    const bool weight = role == InputSpec::kParameter || role == InputSpec::kState;
    operands.push_back({buffers[i].data(), options.constant_weights && weight});
  }
  auto output_descs = OutputDescs(problem.op, input_descs, device.real(), low);
  if (!output_descs.ok()) return output_descs.status();
  for (const TensorDesc& d : *output_descs) {
    auto buffer = GuardedBuffer::Of(device, d.bytes());
    if (!buffer.ok()) return buffer.status();
    buffers.push_back(*std::move(buffer));
  }
  absl::InlinedVector<void*, 4> outputs;
  for (size_t k = 0; k < output_descs->size(); ++k) outputs.push_back(buffers[inputs.size() + k].data());
  if (options.in_place) outputs[0] = operands[*options.in_place].data;

  auto kernel = device.Prepare(problem.op, input_descs, *output_descs);
  if (!kernel.ok()) return kernel.status();
  const auto scratch = GuardedBuffer::Of(device, (*kernel)->scratch_bytes());
  if (!scratch.ok()) return scratch.status();
  auto stream = device.NewStream();
  if (!stream.ok()) return stream.status();
  PackedWeights packed;
  auto bound = (*kernel)->Bind({operands, outputs, scratch->data(), &packed, stream->get()});
  if (!bound.ok()) return bound.status();
  for (int run = 0; run < options.runs; ++run) {
    if (absl::Status s = (*bound)->Run(); !s.ok()) return s;
  }
  if (*stream != nullptr) {
    if (absl::Status s = (*stream)->Wait(); !s.ok()) return s;
  }

  for (size_t b = 0; b < buffers.size(); ++b) {
    if (!buffers[b].guard_intact()) return absl::InternalError(fmt::format("wrote behind operand {}", b));
  }
  if (!scratch->guard_intact()) return absl::InternalError("wrote behind its scratch");
  RunResults results;
  results.implementation = (*kernel)->implementation();
  for (size_t k = 0; k < output_descs->size(); ++k) {
    const bool over_input = k == 0 && options.in_place;
    results.results.push_back(buffers[over_input ? *options.in_place : inputs.size() + k].Get((*output_descs)[k]));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (problem.inputs[i].role == InputSpec::kState) {
      results.results.push_back(buffers[i].Get(input_descs[i]));
    } else if (!(options.in_place == i) && !buffers[i].Holds(converted[i])) {
      return absl::InternalError(fmt::format("changed input {}", i));
    }
  }
  return results;
}

}  // namespace mathnas::kernels::testing
