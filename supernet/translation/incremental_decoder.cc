#include "supernet/translation/incremental_decoder.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "supernet/supertransformer/graph.h"

namespace mathnas::supernet {
namespace {

using kernels::TensorView;
using supertransformer::kEos;
using supertransformer::kMaxTokens;
using supertransformer::kPad;

constexpr size_t kPrepared = 16;        // shapes kept of each
constexpr int64_t kLengthStep = 8;      // lengths of sources are rounded up to a multiple of it
constexpr int64_t kLeastCapacity = 16;  // doubled whenever the caches are full

int64_t RoundedUp(int64_t length) { return (length + kLengthStep - 1) / kLengthStep * kLengthStep; }

// Moves the entry that `fits` to the front; null if there is none.
template <typename Entry, typename Fits>
Entry* Recall(std::list<Entry>& entries, const Fits& fits) {
  const auto found = std::find_if(entries.begin(), entries.end(), fits);
  if (found == entries.end()) return nullptr;
  entries.splice(entries.begin(), entries, found);
  return &entries.front();
}

template <typename Entry>
Entry* Keep(std::list<Entry>& entries, Entry entry) {
  entries.push_front(std::move(entry));
  if (entries.size() > kPrepared) entries.pop_back();
  return &entries.front();
}

std::span<int64_t> Integers(const kernels::Context& context, std::string_view input) {
  return context.Input(input)->as<int64_t>();
}

}  // namespace

IncrementalDecoder::IncrementalDecoder(const SuperTransformerMacro& macro, const Choice& choice,
                                       const kernels::TensorMap& own_weights, std::shared_ptr<kernels::Device> device)
    : macro_(macro), architecture_(ArchitectureOf(macro, choice)), weights_(own_weights), device_(std::move(device)) {}

absl::StatusOr<IncrementalDecoder::Encoder*> IncrementalDecoder::PrepareEncoder(int64_t sources, int64_t length) {
  const auto fits = [&](const Encoder& e) { return e.sources == sources && e.length == length; };
  if (Encoder* known = Recall(encoders_, fits)) return known;
  kernels::Graph g(device_->real());
  const std::vector<supertransformer::LayerMemory> memories = supertransformer::EncodedSource(
      g, macro_, architecture_, {.batch = sources, .real = device_->real(), .source_length = length});
  if (!g.status().ok()) return g.status();
  std::vector<kernels::PlanOutput> outputs;
  for (size_t i = 0; i < memories.size(); ++i) {
    outputs.push_back({fmt::format("memory.keys.{}", i), memories[i].keys});
    outputs.push_back({fmt::format("memory.values.{}", i), memories[i].values});
  }
  auto plan = kernels::Plan::Create(g, outputs, *device_, {.constant_weights = true});
  if (!plan.ok()) return plan.status();
  auto context = kernels::Context::Create(*plan, {&weights_});
  if (!context.ok()) return context.status();
  return Keep(encoders_, Encoder{sources, length, *std::move(context)});
}

absl::StatusOr<IncrementalDecoder::Decoder*> IncrementalDecoder::PrepareDecoder(int64_t capacity) {
  const auto fits = [&](const Decoder& d) {
    return d.sources == sources_ && d.beams == beams_ && d.length == length_ && d.capacity == capacity;
  };
  if (Decoder* known = Recall(decoders_, fits)) return known;
  kernels::Graph g(device_->real());
  const kernels::Value logits = supertransformer::DecodingStep(
      g, macro_, architecture_, {.sources = sources_, .beams = beams_, .source_length = length_, .capacity = capacity},
      Weights::kOwn);
  // The loss of any labels, for its softmax.
  const kernels::Value labels = g.Integers("labels", {rows(), 1});
  const kernels::Value probabilities = g.Apply(kernels::SoftmaxCrossEntropy{}, {logits, labels})[1];
  if (!g.status().ok()) return g.status();
  Decoder decoder = {sources_, beams_, length_, capacity, {}, nullptr};
  for (kernels::Value v : g.Leaves(kernels::ValueKind::kState)) {
    decoder.caches.Put(g.info(v).name, kernels::Tensor(g.desc(v)));
  }
  auto plan = kernels::Plan::Create(g, {{"logits", logits}, {"probabilities", probabilities}}, *device_,
                                    {.constant_weights = true});
  if (!plan.ok()) return plan.status();
  Decoder* kept = Keep(decoders_, std::move(decoder));
  auto context = kernels::Context::Create(*plan, {&weights_, &kept->caches});
  if (!context.ok()) return context.status();
  kept->context = *std::move(context);
  const std::span<int64_t> any = Integers(*kept->context, "labels");
  std::fill(any.begin(), any.end(), kEos);
  return kept;
}

absl::Status IncrementalDecoder::SwitchTo(int64_t capacity) {
  const Decoder* before = decoder_;
  auto prepared = PrepareDecoder(capacity);
  if (!prepared.ok()) return prepared.status();
  decoder_ = *prepared;
  for (int i = 0; i < architecture_.decoder_layers; ++i) {
    for (const char* part : {"keys", "values"}) {
      const std::string memory = fmt::format("memory.{}.{}", part, i);
      const TensorView to = *decoder_->context->Input(memory), from = *encoder_->context->Output(memory);
      std::memcpy(to.data, from.data, to.desc.bytes());
    }
  }
  const std::span<const int64_t> source = Integers(*encoder_->context, "source");
  std::copy(source.begin(), source.end(), Integers(*decoder_->context, "source").begin());
  const std::span<int64_t> held = Integers(*decoder_->context, "held");
  for (size_t i = 0; i < held.size(); ++i) {
    held[i] = static_cast<int64_t>(i) % capacity < steps_ ? kEos : kPad;
  }
  if (before == nullptr || before == decoder_ || steps_ == 0) return absl::OkStatus();
  for (const kernels::TensorMap::Entry& cache : before->caches.entries()) {
    const TensorView to = decoder_->caches.Find(cache.name)->view(), from = cache.tensor.view();
    const size_t row_to = to.desc.bytes() / static_cast<size_t>(rows());
    const size_t row_from = from.desc.bytes() / static_cast<size_t>(rows());
    for (int64_t r = 0; r < rows(); ++r) {
      std::memcpy(static_cast<std::byte*>(to.data) + static_cast<size_t>(r) * row_to,
                  static_cast<const std::byte*>(from.data) + static_cast<size_t>(r) * row_from,
                  std::min(row_to, row_from));
    }
  }
  return absl::OkStatus();
}

absl::Status IncrementalDecoder::Start(std::span<const std::vector<int32_t>> sources, int64_t beams) {
  if (sources.empty() || beams < 1) {
    return absl::InvalidArgumentError(
        fmt::format("{} sources with {} beams: expected at least one", sources.size(), beams));
  }
  size_t longest = 0;
  for (size_t n = 0; n < sources.size(); ++n) {
    if (sources[n].empty() || std::ssize(sources[n]) > kMaxTokens) {
      return absl::InvalidArgumentError(
          fmt::format("source {}: {} tokens, expected 1 to {}", n, sources[n].size(), kMaxTokens));
    }
    for (int32_t token : sources[n]) {
      if (token >= 0 && token < macro_.source_vocabulary) continue;
      return absl::InvalidArgumentError(
          fmt::format("source {}: token {}, expected 0 to {}", n, token, macro_.source_vocabulary - 1));
    }
    longest = std::max(longest, sources[n].size());
  }
  sources_ = std::ssize(sources), beams_ = beams, length_ = RoundedUp(static_cast<int64_t>(longest)), steps_ = 0;
  decoder_ = nullptr;
  auto encoder = PrepareEncoder(sources_, length_);
  if (!encoder.ok()) return encoder.status();
  encoder_ = *encoder;
  const std::span<int64_t> ids = Integers(*encoder_->context, "source");
  std::fill(ids.begin(), ids.end(), kPad);
  for (size_t n = 0; n < sources.size(); ++n) {
    std::copy(sources[n].begin(), sources[n].end(),
              ids.begin() + static_cast<std::ptrdiff_t>((n + 1) * static_cast<size_t>(length_) - sources[n].size()));
  }
  if (auto s = encoder_->context->Run(); !s.ok()) return s;
  return SwitchTo(kLeastCapacity);
}

absl::Status IncrementalDecoder::Step(std::span<const int32_t> tokens) {
  if (std::ssize(tokens) != rows()) {
    return absl::InvalidArgumentError(fmt::format("{} tokens, expected {}, one a row", tokens.size(), rows()));
  }
  if (steps_ >= kMaxTokens) return absl::OutOfRangeError(fmt::format("more than {} tokens", kMaxTokens));
  if (steps_ >= decoder_->capacity) {
    if (auto s = SwitchTo(2 * decoder_->capacity); !s.ok()) return s;
  }
  kernels::Context& context = *decoder_->context;
  std::copy(tokens.begin(), tokens.end(), Integers(context, "token").begin());
  const std::span<int64_t> position = Integers(context, "position"), held = Integers(context, "held");
  std::fill(position.begin(), position.end(), kPad + steps_ + 1);
  for (int64_t r = 0; r < rows(); ++r) held[static_cast<size_t>(r * decoder_->capacity + steps_)] = kEos;
  Integers(context, "at")[0] = steps_;
  if (auto s = times_ ? times_->Run(context) : context.Run(); !s.ok()) return s;
  logits_ = *context.Output("logits");
  probabilities_ = *context.Output("probabilities");
  for (TensorView* view : {&logits_, &probabilities_}) view->desc.shape = {rows(), macro_.target_vocabulary};
  ++steps_;
  return absl::OkStatus();
}

int64_t IncrementalDecoder::memory_bytes() const {
  size_t bytes = 0;
  for (const Encoder& e : encoders_) bytes += e.context->plan().arena_bytes();
  for (const Decoder& d : decoders_) {
    bytes += d.context->plan().arena_bytes();
    for (const kernels::TensorMap::Entry& cache : d.caches.entries()) bytes += cache.tensor.desc().bytes();
  }
  return static_cast<int64_t>(bytes);
}

void IncrementalDecoder::Reorder(std::span<const int32_t> parents) {
  const auto same = [](std::span<const int32_t> p) {
    for (size_t i = 0; i < p.size(); ++i) {
      if (p[i] != static_cast<int32_t>(i)) return false;
    }
    return true;
  };
  if (same(parents)) return;
  for (const kernels::TensorMap::Entry& cache : decoder_->caches.entries()) {
    const size_t row = cache.tensor.desc().bytes() / static_cast<size_t>(rows());
    const size_t used = row / static_cast<size_t>(decoder_->capacity) * static_cast<size_t>(steps_);
    reordered_.resize((used * static_cast<size_t>(rows()) + sizeof(float) - 1) / sizeof(float));
    auto* copy = reinterpret_cast<std::byte*>(reordered_.data());
    auto* data = static_cast<std::byte*>(cache.tensor.data());
    for (size_t r = 0; r < parents.size(); ++r) {
      std::memcpy(copy + r * used, data + static_cast<size_t>(parents[r]) * row, used);
    }
    for (size_t r = 0; r < parents.size(); ++r) {
      if (parents[r] != static_cast<int32_t>(r)) std::memcpy(data + r * row, copy + r * used, used);
    }
  }
}

}  // namespace mathnas::supernet
