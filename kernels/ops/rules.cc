#include "kernels/ops/rules.h"

#include "fmt/format.h"

namespace mathnas::kernels {

absl::Status OperatorError(std::string_view op, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", op, what));
}

absl::Status CheckInputs(std::string_view op, DescSpan inputs, absl::Span<const int> ranks) {
  if (inputs.size() != ranks.size()) {
    return OperatorError(op, fmt::format("{} inputs, expected {}", inputs.size(), ranks.size()));
  }
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i] >= 0 && inputs[i].shape.size() != static_cast<size_t>(ranks[i])) {
      return OperatorError(op, fmt::format("input {} is {}, expected rank {}", i, ToString(inputs[i].shape), ranks[i]));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSame(std::string_view op, std::string_view what, const Shape& shape, const Shape& expected) {
  if (shape == expected) return absl::OkStatus();
  return OperatorError(op, fmt::format("{} is {}, expected {}", what, ToString(shape), ToString(expected)));
}

}  // namespace mathnas::kernels
