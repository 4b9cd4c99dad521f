#include "mathnas/profile/rapl.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>

#include "fmt/format.h"

namespace mathnas::profile {
namespace {

std::optional<uint64_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

}  // namespace

absl::StatusOr<RaplCounter> RaplCounter::Open(const std::string& folder) {
  RaplCounter counter;
  std::error_code error;
  std::vector<std::string> packages;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    // "intel-rapl:0" is a package, "intel-rapl:0:1" a part of it. AMD's counters carry the same name.
    const std::string name = entry.path().filename();
    if (name.starts_with("intel-rapl:") && std::count(name.begin(), name.end(), ':') == 1)
      packages.push_back(entry.path());
  }
  if (packages.empty()) return absl::UnavailableError(fmt::format("no RAPL energy counters in {}", folder));
  std::sort(packages.begin(), packages.end());
  for (const std::string& package : packages) {
    const std::string path = package + "/energy_uj";
    const auto now = ReadNumber(path);
    if (!now) return absl::UnavailableError(fmt::format("{} is not readable (since Linux 5.10 by root only)", path));
    const auto range = ReadNumber(package + "/max_energy_range_uj");
    counter.packages_.push_back({path, range.value_or(std::numeric_limits<uint32_t>::max()), *now});
  }
  return counter;
}

absl::StatusOr<double> RaplCounter::Joules() {
  uint64_t total = 0;
  for (Package& p : packages_) {
    const auto now = ReadNumber(p.path);
    if (!now) return absl::UnavailableError(fmt::format("{} cannot be read any more", p.path));
    p.total += *now >= p.last ? *now - p.last : *now + p.range - p.last;
    p.last = *now;
    total += p.total;
  }
  return static_cast<double>(total) * 1e-6;
}

}  // namespace mathnas::profile
