#include "supernet/text/token_loader.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "kernels/random.h"
#include "supernet/data/dataset.h"

namespace mathnas::supernet {

using kernels::DType;
using kernels::Random;
using kernels::Tensor;

TokenLoaderOptions TokenLoaderOptions::Training(int64_t tokens, uint64_t seed) {
  TokenLoaderOptions o;
  o.buckets.tokens = tokens;
  o.seed = seed;
  return o;
}

TokenLoaderOptions TokenLoaderOptions::Evaluation(int64_t tokens) {
  TokenLoaderOptions o;
  o.buckets.tokens = tokens;
  o.buckets.shapes = 16;
  o.buckets.least_batches = 1;
  o.shuffle = false;
  o.end_epoch = 1;
  return o;
}

struct TokenBatchLoader::State {
  // Batch `part` of a bucket.
  struct Place {
    uint32_t bucket = 0;
    int64_t part = 0;
  };

  void Prepare(int64_t epoch);
  void Fill(const Place& place);

  const EncodedPairs* pairs = nullptr;
  TokenLoaderOptions options;
  std::vector<Bucket> buckets;
  std::vector<TokenShape> shapes;
  std::vector<int64_t> shape_of;  // of a bucket: buckets with the same shape share it
  std::vector<Place> places;      // of all batches of an epoch, bucket after bucket

  int64_t next_epoch = 0, next_index = 0;
  int64_t prepared = -1;                      // the epoch of what follows
  std::vector<std::vector<uint32_t>> orders;  // of the pairs of each bucket
  std::vector<uint32_t> sequence;             // of places

  Tensor source, previous, labels;
  TokenBatch batch;
};

void TokenBatchLoader::State::Prepare(int64_t epoch) {
  prepared = epoch;
  orders.resize(buckets.size());
  for (size_t b = 0; b < buckets.size(); ++b) {
    orders[b] = buckets[b].pairs;
    if (!options.shuffle) continue;
    // One stream for each bucket, and 0 for the order of the batches.
    Random random(options.seed, Random::Stream(kTextPurpose, static_cast<uint64_t>(epoch), b + 1));
    random.Shuffle(orders[b]);
  }
  sequence.resize(places.size());
  std::iota(sequence.begin(), sequence.end(), uint32_t{0});
  if (!options.shuffle) return;
  Random random(options.seed, Random::Stream(kTextPurpose, static_cast<uint64_t>(epoch)));
  random.Shuffle(sequence);
}

void TokenBatchLoader::State::Fill(const Place& place) {
  const Bucket& bucket = buckets[place.bucket];
  const std::vector<uint32_t>& order = orders[place.bucket];
  const auto begin = static_cast<size_t>(place.part * bucket.rows);
  const size_t end = std::min(begin + static_cast<size_t>(bucket.rows), order.size());
  batch.bucket = shape_of[place.bucket];
  batch.sentences = static_cast<int64_t>(end - begin);
  batch.pair = std::span<const uint32_t>(order).subspan(begin, end - begin);
  batch.source = {{DType::kI64, {bucket.rows, bucket.source_length}}, source.data()};
  batch.previous = {{DType::kI64, {bucket.rows, bucket.target_length}}, previous.data()};
  batch.labels = {{DType::kI64, {bucket.rows, bucket.target_length}}, labels.data()};
  batch.tokens = batch.source_tokens = 0;
  for (const kernels::TensorView* t : {&batch.source, &batch.previous, &batch.labels}) {
    std::ranges::fill(t->as<int64_t>(), int64_t{kPadId});
  }
  for (size_t n = 0; n < batch.pair.size(); ++n) {
    const std::span<const int32_t> from = pairs->source.row(batch.pair[n]), to = pairs->target.row(batch.pair[n]);
    const auto row = [&](const kernels::TensorView& t) {
      const auto width = static_cast<size_t>(t.desc.shape[1]);
      return t.as<int64_t>().subspan(n * width, width);
    };
    std::ranges::copy(from, row(batch.source).last(from.size()).begin());
    std::ranges::copy(to, row(batch.labels).begin());
    row(batch.previous)[0] = kEosId;
    std::ranges::copy(to.first(to.size() - 1), row(batch.previous).begin() + 1);
    batch.tokens += static_cast<int64_t>(to.size());
    batch.source_tokens += static_cast<int64_t>(from.size());
  }
}

TokenBatchLoader::TokenBatchLoader(std::unique_ptr<State> state) : state_(std::move(state)) {}

TokenBatchLoader::~TokenBatchLoader() = default;

absl::StatusOr<std::unique_ptr<TokenBatchLoader>> TokenBatchLoader::Create(const EncodedPairs& pairs,
                                                                           const TokenLoaderOptions& options) {
  absl::StatusOr<std::vector<Bucket>> buckets = MakeBuckets(pairs, options.buckets);
  if (!buckets.ok()) return buckets.status();
  auto state = std::make_unique<State>();
  state->pairs = &pairs;
  state->options = options;
  state->buckets = *std::move(buckets);
  int64_t source_elements = 0, target_elements = 0;
  for (size_t b = 0; b < state->buckets.size(); ++b) {
    const Bucket& bucket = state->buckets[b];
    const TokenShape shape{bucket.rows, bucket.source_length, bucket.target_length, 0};
    auto same = [&](const TokenShape& s) {
      return s.rows == shape.rows && s.source_length == shape.source_length && s.target_length == shape.target_length;
    };
    auto at = std::find_if(state->shapes.begin(), state->shapes.end(), same);
    if (at == state->shapes.end()) at = state->shapes.insert(at, shape);
    at->batches += bucket.batches;
    state->shape_of.push_back(at - state->shapes.begin());
    for (int64_t part = 0; part < bucket.batches; ++part) state->places.push_back({static_cast<uint32_t>(b), part});
    source_elements = std::max(source_elements, bucket.rows * bucket.source_length);
    target_elements = std::max(target_elements, bucket.rows * bucket.target_length);
  }
  auto fail = [](std::string_view what) { return absl::InvalidArgumentError(fmt::format("token loader: {}", what)); };
  constexpr int64_t kEpochs = 1 << 24;  // Random::Stream tells no more apart
  if (options.first_epoch < 0 || options.first_epoch >= kEpochs) {
    return fail(fmt::format("first epoch {}, expected 0 to {}", options.first_epoch, kEpochs - 1));
  }
  const auto batches = static_cast<int64_t>(state->places.size());
  if (options.first_batch < 0 || options.first_batch > batches) {
    return fail(fmt::format("first batch {}, expected 0 to {}, the batches of an epoch", options.first_batch, batches));
  }
  state->next_epoch = options.first_epoch;
  state->next_index = options.first_batch;
  try {
    state->source = Tensor(DType::kI64, {source_elements});
    state->previous = Tensor(DType::kI64, {target_elements});
    state->labels = Tensor(DType::kI64, {target_elements});
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        fmt::format("token loader: no memory for batches of {} positions", source_elements + 2 * target_elements));
  }
  return std::unique_ptr<TokenBatchLoader>(new TokenBatchLoader(std::move(state)));
}

const TokenBatch* TokenBatchLoader::Next() {
  State& s = *state_;
  if (s.next_index == batches_per_epoch()) {
    s.next_index = 0;
    ++s.next_epoch;
  }
  if (s.options.end_epoch >= 0 && s.next_epoch >= s.options.end_epoch) return nullptr;
  if (s.prepared != s.next_epoch) s.Prepare(s.next_epoch);
  s.batch.epoch = s.next_epoch;
  s.batch.index = s.next_index;
  s.Fill(s.places[s.sequence[static_cast<size_t>(s.next_index++)]]);
  return &s.batch;
}

const std::vector<TokenShape>& TokenBatchLoader::shapes() const { return state_->shapes; }

int64_t TokenBatchLoader::batches_per_epoch() const { return static_cast<int64_t>(state_->places.size()); }

Padding TokenBatchLoader::padding() const { return PaddingOf(*state_->pairs, state_->buckets); }

}  // namespace mathnas::supernet
