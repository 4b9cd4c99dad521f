#include "mathnas/core/limit.h"

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/core/internal/text.h"

namespace mathnas::core {
namespace {

constexpr std::string_view kNumberCharacters = "+-.0123456789eE";

absl::Status Malformed(std::string_view text, std::string_view detail) {
  return absl::InvalidArgumentError(
      fmt::format("limit '{}': expected METRIC<=NUMBER, METRIC>=NUMBER or NUMBER<=METRIC<=NUMBER, {}", text, detail));
}

struct Quantity {
  double value = 0;
  std::string unit;
};

bool IsWord(std::string_view text) { return !text.empty() && text.find_first_of("<>= \t") == std::string_view::npos; }

bool IsMetricName(std::string_view text) { return IsWord(text) && !internal::ParseNumber(text); }

// "500", "500 ms", "500ms"; nullopt if it is no number with at most a unit behind it.
std::optional<Quantity> ParseQuantity(std::string_view text) {
  size_t length = std::min(text.find_first_not_of(kNumberCharacters), text.size());
  // A unit may begin with e, as in 3eV.
  if (length > 0 && length < text.size() && (text[length - 1] == 'e' || text[length - 1] == 'E')) --length;
  const std::optional<double> value = internal::ParseNumber(text.substr(0, length));
  const std::string_view unit = internal::Trimmed(text.substr(length));
  if (!value || !(unit.empty() || IsWord(unit))) return std::nullopt;
  return Quantity{.value = *value, .unit = std::string(unit)};
}

struct Comparison {
  std::string_view left;
  LimitOp op;
  std::string_view rest;  // behind the operator
};

// At the first <= or >=; nullopt if there is none.
std::optional<Comparison> SplitComparison(std::string_view text) {
  const size_t at = text.find_first_of("<>");
  if (at == std::string_view::npos || at + 1 >= text.size() || text[at + 1] != '=') return std::nullopt;
  return Comparison{.left = internal::Trimmed(text.substr(0, at)),
                    .op = text[at] == '<' ? LimitOp::kAtMost : LimitOp::kAtLeast,
                    .rest = internal::Trimmed(text.substr(at + 2))};
}

LimitOp Reversed(LimitOp op) { return op == LimitOp::kAtMost ? LimitOp::kAtLeast : LimitOp::kAtMost; }

Limit MakeLimit(std::string_view metric, LimitOp op, const Quantity& quantity) {
  return {.metric = std::string(metric), .op = op, .value = quantity.value, .unit = quantity.unit};
}

// NUMBER op METRIC [op NUMBER], with the first number already read.
absl::StatusOr<std::vector<Limit>> ParseReversed(std::string_view text, const Quantity& first,
                                                 const Comparison& split) {
  const std::optional<Comparison> second = SplitComparison(split.rest);
  const std::string_view metric = second ? second->left : split.rest;
  if (!IsMetricName(metric)) return Malformed(text, fmt::format("found '{}' for the metric", metric));
  std::vector<Limit> limits = {MakeLimit(metric, Reversed(split.op), first)};
  if (!second) return limits;
  if (second->op != split.op) return Malformed(text, "found operators of both directions");
  const std::optional<Quantity> last = ParseQuantity(second->rest);
  if (!last) return Malformed(text, fmt::format("found '{}' for the second number", second->rest));
  limits.push_back(MakeLimit(metric, second->op, *last));
  return limits;
}

}  // namespace

std::string_view Name(LimitOp op) { return op == LimitOp::kAtMost ? "<=" : ">="; }

bool Holds(const Limit& limit, double value) {
  return limit.op == LimitOp::kAtMost ? value <= limit.value : value >= limit.value;
}

absl::StatusOr<std::vector<Limit>> ParseLimits(std::string_view text) {
  const std::optional<Comparison> split = SplitComparison(text);
  if (!split) return Malformed(text, "found neither <= nor >=");
  if (const std::optional<Quantity> first = ParseQuantity(split->left)) return ParseReversed(text, *first, *split);
  if (!IsMetricName(split->left)) return Malformed(text, fmt::format("found '{}' for the metric", split->left));
  const std::optional<Quantity> quantity = ParseQuantity(split->rest);
  if (!quantity) return Malformed(text, fmt::format("found '{}' for the number", split->rest));
  return std::vector<Limit>{MakeLimit(split->left, split->op, *quantity)};
}

}  // namespace mathnas::core
