#include "supernet/text/length_buckets.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::supernet {
namespace {

constexpr int kMaxShapes = 4096;

// Pairs of one (source, target) length.
struct Lengths {
  int64_t source = 0, target = 0, pairs = 0;
};

// A rectangle of lengths, and what its batches are.
struct Cell {
  std::vector<Lengths> lengths;
  int64_t source = 0, target = 0, pairs = 0;  // the longest, rounded up; the sum
  int64_t rows = 0, batches = 0;

  int64_t positions() const { return batches * rows * (source + target); }
};

struct Split {
  Cell low, high;
  int64_t saved = 0;
};

int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

void Measure(const BucketOptions& options, Cell& cell) {
  const int64_t longest = std::max(cell.source, cell.target);
  int64_t most_rows = std::max<int64_t>(1, options.tokens / longest);
  if (options.max_rows > 0) most_rows = std::min(most_rows, options.max_rows);
  cell.batches = DivideUp(cell.pairs, most_rows);
  cell.rows = DivideUp(cell.pairs, cell.batches);
}

Cell MakeCell(std::span<const Lengths> lengths, const BucketOptions& options) {
  Cell cell;
  cell.lengths.assign(lengths.begin(), lengths.end());
  for (const Lengths& l : lengths) {
    cell.source = std::max(cell.source, l.source);
    cell.target = std::max(cell.target, l.target);
    cell.pairs += l.pairs;
  }
  cell.source = DivideUp(cell.source, options.multiple) * options.multiple;
  cell.target = DivideUp(cell.target, options.multiple) * options.multiple;
  Measure(options, cell);
  return cell;
}

// The way to split a cell that saves most, nullopt when none saves anything.
std::optional<Split> BestSplit(const Cell& cell, const BucketOptions& options) {
  int64_t best = 0;
  std::vector<Lengths> best_order;
  size_t best_at = 0;
  for (const bool by_source : {true, false}) {
    auto key = [&](const Lengths& l) {
      return by_source ? std::pair(l.source, l.target) : std::pair(l.target, l.source);
    };
    std::vector<Lengths> order = cell.lengths;
    std::sort(order.begin(), order.end(), [&](const Lengths& a, const Lengths& b) { return key(a) < key(b); });
    // high[i]: what a cell of order[i..] would be, without its lengths.
    auto grow = [&](Cell& c, const Lengths& l) {
      c.source = std::max(c.source, DivideUp(l.source, options.multiple) * options.multiple);
      c.target = std::max(c.target, DivideUp(l.target, options.multiple) * options.multiple);
      c.pairs += l.pairs;
    };
    std::vector<Cell> high(order.size());
    Cell growing;
    for (size_t i = order.size(); i-- > 0;) {
      grow(growing, order[i]);
      high[i] = growing;
      Measure(options, high[i]);
    }
    Cell low;
    for (size_t i = 1; i < order.size(); ++i) {
      grow(low, order[i - 1]);
      if (key(order[i]).first == key(order[i - 1]).first) continue;  // lengths above the cut are longer than it
      Measure(options, low);
      if (std::min(low.batches, high[i].batches) < options.least_batches) continue;
      const int64_t saved = cell.positions() - low.positions() - high[i].positions();
      if (saved > best) {
        best = saved;
        best_order = order;
        best_at = i;
      }
    }
  }
  if (best == 0) return std::nullopt;
  const std::span<const Lengths> all(best_order);
  return Split{MakeCell(all.first(best_at), options), MakeCell(all.subspan(best_at), options), best};
}

absl::Status CheckOptions(const EncodedPairs& pairs, const BucketOptions& options) {
  auto fail = [](std::string_view what) { return absl::InvalidArgumentError(fmt::format("buckets: {}", what)); };
  if (options.tokens < 1 || options.tokens > int64_t{1} << 30) {
    return fail(fmt::format("tokens {}, expected 1 to {}", options.tokens, int64_t{1} << 30));
  }
  if (options.shapes < 1 || options.shapes > kMaxShapes) {
    return fail(fmt::format("shapes {}, expected 1 to {}", options.shapes, kMaxShapes));
  }
  if (options.multiple < 1 || options.multiple > kMaxPositions) {
    return fail(fmt::format("multiple {}, expected 1 to {}", options.multiple, kMaxPositions));
  }
  if (options.max_rows < 0) return fail(fmt::format("max_rows {}, expected at least 0", options.max_rows));
  if (options.least_batches < 1) {
    return fail(fmt::format("least_batches {}, expected at least 1", options.least_batches));
  }
  if (pairs.source.size() != pairs.target.size()) {
    return fail(fmt::format("{} sources and {} targets, expected as many", pairs.source.size(), pairs.target.size()));
  }
  if (pairs.source.size() < 1 || pairs.source.size() > INT32_MAX) {
    return fail(fmt::format("{} pairs, expected 1 to {}", pairs.source.size(), INT32_MAX));
  }
  for (int64_t i = 0; i < pairs.source.size(); ++i) {
    const int64_t shorter = std::min(pairs.source.length(i), pairs.target.length(i));
    const int64_t longest = std::max(pairs.source.length(i), pairs.target.length(i));
    if (shorter < 1) return fail(fmt::format("pair {}: an empty side, expected the end of the sentence at least", i));
    if (DivideUp(longest, options.multiple) * options.multiple > options.tokens) {
      return fail(fmt::format("pair {}: {} tokens, expected at most the {} of a batch (multiple of {})", i, longest,
                              options.tokens, options.multiple));
    }
  }
  return absl::OkStatus();
}

double Waste(int64_t tokens, int64_t positions) {
  return positions == 0 ? 0 : 1 - static_cast<double>(tokens) / static_cast<double>(positions);
}

}  // namespace

double Padding::source_waste() const { return Waste(source_tokens, source_positions); }
double Padding::target_waste() const { return Waste(target_tokens, target_positions); }
double Padding::waste() const { return Waste(source_tokens + target_tokens, source_positions + target_positions); }

absl::StatusOr<std::vector<Bucket>> MakeBuckets(const EncodedPairs& pairs, const BucketOptions& options) {
  if (absl::Status s = CheckOptions(pairs, options); !s.ok()) return s;
  std::map<std::pair<int64_t, int64_t>, std::vector<uint32_t>> by_length;
  for (int64_t i = 0; i < pairs.source.size(); ++i) {
    by_length[{pairs.source.length(i), pairs.target.length(i)}].push_back(static_cast<uint32_t>(i));
  }
  std::vector<Lengths> lengths;
  for (const auto& [key, rows] : by_length) {
    lengths.push_back({key.first, key.second, static_cast<int64_t>(rows.size())});
  }

  std::vector<Cell> cells{MakeCell(lengths, options)};
  std::vector<std::optional<Split>> splits{BestSplit(cells[0], options)};
  while (std::ssize(cells) < options.shapes) {
    size_t best = cells.size();
    for (size_t i = 0; i < cells.size(); ++i) {
      if (splits[i] && (best == cells.size() || splits[i]->saved > splits[best]->saved)) best = i;
    }
    if (best == cells.size()) break;
    Split split = *std::move(splits[best]);
    cells[best] = std::move(split.low);
    cells.push_back(std::move(split.high));
    splits[best] = BestSplit(cells[best], options);
    splits.push_back(BestSplit(cells.back(), options));
  }
  std::sort(cells.begin(), cells.end(), [](const Cell& a, const Cell& b) {
    return std::tuple(a.source, a.target, a.rows, a.pairs, a.lengths[0].source, a.lengths[0].target) <
           std::tuple(b.source, b.target, b.rows, b.pairs, b.lengths[0].source, b.lengths[0].target);
  });

  std::vector<Bucket> buckets;
  for (const Cell& cell : cells) {
    Bucket bucket{cell.rows, cell.source, cell.target, {}, cell.batches};
    for (const Lengths& l : cell.lengths) {
      const std::vector<uint32_t>& rows = by_length[{l.source, l.target}];
      bucket.pairs.insert(bucket.pairs.end(), rows.begin(), rows.end());
    }
    std::sort(bucket.pairs.begin(), bucket.pairs.end());
    buckets.push_back(std::move(bucket));
  }
  return buckets;
}

Padding PaddingOf(const EncodedPairs& pairs, const std::vector<Bucket>& buckets) {
  Padding padding{.source_tokens = pairs.source.tokens(), .target_tokens = pairs.target.tokens()};
  for (const Bucket& bucket : buckets) {
    padding.source_positions += bucket.batches * bucket.rows * bucket.source_length;
    padding.target_positions += bucket.batches * bucket.rows * bucket.target_length;
  }
  return padding;
}

}  // namespace mathnas::supernet
