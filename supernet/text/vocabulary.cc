#include "supernet/text/vocabulary.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/atomic_file.h"
#include "supernet/inflating_file.h"
#include "supernet/text/internal/sentencepiece.h"
#include "supernet/text/internal/sentencepiece_model.h"
#include "supernet/text/internal/utf8.h"

namespace mathnas::supernet {
namespace {

constexpr std::array<std::string_view, kFirstWordId> kSpecial = {"<s>", "<pad>", "</s>", "<unk>"};
constexpr std::string_view kDictionaryEnding = ".txt";
constexpr int64_t kMaxFileBytes = int64_t{64} << 20;
constexpr int64_t kMinSize = 16, kMaxSize = 1'000'000;
// The trainer's suffix array counts characters in 32 bits, and ends the process beyond.
constexpr int64_t kMaxTrainingBytes = int64_t{1} << 30;
constexpr int64_t kMultiple = 8;  // search-spaces.md 4.5

int64_t RoundUp(int64_t size) { return (size + kMultiple - 1) / kMultiple * kMultiple; }

// What sentencepiece takes for a space besides the space itself, and what its trainer has another meaning for.
std::string ForTraining(std::string_view sentence) {
  std::string out;
  for (std::string_view word : text::Words(sentence)) {
    if (!out.empty()) out += ' ';
    out += text::RepairUtf8(word);
  }
  constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581
  for (size_t at; (at = out.find(kSpaceSymbol)) != std::string::npos;) out.replace(at, kSpaceSymbol.size(), " ");
  std::replace(out.begin(), out.end(), '\0', ' ');
  return out.find_first_not_of(' ') == std::string::npos ? "" : out;
}

std::optional<int64_t> ParseCount(std::string_view text) {
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 0) return std::nullopt;
  return count;
}

}  // namespace

struct Vocabulary::State {
  std::string serialized;
  bool is_dictionary = false;
  std::vector<std::string> tokens;  // of all ids
  int64_t used = 0;

  // Of a model: ids of one and the other; -1 where there is none.
  text::SentencePieces pieces;
  std::vector<int32_t> id_of_piece;
  std::vector<int> piece_of_id;
  int unknown_piece = 0;

  absl::flat_hash_map<std::string, int32_t> id_of_word;  // of a dictionary

  void Begin() { tokens.assign(kSpecial.begin(), kSpecial.end()); }
  void FillUp() {
    used = static_cast<int64_t>(tokens.size());
    for (int i = 0; static_cast<int64_t>(tokens.size()) < RoundUp(used); ++i) {
      tokens.push_back(fmt::format("madeupword{:04}", i));
    }
  }
};

Vocabulary::Vocabulary(std::shared_ptr<const State> state) : state_(std::move(state)) {}

absl::StatusOr<Vocabulary> Vocabulary::Train(std::span<const std::string_view> sentences,
                                             const VocabularyOptions& options) {
  auto fail = [](std::string_view what) { return absl::InvalidArgumentError(fmt::format("vocabulary: {}", what)); };
  if (options.size < kMinSize || options.size > kMaxSize) {
    return fail(fmt::format("size {}, expected {} to {}", options.size, kMinSize, kMaxSize));
  }
  if (!(options.character_coverage > 0.9 && options.character_coverage <= 1)) {
    return fail(fmt::format("character_coverage {}, expected above 0.9, at most 1", options.character_coverage));
  }
  if (options.max_sentences < 1) {
    return fail(fmt::format("max_sentences {}, expected at least 1", options.max_sentences));
  }
  std::vector<std::string> cleaned;
  const size_t count = sentences.size();
  const size_t taken = std::min(count, static_cast<size_t>(options.max_sentences));
  cleaned.reserve(taken);
  int64_t bytes_taken = 0;
  for (size_t i = 0; i < taken; ++i) {
    const auto at =
        static_cast<size_t>(static_cast<double>(i) * static_cast<double>(count) / static_cast<double>(taken));
    std::string sentence = ForTraining(sentences[std::min(at, count - 1)]);
    bytes_taken += static_cast<int64_t>(sentence.size());
    if (bytes_taken > kMaxTrainingBytes) {
      return fail(fmt::format("sentences of more than {} bytes, expected fewer: max_sentences", kMaxTrainingBytes));
    }
    if (!sentence.empty()) cleaned.push_back(std::move(sentence));
  }
  if (cleaned.empty()) return fail("no sentence with a word, expected at least one");

  const bool unigram = options.kind == VocabularyOptions::Kind::kUnigram;
  std::string bytes;
  const std::string error = text::TrainSentencePieces(
      cleaned,
      {{"model_type", unigram ? "unigram" : "bpe"},
       {"vocab_size", fmt::format("{}", RoundUp(options.size))},
       {"character_coverage", fmt::format("{}", options.character_coverage)},
       {"bos_id", fmt::format("{}", kBosId)},
       {"pad_id", fmt::format("{}", kPadId)},
       {"eos_id", fmt::format("{}", kEosId)},
       {"unk_id", fmt::format("{}", kUnknownId)},
       // Text comes back as it was; the default would make three points of an ellipsis.
       {"normalization_rule_name", "identity"},
       // Candidates that a unigram model begins with. The default, a million, takes longer and leaves more tokens.
       {"seed_sentencepiece_size", fmt::format("{}", std::max<int64_t>(100'000, 4 * options.size))},
       {"hard_vocab_limit", "false"},
       {"max_sentence_length", "1048576"},
       // Sums are added up thread by thread, so their number is part of the result.
       {"num_threads", "4"}},
      bytes);
  if (!error.empty()) return fail(fmt::format("training: {}", error));
  return ParseModel(bytes, "vocabulary");
}

absl::StatusOr<Vocabulary> Vocabulary::Load(const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadText(path, kMaxFileBytes);
  if (!bytes.ok()) return bytes.status();
  return Parse(*bytes, path);
}

absl::StatusOr<Vocabulary> Vocabulary::Parse(std::string_view bytes, const std::string& path) {
  return path.ends_with(kDictionaryEnding) ? ParseDictionary(bytes, path) : ParseModel(bytes, path);
}

absl::StatusOr<Vocabulary> Vocabulary::ParseModel(std::string_view bytes, const std::string& path) {
  absl::StatusOr<text::PieceModel> model = text::ParsePieceModel(bytes);
  if (!model.ok()) return kernels::Annotate(model.status(), path);
  auto state = std::make_shared<State>();
  state->serialized = bytes;
  state->Begin();
  state->piece_of_id.assign(kFirstWordId, -1);
  for (size_t i = 0; i < model->pieces.size(); ++i) {
    const text::Piece& piece = model->pieces[i];
    const auto special = std::find(kSpecial.begin(), kSpecial.end(), piece.text);
    int32_t id = -1;
    if (piece.type == text::Piece::kUnknown) {
      id = kUnknownId;
      state->unknown_piece = static_cast<int>(i);
    } else if (piece.type == text::Piece::kControl && special != kSpecial.end()) {
      id = static_cast<int32_t>(special - kSpecial.begin());
    } else {
      id = static_cast<int32_t>(state->tokens.size());
      state->tokens.push_back(piece.text);
      state->piece_of_id.push_back(static_cast<int>(i));
    }
    state->id_of_piece.push_back(id);
  }
  state->FillUp();
  state->piece_of_id.resize(state->tokens.size(), -1);
  if (std::string error = state->pieces.Load(text::CanonicalModel(*model)); !error.empty()) {
    return absl::InvalidArgumentError(fmt::format("{}: sentencepiece refuses it: {}", path, error));
  }
  return Vocabulary(std::move(state));
}

absl::StatusOr<Vocabulary> Vocabulary::ParseDictionary(std::string_view text, const std::string& path) {
  auto state = std::make_shared<State>();
  state->serialized = text;
  state->is_dictionary = true;
  state->Begin();
  for (int32_t id = 0; id < kFirstWordId; ++id) state->id_of_word[state->tokens[static_cast<size_t>(id)]] = id;
  int64_t number = 0;
  while (!text.empty()) {
    ++number;
    std::string_view line = text::TakeLine(text);
    auto fail = [&](std::string_view what) {
      return absl::InvalidArgumentError(fmt::format("{}:{}: {}", path, number, what));
    };
    if (!text::IsValidUtf8(line)) return fail("expected valid UTF-8");
    // Newer fairseq: a token that takes the place of one before.
    constexpr std::string_view kOverwrite = " #fairseq:overwrite";
    const bool overwrite = line.ends_with(kOverwrite);
    if (overwrite) line.remove_suffix(kOverwrite.size());
    const size_t space = line.rfind(' ');
    if (space == line.npos || space == 0 || !ParseCount(line.substr(space + 1))) {
      return fail(fmt::format("\"{}\", expected \"TOKEN COUNT\"", line.substr(0, 80)));
    }
    const std::string token(line.substr(0, space));
    if (static_cast<int64_t>(state->tokens.size()) == kMaxSize) {
      return fail(fmt::format("expected at most {} tokens", kMaxSize));
    }
    const auto id = static_cast<int32_t>(state->tokens.size());
    const auto [at, added] = state->id_of_word.try_emplace(token, id);
    if (!added) {
      if (!overwrite)
        return fail(fmt::format("\"{}\" has the id {} already, expected each token once", token, at->second));
      at->second = id;
    }
    state->tokens.push_back(token);
  }
  if (state->tokens.size() == kSpecial.size()) {
    return absl::InvalidArgumentError(fmt::format("{}: no tokens, expected lines \"TOKEN COUNT\"", path));
  }
  state->FillUp();
  return Vocabulary(std::move(state));
}

absl::Status Vocabulary::Save(const std::string& path) const {
  if (path.ends_with(kDictionaryEnding) != state_->is_dictionary) {
    return absl::InvalidArgumentError(fmt::format("{}: expected a name that {} in {}, for a {}", path,
                                                  state_->is_dictionary ? "ends" : "does not end", kDictionaryEnding,
                                                  state_->is_dictionary ? "dictionary" : "sentencepiece model"));
  }
  return AtomicWriteFile(path, state_->serialized);
}

const std::string& Vocabulary::serialized() const { return state_->serialized; }
bool Vocabulary::is_dictionary() const { return state_->is_dictionary; }
int64_t Vocabulary::size() const { return static_cast<int64_t>(state_->tokens.size()); }
int64_t Vocabulary::used() const { return state_->used; }

std::string_view Vocabulary::token(int64_t id) const {
  if (id < 0 || id >= size()) return {};
  return state_->tokens[static_cast<size_t>(id)];
}

absl::StatusOr<Encoding> Vocabulary::Encode(std::string_view text) const {
  const State& s = *state_;
  Encoding encoding;
  if (s.is_dictionary) {
    for (std::string_view word : text::Words(text)) {
      const auto found = s.id_of_word.find(absl::string_view(word.data(), word.size()));
      // A special token's name in a text is no special token.
      const bool known = found != s.id_of_word.end() && found->second >= kFirstWordId;
      encoding.ids.push_back(known ? found->second : kUnknownId);
    }
  } else {
    std::vector<int> pieces;
    const std::string error =
        text::IsValidUtf8(text) ? s.pieces.Encode(text, pieces) : s.pieces.Encode(text::RepairUtf8(text), pieces);
    if (!error.empty()) return absl::InternalError(fmt::format("sentencepiece: {}", error));
    encoding.ids.reserve(pieces.size() + 1);
    for (int piece : pieces) encoding.ids.push_back(s.id_of_piece[static_cast<size_t>(piece)]);
  }
  encoding.unknown = std::count(encoding.ids.begin(), encoding.ids.end(), kUnknownId);
  encoding.ids.push_back(kEosId);
  return encoding;
}

std::string Vocabulary::Decode(std::span<const int32_t> ids) const {
  const State& s = *state_;
  std::string text;
  std::vector<int> pieces;
  for (int32_t id : ids) {
    if (id == kEosId) break;
    if (id == kBosId || id == kPadId || id < 0 || id >= s.used) continue;
    if (s.is_dictionary) {
      (text += s.tokens[static_cast<size_t>(id)]) += ' ';
    } else {
      pieces.push_back(id == kUnknownId ? s.unknown_piece : s.piece_of_id[static_cast<size_t>(id)]);
    }
  }
  if (!s.is_dictionary) {
    // All are the model's: there is nothing to refuse.
    s.pieces.Decode(pieces, text);
    return text;
  }
  constexpr std::string_view kJoin = "@@ ";
  std::string joined;
  size_t begin = 0;
  for (size_t at; (at = text.find(kJoin, begin)) != text.npos; begin = at + kJoin.size()) {
    joined += text.substr(begin, at - begin);
  }
  joined += text.substr(begin);
  while (joined.ends_with(' ')) joined.pop_back();
  return joined;
}

absl::StatusOr<VocabularyPair> TrainVocabularies(const ParallelText& text, bool joined,
                                                 const VocabularyOptions& options) {
  std::vector<std::string_view> sources, targets;
  for (const SentencePair& pair : text.train.pairs) {
    sources.push_back(pair.source);
    (joined ? sources : targets).push_back(pair.target);
  }
  absl::StatusOr<Vocabulary> source = Vocabulary::Train(sources, options);
  if (!source.ok() || joined) {
    if (!source.ok()) return source.status();
    return VocabularyPair{*source, *source, true};
  }
  absl::StatusOr<Vocabulary> target = Vocabulary::Train(targets, options);
  if (!target.ok()) return target.status();
  return VocabularyPair{*std::move(source), *std::move(target), false};
}

}  // namespace mathnas::supernet
