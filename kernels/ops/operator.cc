#include "kernels/ops/operator.h"

#include "absl/hash/hash.h"

namespace mathnas::kernels {

std::string_view NameOf(const Operator& op) {
  return std::visit([](const auto& o) { return o.kName; }, op);
}

bool ChangesState(const Operator& op) {
  if (const auto* bn = std::get_if<BatchNormTraining>(&op)) return bn->track;
  if (const auto* moments = std::get_if<BatchNormMoments>(&op)) return moments->track;
  return std::holds_alternative<Accumulate>(op) || std::holds_alternative<AccumulateRows>(op) ||
         std::holds_alternative<Store>(op);
}

Counts CountOf(const Operator& op, DescSpan inputs, DescSpan outputs) {
  return std::visit(
      [&](const auto& o) -> Counts {
        if constexpr (requires { Count(o, inputs, outputs); }) return Count(o, inputs, outputs);
        return {};
      },
      op);
}

size_t HashOf(const Operator& op) {
  size_t hash = op.index();
  std::visit(
      [&hash](auto o) {  // by value: Visit hands out references that a reader may assign to
        o.Visit([&hash](std::string_view, const auto& attribute) { hash = absl::HashOf(hash, attribute); });
      },
      op);
  return hash;
}

}  // namespace mathnas::kernels
