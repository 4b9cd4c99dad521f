#include "mathnas/core/internal/solver/space.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "mathnas/core/internal/solver/part.h"

namespace mathnas::core::internal {
namespace {

double Size(int64_t v) { return std::abs(static_cast<double>(v)); }

// The largest |value| of an end; 0 for the full depth, which adds nothing.
double LargestEnd(const std::vector<int64_t>& ends) {
  double largest = 0;
  for (int64_t v : ends) largest = std::max(largest, Size(v));
  return largest;
}

void Include(int node, const std::vector<int64_t>& values, Extremes& extremes) {
  int64_t low = values[0], high = values[0];
  for (int64_t v : values) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  extremes.low[node] = low;
  extremes.high[node] = high;
}

double SumOfLargest(const Extremes& extremes) {
  double sum = 0;
  for (size_t i = 0; i < extremes.low.size(); ++i) sum += std::max(Size(extremes.low[i]), Size(extremes.high[i]));
  return sum;
}

}  // namespace

Space::Space(const Program& of)
    : program(of),
      m(static_cast<int>(of.nodes.size())),
      k(of.limits.size()),
      w(k),
      exact_w(k),
      exact_ends(k),
      extremes_w(k),
      scale(k, 1),
      widest_w(k, 0),
      size_w(k, 0) {
  const auto resize = [this](Extremes& extremes) {
    extremes.low.resize(m);
    extremes.high.resize(m);
  };
  resize(extremes_a);
  resize(extremes_f);
  std::for_each(extremes_w.begin(), extremes_w.end(), resize);
  first.assign(m + 1, 0);
  for (int i = 0; i < m; ++i) {
    const Program::Node& node = program.nodes[i];
    first[i + 1] = first[i] + static_cast<int>(node.a.size());
    Include(i, node.a, extremes_a);
    Include(i, node.f, extremes_f);
    for (size_t l = 0; l < k; ++l) Include(i, node.w[l], extremes_w[l]);
  }
  chain_of.assign(m, -1);
  for (int c = 0; c < std::ssize(program.chains); ++c) {
    std::fill_n(chain_of.begin() + program.chains[c].first, program.chains[c].length, c);
  }
  for (size_t l = 0; l < k; ++l) {
    for (int i = 0; i < m; ++i) widest_w[l] = std::max(widest_w[l], extremes_w[l].high[i] - extremes_w[l].low[i]);
    scale[l] = static_cast<double>(std::max<int64_t>(1, widest_w[l]));
  }
  Convert();
  size_a = Size(program.a0) + SumOfLargest(extremes_a);
  size_f = Size(program.f0) + SumOfLargest(extremes_f);
  for (size_t l = 0; l < k; ++l) size_w[l] = SumOfLargest(extremes_w[l]);
  for (const Program::Chain& chain : program.chains) {
    size_a += LargestEnd(chain.end_a);
    size_f += LargestEnd(chain.end_f);
    for (size_t l = 0; l < k; ++l) {
      size_w[l] += LargestEnd(chain.end_w[l]);
      // A candidate and a depth for it: what the candidate adds, and at most the whole chain twice.
      int64_t span = 0;
      for (int64_t v : chain.end_w[l]) span = std::max(span, std::abs(v));
      span *= 2;
      for (int i = chain.first; i < chain.first + chain.length; ++i) {
        span += 3 * std::max(std::abs(extremes_w[l].low[i]), std::abs(extremes_w[l].high[i]));
      }
      widest_w[l] = std::max(widest_w[l], span);
    }
  }
  for (size_t l = 0; l < k; ++l) {
    exact_ends[l] = Ends(
        program, 1, [l](const Program::Chain& c) -> const auto& { return c.end_w[l]; });
  }
  for (size_t l = 0; l < k; ++l) size_w[l] = (size_w[l] + Size(program.limits[l])) / scale[l];
}

// What bounds are made of.
void Space::Convert() {
  const size_t n = first.back();
  candidate.resize(n);
  for (int i = 0; i < m; ++i) std::iota(candidate.begin() + first[i], candidate.begin() + first[i + 1], 0);
  doubles_.reserve(n * (k + 2));  // moved no more: there are views of it
  const auto convert = [&](const auto& of_node, double factor) {
    const size_t begin = doubles_.size();
    for (const Program::Node& node : program.nodes) {
      doubles_.insert(doubles_.end(), of_node(node).begin(), of_node(node).end());
    }
    const std::span row = std::span(doubles_).subspan(begin);
    if (factor != 1) std::for_each(row.begin(), row.end(), [factor](double& v) { v *= factor; });
    return row;
  };
  a = convert(
      [](const Program::Node& node) -> const auto& { return node.a; }, 1);
  f = convert(
      [](const Program::Node& node) -> const auto& { return node.f; }, 1);
  for (size_t l = 0; l < k; ++l) {
    const auto of_node = [l](const Program::Node& node) -> const auto& { return node.w[l]; };
    w[l] = convert(of_node, 1 / scale[l]);
    exact_w[l].reserve(n);
    for (const Program::Node& node : program.nodes) {
      exact_w[l].insert(exact_w[l].end(), of_node(node).begin(), of_node(node).end());
    }
  }
}

int Space::DepthOf(size_t c, std::span<const int> x) const {
  const Program::Chain& chain = program.chains[c];
  int depth = 0;
  while (depth < chain.length && x[chain.first + depth] != Program::kAbsent) ++depth;
  return depth;
}

}  // namespace mathnas::core::internal
