#include "mathnas/core/internal/solver/space.h"

#include <algorithm>
#include <cmath>

namespace mathnas::core::internal {
namespace {

double Largest(const std::vector<int64_t>& values) {
  double largest = 0;
  for (int64_t v : values) largest = std::max(largest, std::abs(static_cast<double>(v)));
  return largest;
}

}  // namespace

Space::Space(const Program& of)
    : program(of), m(static_cast<int>(of.nodes.size())), k(of.limits.size()), w(k), scale(k, 1), size_w(k, 0) {
  for (int i = 0; i < m; ++i) {
    const Program::Node& node = program.nodes[i];
    for (size_t j = 0; j < node.a.size(); ++j) {
      node_of.push_back(i);
      candidate.push_back(static_cast<int>(j));
      a.push_back(static_cast<double>(node.a[j]));
      f.push_back(static_cast<double>(node.f[j]));
    }
  }
  chain_of.assign(m, -1);
  for (int c = 0; c < std::ssize(program.chains); ++c) {
    std::fill_n(chain_of.begin() + program.chains[c].first, program.chains[c].length, c);
  }
  for (size_t l = 0; l < k; ++l) {
    for (const Program::Node& node : program.nodes) {
      const auto [low, high] = std::minmax_element(node.w[l].begin(), node.w[l].end());
      scale[l] = std::max(scale[l], static_cast<double>(*high - *low));
    }
    for (const Program::Node& node : program.nodes) {
      for (int64_t v : node.w[l]) w[l].push_back(static_cast<double>(v) / scale[l]);
    }
  }
  size_a = std::abs(static_cast<double>(program.a0));
  size_f = std::abs(static_cast<double>(program.f0));
  for (const Program::Node& node : program.nodes) {
    size_a += Largest(node.a);
    size_f += Largest(node.f);
    for (size_t l = 0; l < k; ++l) size_w[l] += Largest(node.w[l]);
  }
  for (const Program::Chain& chain : program.chains) {
    size_a += Largest(chain.end_a);
    size_f += Largest(chain.end_f);
    for (size_t l = 0; l < k; ++l) size_w[l] += Largest(chain.end_w[l]);
  }
  for (size_t l = 0; l < k; ++l) {
    size_w[l] = (size_w[l] + std::abs(static_cast<double>(program.limits[l]))) / scale[l];
  }
}

bool Space::Small() const {
  double networks = 1;
  for (const Program::Node& node : program.nodes) networks *= static_cast<double>(node.a.size());
  return networks <= 1e5;
}

int Space::DepthOf(size_t c, std::span<const int> x) const {
  const Program::Chain& chain = program.chains[c];
  int depth = 0;
  while (depth < chain.length && x[chain.first + depth] != Program::kAbsent) ++depth;
  return depth;
}

}  // namespace mathnas::core::internal
