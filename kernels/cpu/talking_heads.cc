// Attention with mixed heads and a bias by relative position: own vector code. Queries are taken a few at a time, with
// all heads, so that only their maps {heads, queries, pixels} are ever there.
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

enum Input : size_t { kQ, kK, kV, kTable, kBefore, kBeforeBias, kAfter, kAfterBias, kDiffY };

// The extents, and what follows from them.
struct Layout : TalkingHeadsShape {
  int64_t row;               // floats of a query's scores: pixels, padded
  int64_t queries;           // at a time
  int64_t map;               // floats of a map of a head: queries x row
  int64_t table_row, table;  // of the part of the table that images of this size use: floats of a row, and of a head
  float scale;

  explicit Layout(int32_t largest, const Request& r) : TalkingHeadsShape(largest, r.inputs) {
    constexpr int64_t kMaps = 49152;  // floats of all heads' maps: 192 KB
    row = Padded(pixels());
    const int64_t most = std::clamp<int64_t>(kMaps / (heads * row), 1, std::min<int64_t>(24, pixels()));
    // As many blocks for each thread, where there are few.
    int64_t count = (pixels() + most - 1) / most;
    if (images * count < 8 * r.threads) count = (count + r.threads - 1) / r.threads * r.threads;
    queries = (pixels() + count - 1) / count;
    map = queries * row;
    table_row = 2 * width - 1;
    table = (2 * height - 1) * table_row;
    scale = static_cast<float>(1 / std::sqrt(static_cast<double>(key_size())));
  }
  int64_t blocks() const { return (pixels() + queries - 1) / queries; }
  // Floats to have for a part of the table by heads: kernels read a vector where they use less.
  int64_t table_floats() const { return heads * table + kVectorFloats; }
  // Which row of the whole table is number i of the part, which lies backwards: for the key at (r',c') of the query at
  // (r,c), i = (r' - r + height - 1) table_row + c' - c + width - 1.
  int64_t WholeTableRow(int64_t i) const {
    const int64_t down = i / table_row - (height - 1), right = i % table_row - (width - 1);
    return (window - 1 - down) * (2 * window - 1) + window - 1 - right;
  }
  // Where the biases of a query for the first row of keys are; those for the next row are table_row further.
  int64_t TablePart(int64_t query) const {
    return (height - 1 - query / width) * table_row + width - 1 - query % width;
  }
  const float* keys(const Operands& o, size_t input, int64_t image) const {
    return o.in<float>(input) + image * pixels() * key_channels;
  }
  const float* values(const Operands& o, size_t input, int64_t image) const {
    return o.in<float>(input) + image * pixels() * value_channels;
  }
};

// The part of the table that is used, a head's rows one after the other and backwards: so the biases of a query for a
// row of keys lie side by side.
void ReverseTable(const Layout& a, const float* table, float* reversed) {
  for (int64_t i = 0; i < a.table; ++i) {
    const float* row = table + a.WholeTableRow(i) * a.heads;
    for (int64_t h = 0; h < a.heads; ++h) reversed[h * a.table + i] = row[h];
  }
  std::fill_n(reversed + a.heads * a.table, kVectorFloats, 0.f);
}

struct Maps {
  float *scores, *p, *mixed, *log_sums;

  Maps(const Layout& a, Carver& scratch)
      : scores(scratch.Take<float>(a.heads * a.map)),
        p(scratch.Take<float>(a.heads * a.map)),
        mixed(scratch.Take<float>(a.heads * a.map)),
        log_sums(scratch.Take<float>(a.heads * a.queries)) {}
};

// to[g] = sum_h weights[g,h] from[h] (or weights[h,g], transposed) + bias[g].
void MixHeads(const VectorKernels& v, const Layout& a, const float* weights, const float* bias, bool transposed,
              const float* from, float* to) {
  for (int64_t g = 0; bias != nullptr && g < a.heads; ++g) v.fill(bias[g], to + g * a.map, a.map);
  v.multiply({.a = weights,
              .a_row = transposed ? 1 : a.heads,
              .a_column = transposed ? a.heads : 1,
              .b = from,
              .b_row = a.map,
              .y = to,
              .y_row = a.map,
              .rows = a.heads,
              .inner = a.heads,
              .columns = a.map,
              .accumulate = bias != nullptr});
}

// The maps of queries first .. first + count - 1 of an image. keys_t{E, row} are scaled. Padding of scores and p is 0.
void ComputeMaps(const VectorKernels& v, const Layout& a, const Operands& o, const float* q, const float* keys_t,
                 const float* reversed_table, int64_t first, int64_t count, const Maps& maps) {
  for (int64_t h = 0; h < a.heads; ++h) {
    float* scores = maps.scores + h * a.map;
    for (int64_t t = 0; t < count; ++t) {
      v.take_window(reversed_table + h * a.table + a.TablePart(first + t), a.table_row, a.height, a.width,
                    scores + t * a.row, a.row);
    }
    v.multiply({.a = q + first * a.key_channels + h * a.key_size(),
                .a_row = a.key_channels,
                .a_column = 1,
                .b = keys_t + h * a.key_size() * a.row,
                .b_row = a.row,
                .y = scores,
                .y_row = a.row,
                .rows = count,
                .inner = a.key_size(),
                .columns = a.row,
                .accumulate = true});
    v.fill(0, scores + count * a.row, (a.queries - count) * a.row);
  }
  MixHeads(v, a, o.in<float>(kBefore), o.in<float>(kBeforeBias), false, maps.scores, maps.p);
  for (int64_t r = 0; a.row > a.pixels() && r < a.heads * a.queries; ++r) {
    v.fill(-std::numeric_limits<float>::infinity(), maps.p + r * a.row + a.pixels(), a.row - a.pixels());
  }
  v.softmax_rows(maps.p, a.row, a.heads * a.queries, a.row, maps.log_sums);
  MixHeads(v, a, o.in<float>(kAfter), o.in<float>(kAfterBias), false, maps.p, maps.mixed);
}

struct ForwardShared {
  float *keys_t, *table;

  ForwardShared(const Layout& a, Carver& scratch)
      : keys_t(scratch.Take<float>(a.images * a.key_channels * a.row)), table(scratch.Take<float>(a.table_floats())) {}
};

struct ForwardScratch {
  Maps maps;
  float *values, *results;

  ForwardScratch(const Layout& a, Carver& scratch)
      : maps(a, scratch),
        values(scratch.Take<float>(a.pixels() * Padded(a.value_size()))),
        results(scratch.Take<float>(a.queries * Padded(a.value_size()))) {}
};

void ForwardBlock(const VectorKernels& v, const Layout& a, const Operands& o, const ForwardShared& shared,
                  const ForwardScratch& scratch, int64_t image, int64_t first) {
  const int64_t count = std::min(a.queries, a.pixels() - first), size = a.value_size(), width = Padded(size);
  ComputeMaps(v, a, o, a.keys(o, kQ, image), shared.keys_t + image * a.key_channels * a.row, shared.table, first, count,
              scratch.maps);
  const bool direct = width == size;
  for (int64_t h = 0; h < a.heads; ++h) {
    const PaddedRows values =
        PadRows(a.values(o, kV, image) + h * size, a.value_channels, a.pixels(), size, scratch.values);
    float* y = o.out<float>(0) + (image * a.pixels() + first) * a.value_channels + h * size;
    v.multiply({.a = scratch.maps.mixed + h * a.map,
                .a_row = a.row,
                .a_column = 1,
                .b = values.data,
                .b_row = values.stride,
                .y = direct ? y : scratch.results,
                .y_row = direct ? a.value_channels : width,
                .rows = count,
                .inner = a.pixels(),
                .columns = width});
    if (!direct) CopyRows(scratch.results, count, size, 1, y, a.value_channels);
  }
}

// What one thread adds up over its images.
struct Sums {
  float* table;  // reversed
  double *before, *before_bias, *after, *after_bias;

  Sums(const Layout& a, Carver& scratch)
      : table(scratch.Take<float>(a.table_floats())),
        before(scratch.Take<double>(a.heads * a.heads)),
        before_bias(scratch.Take<double>(a.heads)),
        after(scratch.Take<double>(a.heads * a.heads)),
        after_bias(scratch.Take<double>(a.heads)) {}

  void Clear(const Layout& a) const {
    std::fill_n(table, a.table_floats(), 0.f);
    for (double* matrix : {before, after}) std::fill_n(matrix, a.heads * a.heads, 0.0);
    for (double* vector : {before_bias, after_bias}) std::fill_n(vector, a.heads, 0.0);
  }
};

struct BackwardScratch {
  Maps maps;
  Sums sums;
  float* diff_mixed;
  float *keys_t, *values_t;                      // columns of the scores and of the gradients of `mixed`
  float *keys, *queries, *diffs, *diff_queries;  // rows, padded
  float *diff_keys, *diff_values;                // of the image: {heads, pixels, padded size}

  BackwardScratch(const Layout& a, Carver& scratch)
      : maps(a, scratch),
        sums(a, scratch),
        diff_mixed(scratch.Take<float>(a.heads * a.map + kVectorFloats)),
        keys_t(scratch.Take<float>(a.key_channels * a.row)),
        values_t(scratch.Take<float>(a.value_channels * a.row)),
        keys(scratch.Take<float>(a.pixels() * Padded(a.key_size()))),
        queries(scratch.Take<float>(a.queries * Padded(a.key_size()))),
        diffs(scratch.Take<float>(a.queries * Padded(a.value_size()))),
        diff_queries(scratch.Take<float>(a.queries * Padded(a.key_size()))),
        diff_keys(scratch.Take<float>(a.heads * a.pixels() * Padded(a.key_size()))),
        diff_values(scratch.Take<float>(a.heads * a.pixels() * Padded(a.value_size()))) {}
};

// sums[g,h] += a[g] b[h], bias_sums[g] += the sum of a[g], over maps.
void AddMixGradients(const VectorKernels& v, const Layout& l, const float* a, const float* b, double* sums,
                     double* bias_sums) {
  for (int64_t g = 0; g < l.heads; ++g) {
    for (int64_t h = 0; h < l.heads; ++h) sums[g * l.heads + h] += v.dot(a + g * l.map, b + h * l.map, l.map);
    for (int64_t i = 0; i < l.map; ++i) bias_sums[g] += a[g * l.map + i];
  }
}

void BackwardBlock(const VectorKernels& v, const Layout& a, const Operands& o, const float* reversed_table,
                   const BackwardScratch& s, int64_t image, int64_t first) {
  const int64_t count = std::min(a.queries, a.pixels() - first);
  const int64_t key_width = Padded(a.key_size()), value_width = Padded(a.value_size());
  const float* q = a.keys(o, kQ, image);
  ComputeMaps(v, a, o, q, s.keys_t, reversed_table, first, count, s.maps);
  for (int64_t h = 0; h < a.heads; ++h) {
    const float* diff_y = a.values(o, kDiffY, image) + first * a.value_channels + h * a.value_size();
    float* diff_mixed = s.diff_mixed + h * a.map;
    v.multiply({.a = diff_y,
                .a_row = a.value_channels,
                .a_column = 1,
                .b = s.values_t + h * a.value_size() * a.row,
                .b_row = a.row,
                .y = diff_mixed,
                .y_row = a.row,
                .rows = count,
                .inner = a.value_size(),
                .columns = a.row});
    v.fill(0, diff_mixed + count * a.row, (a.queries - count) * a.row);
    const PaddedRows diffs = PadRows(diff_y, a.value_channels, count, a.value_size(), s.diffs);
    v.multiply({.a = s.maps.mixed + h * a.map,
                .a_row = 1,
                .a_column = a.row,
                .b = diffs.data,
                .b_row = diffs.stride,
                .y = s.diff_values + h * a.pixels() * value_width,
                .y_row = value_width,
                .rows = a.pixels(),
                .inner = count,
                .columns = value_width,
                .accumulate = first > 0});
  }
  AddMixGradients(v, a, s.diff_mixed, s.maps.p, s.sums.after, s.sums.after_bias);
  float* diff_logits = s.maps.mixed;  // of which nothing is needed any more
  MixHeads(v, a, o.in<float>(kAfter), nullptr, true, s.diff_mixed, diff_logits);
  v.softmax_backward_rows(s.maps.p, diff_logits, a.row, a.heads * a.queries, a.row);
  AddMixGradients(v, a, diff_logits, s.maps.scores, s.sums.before, s.sums.before_bias);
  float* diff_scores = s.diff_mixed;
  MixHeads(v, a, o.in<float>(kBefore), nullptr, true, diff_logits, diff_scores);
  for (int64_t h = 0; h < a.heads; ++h) {
    const float* diff = diff_scores + h * a.map;
    for (int64_t t = 0; t < count; ++t) {
      v.add_to_window(diff + t * a.row, a.height, a.width, s.sums.table + h * a.table + a.TablePart(first + t),
                      a.table_row);
    }
    const int64_t channel = h * a.key_size();
    const PaddedRows keys = PadRows(a.keys(o, kK, image) + channel, a.key_channels, a.pixels(), a.key_size(), s.keys);
    v.multiply({.a = diff,
                .a_row = a.row,
                .a_column = 1,
                .b = keys.data,
                .b_row = keys.stride,
                .y = s.diff_queries,
                .y_row = key_width,
                .rows = count,
                .inner = a.pixels(),
                .columns = key_width});
    CopyRows(s.diff_queries, count, a.key_size(), a.scale,
             o.out<float>(kQ) + (image * a.pixels() + first) * a.key_channels + channel, a.key_channels);
    const PaddedRows queries =
        PadRows(q + first * a.key_channels + channel, a.key_channels, count, a.key_size(), s.queries);
    v.multiply({.a = diff,
                .a_row = 1,
                .a_column = a.row,
                .b = queries.data,
                .b_row = queries.stride,
                .y = s.diff_keys + h * a.pixels() * key_width,
                .y_row = key_width,
                .rows = a.pixels(),
                .inner = count,
                .columns = key_width,
                .accumulate = first > 0});
  }
}

void BackwardImage(const VectorKernels& v, const Layout& a, const Operands& o, const float* reversed_table,
                   const BackwardScratch& s, int64_t image) {
  v.transpose(a.keys(o, kK, image), a.key_channels, a.pixels(), a.key_channels, a.scale, s.keys_t);
  v.transpose(a.values(o, kV, image), a.value_channels, a.pixels(), a.value_channels, 1, s.values_t);
  for (int64_t block = 0; block < a.blocks(); ++block) {
    BackwardBlock(v, a, o, reversed_table, s, image, block * a.queries);
  }
  for (int64_t h = 0; h < a.heads; ++h) {
    CopyRows(s.diff_keys + h * a.pixels() * Padded(a.key_size()), a.pixels(), a.key_size(), a.scale,
             o.out<float>(kK) + image * a.pixels() * a.key_channels + h * a.key_size(), a.key_channels);
    CopyRows(s.diff_values + h * a.pixels() * Padded(a.value_size()), a.pixels(), a.value_size(), 1,
             o.out<float>(kV) + image * a.pixels() * a.value_channels + h * a.value_size(), a.value_channels);
  }
}

// Adds what the threads have added up, in their order, to what the first one has; then set(i, sum).
void Total(int parts, int64_t count, const auto& part, const auto& set) {
  auto* total = part(0);
  for (int t = 1; t < parts; ++t) {
    const auto* other = part(t);
    for (int64_t i = 0; i < count; ++i) total[i] += other[i];
  }
  for (int64_t i = 0; i < count; ++i) set(i, static_cast<float>(total[i]));
}

// A thread's piece of scratch memory, after what all share.
template <typename T>
int64_t BytesOf(const Layout& a) {
  Carver book(nullptr);
  T(a, book);
  return static_cast<int64_t>(book.bytes());
}
template <typename T>
T PieceOf(const Layout& a, const Operands& o, size_t shared_bytes, int thread) {
  Carver scratch(static_cast<std::byte*>(o.scratch) + shared_bytes + static_cast<size_t>(thread * BytesOf<T>(a)));
  return T(a, scratch);
}

struct BackwardShared {
  float* table;
  BackwardShared(const Layout& a, Carver& scratch) : table(scratch.Take<float>(a.table_floats())) {}
};

}  // namespace

KernelOr Make(const TalkingHeads& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const Layout a(op.window, r);
  const auto shared_bytes = static_cast<size_t>(BytesOf<ForwardShared>(a));
  const size_t bytes = shared_bytes + static_cast<size_t>(r.threads * BytesOf<ForwardScratch>(a));
  return MakeFunctionKernel(v.name, bytes, [&v, a, shared_bytes, threads = r.threads](const Operands& o) {
    Carver carver(o.scratch);
    const ForwardShared shared(a, carver);
    ReverseTable(a, o.in<float>(kTable), shared.table);
    ParallelFor(threads, a.images, GrainOf(a.pixels() * a.key_channels), [&](int, int64_t begin, int64_t end) {
      for (int64_t image = begin; image < end; ++image) {
        v.transpose(a.keys(o, kK, image), a.key_channels, a.pixels(), a.key_channels, a.scale,
                    shared.keys_t + image * a.key_channels * a.row);
      }
    });
    ParallelFor(threads, a.images * a.blocks(), 1, [&](int thread, int64_t begin, int64_t end) {
      const auto scratch = PieceOf<ForwardScratch>(a, o, shared_bytes, thread);
      for (int64_t task = begin; task < end; ++task) {
        ForwardBlock(v, a, o, shared, scratch, task / a.blocks(), task % a.blocks() * a.queries);
      }
    });
  });
}

KernelOr Make(const TalkingHeadsBackward& op, const Request& r) {
  if (r.inputs[0].elements() == 0) return ZeroOutputs(r);
  const VectorKernels& v = Vector();
  const Layout a(op.window, r);
  const auto shared_bytes = static_cast<size_t>(BytesOf<BackwardShared>(a));
  const size_t bytes = shared_bytes + static_cast<size_t>(r.threads * BytesOf<BackwardScratch>(a));
  return MakeFunctionKernel(v.name, bytes, [&v, a, shared_bytes, threads = r.threads](const Operands& o) {
    Carver carver(o.scratch);
    const BackwardShared shared(a, carver);
    ReverseTable(a, o.in<float>(kTable), shared.table);
    const auto piece = [&](int thread) { return PieceOf<BackwardScratch>(a, o, shared_bytes, thread); };
    const int parts = ParallelFor(threads, a.images, 1, [&](int thread, int64_t begin, int64_t end) {
      const BackwardScratch scratch = piece(thread);
      scratch.sums.Clear(a);
      for (int64_t image = begin; image < end; ++image) BackwardImage(v, a, o, shared.table, scratch, image);
    });
    const auto copy_to = [&](size_t output) { return [to = o.out<float>(output)](int64_t i, float x) { to[i] = x; }; };
    const int64_t heads = a.heads;
    v.fill(0, o.out<float>(kTable), (2 * a.window - 1) * (2 * a.window - 1) * heads);
    Total(
        parts, heads * a.table, [&](int t) { return piece(t).sums.table; },
        [&](int64_t i, float x) { o.out<float>(kTable)[a.WholeTableRow(i % a.table) * heads + i / a.table] = x; });
    Total(
        parts, heads * heads, [&](int t) { return piece(t).sums.before; }, copy_to(kBefore));
    Total(
        parts, heads, [&](int t) { return piece(t).sums.before_bias; }, copy_to(kBeforeBias));
    Total(
        parts, heads * heads, [&](int t) { return piece(t).sums.after; }, copy_to(kAfter));
    Total(
        parts, heads, [&](int t) { return piece(t).sums.after_bias; }, copy_to(kAfterBias));
  });
}

}  // namespace mathnas::kernels::cpu
