// Scaled dot-product attention: own vector code. A task is a head of an example; its queries are taken a few at a time,
// so that only their scores are ever there.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/padded.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/cpu/zero_outputs.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();
constexpr int64_t kQueries = 24;  // at a time: a multiple of the rows of a tile of products

// One head of one example, and where it is in the operands.
struct Head {
  int64_t b, h;
  int64_t query, key, value, result, log_sum, ids;

  Head(const AttentionShape& a, int64_t task)
      : b(task / a.heads),
        h(task % a.heads),
        query(b * a.queries * a.key_features + h * a.key_size()),
        key(b * a.keys * a.key_features + h * a.key_size()),
        value(b * a.keys * a.value_features + h * a.value_size()),
        result(b * a.queries * a.value_features + h * a.value_size()),
        log_sum(task * a.queries),
        ids(b * a.ids) {}
};

struct Mask {
  bool causal;
  const int64_t* ids;  // of the example; null: no mask
  int64_t padding;

  // Scores{queries, padded keys} of queries first ..: -infinity where a key takes no part, padding included.
  void Apply(const AttentionShape& a, int64_t first, int64_t queries, float* scores) const {
    const int64_t width = Padded(a.keys);
    for (int64_t t = 0; t < queries; ++t) {
      float* row = scores + t * width;
      const int64_t seen = causal ? std::clamp<int64_t>(first + t + a.keys - a.queries + 1, 0, a.keys) : a.keys;
      for (int64_t s = seen; s < width; ++s) row[s] = kNone;
      if (ids == nullptr) continue;
      for (int64_t s = 0, r = 0; s < seen; ++s, r = r + 1 == a.ids ? 0 : r + 1) {
        if (ids[r] == padding) row[s] = kNone;
      }
    }
  }
};

struct ForwardScratch {
  float *keys, *values, *scores, *results;
  size_t bytes;

  ForwardScratch(const AttentionShape& a, Carver scratch)
      : keys(scratch.Take<float>(a.key_size() * Padded(a.keys))),
        values(scratch.Take<float>(a.keys * Padded(a.value_size()))),
        scores(scratch.Take<float>(kQueries * Padded(a.keys))),
        results(scratch.Take<float>(kQueries * Padded(a.value_size()))),
        bytes(scratch.bytes()) {}
};

float ScaleOf(const AttentionShape& a) { return static_cast<float>(1 / std::sqrt(static_cast<double>(a.key_size()))); }

void RunForward(const VectorKernels& v, const AttentionShape& a, const Head& head, const Mask& mask,
                const ForwardScratch& scratch, const Operands& o) {
  const int64_t width = Padded(a.keys), size = a.value_size(), padded_size = Padded(size);
  Transpose(o.in<float>(1) + head.key, a.key_features, a.keys, a.key_size(), ScaleOf(a), scratch.keys);
  const PaddedRows values = PadRows(o.in<float>(2) + head.value, a.value_features, a.keys, size, scratch.values);
  for (int64_t first = 0; first < a.queries; first += kQueries) {
    const int64_t queries = std::min(kQueries, a.queries - first);
    v.multiply({.a = o.in<float>(0) + head.query + first * a.key_features,
                .a_row = a.key_features,
                .a_column = 1,
                .b = scratch.keys,
                .b_row = width,
                .y = scratch.scores,
                .y_row = width,
                .rows = queries,
                .inner = a.key_size(),
                .columns = width});
    mask.Apply(a, first, queries, scratch.scores);
    v.softmax_rows(scratch.scores, width, queries, width, o.out<float>(1) + head.log_sum + first);
    float* y = o.out<float>(0) + head.result + first * a.value_features;
    const bool direct = padded_size == size;
    v.multiply({.a = scratch.scores,
                .a_row = width,
                .a_column = 1,
                .b = values.data,
                .b_row = values.stride,
                .y = direct ? y : scratch.results,
                .y_row = direct ? a.value_features : padded_size,
                .rows = queries,
                .inner = a.keys,
                .columns = padded_size});
    if (!direct) CopyRows(scratch.results, queries, size, 1, y, a.value_features);
  }
}

struct BackwardScratch {
  float *keys_t, *values_t;        // columns of the scores and of their gradients
  float *keys, *queries, *diffs;   // rows, where they have to be padded
  float *scores, *diff_scores;     // of the queries at hand
  float* diff_queries;             // of the queries at hand
  float *diff_keys, *diff_values;  // sums over all queries
  size_t bytes;

  BackwardScratch(const AttentionShape& a, Carver scratch)
      : keys_t(scratch.Take<float>(a.key_size() * Padded(a.keys))),
        values_t(scratch.Take<float>(a.value_size() * Padded(a.keys))),
        keys(scratch.Take<float>(a.keys * Padded(a.key_size()))),
        queries(scratch.Take<float>(kQueries * Padded(a.key_size()))),
        diffs(scratch.Take<float>(kQueries * Padded(a.value_size()))),
        scores(scratch.Take<float>(kQueries * Padded(a.keys))),
        diff_scores(scratch.Take<float>(kQueries * Padded(a.keys))),
        diff_queries(scratch.Take<float>(kQueries * Padded(a.key_size()))),
        diff_keys(scratch.Take<float>(a.keys * Padded(a.key_size()))),
        diff_values(scratch.Take<float>(a.keys * Padded(a.value_size()))),
        bytes(scratch.bytes()) {}
};

void RunBackward(const VectorKernels& v, const AttentionShape& a, const Head& head, const Mask& mask,
                 const BackwardScratch& scratch, bool masked, const Operands& o) {
  const size_t first_result = masked ? 4 : 3;
  const float *q = o.in<float>(0) + head.query, *k = o.in<float>(1) + head.key, *value = o.in<float>(2) + head.value;
  const float *y = o.in<float>(first_result) + head.result, *log_sums = o.in<float>(first_result + 1) + head.log_sum,
              *diff_y = o.in<float>(first_result + 2) + head.result;
  const int64_t width = Padded(a.keys), key_size = Padded(a.key_size()), value_size = Padded(a.value_size());
  const float scale = ScaleOf(a);
  Transpose(k, a.key_features, a.keys, a.key_size(), scale, scratch.keys_t);
  Transpose(value, a.value_features, a.keys, a.value_size(), 1, scratch.values_t);
  const PaddedRows keys = PadRows(k, a.key_features, a.keys, a.key_size(), scratch.keys);
  for (int64_t first = 0; first < a.queries; first += kQueries) {
    const int64_t queries = std::min(kQueries, a.queries - first);
    const float *block_q = q + first * a.key_features, *block_diff = diff_y + first * a.value_features;
    const PaddedRows rows_q = PadRows(block_q, a.key_features, queries, a.key_size(), scratch.queries);
    const PaddedRows rows_diff = PadRows(block_diff, a.value_features, queries, a.value_size(), scratch.diffs);
    v.multiply({.a = block_q,
                .a_row = a.key_features,
                .a_column = 1,
                .b = scratch.keys_t,
                .b_row = width,
                .y = scratch.scores,
                .y_row = width,
                .rows = queries,
                .inner = a.key_size(),
                .columns = width});
    mask.Apply(a, first, queries, scratch.scores);
    v.exp_rows(scratch.scores, width, queries, width, log_sums + first);
    v.multiply({.a = block_diff,
                .a_row = a.value_features,
                .a_column = 1,
                .b = scratch.values_t,
                .b_row = width,
                .y = scratch.diff_scores,
                .y_row = width,
                .rows = queries,
                .inner = a.value_size(),
                .columns = width});
    for (int64_t t = 0; t < queries; ++t) {
      const int64_t at = (first + t) * a.value_features;
      const auto inner = static_cast<float>(v.dot(diff_y + at, y + at, a.value_size()));
      v.subtract_multiply(inner, scratch.scores + t * width, scratch.diff_scores + t * width, width);
    }
    v.multiply({.a = scratch.diff_scores,
                .a_row = width,
                .a_column = 1,
                .b = keys.data,
                .b_row = keys.stride,
                .y = scratch.diff_queries,
                .y_row = key_size,
                .rows = queries,
                .inner = a.keys,
                .columns = key_size});
    CopyRows(scratch.diff_queries, queries, a.key_size(), scale, o.out<float>(0) + head.query + first * a.key_features,
             a.key_features);
    v.multiply({.a = scratch.diff_scores,
                .a_row = 1,
                .a_column = width,
                .b = rows_q.data,
                .b_row = rows_q.stride,
                .y = scratch.diff_keys,
                .y_row = key_size,
                .rows = a.keys,
                .inner = queries,
                .columns = key_size,
                .accumulate = first > 0});
    v.multiply({.a = scratch.scores,
                .a_row = 1,
                .a_column = width,
                .b = rows_diff.data,
                .b_row = rows_diff.stride,
                .y = scratch.diff_values,
                .y_row = value_size,
                .rows = a.keys,
                .inner = queries,
                .columns = value_size,
                .accumulate = first > 0});
  }
  CopyRows(scratch.diff_keys, a.keys, a.key_size(), scale, o.out<float>(1) + head.key, a.key_features);
  CopyRows(scratch.diff_values, a.keys, a.value_size(), 1, o.out<float>(2) + head.value, a.value_features);
}

// Calls run(head, mask, scratch) for every head of every example.
template <typename Scratch, typename Op, typename Run>
KernelOr MakeForHeads(const Op& op, const Request& r, const Run& run) {
  const AttentionShape a(op.heads, op.masked, r.inputs);
  const size_t scratch_bytes = (Scratch(a, Carver(nullptr)).bytes + 63) / 64 * 64;
  const int64_t work = a.queries * a.keys * (a.key_size() + a.value_size());
  constexpr int64_t kWorkPerThread = int64_t{1} << 18;  // multiply-adds: some ten microseconds
  return MakeFunctionKernel(
      Vector().name, scratch_bytes * static_cast<size_t>(r.threads),
      [a, op, run, scratch_bytes, work, threads = r.threads](const Operands& o) {
        const int64_t grain = std::max<int64_t>(1, kWorkPerThread / std::max<int64_t>(1, work));
        ParallelFor(threads, a.batch * a.heads, grain, [&](int thread, int64_t begin, int64_t end) {
          auto* memory = static_cast<std::byte*>(o.scratch) + static_cast<size_t>(thread) * scratch_bytes;
          const Scratch scratch(a, Carver(memory));
          for (int64_t task = begin; task < end; ++task) {
            const Head head(a, task);
            const Mask mask = {op.causal, op.masked ? o.in<int64_t>(3) + head.ids : nullptr, op.padding};
            run(a, head, mask, scratch, o);
          }
        });
      });
}

}  // namespace

KernelOr Make(const Attention& op, const Request& r) {
  if (r.inputs[0].elements() == 0 || r.inputs[1].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  return MakeForHeads<ForwardScratch>(
      op, r,
      [&v](const AttentionShape& a, const Head& head, const Mask& mask, const ForwardScratch& scratch,
           const Operands& o) { RunForward(v, a, head, mask, scratch, o); });
}

KernelOr Make(const AttentionBackward& op, const Request& r) {
  if (r.inputs[0].elements() == 0 || r.inputs[1].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  return MakeForHeads<BackwardScratch>(
      op, r,
      [&v, masked = op.masked](const AttentionShape& a, const Head& head, const Mask& mask,
                               const BackwardScratch& scratch,
                               const Operands& o) { RunBackward(v, a, head, mask, scratch, masked, o); });
}

}  // namespace mathnas::kernels::cpu
