// Bytes as a small Program: the solver against every vector of candidates, compared as exact fractions.
#include <algorithm>
#include <array>
#include <vector>

#include "check.h"
#include "mathnas/core/solver.h"

namespace {

using mathnas::core::Program;
using mathnas::core::SolutionStatus;
using mathnas::fuzz::Check;
namespace core = mathnas::core;

constexpr int kMaxLimits = 3;
constexpr int kMaxNetworks = 1000;  // that are enumerated, depths aside: it keeps a run short
constexpr int kCopies = 6;          // of the candidates of a node, all but the first worse
constexpr double kSmall = 1e5;      // Space::Small
using Sums = std::array<__int128, kMaxLimits>;

// Zeros once the bytes have run out.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), end_(data + size) {}

  int Below(int limit) { return Byte() % limit; }
  // Small numbers mostly, some large ones.
  int64_t Number() {
    const int64_t small = static_cast<int8_t>(Byte());
    return small * (int64_t{1} << shift_);
  }
  int64_t Positive() { return (static_cast<int64_t>(Byte()) + 1) * (int64_t{1} << shift_); }
  void SetShift(int shift) { shift_ = shift; }

 private:
  uint8_t Byte() { return data_ < end_ ? *data_++ : 0; }

  const uint8_t *data_, *end_;
  int shift_ = 0;
};

Program Read(Bytes& bytes) {
  constexpr int kShifts[] = {0, 0, 0, 20, 45};
  Program program;
  const int limits = bytes.Below(kMaxLimits + 1), nodes = 1 + bytes.Below(6);
  const bool ratio = bytes.Below(4) != 0, any_denominator = bytes.Below(8) == 0;
  bytes.SetShift(kShifts[bytes.Below(5)]);
  const auto f = [&] { return !ratio ? 0 : any_denominator ? bytes.Number() : bytes.Positive(); };
  program.a0 = bytes.Number();
  program.f0 = ratio ? (any_denominator ? bytes.Number() : bytes.Below(2)) : 1;
  for (int i = 0, left = kMaxNetworks; i < nodes; ++i) {
    Program::Node node;
    node.w.resize(limits);
    const int candidates = std::min(1 + bytes.Below(5), left);
    left /= candidates;
    for (int j = 0; j < candidates; ++j) {
      node.a.push_back(bytes.Number());
      node.f.push_back(f());
      for (auto& row : node.w) row.push_back(bytes.Number());
    }
    program.nodes.push_back(node);
  }
  for (int first = bytes.Below(nodes + 1); first < nodes;) {
    Program::Chain chain;
    chain.first = first;
    chain.length = 1 + bytes.Below(nodes - first);
    chain.end_w.resize(limits);
    for (int t = 1; t < chain.length; ++t) {
      chain.end_a.push_back(bytes.Number());
      chain.end_f.push_back(ratio && any_denominator ? bytes.Number() : 0);
      for (auto& row : chain.end_w) row.push_back(bytes.Number());
    }
    first += chain.length + bytes.Below(3);
    program.chains.push_back(chain);
  }
  for (int l = 0; l < limits; ++l) program.limits.push_back(bytes.Number() * (1 + bytes.Below(4)));
  return program;
}

// Adds candidates that are worse than those there are and weigh the same, until the solver does not find the space
// small.
void Widen(Bytes& bytes, Program& program) {
  double networks = 1;
  for (const Program::Node& node : program.nodes) networks *= static_cast<double>(node.a.size());
  for (Program::Node& node : program.nodes) {
    if (networks > kSmall) return;
    const size_t candidates = node.a.size();
    for (int copy = 1; copy < kCopies; ++copy) {
      const int64_t worse = copy * bytes.Positive();
      for (size_t j = 0; j < candidates; ++j) {
        node.a.push_back(node.a[j] + worse);
        node.f.push_back(node.f[j]);
        for (auto& row : node.w) row.push_back(row[j]);
      }
    }
    networks *= kCopies;
  }
}

struct Best {
  bool found = false;
  __int128 a = 0, f = 1;
};

// Chooses node `i`, then all later ones; sums are carried along.
void Enumerate(const Program& program, size_t i, const std::vector<int>& depth, __int128 a, __int128 f, const Sums& w,
               Best& best) {
  if (i == program.nodes.size()) {
    for (size_t l = 0; l < program.limits.size(); ++l) {
      if (w[l] > program.limits[l]) return;
    }
    if (f > 0 && (!best.found || a * best.f < best.a * f)) {
      best.found = true;
      best.a = a;
      best.f = f;
    }
    return;
  }
  for (size_t c = 0; c < program.chains.size(); ++c) {
    const Program::Chain& chain = program.chains[c];
    const int position = static_cast<int>(i) - chain.first;
    if (position < 0 || position >= chain.length || position < depth[c]) continue;
    Enumerate(program, i + 1, depth, a, f, w, best);  // behind the cut
    return;
  }
  const Program::Node& node = program.nodes[i];
  for (size_t j = 0; j < node.a.size(); ++j) {
    Sums sum = w;
    for (size_t l = 0; l < program.limits.size(); ++l) sum[l] += node.w[l][j];
    Enumerate(program, i + 1, depth, a + node.a[j], f + node.f[j], sum, best);
  }
}

// Every depth of every chain, from chain `c` on.
void EnumerateDepths(const Program& program, size_t c, std::vector<int>& depth, __int128 a, __int128 f, const Sums& w,
                     Best& best) {
  if (c == program.chains.size()) return Enumerate(program, 0, depth, a, f, w, best);
  const Program::Chain& chain = program.chains[c];
  for (int t = 1; t <= chain.length; ++t) {
    depth[c] = t;
    if (t == chain.length) {
      EnumerateDepths(program, c + 1, depth, a, f, w, best);
      continue;
    }
    Sums sum = w;
    for (size_t l = 0; l < program.limits.size(); ++l) sum[l] += chain.end_w[l][t - 1];
    EnumerateDepths(program, c + 1, depth, a + chain.end_a[t - 1], f + chain.end_f[t - 1], sum, best);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  Program program = Read(bytes);
  Check(core::Validate(program).ok(), "a program that is not valid");
  Best best;
  std::vector<int> depth(program.chains.size());
  EnumerateDepths(program, 0, depth, program.a0, program.f0, Sums(), best);
  if (program.chains.empty() && bytes.Below(16) == 15) Widen(bytes, program);
  const auto solution = core::Solve(program);
  Check(solution.ok(), "an error for a valid program");
  Check(solution->status == (best.found ? SolutionStatus::kOptimal : SolutionStatus::kInfeasible), "the status");
  if (!best.found) return 0;
  const core::Totals totals = core::Evaluate(program, solution->x);
  Check(totals.a == solution->a && totals.f == solution->f, "the value of x");
  for (size_t l = 0; l < program.limits.size(); ++l) Check(totals.w[l] <= program.limits[l], "a limit");
  Check(static_cast<__int128>(totals.a) * best.f == best.a * totals.f, "the optimum");
  return 0;
}
