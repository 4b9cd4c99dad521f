#include "supernet/text/vocabulary.h"

#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/text/internal/sentencepiece.h"
#include "supernet/text/internal/sentencepiece_model.h"
#include "test_files.h"

namespace mathnas::supernet {
namespace {

using testing::TempFolder;
using text::Piece;
using text::PieceModel;

std::string Message(const absl::Status& status) { return std::string(kernels::Message(status)); }

// Sentences of made-up words, the same everywhere.
std::vector<std::string> Sentences(int count, uint32_t seed = 1) {
  std::mt19937 random(seed);
  const std::vector<std::string> syllables = {"ba",   "ko",   "mi", "ter", "schn", "über",
                                              "lich", "heit", "er", "en",  "st",   "ß"};
  std::vector<std::string> sentences;
  for (int i = 0; i < count; ++i) {
    std::string sentence;
    for (uint32_t w = 0, words = 1 + random() % 6; w < words; ++w) {
      if (w > 0) sentence += ' ';
      for (uint32_t s = 0, n = 1 + random() % 4; s < n; ++s) sentence += syllables[random() % syllables.size()];
    }
    sentences.push_back(sentence + (random() % 2 == 0 ? "." : "!"));
  }
  return sentences;
}

absl::StatusOr<Vocabulary> Train(const std::vector<std::string>& sentences, const VocabularyOptions& options) {
  const std::vector<std::string_view> views(sentences.begin(), sentences.end());
  return Vocabulary::Train(views, options);
}

class Trained : public ::testing::TestWithParam<VocabularyOptions::Kind> {
 protected:
  VocabularyOptions options_{.kind = GetParam(), .size = 100, .character_coverage = 1};
};

TEST_P(Trained, IdsAndRoundTrip) {
  const auto vocabulary = Train(Sentences(500), options_);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->size() % 8, 0);
  EXPECT_LE(vocabulary->size(), 104);
  EXPECT_GT(vocabulary->used(), 40);
  EXPECT_FALSE(vocabulary->is_dictionary());
  EXPECT_EQ(vocabulary->token(0), "<s>");
  EXPECT_EQ(vocabulary->token(1), "<pad>");
  EXPECT_EQ(vocabulary->token(2), "</s>");
  EXPECT_EQ(vocabulary->token(3), "<unk>");
  EXPECT_EQ(vocabulary->token(-1), "");
  EXPECT_EQ(vocabulary->token(vocabulary->size()), "");
  for (const std::string& sentence : Sentences(200, 2)) {
    const auto encoding = vocabulary->Encode(sentence);
    ASSERT_TRUE(encoding.ok()) << encoding.status();
    EXPECT_EQ(encoding->unknown, 0);
    ASSERT_GE(encoding->ids.size(), 2u);
    EXPECT_EQ(encoding->ids.back(), kEosId);
    std::string joined;
    for (size_t i = 0; i + 1 < encoding->ids.size(); ++i) {
      ASSERT_GE(encoding->ids[i], kFirstWordId);
      ASSERT_LT(encoding->ids[i], vocabulary->used());
      joined += vocabulary->token(encoding->ids[i]);
    }
    std::string marked = "\xE2\x96\x81";
    for (char c : sentence) c == ' ' ? marked += "\xE2\x96\x81" : marked += c;
    EXPECT_EQ(joined, marked);  // the tokens are the text
    EXPECT_EQ(vocabulary->Decode(encoding->ids), sentence);
    std::vector<int32_t> padded = encoding->ids;
    padded.insert(padded.begin(), {kPadId, kPadId, kBosId});
    padded.insert(padded.end(), {kPadId, 7, 8});
    padded.insert(padded.begin(), {-5, 1 << 30, static_cast<int32_t>(vocabulary->used())});
    EXPECT_EQ(vocabulary->Decode(padded), sentence);
  }
  EXPECT_EQ(vocabulary->Encode("")->ids, (std::vector<int32_t>{kEosId}));
  EXPECT_EQ(vocabulary->Decode({}), "");
}

TEST_P(Trained, UnknownCharactersAreCounted) {
  const auto vocabulary = Train(Sentences(500), options_);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  const auto encoding = vocabulary->Encode("ba\xE6\x97\xA5ko \xE6\x9C\xAC");
  ASSERT_TRUE(encoding.ok());
  EXPECT_EQ(encoding->unknown, 2);
  EXPECT_EQ(std::count(encoding->ids.begin(), encoding->ids.end(), kUnknownId), 2);
  EXPECT_EQ(vocabulary->Decode(encoding->ids), "ba \xE2\x81\x87 ko  \xE2\x81\x87 ");
  EXPECT_EQ(vocabulary->Encode("\xFF\xFE")->unknown, 1);
  // The name of a special token is text.
  for (int32_t id : vocabulary->Encode("<s> </s> <pad> <unk>")->ids) EXPECT_NE(id, kBosId);
}

TEST_P(Trained, TheSameEveryTimeAndFromAFile) {
  const std::vector<std::string> sentences = Sentences(400);
  const auto first = Train(sentences, options_), second = Train(sentences, options_);
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ(first->serialized(), second->serialized());
  TempFolder folder;
  ASSERT_TRUE(first->Save(folder / "v.model").ok());
  const auto loaded = Vocabulary::Load(folder / "v.model");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->size(), first->size());
  for (const std::string& s : Sentences(50, 3)) EXPECT_EQ(loaded->Encode(s)->ids, first->Encode(s)->ids);
  EXPECT_EQ(Message(first->Save(folder / "v.txt")),
            folder / "v.txt: expected a name that does not end in .txt, for a sentencepiece model");
  EXPECT_TRUE(absl::IsNotFound(Vocabulary::Load(folder / "none.model").status()));
}

TEST_P(Trained, Refused) {
  const std::vector<std::string> sentences = Sentences(50);
  auto message = [&](const std::vector<std::string>& s, VocabularyOptions options) {
    options.kind = GetParam();
    return Message(Train(s, options).status());
  };
  EXPECT_EQ(message(sentences, {.size = 15}), "vocabulary: size 15, expected 16 to 1000000");
  EXPECT_EQ(message(sentences, {.size = 1000001}), "vocabulary: size 1000001, expected 16 to 1000000");
  EXPECT_EQ(message(sentences, {.character_coverage = 0.5}),
            "vocabulary: character_coverage 0.5, expected above 0.9, at most 1");
  EXPECT_EQ(message(sentences, {.character_coverage = std::numeric_limits<double>::quiet_NaN()}).substr(0, 30),
            "vocabulary: character_coverage");
  EXPECT_EQ(message(sentences, {.max_sentences = 0}), "vocabulary: max_sentences 0, expected at least 1");
  EXPECT_EQ(message({}, {}), "vocabulary: no sentence with a word, expected at least one");
  EXPECT_EQ(message({" ", "", "\xE2\x96\x81", std::string(3, '\0')}, {}),
            "vocabulary: no sentence with a word, expected at least one");
  std::string many;
  for (int i = 0; i < 100; ++i) (many += "\xE4\xB8") += static_cast<char>(0x80 + i % 64);
  EXPECT_NE(
      message({many}, {.size = 16, .character_coverage = 1}).find("Vocabulary size is smaller than required_chars"),
      std::string::npos);
}

// Whatever the text is: a model, or a status.
TEST_P(Trained, HostileText) {
  std::mt19937 random(4);
  const std::vector<std::string> bits = {"\t",
                                         " ",
                                         "<s>",
                                         "</s>",
                                         "<unk>",
                                         "<pad>",
                                         "\xE2\x96\x81",
                                         "\xE2\x96\x85",
                                         "\xFF",
                                         std::string(1, '\0'),
                                         "a",
                                         "b",
                                         "\xC2\x85",
                                         "\xEF\xBF\xBD",
                                         "\xF0\x9F\x98\x80",
                                         "\n"};
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> sentences(1 + random() % 4);
    for (std::string& s : sentences) {
      for (uint32_t n = random() % 6; n > 0; --n) s += bits[random() % bits.size()];
    }
    const auto vocabulary = Train(sentences, options_);
    if (!vocabulary.ok()) {
      EXPECT_TRUE(absl::IsInvalidArgument(vocabulary.status())) << vocabulary.status();
      continue;
    }
    for (const std::string& s : sentences) {
      const auto encoding = vocabulary->Encode(s);
      EXPECT_TRUE(encoding.ok()) << encoding.status();
      vocabulary->Decode(encoding->ids);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Trained,
                         ::testing::Values(VocabularyOptions::Kind::kUnigram, VocabularyOptions::Kind::kBpe),
                         [](const auto& kind) {
                           return kind.param == VocabularyOptions::Kind::kUnigram ? "Unigram" : "Bpe";
                         });

TEST(Vocabularies, JoinedOrSeparate) {
  ParallelText parallel;
  const std::vector<std::string> sources = Sentences(300, 5), targets = Sentences(300, 6);
  for (size_t i = 0; i < sources.size(); ++i) parallel.train.pairs.push_back({sources[i], "the " + targets[i], 1});
  const VocabularyOptions options{.size = 80, .character_coverage = 1};
  const auto joined = TrainVocabularies(parallel, true, options),
             separate = TrainVocabularies(parallel, false, options);
  ASSERT_TRUE(joined.ok() && separate.ok()) << joined.status() << separate.status();
  EXPECT_TRUE(joined->joined);
  EXPECT_EQ(joined->source.serialized(), joined->target.serialized());
  EXPECT_NE(separate->source.serialized(), separate->target.serialized());
  EXPECT_EQ(separate->target.Encode("the")->unknown, 0);
}

// Ids by fairseq's rule: the four special ones, then the lines.
TEST(Dictionary, AsFairseq) {
  const auto d = Vocabulary::ParseDictionary("der 30\nHau@@ 20\nses 10\n, 5\na b 4\n", "dict.de.txt");
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_TRUE(d->is_dictionary());
  EXPECT_EQ(d->used(), 9);
  EXPECT_EQ(d->size(), 16);
  EXPECT_EQ(d->token(4), "der");
  EXPECT_EQ(d->token(8), "a b");
  EXPECT_EQ(d->token(9), "madeupword0000");
  EXPECT_EQ(d->token(15), "madeupword0006");
  const auto e = d->Encode("der Hau@@ ses , x  </s> madeupword0000");
  ASSERT_TRUE(e.ok());
  EXPECT_EQ(e->ids, (std::vector<int32_t>{4, 5, 6, 7, 3, 3, 3, 2}));
  EXPECT_EQ(e->unknown, 3);
  EXPECT_EQ(d->Decode(e->ids), "der Hauses , <unk> <unk> <unk>");
  EXPECT_EQ(d->Decode(std::vector<int32_t>{1, 1, 0, 4, 5}), "der Hau");  // a join with nothing behind it
  EXPECT_EQ(d->Decode(std::vector<int32_t>{4, 9, 12, 2, 4}), "der");
  TempFolder folder;
  ASSERT_TRUE(d->Save(folder / "dict.de.txt").ok());
  EXPECT_EQ(testing::Read(folder / "dict.de.txt"), "der 30\nHau@@ 20\nses 10\n, 5\na b 4\n");
  EXPECT_EQ(Vocabulary::Load(folder / "dict.de.txt")->Encode("der Hau@@")->ids, (std::vector<int32_t>{4, 5, 2}));
  EXPECT_EQ(Message(d->Save(folder / "dict")), folder / "dict: expected a name that ends in .txt, for a dictionary");
}

TEST(Dictionary, PaddedOnesStayAsTheyAre) {
  std::string lines;
  for (int i = 0; i < 10; ++i) lines += fmt::format("w{} 1\n", i);
  for (int i = 0; i < 2; ++i) lines += fmt::format("madeupword{:04} 0\n", i);
  const auto d = Vocabulary::ParseDictionary(lines, "d");
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_EQ(d->size(), 16);
  EXPECT_EQ(d->used(), 16);
}

TEST(Dictionary, Refused) {
  for (const auto& [lines, message] : std::map<std::string, std::string>{
           {"", "d: no tokens, expected lines \"TOKEN COUNT\""},
           {"a 1\nb\n", "d:2: \"b\", expected \"TOKEN COUNT\""},
           {"a 1\nb x\n", "d:2: \"b x\", expected \"TOKEN COUNT\""},
           {"a -1\n", "d:1: \"a -1\", expected \"TOKEN COUNT\""},
           {"a 99999999999999999999\n", "d:1: \"a 99999999999999999999\", expected \"TOKEN COUNT\""},
           {" 1\n", "d:1: \" 1\", expected \"TOKEN COUNT\""},
           {"a 1\n\xFF 1\n", "d:2: expected valid UTF-8"},
           {"a 1\nb 1\na 2\n", "d:3: \"a\" has the id 4 already, expected each token once"},
           {"<pad> 1\n", "d:1: \"<pad>\" has the id 1 already, expected each token once"}}) {
    EXPECT_EQ(Message(Vocabulary::ParseDictionary(lines, "d").status()), message);
  }
  const auto overwritten = Vocabulary::ParseDictionary("a 1\na 2 #fairseq:overwrite\n", "d");
  ASSERT_TRUE(overwritten.ok()) << overwritten.status();
  EXPECT_EQ(overwritten->Encode("a")->ids, (std::vector<int32_t>{5, 2}));
}

// A unigram model of few pieces against all ways to cut a word.
TEST(Model, BestOfAllSegmentations) {
  PieceModel model;
  const std::vector<std::pair<std::string, float>> pieces = {{"\xE2\x96\x81", -3},
                                                             {"a", -2.5f},
                                                             {"b", -2.75f},
                                                             {"c", -4},
                                                             {"ab", -4.5f},
                                                             {"bc", -3.25f},
                                                             {"abc", -7.5f},
                                                             {"\xE2\x96\x81"
                                                              "a",
                                                              -4.125f},
                                                             {"ca", -5.0625f},
                                                             {"aa", -5.5f}};
  model.pieces = {{"<unk>", 0, Piece::kUnknown}, {"<s>", 0, Piece::kControl}, {"</s>", 0, Piece::kControl}};
  for (const auto& [text, score] : pieces) model.pieces.push_back({text, score, Piece::kNormal});
  const auto vocabulary = Vocabulary::ParseModel(text::CanonicalModel(model), "m");
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->used(), 14);
  EXPECT_EQ(vocabulary->token(4), "\xE2\x96\x81");  // others have other ids for special pieces
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string word;
    for (uint32_t n = 1 + random() % 8; n > 0; --n) word += static_cast<char>('a' + random() % 3);
    const std::string text = "\xE2\x96\x81" + word;
    double best = -1e30;
    std::vector<int32_t> best_ids;
    std::vector<int32_t> ids;
    auto search = [&](auto& self, size_t at, double score) -> void {
      if (at == text.size()) {
        if (score > best) {
          best = score;
          best_ids = ids;
        }
        return;
      }
      for (size_t p = 0; p < pieces.size(); ++p) {
        if (text.compare(at, pieces[p].first.size(), pieces[p].first) != 0) continue;
        ids.push_back(static_cast<int32_t>(p) + kFirstWordId);
        self(self, at + pieces[p].first.size(), score + pieces[p].second);
        ids.pop_back();
      }
    };
    search(search, 0, 0);
    const auto encoding = vocabulary->Encode(word);
    ASSERT_TRUE(encoding.ok());
    double score = 0;
    for (size_t i = 0; i + 1 < encoding->ids.size(); ++i) {
      score += pieces[static_cast<size_t>(encoding->ids[i] - kFirstWordId)].second;
    }
    EXPECT_EQ(score, best) << word;  // sums of multiples of 1/16 are exact
    EXPECT_EQ(vocabulary->Decode(best_ids), word);
  }
}

PieceModel Small() {
  PieceModel model;
  model.pieces = {{"<unk>", 0, Piece::kUnknown}, {"a", -1, Piece::kNormal}, {"b", -2, Piece::kNormal}};
  return model;
}

TEST(Model, Refused) {
  auto message = [](const std::string& bytes) { return Message(Vocabulary::ParseModel(bytes, "m").status()); };
  auto changed = [&](auto change) {
    PieceModel model = Small();
    change(model);
    return message(text::CanonicalModel(model));
  };
  EXPECT_TRUE(Vocabulary::ParseModel(text::CanonicalModel(Small()), "m").ok());
  EXPECT_EQ(message(""), "m: pieces: 0 unknown ones, expected one");
  EXPECT_EQ(message("hello"), "m: model: damaged or cut off, expected a protocol buffer");
  EXPECT_EQ(message(text::CanonicalModel(Small()).substr(0, 20)),
            "m: model: damaged or cut off, expected a protocol buffer");
  EXPECT_EQ(changed([](PieceModel& m) { m.pieces[1].text = ""; }), "m: pieces[1].piece: 0 bytes, expected 1 to 1024");
  EXPECT_EQ(changed([](PieceModel& m) { m.pieces[1].text = std::string(1025, 'a'); }),
            "m: pieces[1].piece: 1025 bytes, expected 1 to 1024");
  EXPECT_EQ(changed([](PieceModel& m) { m.pieces[2].text = "\xC3"; }),
            "m: pieces[2].piece: expected UTF-8 without NUL");
  EXPECT_EQ(changed([](PieceModel& m) { m.pieces[2].text = std::string(1, '\0'); }),
            "m: pieces[2].piece: expected UTF-8 without NUL");
  EXPECT_EQ(changed([](PieceModel& m) { m.pieces[2].text = "a"; }),
            "m: pieces[2].piece: \"a\" came before, expected each once");
  EXPECT_EQ(changed([](PieceModel& m) { m.pieces[1].score = std::numeric_limits<float>::quiet_NaN(); }),
            "m: pieces[1].score: expected a finite number");
  EXPECT_EQ(changed([](PieceModel& m) { m.pieces[1].type = static_cast<Piece::Type>(7); }),
            "m: pieces[1].type: 7, expected 1 to 6");
  EXPECT_EQ(changed([](PieceModel& m) { m.pieces[1].type = Piece::kUnknown; }),
            "m: pieces: 2 unknown ones, expected one");
  EXPECT_EQ(changed([](PieceModel& m) { m.pieces[1].type = m.pieces[2].type = Piece::kUnused; }),
            "m: pieces: no normal one, expected at least one");
  EXPECT_EQ(changed([](PieceModel& m) {
              m.pieces[1] = {std::string(65, 'x'), 0, Piece::kUserDefined};
            }),
            "m: pieces[1].piece: 65 bytes, expected at most 64 of one that the user defined");
  EXPECT_EQ(changed([](PieceModel& m) { m.byte_fallback = true; }), "m: pieces: 0 bytes, expected 256");
  EXPECT_EQ(changed([](PieceModel& m) { m.type = static_cast<PieceModel::Type>(3); }),
            "m: trainer_spec.model_type: 3, expected 1 (unigram) or 2 (BPE)");
}

// Models of others have a table of characters; that of the library itself is taken, others only if they are as safe.
TEST(Model, NormalizationTable) {
  std::string bytes;
  ASSERT_EQ(text::TrainSentencePieces(
                Sentences(50),
                {{"vocab_size", "60"}, {"hard_vocab_limit", "false"}, {"normalization_rule_name", "nmt_nfkc"}}, bytes),
            "");
  const auto vocabulary = Vocabulary::ParseModel(bytes, "m");
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->Encode("\xEF\xBD\x82\xEF\xBD\x81")->ids, vocabulary->Encode("ba")->ids);  // wide letters

  auto model = text::ParsePieceModel(bytes);
  ASSERT_TRUE(model.ok());
  const std::string table = model->normalizer.characters;
  uint32_t trie_bytes = 0;
  std::memcpy(&trie_bytes, table.data(), 4);
  std::mt19937 random(8);
  int refused = 0;
  for (int round = 0; round < 200; ++round) {
    std::string changed = table;
    if (round % 4 == 0) {
      changed.resize(random() % changed.size());
    } else {
      for (int n = 0; n < 20; ++n) changed[4 + random() % trie_bytes] = static_cast<char>(random());
    }
    model->normalizer.characters = changed;
    const auto hostile = Vocabulary::ParseModel(text::CanonicalModel(*model), "m");
    if (!hostile.ok()) {
      EXPECT_TRUE(Message(hostile.status()).starts_with("m: normalizer_spec: precompiled_charsmap: "))
          << hostile.status();
      ++refused;
      continue;
    }
    for (uint32_t c = 1; c < 0x3000; c += 7) {
      std::string s = {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
                       static_cast<char>(0x80 | (c & 63)), 'a'};
      ASSERT_TRUE(hostile->Encode(s).ok());
    }
  }
  EXPECT_GT(refused, 50);
}

// Units as darts-clone packs them: offset, "has a leaf", label.
uint32_t Unit(uint32_t offset, bool leaf, uint32_t label) { return offset << 10 | (leaf ? 1u << 8 : 0) | label; }

std::string Table(const std::vector<uint32_t>& units, std::string_view texts) {
  std::string table(4 + units.size() * 4, '\0');
  const auto bytes = static_cast<uint32_t>(units.size() * 4);
  std::memcpy(table.data(), &bytes, 4);
  std::memcpy(table.data() + 4, units.data(), bytes);
  return table + std::string(texts);
}

TEST(Model, NormalizationTableByHand) {
  PieceModel model = Small();
  auto load = [&](const std::vector<uint32_t>& units, std::string_view texts) {
    model.normalizer.characters = Table(units, texts);
    return Vocabulary::ParseModel(text::CanonicalModel(model), "m");
  };
  auto message = [&](const std::vector<uint32_t>& units, std::string_view texts) {
    return Message(load(units, texts).status());
  };
  const std::string prefix = "m: normalizer_spec: precompiled_charsmap: ";
  const std::string_view texts("a\0b\0", 4);
  // 'x' becomes "b": root at 0 with offset 256, 'x' there, its leaf in the third block.
  constexpr uint32_t kUnused = 1u << 31;  // no byte has this label
  std::vector<uint32_t> units(768, kUnused);
  units[0] = Unit(256, false, 0);
  units[256 + 'x'] = Unit((256 + 'x') ^ 512, true, 'x');
  units[512] = 1u << 31 | 2;
  auto good = load(units, texts);
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(good->Encode("x")->ids, good->Encode("b")->ids);
  EXPECT_NE(good->Encode("x")->ids, good->Encode("a")->ids);

  std::vector<uint32_t> bad = units;
  bad[512] = 1u << 31 | 4;
  EXPECT_EQ(message(bad, texts), prefix + "a rule that points out of the text, expected a double array");
  bad = units;
  bad[256 + 'x'] = Unit((256 + 'x') ^ 1024, true, 'x');
  EXPECT_EQ(message(bad, texts), prefix + "a unit that points out of the array, expected a double array");
  bad = units;
  bad[256 + 'x'] = Unit(256 ^ (256 + 'x') ^ 0, true, 'x');  // "xx", "xxx", ...
  EXPECT_EQ(message(bad, texts), prefix + "a circle, expected a double array");
  EXPECT_EQ(message(units, std::string_view("ab", 2)), prefix + "expected a NUL at its end");
  EXPECT_EQ(message(units, std::string(300, 'a') + std::string(1, '\0')),
            prefix + "a replacement of 300 bytes, expected at most 256");
  EXPECT_EQ(message({}, texts), prefix + "no units, expected a double array");
  // 33 rules, each the beginning of the next.
  std::vector<uint32_t> deep(256 * 36, kUnused);
  deep[0] = Unit(256, false, 0);
  for (uint32_t i = 1; i <= 33; ++i) {
    const uint32_t at = 256 * i + 'x';
    deep[at] = Unit(at ^ (256 * (i + 1)), true, 'x');
    deep[256 * (i + 1)] = 1u << 31;
  }
  EXPECT_EQ(message(deep, texts), prefix + "more than 32 rules begin each other, expected a double array");
  deep[256 * 33 + 'x'] = Unit((256 * 33 + 'x') ^ (256 * 34), false, 'x');
  EXPECT_TRUE(load(deep, texts).ok());
}

}  // namespace
}  // namespace mathnas::supernet
