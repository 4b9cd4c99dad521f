// Channel counts as the reference networks round them.
#ifndef MATHNAS_SUPERNET_MAKE_DIVISIBLE_H_
#define MATHNAS_SUPERNET_MAKE_DIVISIBLE_H_

#include <algorithm>
#include <cstdint>

namespace mathnas::supernet {

// `v` >= 0 rounded to the nearest multiple of `divisor` (halves up), at least `least`, and to the next one up where
// that is below 0.9 v (spec/search-spaces.md 1.1). Once-for-all takes `least` = `divisor`, NASViT 1.
inline int64_t MakeDivisible(double v, int64_t divisor, int64_t least) {
  const auto d = static_cast<double>(divisor);
  const int64_t nearest = std::max(least, static_cast<int64_t>((v + d / 2) / d) * divisor);
  return static_cast<double>(nearest) < 0.9 * v ? nearest + divisor : nearest;
}

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_MAKE_DIVISIBLE_H_
