#include "supernet/text/token_loader.h"

#include <map>
#include <random>
#include <set>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/text/bleu.h"

namespace mathnas::supernet {
namespace {

std::string Message(const absl::Status& status) { return std::string(kernels::Message(status)); }

// Lengths like those of text: geometric, the target's near the source's.
EncodedPairs Pairs(int count, uint32_t seed = 1, int longest = 60) {
  std::mt19937 random(seed);
  EncodedPairs pairs;
  for (int i = 0; i < count; ++i) {
    int length = 2;
    while (length < longest && random() % 6 != 0) ++length;
    auto row = [&](int n) {
      std::vector<int32_t> ids;
      for (int k = 0; k + 1 < n; ++k) ids.push_back(static_cast<int32_t>(kFirstWordId + random() % 1000));
      ids.push_back(kEosId);
      return ids;
    };
    pairs.source.Append(row(length));
    pairs.target.Append(row(std::clamp(length - 2 + static_cast<int>(random() % 5), 1, longest)));
    pairs.pair.push_back(static_cast<uint32_t>(i));
  }
  return pairs;
}

std::unique_ptr<TokenBatchLoader> Load(const EncodedPairs& pairs, const TokenLoaderOptions& options) {
  auto loader = TokenBatchLoader::Create(pairs, options);
  EXPECT_TRUE(loader.ok()) << loader.status();
  return *std::move(loader);
}

// All that a batch says, by value.
struct Copy {
  int64_t epoch, index, bucket, tokens, sentences;
  kernels::Shape source_shape, target_shape;
  std::vector<int64_t> source, previous, labels;
  std::vector<uint32_t> pair;
  bool operator==(const Copy&) const = default;
};

Copy CopyOf(const TokenBatch& b) {
  auto values = [](const kernels::TensorView& t) {
    return std::vector<int64_t>(t.as<int64_t>().begin(), t.as<int64_t>().end());
  };
  return {b.epoch,
          b.index,
          b.bucket,
          b.tokens,
          b.sentences,
          b.source.desc.shape,
          b.labels.desc.shape,
          values(b.source),
          values(b.previous),
          values(b.labels),
          {b.pair.begin(), b.pair.end()}};
}

TEST(TokenLoader, RowsByHand) {
  EncodedPairs pairs;
  pairs.source.Append(std::vector<int32_t>{10, 11, 2});
  pairs.target.Append(std::vector<int32_t>{20, 2});
  pairs.source.Append(std::vector<int32_t>{12, 2});
  pairs.target.Append(std::vector<int32_t>{21, 22, 23, 2});
  pairs.source.Append(std::vector<int32_t>{2});
  pairs.target.Append(std::vector<int32_t>{2});
  TokenLoaderOptions options = TokenLoaderOptions::Evaluation(8);
  options.buckets.shapes = 1;
  const auto loader = Load(pairs, options);
  EXPECT_EQ(loader->shapes(), (std::vector<TokenShape>{{2, 3, 4, 2}}));
  ASSERT_EQ(loader->batches_per_epoch(), 2);
  const TokenBatch* b = loader->Next();
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(CopyOf(*b), (Copy{0,
                              0,
                              0,
                              6,
                              2,
                              {2, 3},
                              {2, 4},
                              {10, 11, 2, 1, 12, 2},
                              {2, 20, 1, 1, 2, 21, 22, 23},
                              {20, 2, 1, 1, 21, 22, 23, 2},
                              {0, 1}}));
  EXPECT_EQ(b->source_tokens, 5);
  b = loader->Next();
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(
      CopyOf(*b),
      (Copy{
          0, 1, 0, 1, 1, {2, 3}, {2, 4}, {1, 1, 2, 1, 1, 1}, {2, 1, 1, 1, 1, 1, 1, 1}, {2, 1, 1, 1, 1, 1, 1, 1}, {2}}));
  EXPECT_EQ(loader->Next(), nullptr);
  EXPECT_EQ(loader->Next(), nullptr);
  const Padding padding = loader->padding();
  EXPECT_DOUBLE_EQ(padding.source_waste(), 1 - 6.0 / 12);
  EXPECT_DOUBLE_EQ(padding.target_waste(), 1 - 7.0 / 16);
  EXPECT_DOUBLE_EQ(padding.waste(), 1 - 13.0 / 28);
}

// Every pair once an epoch, in rows as the specification has them; few shapes; no more tokens than asked for.
TEST(TokenLoader, EveryPairOnceInEveryEpoch) {
  const EncodedPairs pairs = Pairs(20000);
  for (const bool shuffle : {true, false}) {
    TokenLoaderOptions options = TokenLoaderOptions::Training(2000, 5);
    options.shuffle = shuffle;
    options.end_epoch = 2;
    const auto loader = Load(pairs, options);
    std::set<kernels::Shape> shapes;
    int64_t positions[2] = {0, 0}, tokens[2] = {0, 0};
    std::vector<int> seen(20000, 0);
    int64_t batches = 0;
    while (const TokenBatch* b = loader->Next()) {
      ++batches;
      const int64_t rows = b->source.desc.shape[0], s = b->source.desc.shape[1], t = b->labels.desc.shape[1];
      shapes.insert({rows, s, t});
      const TokenShape& shape = loader->shapes()[static_cast<size_t>(b->bucket)];
      ASSERT_EQ(std::tuple(rows, s, t), std::tuple(shape.rows, shape.source_length, shape.target_length));
      ASSERT_EQ(b->previous.desc.shape, b->labels.desc.shape);
      ASSERT_LE(rows * std::max(s, t), 2000);
      ASSERT_EQ(static_cast<int64_t>(b->pair.size()), b->sentences);
      positions[0] += rows * s;
      positions[1] += rows * t;
      int64_t labels = 0;
      for (int64_t n = 0; n < rows; ++n) {
        std::vector<int64_t> source(static_cast<size_t>(s), 1), previous(static_cast<size_t>(t), 1),
            label(static_cast<size_t>(t), 1);
        if (n < b->sentences) {
          const uint32_t pair = b->pair[static_cast<size_t>(n)];
          ++seen[pair];
          const auto from = pairs.source.row(pair), to = pairs.target.row(pair);
          for (size_t i = 0; i < from.size(); ++i) source[source.size() - from.size() + i] = from[i];
          for (size_t i = 0; i < to.size(); ++i) {
            label[i] = to[i];
            previous[i] = i == 0 ? 2 : to[i - 1];
          }
          labels += static_cast<int64_t>(to.size());
          tokens[0] += static_cast<int64_t>(from.size());
          tokens[1] += static_cast<int64_t>(to.size());
        }
        for (int64_t i = 0; i < s; ++i)
          ASSERT_EQ(b->source.as<int64_t>()[static_cast<size_t>(n * s + i)], source[static_cast<size_t>(i)]);
        for (int64_t i = 0; i < t; ++i) {
          ASSERT_EQ(b->labels.as<int64_t>()[static_cast<size_t>(n * t + i)], label[static_cast<size_t>(i)]);
          ASSERT_EQ(b->previous.as<int64_t>()[static_cast<size_t>(n * t + i)], previous[static_cast<size_t>(i)]);
        }
      }
      ASSERT_EQ(labels, b->tokens);
    }
    EXPECT_EQ(batches, 2 * loader->batches_per_epoch());
    for (int n : seen) ASSERT_EQ(n, 2);
    EXPECT_LE(std::ssize(shapes), BucketOptions{}.shapes);
    EXPECT_EQ(shapes.size(), loader->shapes().size());
    const Padding padding = loader->padding();
    EXPECT_EQ(2 * padding.source_positions, positions[0]);
    EXPECT_EQ(2 * padding.target_positions, positions[1]);
    EXPECT_EQ(2 * padding.source_tokens, tokens[0]);
    EXPECT_EQ(2 * padding.target_tokens, tokens[1]);
    EXPECT_LT(padding.waste(), 0.15);
  }
}

TEST(TokenLoader, ResumesAnywhere) {
  const EncodedPairs pairs = Pairs(3000);
  TokenLoaderOptions options = TokenLoaderOptions::Training(500, 9);
  options.end_epoch = 3;
  std::vector<Copy> all;
  const auto loader = Load(pairs, options);
  while (const TokenBatch* b = loader->Next()) all.push_back(CopyOf(*b));
  const int64_t epoch = loader->batches_per_epoch();
  ASSERT_EQ(std::ssize(all), 3 * epoch);
  for (int64_t begin : {int64_t{1}, epoch - 1, epoch, epoch + 7, 3 * epoch - 1}) {
    for (const bool at_end : {false, true}) {  // the end of an epoch is the begin of the next
      if (at_end && begin % epoch != 0) continue;
      options.first_epoch = at_end ? begin / epoch - 1 : begin / epoch;
      options.first_batch = at_end ? epoch : begin % epoch;
      const auto resumed = Load(pairs, options);
      for (int64_t i = begin; i < 3 * epoch; ++i) {
        const TokenBatch* b = resumed->Next();
        ASSERT_NE(b, nullptr);
        ASSERT_EQ(CopyOf(*b), all[static_cast<size_t>(i)]) << i;
      }
      EXPECT_EQ(resumed->Next(), nullptr);
    }
  }
}

TEST(TokenLoader, EpochsAndSeedsDiffer) {
  const EncodedPairs pairs = Pairs(3000);
  auto order = [&](uint64_t seed, int64_t epoch) {
    TokenLoaderOptions options = TokenLoaderOptions::Training(500, seed);
    options.first_epoch = epoch;
    options.end_epoch = epoch + 1;
    std::vector<uint32_t> pair;
    std::vector<int64_t> buckets;
    const auto loader = Load(pairs, options);
    while (const TokenBatch* b = loader->Next()) {
      pair.insert(pair.end(), b->pair.begin(), b->pair.end());
      buckets.push_back(b->bucket);
    }
    return std::pair(pair, buckets);
  };
  EXPECT_EQ(order(1, 0), order(1, 0));
  EXPECT_NE(order(1, 0).first, order(1, 1).first);
  EXPECT_NE(order(1, 0).second, order(1, 1).second);
  EXPECT_NE(order(1, 0).first, order(2, 0).first);
  std::vector<int64_t> sorted = order(1, 0).second;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_NE(sorted, order(1, 0).second);  // long and short batches are mixed
}

// The whole way: what the labels of the batches say is the text that they were made from.
TEST(TokenLoader, FromTextToScore) {
  ParallelText text;
  for (int i = 0; i < 300; ++i) {
    const std::string number = std::to_string(i * 7919);
    text.train.pairs.push_back({"Nummer " + number, "the number is, in digits, " + number + ".", i + 1});
  }
  const auto vocabularies = TrainVocabularies(text, /*joined=*/true, {.size = 64, .character_coverage = 1});
  ASSERT_TRUE(vocabularies.ok()) << vocabularies.status();
  const auto pairs = EncodePairs(text.train, vocabularies->source, vocabularies->target);
  ASSERT_TRUE(pairs.ok()) << pairs.status();
  const auto loader = Load(*pairs, TokenLoaderOptions::Evaluation(300));
  std::vector<std::string> hypotheses, references;
  while (const TokenBatch* b = loader->Next()) {
    const int64_t width = b->labels.desc.shape[1];
    for (int64_t n = 0; n < b->sentences; ++n) {
      const std::span<int64_t> row =
          b->labels.as<int64_t>().subspan(static_cast<size_t>(n * width), static_cast<size_t>(width));
      hypotheses.push_back(vocabularies->target.Decode(std::vector<int32_t>(row.begin(), row.end())));
      references.push_back(text.train.pairs[pairs->pair[b->pair[static_cast<size_t>(n)]]].target);
    }
  }
  EXPECT_EQ(hypotheses, references);
  EXPECT_EQ(hypotheses.size(), 300u);
  EXPECT_NEAR(Bleu(hypotheses, references)->score, 100, 1e-9);
}

TEST(Buckets, MoreShapesWasteLess) {
  const EncodedPairs pairs = Pairs(30000);
  double last = 1;
  for (int shapes : {1, 2, 4, 8, 16, 32, 64}) {
    const auto buckets = MakeBuckets(pairs, {.tokens = 1000, .shapes = shapes});
    ASSERT_TRUE(buckets.ok()) << buckets.status();
    EXPECT_LE(std::ssize(*buckets), shapes);
    const double waste = PaddingOf(pairs, *buckets).waste();
    EXPECT_LE(waste, last);
    last = waste;
    int64_t sum = 0;
    for (const Bucket& b : *buckets) {
      sum += std::ssize(b.pairs);
      EXPECT_EQ(b.batches, (std::ssize(b.pairs) + b.rows - 1) / b.rows);
      EXPECT_LT(b.batches * b.rows - std::ssize(b.pairs), b.batches);  // what only fills up
      for (uint32_t p : b.pairs) {
        EXPECT_LE(pairs.source.length(p), b.source_length);
        EXPECT_LE(pairs.target.length(p), b.target_length);
      }
    }
    EXPECT_EQ(sum, 30000);
  }
  EXPECT_LT(last, 0.06);
}

// Two lengths and two shapes: nothing is wasted, whichever way they are cut.
TEST(Buckets, CutsWhereItSavesMost) {
  EncodedPairs pairs;
  const std::vector<int32_t> row(50, kEosId);
  auto append = [&](size_t source, size_t target, int times) {
    for (int i = 0; i < times; ++i) {
      pairs.source.Append(std::span(row).first(source));
      pairs.target.Append(std::span(row).first(target));
    }
  };
  append(5, 40, 100);
  append(5, 6, 100);
  const auto buckets = MakeBuckets(pairs, {.tokens = 400, .shapes = 2});
  ASSERT_TRUE(buckets.ok()) << buckets.status();
  ASSERT_EQ(buckets->size(), 2u);
  EXPECT_EQ(
      std::tuple((*buckets)[0].source_length, (*buckets)[0].target_length, (*buckets)[0].rows, (*buckets)[0].batches),
      std::tuple(5, 6, 50, 2));
  EXPECT_EQ(
      std::tuple((*buckets)[1].source_length, (*buckets)[1].target_length, (*buckets)[1].rows, (*buckets)[1].batches),
      std::tuple(5, 40, 10, 10));
  EXPECT_EQ(PaddingOf(pairs, *buckets).waste(), 0);
  const auto rounded = MakeBuckets(pairs, {.tokens = 400, .shapes = 2, .multiple = 8, .max_rows = 7});
  ASSERT_TRUE(rounded.ok()) << rounded.status();
  EXPECT_EQ(std::tuple((*rounded)[0].source_length, (*rounded)[0].target_length, (*rounded)[0].rows),
            std::tuple(8, 8, 7));
}

TEST(Buckets, Refused) {
  const EncodedPairs pairs = Pairs(100, 1, 30);
  auto message = [&](const BucketOptions& o) { return Message(MakeBuckets(pairs, o).status()); };
  EXPECT_EQ(message({.tokens = 0}), "buckets: tokens 0, expected 1 to 1073741824");
  EXPECT_EQ(message({.shapes = 0}), "buckets: shapes 0, expected 1 to 4096");
  EXPECT_EQ(message({.multiple = 0}), "buckets: multiple 0, expected 1 to 1024");
  EXPECT_EQ(message({.max_rows = -1}), "buckets: max_rows -1, expected at least 0");
  EXPECT_EQ(message({.least_batches = 0}), "buckets: least_batches 0, expected at least 1");
  EXPECT_EQ(Message(MakeBuckets({}, {}).status()), "buckets: 0 pairs, expected 1 to 2147483647");
  EncodedPairs longer;
  longer.source.Append(std::vector<int32_t>(9, kEosId));
  longer.target.Append(std::vector<int32_t>{kEosId});
  EXPECT_EQ(Message(MakeBuckets(longer, {.tokens = 8}).status()),
            "buckets: pair 0: 9 tokens, expected at most the 8 of a batch (multiple of 1)");
  TokenLoaderOptions options = TokenLoaderOptions::Training(100, 0);
  options.first_batch = 1 << 20;
  EXPECT_TRUE(Message(TokenBatchLoader::Create(pairs, options).status())
                  .starts_with("token loader: first batch 1048576, expected 0 to "));
  options.first_batch = 0;
  options.first_epoch = -1;
  EXPECT_EQ(Message(TokenBatchLoader::Create(pairs, options).status()),
            "token loader: first epoch -1, expected 0 to 16777215");
}

}  // namespace
}  // namespace mathnas::supernet
