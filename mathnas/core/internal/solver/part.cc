#include "mathnas/core/internal/solver/part.h"

namespace mathnas::core::internal {

Part Whole(const Space& space) {
  Part part;
  part.start.push_back(0);
  for (const Program::Node& node : space.program.nodes) {
    part.start.push_back(part.start.back() + static_cast<int>(node.a.size()));
  }
  for (int c = 0; c < part.start.back(); ++c) part.candidates.push_back(c);
  for (const Program::Chain& chain : space.program.chains) {
    part.depths.push_back(((uint64_t{1} << chain.length) - 1) << 1 & chain.depths);
  }
  part.multiplier.assign(space.k, 0);
  return part;
}

std::vector<int> ChoiceOf(const Space& space, const Part& part, const Minimum<double>& minimum) {
  std::vector<int> x(space.m);
  for (int i = 0; i < space.m; ++i) {
    x[i] = space.Present(i, minimum.depth) ? space.candidate[part.candidates[minimum.arg[i]]] : Program::kAbsent;
  }
  return x;
}

bool KeepWithinLimits(const Space& space, std::span<const int64_t> limits, Part& part) {
  for (bool again = true; again;) {
    again = false;
    for (size_t l = 0; l < space.k; ++l) {
      const auto of_node = [&](const Program::Node& n) -> const auto& { return n.w[l]; };
      const auto of_chain = [&](const Program::Chain& c) -> const auto& { return c.end_w[l]; };
      const Values<int64_t> values = Integers(space, part, 1, of_node, of_chain);
      Minimum<int64_t> minimum;
      Minimise(space.program, part, values, minimum);
      const int64_t slack = limits[l] - minimum.total;
      if (slack < 0) return false;
      if (Drop(
              space, values, minimum, [&](int64_t excess) { return excess > slack; }, part))
        again = true;
    }
  }
  return true;
}

void KeepOneOfAbsent(const Space& space, Part& part) {
  std::vector<bool> absent(space.m, false);
  bool any = false;
  for (size_t c = 0; c < space.program.chains.size(); ++c) {
    const Program::Chain& chain = space.program.chains[c];
    for (int t = chain.length; t >= 1 && (part.depths[c] >> t) == 0; --t) absent[chain.first + t - 1] = any = true;
  }
  if (!any) return;
  int kept = 0;
  for (int i = 0; i < space.m; ++i) {
    const int from = part.start[i], to = absent[i] ? from + 1 : part.start[i + 1];
    part.start[i] = kept;
    for (int p = from; p < to; ++p) part.candidates[kept++] = part.candidates[p];
  }
  part.start[space.m] = kept;
  part.candidates.resize(kept);
}

}  // namespace mathnas::core::internal
