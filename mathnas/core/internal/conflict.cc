#include "mathnas/core/internal/conflict.h"

#include <cstddef>

namespace mathnas::core::internal {
namespace {

std::vector<int> Indices(size_t mask) {
  std::vector<int> indices;
  for (int l = 0; mask >> l; ++l) {
    if (mask >> l & 1) indices.push_back(l);
  }
  return indices;
}

bool Before(const std::vector<int>& a, const std::vector<int>& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

}  // namespace

std::vector<int> SmallestConflict(std::vector<bool> held, int limits) {
  // Whoever holds a set holds its subsets.
  for (int l = 0; l < limits; ++l) {
    for (size_t mask = 0; mask < held.size(); ++mask) {
      if (!(mask >> l & 1) && held[mask | size_t{1} << l]) held[mask] = true;
    }
  }
  std::vector<int> conflict;
  for (size_t mask = 1; mask < held.size(); ++mask) {
    if (held[mask]) continue;
    std::vector<int> candidate = Indices(mask);
    if (conflict.empty() || Before(candidate, conflict)) conflict = std::move(candidate);
  }
  return conflict;
}

}  // namespace mathnas::core::internal
