#include "supernet/translation/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "fmt/format.h"
#include "supernet/supertransformer/graph.h"

namespace mathnas::supernet {
namespace {

using supertransformer::kEos;
using supertransformer::kPad;

// A row that goes on by a token.
struct Continuation {
  double score;  // sum of log probabilities
  int32_t row;   // of the sentence's beam
  int32_t token;
};

bool Better(const Continuation& a, const Continuation& b) { return a.score > b.score; }

// One sentence under way.
class Sentence {
 public:
  Sentence(const SearchOptions& options) : options_(options), rows_(1, Row{}) {}

  bool done() const { return done_; }

  // The best `count` continuations of the rows, best first, by probabilities{rows,words}. Rows are those of the beam;
  // at the first step, when all are the same, the first alone.
  std::vector<Continuation> Best(std::span<const float> probabilities, size_t words, size_t count) const {
    std::vector<Continuation> best;
    for (size_t r = 0; r < rows_.size(); ++r) {
      const std::span<const float> row = probabilities.subspan(r * words, words);
      // No probability below this gets into the list any more.
      const auto floor = [&] { return best.size() < count ? -1.0 : std::exp(best.back().score - rows_[r].score); };
      double least = floor();
      for (size_t w = 0; w < words; ++w) {
        const double p = row[w];
        if (!(p > least) || !MayFollow(static_cast<int32_t>(w))) continue;
        const Continuation c = {rows_[r].score + std::log(p), static_cast<int32_t>(r), static_cast<int32_t>(w)};
        const auto place = std::upper_bound(best.begin(), best.end(), c, Better);
        if (place == best.end() && best.size() == count) continue;
        best.insert(place, c);
        if (best.size() > count) best.pop_back();
        least = floor();
      }
    }
    return best;
  }

  // Takes a step; sets what each row of the beam goes on from, and by which token. Rows that there are not yet, or not
  // any more, repeat the first.
  void Advance(const std::vector<Continuation>& best, std::span<int32_t> parents, std::span<int32_t> tokens) {
    const auto beam = static_cast<size_t>(options_.beam);
    std::vector<Row> next;
    std::vector<int32_t> from;
    for (size_t i = 0; i < best.size(); ++i) {
      const Continuation& c = best[i];
      if (c.token == kEos) {
        if (i < beam && finished_.size() < beam) Finish(c);
        continue;
      }
      if (next.size() == beam) continue;
      Row row = rows_[static_cast<size_t>(c.row)];
      row.tokens.push_back(c.token);
      row.score = c.score;
      next.push_back(std::move(row));
      from.push_back(c.row);
    }
    ++length_;
    done_ = finished_.size() >= beam || next.empty();
    if (done_) next = {rows_.front()}, from = {0};
    rows_ = std::move(next);
    for (size_t r = 0; r < beam; ++r) {
      const size_t row = std::min(r, rows_.size() - 1);
      parents[r] = from[row];
      tokens[r] = rows_[row].tokens.empty() ? kEos : rows_[row].tokens.back();
    }
  }

  Hypothesis Result() const {
    return finished_.empty() ? Hypothesis{}
                             : *std::max_element(finished_.begin(), finished_.end(),
                                                 [](const auto& a, const auto& b) { return a.score < b.score; });
  }

 private:
  struct Row {
    std::vector<int32_t> tokens;
    double score = 0;
  };

  // At the last step only the end may, at the first step anything else, and padding never.
  bool MayFollow(int32_t token) const {
    if (length_ >= options_.max_tokens) return token == kEos;
    return token != kPad && (token != kEos || length_ > 0);
  }

  void Finish(const Continuation& c) {
    const double length = static_cast<double>(length_ + 1);
    finished_.push_back(
        {rows_[static_cast<size_t>(c.row)].tokens, c.score / std::pow(length, options_.length_penalty)});
  }

  const SearchOptions& options_;
  std::vector<Row> rows_;
  std::vector<Hypothesis> finished_;
  int64_t length_ = 0;
  bool done_ = false;
};

absl::StatusOr<std::vector<Hypothesis>> TranslateBatch(IncrementalDecoder& decoder,
                                                       std::span<const std::vector<int32_t>> sources,
                                                       const SearchOptions& options) {
  const auto beam = static_cast<size_t>(options.beam);
  if (auto s = decoder.Start(sources, options.beam); !s.ok()) return s;
  std::vector<Sentence> sentences(sources.size(), Sentence(options));
  std::vector<int32_t> tokens(sources.size() * beam, kEos), parents(sources.size() * beam);
  for (;;) {
    if (options.cancel != nullptr && options.cancel->load()) return absl::CancelledError("translation interrupted");
    if (auto s = decoder.Step(tokens); !s.ok()) return s;
    const std::span<const float> probabilities = decoder.probabilities().as<float>();
    const size_t words = probabilities.size() / tokens.size();
    bool all_done = true;
    for (size_t n = 0; n < sentences.size(); ++n) {
      const std::span<int32_t> own_parents = std::span(parents).subspan(n * beam, beam);
      std::iota(own_parents.begin(), own_parents.end(), 0);
      if (!sentences[n].done()) {
        const auto best = sentences[n].Best(probabilities.subspan(n * beam * words), words, 2 * beam);
        sentences[n].Advance(best, own_parents, std::span(tokens).subspan(n * beam, beam));
      }
      for (int32_t& parent : own_parents) parent += static_cast<int32_t>(n * beam);
      all_done = all_done && sentences[n].done();
    }
    if (all_done) break;
    decoder.Reorder(parents);
  }
  std::vector<Hypothesis> hypotheses;
  for (const Sentence& s : sentences) hypotheses.push_back(s.Result());
  return hypotheses;
}

}  // namespace

absl::Status Check(const SearchOptions& options) {
  constexpr int kMostBeams = 256;
  if (options.beam < 1 || options.beam > kMostBeams) {
    return absl::InvalidArgumentError(fmt::format("beam: {}, expected 1 to {}", options.beam, kMostBeams));
  }
  if (options.max_tokens < 1 || options.max_tokens >= supertransformer::kMaxTokens) {
    return absl::InvalidArgumentError(
        fmt::format("max tokens: {}, expected 1 to {}", options.max_tokens, supertransformer::kMaxTokens - 1));
  }
  if (options.sentences < 1 || !std::isfinite(options.length_penalty)) {
    return absl::InvalidArgumentError(
        fmt::format("{} sentences at once, length penalty {}: expected at least one, and "
                    "a number",
                    options.sentences, options.length_penalty));
  }
  return absl::OkStatus();
}

SearchOptions PublishedSearch(supertransformer::Task task) {
  if (task == supertransformer::Task::kIwslt) return {.beam = 5, .length_penalty = 1};
  return {};
}

absl::StatusOr<std::vector<Hypothesis>> Translate(IncrementalDecoder& decoder,
                                                  std::span<const std::vector<int32_t>> sources,
                                                  const SearchOptions& options) {
  if (auto s = Check(options); !s.ok()) return s;
  std::vector<size_t> order(sources.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sources[a].size() < sources[b].size(); });
  std::vector<Hypothesis> hypotheses(sources.size());
  for (size_t begin = 0; begin < order.size(); begin += static_cast<size_t>(options.sentences)) {
    const size_t end = std::min(order.size(), begin + static_cast<size_t>(options.sentences));
    std::vector<std::vector<int32_t>> batch;
    for (size_t i = begin; i < end; ++i) batch.push_back(sources[order[i]]);
    auto translated = TranslateBatch(decoder, batch, options);
    if (!translated.ok()) return translated.status();
    for (size_t i = begin; i < end; ++i) hypotheses[order[i]] = std::move((*translated)[i - begin]);
    if (options.progress) options.progress(static_cast<int64_t>(end));
  }
  return hypotheses;
}

}  // namespace mathnas::supernet
