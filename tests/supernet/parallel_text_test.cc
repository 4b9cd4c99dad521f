#include "supernet/text/parallel_text.h"

#include <filesystem>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/text/encoded_pairs.h"
#include "supernet/text/vocabulary.h"
#include "test_files.h"

namespace mathnas::supernet {
namespace {

using testing::TempFolder;
using testing::Write;

std::string Message(const absl::Status& status) { return std::string(kernels::Message(status)); }

std::vector<std::pair<std::string, std::string>> Texts(const TextPart& part) {
  std::vector<std::pair<std::string, std::string>> texts;
  for (const SentencePair& pair : part.pairs) texts.emplace_back(pair.source, pair.target);
  return texts;
}

std::vector<int64_t> Lines(const TextPart& part) {
  std::vector<int64_t> lines;
  for (const SentencePair& pair : part.pairs) lines.push_back(pair.line);
  return lines;
}

TEST(TextPair, LinesAsTheyAre) {
  const auto part = ParseTextPair("ein Haus\nzwei  \t H\xC3\xA4user \r\n drei",
                                  "\xEF\xBB\xBF"
                                  "a house\ntwo houses\nthree\n",
                                  "s", "t");
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(Texts(*part), (std::vector<std::pair<std::string, std::string>>{
                              {"ein Haus", "a house"}, {"zwei H\xC3\xA4user", "two houses"}, {"drei", "three"}}));
  EXPECT_EQ(Lines(*part), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(part->lines, 3);
  EXPECT_EQ(part->damaged, 0);
}

TEST(TextPair, DamageIsLeftOutCountedAndNamed) {
  std::string source = "good\n\n", target = "gut\nx\n";
  source += "bad \xFF here\nnul";
  target += "x\nx\n";
  source += '\0';
  source += "\nfine\nfine\nfine\nfine\nlast\n";
  target += "\x1B[0m\n   \nc1 \xC2\x85\nt\xC3\nlast\n";
  ParallelTextOptions options;
  std::vector<DamagedLine> told;
  options.on_damage = [&](const DamagedLine& d) { told.push_back(d); };
  const auto part = ParseTextPair(source, target, "a.de", "a.en", options);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(Lines(*part), (std::vector<int64_t>{1, 9}));
  EXPECT_EQ(part->lines, 9);
  EXPECT_EQ(part->damaged, 7);
  ASSERT_EQ(part->damage.size(), 7u);
  EXPECT_EQ(part->damage, told);
  const std::vector<std::string> expected = {"a.de:2: empty line, expected a sentence",
                                             "a.de:3: byte 0xff at offset 4, expected valid UTF-8",
                                             "a.de:4: control character U+0000 at offset 3, expected none but the tab",
                                             "a.en:5: control character U+001B at offset 0, expected none but the tab",
                                             "a.en:6: empty line, expected a sentence",
                                             "a.en:7: control character U+0085 at offset 3, expected none but the tab",
                                             "a.en:8: byte 0xc3 at offset 1, expected valid UTF-8"};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(told[i].message, expected[i]);
    EXPECT_EQ(told[i].line, static_cast<int64_t>(i) + 2);
  }
  options.stop_at_damage = true;
  const auto stopped = ParseTextPair(source, target, "a.de", "a.en", options);
  EXPECT_EQ(Message(stopped.status()), expected[0]);
}

TEST(TextPair, OnlyTheFirstDamageIsKept) {
  std::string source = "good\n", target = "gut\n";
  for (int i = 0; i < 1000; ++i) {
    source += "\n";
    target += "x\n";
  }
  const auto part = ParseTextPair(source, target, "s", "t");
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->damaged, 1000);
  EXPECT_EQ(std::ssize(part->damage), kDamageKept);
}

TEST(TextPair, UnequalNumbersOfLines) {
  EXPECT_EQ(Message(ParseTextPair("a\nb\nc\n", "a\nb", "x.de", "x.en").status()),
            "x.de has 3 lines and x.en has 2, expected as many: line by line");
  EXPECT_TRUE(ParseTextPair("a\nb", "a\nb\n", "s", "t").ok());
  EXPECT_EQ(Message(ParseTextPair("a\n\n", "a\n", "s", "t").status()),
            "s has 2 lines and t has 1, expected as many: line by line");
}

TEST(TextPair, NothingWhole) {
  EXPECT_EQ(Message(ParseTextPair("", "", "s", "t").status()),
            "s: no sentences, expected at least one line that is whole");
  EXPECT_EQ(
      Message(ParseTextPair("\n", "a\n", "s", "t").status()),
      "s: no sentences, expected at least one line that is whole; the first: s:1: empty line, expected a sentence");
}

TEST(TextPair, Positions) {
  ParallelTextOptions options{.max_positions = 4};
  const auto part = ParseTextPair("a b c\na b c d\na\n", "x\nx\nx x x x\n", "s", "t", options);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(Lines(*part), (std::vector<int64_t>{1}));
  ASSERT_EQ(part->damage.size(), 2u);
  EXPECT_EQ(part->damage[0].message, "s:2: 4 words and the end of the sentence, expected at most 4 positions");
  EXPECT_EQ(part->damage[1].message, "t:3: 4 words and the end of the sentence, expected at most 4 positions");
  options.max_positions = 1;
  EXPECT_EQ(Message(ParseTextPair("a", "a", "s", "t", options).status()),
            "max_positions 1, expected at least 2: a word and the end");
}

class Folder : public ::testing::Test {
 protected:
  void Fill(const std::string& source, const std::string& target) {
    for (const char* part : {"train", "valid", "test"}) {
      Write(folder_ / fmt::format("{}.{}", part, source), fmt::format("{} eins\nzwei\n", part));
      Write(folder_ / fmt::format("{}.{}", part, target), fmt::format("{} one\ntwo\n", part));
    }
  }
  absl::StatusOr<ParallelText> Load(const ParallelTextOptions& options = {}) {
    return LoadParallelText("parallel:" + folder_.str(), options);
  }
  TempFolder folder_;
};

TEST_F(Folder, LanguagesAreFound) {
  Fill("de", "en");
  const auto text = Load();
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->source_language, "de");
  EXPECT_EQ(text->target_language, "en");
  EXPECT_EQ(text->train.pairs[0].source, "train eins");
  EXPECT_EQ(text->valid.pairs[0].target, "valid one");
  EXPECT_EQ(text->test.pairs[1], (SentencePair{"zwei", "two", 2}));
  EXPECT_EQ(text->valid.name, "parallel/valid");

  for (const ParallelTextOptions& options :
       {ParallelTextOptions{.source_language = "en"}, ParallelTextOptions{.target_language = "de"}}) {
    const auto turned = Load(options);
    ASSERT_TRUE(turned.ok()) << turned.status();
    EXPECT_EQ(turned->source_language, "en");
    EXPECT_EQ(turned->target_language, "de");
    EXPECT_EQ(turned->train.pairs[0].source, "train one");
  }
}

TEST_F(Folder, LanguagesThatCannotBeTold) {
  Fill("de", "en");
  EXPECT_EQ(Message(Load({.source_language = "fr"}).status()),
            folder_ / "train.fr: no such file, found train.de and train.en");
  EXPECT_EQ(Message(Load({.source_language = "de", .target_language = "de"}).status()),
            "languages \"de\" and \"de\", expected two");
  Write(folder_ / "train.fr", "un\n");
  EXPECT_EQ(Message(Load().status()), folder_.str() +
                                          ": train.de, train.en, train.fr, expected two files train.LANGUAGE, or "
                                          "source and target language given");
  EXPECT_TRUE(Load({.source_language = "de", .target_language = "en"}).ok());
}

TEST_F(Folder, MissingFilesAreNamed) {
  EXPECT_EQ(Message(Load().status()),
            folder_.str() + ": no train.*, expected two files train.LANGUAGE, or source and target language given");
  Fill("de", "en");
  std::filesystem::remove(folder_ / "valid.en");
  const auto text = Load();
  EXPECT_TRUE(absl::IsNotFound(text.status()));
  EXPECT_EQ(Message(text.status()), folder_ / "valid.en: no such file, expected {train,valid,test}.{de,en}");
  EXPECT_TRUE(absl::IsNotFound(LoadParallelText("parallel:/nowhere").status()));
  EXPECT_TRUE(absl::IsNotFound(LoadParallelText("parallel:").status()));
  EXPECT_TRUE(absl::IsNotFound(LoadTextPair(folder_ / "no.de", folder_ / "test.en").status()));
  EXPECT_TRUE(absl::IsNotFound(LoadParallelText("trans-de-en:/nowhere").status()));
  EXPECT_EQ(Message(LoadParallelText("wmt14").status()),
            "text \"wmt14\": expected trans-de-en, trans-de-en:FILE or parallel:FOLDER");
}

TEST_F(Folder, TwoFiles) {
  Fill("de", "en");
  const auto part = LoadTextPair(folder_ / "test.de", folder_ / "train.en");
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(Texts(*part),
            (std::vector<std::pair<std::string, std::string>>{{"test eins", "train one"}, {"zwei", "two"}}));
  EXPECT_TRUE(
      absl::IsInvalidArgument(LoadTextPair(folder_ / "test.de", folder_ / "train.en", {.max_bytes = 3}).status()));
}

TEST(EncodePairs, TokensBeyondThePositionsAreNamed) {
  const auto vocabulary = Vocabulary::ParseDictionary("a 5\nb 4\nc 3\n", "dict.txt");
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  auto part = ParseTextPair("a b\n\na b c\nz a\n", "c\nx\na\nb y\n", "s", "t");
  ASSERT_TRUE(part.ok()) << part.status();
  ParallelTextOptions options{.max_positions = 3};
  auto encoded = EncodePairs(*part, *vocabulary, *vocabulary, options);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(encoded->pair, (std::vector<uint32_t>{0, 2}));
  ASSERT_EQ(encoded->source.size(), 2);
  EXPECT_EQ(std::vector<int32_t>(encoded->source.row(0).begin(), encoded->source.row(0).end()),
            (std::vector<int32_t>{4, 5, 2}));
  EXPECT_EQ(std::vector<int32_t>(encoded->target.row(1).begin(), encoded->target.row(1).end()),
            (std::vector<int32_t>{5, 3, 2}));
  EXPECT_EQ(encoded->source_unknown, 1);
  EXPECT_EQ(encoded->target_unknown, 1);
  EXPECT_EQ(encoded->too_long, 1);
  ASSERT_EQ(encoded->damage.size(), 1u);
  EXPECT_EQ(encoded->damage[0].message, "s:3: 4 tokens with the end of the sentence, expected at most 3");
  options.stop_at_damage = true;
  EXPECT_EQ(Message(EncodePairs(*part, *vocabulary, *vocabulary, options).status()), encoded->damage[0].message);
  EXPECT_TRUE(absl::IsInvalidArgument(EncodePairs(*part, *vocabulary, *vocabulary, {.max_positions = 1}).status()));
}

}  // namespace
}  // namespace mathnas::supernet
