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
#include "kernels/random.h"

namespace mathnas::kernels::cpu {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();
constexpr int64_t kQueries = 24;  // at a time: a multiple of the rows of a tile of products

// One head of one example, and where it is in the operands.
struct Head {
  int64_t b, h;
  int64_t keys;  // all of them
  int64_t query, key, value, result, log_sum, ids;

  Head(const AttentionShape& a, int64_t task)
      : b(task / a.heads),
        h(task % a.heads),
        keys(a.keys),
        query(b * a.queries * a.key_features + h * a.key_size()),
        key(b * a.keys * a.key_features + h * a.key_size()),
        value(b * a.keys * a.value_features + h * a.value_size()),
        result(b * a.queries * a.value_features + h * a.value_size()),
        log_sum(task * a.queries),
        ids(b * a.ids) {}
};

// Keys that take no part.
struct Mask {
  bool causal;
  int64_t later;          // keys - queries: query t sees no key beyond t + later where it is causal
  int64_t seen;           // keys up to the last that is not hidden: a cache with room for more costs nothing
  const int32_t* hidden;  // those among them that no query sees
  int64_t hidden_count;

  // `ids` of the example; null where there is no mask. Lists what is hidden in hidden{keys}.
  Mask(const AttentionShape& a, bool causal_, const int64_t* ids, int64_t padding, int32_t* list)
      : causal(causal_), later(a.keys - a.queries), seen(a.keys), hidden(list), hidden_count(0) {
    if (ids == nullptr) return;
    for (int64_t s = 0, r = 0; s < a.keys; ++s, r = r + 1 == a.ids ? 0 : r + 1) {
      if (ids[r] == padding) list[hidden_count++] = static_cast<int32_t>(s);
    }
    while (hidden_count > 0 && hidden[hidden_count - 1] == seen - 1) --hidden_count, --seen;
  }

  // Scores{queries, padded keys seen} of queries first ..: -infinity where a key takes no part, padding included.
  void Apply(int64_t first, int64_t queries, float* scores) const {
    const int64_t width = Padded(seen);
    for (int64_t t = 0; t < queries; ++t) {
      const int64_t shown = causal ? std::clamp<int64_t>(first + t + later + 1, 0, seen) : seen;
      std::fill(scores + t * width + shown, scores + (t + 1) * width, kNone);
    }
    for (int64_t i = 0; i < hidden_count; ++i) {
      for (int64_t t = 0; t < queries; ++t) scores[t * width + hidden[i]] = kNone;
    }
  }
  // Rows of keys or values, the hidden ones as zeros: what is there may be NaN, and 0 times NaN is NaN.
  PaddedRows Rows(const float* from, int64_t stride, int64_t size, float* copy) const {
    if (hidden_count == 0) return PadRows(from, stride, seen, size, copy);
    const int64_t width = Padded(size);
    for (int64_t s = 0; s < seen; ++s) {
      std::copy_n(from + s * stride, size, copy + s * width);
      std::fill_n(copy + s * width + size, width - size, 0.0F);
    }
    for (int64_t i = 0; i < hidden_count; ++i) std::fill_n(copy + hidden[i] * width, width, 0.0F);
    return {copy, width};
  }
  // Zeros in the hidden columns of a transposed matrix{size, padded keys seen}.
  void ClearColumns(int64_t size, float* transposed) const {
    for (int64_t i = 0; i < hidden_count; ++i) {
      for (int64_t d = 0; d < size; ++d) transposed[d * Padded(seen) + hidden[i]] = 0;
    }
  }
};

// Dropout of one head's probabilities.
struct Drops {
  const DropoutMask* mask;  // null: none
  float factor;
  int64_t keys;   // of a row of draws
  int64_t first;  // draw

  // rows{queries, padded seen} of queries `begin` ..
  void Apply(const VectorKernels& v, const AttentionShape& seen, int64_t begin, int64_t queries, float* rows) const {
    if (mask == nullptr) return;
    const int64_t width = Padded(seen.keys);
    for (int64_t t = 0; t < queries; ++t, rows += width) {
      v.dropout(mask->keys(), static_cast<uint32_t>(first + (begin + t) * keys), factor, rows, rows, seen.keys);
    }
  }
};

struct ForwardScratch {
  float *keys, *values, *scores, *results;
  int32_t* hidden;
  size_t bytes;

  ForwardScratch(const AttentionShape& a, Carver scratch)
      : keys(scratch.Take<float>(a.key_size() * Padded(a.keys))),
        values(scratch.Take<float>(a.keys * Padded(a.value_size()))),
        scores(scratch.Take<float>(kQueries * Padded(a.keys))),
        results(scratch.Take<float>(kQueries * Padded(a.value_size()))),
        hidden(scratch.Take<int32_t>(a.keys)),
        bytes(scratch.bytes()) {}
};

float ScaleOf(const AttentionShape& a) { return static_cast<float>(1 / std::sqrt(static_cast<double>(a.key_size()))); }

// What a head's kernel is to do; `a` has the keys that may take part.
struct Task {
  const VectorKernels& v;
  AttentionShape a;
  const Head& head;
  const Mask& mask;
  const Drops& drops;
};

void Run(const Task& task, const ForwardScratch& scratch, const Operands& o) {
  const auto& [v, a, head, mask, drops] = task;
  const int64_t width = Padded(a.keys), size = a.value_size(), padded_size = Padded(size);
  v.transpose(o.in<float>(1) + head.key, a.key_features, a.keys, a.key_size(), ScaleOf(a), scratch.keys);
  const PaddedRows values = mask.Rows(o.in<float>(2) + head.value, a.value_features, size, scratch.values);
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
    mask.Apply(first, queries, scratch.scores);
    v.softmax_rows(scratch.scores, width, queries, width, o.out<float>(1) + head.log_sum + first);
    drops.Apply(v, a, first, queries, scratch.scores);
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
  int32_t* hidden;                 // keys
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
        hidden(scratch.Take<int32_t>(a.keys)),
        bytes(scratch.bytes()) {}
};

void Run(const Task& task, const BackwardScratch& scratch, const Operands& o) {
  const auto& [v, a, head, mask, drops] = task;
  const size_t first_result = a.result_input;
  const float *q = o.in<float>(0) + head.query, *k = o.in<float>(1) + head.key, *value = o.in<float>(2) + head.value;
  const float *y = o.in<float>(first_result) + head.result, *log_sums = o.in<float>(first_result + 1) + head.log_sum,
              *diff_y = o.in<float>(first_result + 2) + head.result;
  const int64_t width = Padded(a.keys), key_size = Padded(a.key_size()), value_size = Padded(a.value_size());
  const float scale = ScaleOf(a);
  v.transpose(k, a.key_features, a.keys, a.key_size(), scale, scratch.keys_t);
  v.transpose(value, a.value_features, a.keys, a.value_size(), 1, scratch.values_t);
  mask.ClearColumns(a.value_size(), scratch.values_t);
  const PaddedRows keys = mask.Rows(k, a.key_features, a.key_size(), scratch.keys);
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
    mask.Apply(first, queries, scratch.scores);
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
    drops.Apply(v, a, first, queries, scratch.diff_scores);
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
    drops.Apply(v, a, first, queries, scratch.scores);
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
  for (int64_t s = a.keys; s < head.keys; ++s) {
    std::fill_n(o.out<float>(1) + head.key + s * a.key_features, a.key_size(), 0.0F);
    std::fill_n(o.out<float>(2) + head.value + s * a.value_features, a.value_size(), 0.0F);
  }
}

template <typename Scratch, typename Op>
KernelOr MakeForHeads(const Op& op, const Request& r) {
  if (r.inputs[0].elements() == 0 || r.inputs[1].elements() == 0) return ZeroOutputs(r);
  const AttentionShape a(op, r.inputs);
  const size_t scratch_bytes = (Scratch(a, Carver(nullptr)).bytes + 63) / 64 * 64;
  const int64_t work = a.queries * a.keys * (a.key_size() + a.value_size());
  constexpr int64_t kWorkPerThread = int64_t{1} << 18;  // multiply-adds: some ten microseconds
  const VectorKernels& v = Vector();
  return MakeFunctionKernel(
      v.name, scratch_bytes * static_cast<size_t>(r.threads),
      [a, op, &v, scratch_bytes, work, threads = r.threads](const Operands& o) {
        const bool drops = op.rate > 0;
        const DropoutMask drop(drops ? static_cast<uint64_t>(o.in<int64_t>(a.seed_input)[0]) : 0, op.stream, op.rate);
        const int64_t grain = std::max<int64_t>(1, kWorkPerThread / std::max<int64_t>(1, work));
        ParallelFor(threads, a.batch * a.heads, grain, [&](int thread, int64_t begin, int64_t end) {
          auto* memory = static_cast<std::byte*>(o.scratch) + static_cast<size_t>(thread) * scratch_bytes;
          const Scratch scratch(a, Carver(memory));
          for (int64_t task = begin; task < end; ++task) {
            const Head head(a, task);
            const int64_t* ids = op.masked ? o.in<int64_t>(3) + head.ids : nullptr;
            const Mask mask(a, op.causal, ids, op.padding, scratch.hidden);
            AttentionShape seen = a;
            seen.keys = mask.seen;
            const Drops dropped = {drops ? &drop : nullptr, static_cast<float>(1 / (1 - op.rate)), a.keys,
                                   head.log_sum * a.keys};
            Run({v, seen, head, mask, dropped}, scratch, o);
          }
        });
      });
}

}  // namespace

KernelOr Make(const Attention& op, const Request& r) { return MakeForHeads<ForwardScratch>(op, r); }
KernelOr Make(const AttentionBackward& op, const Request& r) { return MakeForHeads<BackwardScratch>(op, r); }

}  // namespace mathnas::kernels::cpu
