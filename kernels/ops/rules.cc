#include "kernels/ops/rules.h"

#include "fmt/format.h"

namespace mathnas::kernels {
namespace {

bool IsFloating(const TensorDesc& desc) {
  return desc.dtype == DType::kF32 || desc.dtype == DType::kF64 || IsLow(desc.dtype);
}

absl::Status NotFloating(std::string_view op, DescSpan inputs, size_t i) {
  return OperatorError(op, fmt::format("input {} is {}, expected a floating type", i, Name(inputs[i].dtype)));
}

}  // namespace

absl::Status OperatorError(std::string_view op, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", op, what));
}

absl::Status CheckFloating(std::string_view op, DescSpan inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!IsFloating(inputs[i])) return NotFloating(op, inputs, i);
  }
  return absl::OkStatus();
}

absl::Status CheckInputs(std::string_view op, DescSpan inputs, absl::Span<const int> ranks) {
  if (inputs.size() != ranks.size()) {
    return OperatorError(op, fmt::format("{} inputs, expected {}", inputs.size(), ranks.size()));
  }
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i] == kIntegers) {
      if (inputs[i].dtype == DType::kI64) continue;
      return OperatorError(op, fmt::format("input {} is {}, expected {}", i, Name(inputs[i].dtype), Name(DType::kI64)));
    }
    if (!IsFloating(inputs[i])) return NotFloating(op, inputs, i);
    if (ranks[i] >= 0 && inputs[i].shape.size() != static_cast<size_t>(ranks[i])) {
      return OperatorError(op, fmt::format("input {} is {}, expected rank {}", i, ToString(inputs[i].shape), ranks[i]));
    }
  }
  return absl::OkStatus();
}

int64_t RowsOf(const Shape& shape) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

absl::Status CheckSame(std::string_view op, std::string_view what, const Shape& shape, const Shape& expected) {
  if (shape == expected) return absl::OkStatus();
  return OperatorError(op, fmt::format("{} is {}, expected {}", what, ToString(shape), ToString(expected)));
}

}  // namespace mathnas::kernels
