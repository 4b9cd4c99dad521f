// Energy from the processor's own counters (RAPL), as Linux shows them.
#ifndef MATHNAS_MATHNAS_PROFILE_RAPL_H_
#define MATHNAS_MATHNAS_PROFILE_RAPL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace mathnas::profile {

// The package counters of all sockets together.
class RaplCounter {
 public:
  // Unavailable says why energy cannot be measured here: no counters, or no right to read them.
  static absl::StatusOr<RaplCounter> Open(const std::string& folder = "/sys/class/powercap");

  // Joules since some point in the past; counters that wrap are unwrapped as long as this is called more often than
  // they do (minutes at least).
  absl::StatusOr<double> Joules();

 private:
  struct Package {
    std::string path;  // of energy_uj
    uint64_t range;    // it counts up to this
    uint64_t last = 0;
    uint64_t total = 0;  // microjoules since Open
  };
  std::vector<Package> packages_;
};

}  // namespace mathnas::profile

#endif  // MATHNAS_MATHNAS_PROFILE_RAPL_H_
