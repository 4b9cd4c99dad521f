// Scaled dot-product attention by own kernels, float32: products tile by tile over operands as they lie, with the
// scores of as many heads at a time in scratch as a limit allows.
#include "kernels/ops/attention.h"

#include <algorithm>
#include <cmath>

#include "kernels/cuda/carver.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/launches.h"
#include "kernels/cuda/own/attention.h"
#include "kernels/cuda/zero_outputs.h"
#include "kernels/random.h"

namespace mathnas::kernels::cuda {
namespace {

// Of maps, unless those of one head are larger: they stay in the L2 cache from one kernel to the next.
constexpr int64_t kScratchBytes = int64_t{16} << 20;

struct Maps {
  float *p, *diff_s, *inner;
  size_t bytes;

  Maps(const AttentionShape& a, int64_t heads, bool backward, void* memory) {
    Carver carver(memory);
    const int64_t rows = heads * a.queries;
    p = carver.Take<float>(rows * a.keys);
    diff_s = carver.Take<float>(backward ? rows * a.keys : 0);
    inner = carver.Take<float>(backward ? rows : 0);
    bytes = carver.bytes();
  }
};

// What both directions are told.
template <typename Op>
AttentionArgs ArgsOf(const Op& op, const AttentionShape& a) {
  AttentionArgs args = {};
  args.heads = a.heads;
  args.queries = a.queries;
  args.keys = a.keys;
  args.key_size = a.key_size();
  args.value_size = a.value_size();
  args.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(a.key_size())));
  args.causal = op.causal;
  args.ids_row = a.ids;
  args.padding = op.padding;
  args.drops.stream = static_cast<unsigned>(op.stream);
  args.drops.threshold = DropoutMask(0, 0, op.rate).keys().threshold;
  args.kept = static_cast<float>(1 / (1 - op.rate));
  return args;
}

template <typename Op>
void SetInputs(const Op& op, const AttentionShape& a, const Operands& o, AttentionArgs& args) {
  args.q = o.in<float>(0);
  args.k = o.in<float>(1);
  args.v = o.in<float>(2);
  args.ids = op.masked ? static_cast<const long long*>(o.inputs[3]) : nullptr;
  args.drops.seed = op.rate > 0 ? static_cast<const long long*>(o.inputs[a.seed_input]) : nullptr;
}

// A kernel that calls launch(Launches&, args, heads) for all heads, some at a time, after set(args, operands).
template <typename Op, typename Set, typename Launch>
KernelOr MakeForHeads(const Op& op, const Request& r, bool backward, Set set, Launch launch) {
  if (r.inputs[0].elements() == 0 || r.inputs[1].elements() == 0) return ZeroOutputs(r);
  const AttentionShape a(op, r.inputs);
  const int64_t all = a.batch * a.heads, head_bytes = static_cast<int64_t>(Maps(a, 1, backward, nullptr).bytes);
  const int64_t most = std::clamp<int64_t>(kScratchBytes / head_bytes, 1, all);
  return MakeEnqueued("own:attention", Maps(a, most, backward, nullptr).bytes,
                      [=, common = ArgsOf(op, a)](Queue& q, const Operands& o) {
                        AttentionArgs args = common;
                        SetInputs(op, a, o, args);
                        set(args, o);
                        const Maps maps(a, most, backward, o.scratch);
                        args.p = maps.p;
                        args.diff_s = maps.diff_s;
                        args.inner = maps.inner;
                        for (int64_t first = 0; first < all; first += most) {
                          args.first_head = first;
                          Launches launches(q);
                          launch(launches, args, std::min(most, all - first));
                          if (!launches.status().ok()) return launches.status();
                        }
                        return absl::OkStatus();
                      });
}

}  // namespace

KernelOr Make(const Attention& op, const Request& r) {
  const AttentionShape a(op, r.inputs);
  const auto set = [](AttentionArgs& args, const Operands& o) {
    args.y = o.out<float>(0);
    args.log_sums = o.out<float>(1);
  };
  return MakeForHeads(op, r, false, set, [a](Launches& l, const AttentionArgs& args, int64_t heads) {
    l.Tiles(kAttentionScores, heads, a.queries, a.keys, args);
    l.Rows(kAttentionProbabilities, heads * a.queries, a.keys, args);
    l.Tiles(kAttentionValues, heads, a.queries, a.value_size(), args);
  });
}

KernelOr Make(const AttentionBackward& op, const Request& r) {
  const AttentionShape a(op, r.inputs);
  const auto set = [first = a.result_input](AttentionArgs& args, const Operands& o) {
    args.y = static_cast<float*>(o.inputs[first]);
    args.log_sums = static_cast<float*>(o.inputs[first + 1]);
    args.diff_y = o.in<float>(first + 2);
    args.diff_q = o.out<float>(0);
    args.diff_k = o.out<float>(1);
    args.diff_v = o.out<float>(2);
  };
  return MakeForHeads(op, r, true, set, [a](Launches& l, const AttentionArgs& args, int64_t heads) {
    l.Rows(kAttentionInner, heads * a.queries, a.value_size(), args);
    l.Tiles(kAttentionBackwardMaps, heads, a.queries, a.keys, args);
    l.Tiles(kAttentionDiffQueries, heads, a.queries, a.key_size(), args);
    l.Tiles(kAttentionDiffKeys, heads, a.keys, a.key_size(), args);
    l.Tiles(kAttentionDiffValues, heads, a.keys, a.value_size(), args);
  });
}

}  // namespace mathnas::kernels::cuda
