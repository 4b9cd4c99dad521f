#include "mathnas/core/program.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"

namespace mathnas::core {
namespace {

constexpr double kLargestSum = 0x1p61;

absl::Status Wrong(const std::string& where, size_t found, size_t expected) {
  return absl::InvalidArgumentError(fmt::format("{}: {} entries, expected {}", where, found, expected));
}

double Largest(std::span<const int64_t> values) {
  double largest = 0;
  for (int64_t v : values) largest = std::max(largest, std::abs(static_cast<double>(v)));
  return largest;
}

}  // namespace

absl::Status Validate(const Program& program) {
  const size_t limits = program.limits.size();
  if (limits > Program::kMaxLimits) {
    return absl::InvalidArgumentError(fmt::format("{} limits, expected at most {}", limits, Program::kMaxLimits));
  }
  double a = std::abs(static_cast<double>(program.a0)), f = std::abs(static_cast<double>(program.f0));
  std::vector<double> w(limits, 0);
  for (size_t i = 0; i < program.nodes.size(); ++i) {
    const Program::Node& node = program.nodes[i];
    if (node.a.empty()) return absl::InvalidArgumentError(fmt::format("nodes[{}]: no candidates", i));
    if (node.f.size() != node.a.size()) return Wrong(fmt::format("nodes[{}].f", i), node.f.size(), node.a.size());
    if (node.w.size() != limits) return Wrong(fmt::format("nodes[{}].w", i), node.w.size(), limits);
    for (size_t l = 0; l < limits; ++l) {
      if (node.w[l].size() != node.a.size()) {
        return Wrong(fmt::format("nodes[{}].w[{}]", i, l), node.w[l].size(), node.a.size());
      }
      w[l] += Largest(node.w[l]);
    }
    a += Largest(node.a);
    f += Largest(node.f);
  }
  int64_t free_from = 0;
  for (size_t c = 0; c < program.chains.size(); ++c) {
    const Program::Chain& chain = program.chains[c];
    const std::string where = fmt::format("chains[{}]", c);
    if (chain.first < free_from || chain.length < 1 || chain.length > Program::kMaxChain ||
        chain.first + int64_t{chain.length} > static_cast<int64_t>(program.nodes.size())) {
      return absl::InvalidArgumentError(
          fmt::format("{}: nodes {} to {}, expected 1 to {} nodes of the program after the chain before", where,
                      chain.first, chain.first + int64_t{chain.length} - 1, Program::kMaxChain));
    }
    free_from = chain.first + int64_t{chain.length};
    if ((chain.depths >> 1 & ((uint64_t{1} << chain.length) - 1)) == 0) {
      return absl::InvalidArgumentError(fmt::format("{}.depths: none from 1 to {}, expected one", where, chain.length));
    }
    const auto ends = static_cast<size_t>(chain.length - 1);
    if (chain.end_a.size() != ends) return Wrong(where + ".end_a", chain.end_a.size(), ends);
    if (chain.end_f.size() != ends) return Wrong(where + ".end_f", chain.end_f.size(), ends);
    if (chain.end_w.size() != limits) return Wrong(where + ".end_w", chain.end_w.size(), limits);
    for (size_t l = 0; l < limits; ++l) {
      if (chain.end_w[l].size() != ends)
        return Wrong(fmt::format("{}.end_w[{}]", where, l), chain.end_w[l].size(), ends);
      w[l] += Largest(chain.end_w[l]);
    }
    a += Largest(chain.end_a);
    f += Largest(chain.end_f);
  }
  for (size_t l = 0; l < limits; ++l) a = std::max({a, w[l], std::abs(static_cast<double>(program.limits[l]))});
  if (std::max(a, f) >= kLargestSum) return absl::InvalidArgumentError("sums reach 2^61, expected smaller integers");
  return absl::OkStatus();
}

Totals Evaluate(const Program& program, std::span<const int> x) {
  Totals totals = {program.a0, program.f0, std::vector<int64_t>(program.limits.size(), 0)};
  for (size_t i = 0; i < program.nodes.size(); ++i) {
    if (x[i] == Program::kAbsent) continue;
    const Program::Node& node = program.nodes[i];
    totals.a += node.a[x[i]];
    totals.f += node.f[x[i]];
    for (size_t l = 0; l < totals.w.size(); ++l) totals.w[l] += node.w[l][x[i]];
  }
  for (const Program::Chain& chain : program.chains) {
    int depth = 0;
    while (depth < chain.length && x[chain.first + depth] != Program::kAbsent) ++depth;
    if (depth == 0 || depth == chain.length) continue;
    totals.a += chain.end_a[depth - 1];
    totals.f += chain.end_f[depth - 1];
    for (size_t l = 0; l < totals.w.size(); ++l) totals.w[l] += chain.end_w[l][depth - 1];
  }
  return totals;
}

bool LessRatio(int64_t a, int64_t f, int64_t other_a, int64_t other_f) {
  return static_cast<__int128>(a) * other_f < static_cast<__int128>(other_a) * f;
}

}  // namespace mathnas::core
