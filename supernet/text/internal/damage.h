// Counting what is left out of a text, or refusing it.
#ifndef MATHNAS_SUPERNET_TEXT_INTERNAL_DAMAGE_H_
#define MATHNAS_SUPERNET_TEXT_INTERNAL_DAMAGE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "supernet/text/parallel_text.h"

namespace mathnas::supernet::text {

// Counts one in `damaged`, keeps it in `kept` if it is among the first, and tells options.on_damage. With
// stop_at_damage, the status to return.
inline absl::Status CountDamage(const std::string& file, int64_t line, const std::string& what,
                                const ParallelTextOptions& options, int64_t& damaged, std::vector<DamagedLine>& kept) {
  DamagedLine damage{file, line, fmt::format("{}:{}: {}", file, line, what)};
  if (options.stop_at_damage) return absl::InvalidArgumentError(damage.message);
  ++damaged;
  if (options.on_damage) options.on_damage(damage);
  if (damaged <= kDamageKept) kept.push_back(std::move(damage));
  return absl::OkStatus();
}

}  // namespace mathnas::supernet::text

#endif  // MATHNAS_SUPERNET_TEXT_INTERNAL_DAMAGE_H_
