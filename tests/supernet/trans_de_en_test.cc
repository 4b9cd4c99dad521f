#include "supernet/text/trans_de_en.h"

#include <filesystem>
#include <map>
#include <set>
#include <unordered_map>

#include "gtest/gtest.h"
#include "kernels/status.h"

namespace mathnas::supernet {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs PairsOf(std::string_view line, DictionaryCounts* counts = nullptr) {
  const auto parsed = ParseDictionaryLine(line, counts);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  Pairs pairs;
  if (parsed.ok()) {
    for (const SentencePair& pair : *parsed) pairs.emplace_back(pair.source, pair.target);
  }
  return pairs;
}

// Lines as the dictionary has them, and what a reader of it takes from them.
TEST(DictionaryLine, MarksPartsAndSynonyms) {
  EXPECT_EQ(PairsOf("Aalspieß {m} | Aalspieße {pl} :: eel spear | eel spears"),
            (Pairs{{"Aalspieß", "eel spear"}, {"Aalspieße", "eel spears"}}));
  EXPECT_EQ(PairsOf("Aas fressen {vi} [zool.] :: to scavenge"), (Pairs{{"Aas fressen", "to scavenge"}}));
  // Three for one: all go with the first.
  EXPECT_EQ(PairsOf("Abänderung {f}; (teilweise) Änderung {f} (an etw.) | Abänderungen {pl} :: modification (to sth.) "
                    "| modifications"),
            (Pairs{{"Abänderung", "modification"}, {"Änderung", "modification"}, {"Abänderungen", "modifications"}}));
  EXPECT_EQ(PairsOf("groß; hoch :: big; tall; high"), (Pairs{{"groß", "big"}, {"hoch", "big"}}));
  // As many: the n-th with the n-th.
  EXPECT_EQ(PairsOf("machtvoll; gewaltig :: powerful; huge"), (Pairs{{"machtvoll", "powerful"}, {"gewaltig", "huge"}}));
  // Separators inside marks do not count, nor do marks inside marks.
  EXPECT_EQ(PairsOf("Folie {f} (dünn; [aus (altem) Stoff]) :: film <foil; film>"), (Pairs{{"Folie", "film"}}));
  EXPECT_EQ(PairsOf("Vollversammlung {f} /VV/ :: General Assembly /GA/; assembly /b/f/"),
            (Pairs{{"Vollversammlung", "General Assembly"}}));
}

TEST(DictionaryLine, SpacesAndPunctuation) {
  EXPECT_EQ(PairsOf("Ich habe [ugs.] , glaube ich , keine Zeit (mehr) . :: I  have no time (left) ."),
            (Pairs{{"Ich habe, glaube ich, keine Zeit.", "I have no time."}}));
  EXPECT_EQ(PairsOf("Sieh da … und dort ! :: See here … and there!"),
            (Pairs{{"Sieh da … und dort!", "See here … and there!"}}));
}

TEST(DictionaryLine, WhatIsLeftOut) {
  DictionaryCounts counts;
  EXPECT_EQ(PairsOf("schließende runde Klammer (im Satz :: closing bracket", &counts), Pairs());
  EXPECT_EQ(counts.unbalanced, 1);
  EXPECT_EQ(PairsOf("(Uropterygius concolor) [zool.] :: moray; reef moray", &counts), Pairs());
  EXPECT_EQ(counts.empty, 1);
  EXPECT_EQ(PairsOf("einen Antrag stellen/einbringen; beantragen :: to move/propose; to apply", &counts),
            (Pairs{{"beantragen", "to apply"}}));
  EXPECT_EQ(counts.choices, 2);
  EXPECT_EQ(PairsOf("jdn./etw. vertreiben :: to drive sb./sth. away", &counts),
            (Pairs{{"jdn./etw. vertreiben", "to drive sb./sth. away"}}));
  EXPECT_EQ(PairsOf("Bagatell…; Ur-; … sein :: trivial", &counts), Pairs());
  EXPECT_EQ(counts.fragments, 3);
  EXPECT_EQ(PairsOf("a = b; A & B; x@y :: equal", &counts), Pairs());
  EXPECT_EQ(counts.symbols, 3);
  EXPECT_EQ(PairsOf("Radio {n} :: Radio", &counts), Pairs());
  EXPECT_EQ(counts.same_on_both_sides, 1);
  EXPECT_EQ(PairsOf("# Version :: devel", &counts), Pairs());
  EXPECT_EQ(counts.entries, 7);
  EXPECT_EQ(counts.pairs, 2);
}

TEST(DictionaryLine, Refused) {
  for (const auto& [line, message] :
       std::map<std::string, std::string>{{"nothing", "expected \"GERMAN :: ENGLISH\""},
                                          {"a :: b :: c", "expected \"GERMAN :: ENGLISH\""},
                                          {"a | b :: c", "2 German parts and 1 English ones, expected as many"}}) {
    EXPECT_EQ(kernels::Message(ParseDictionaryLine(line).status()), message) << line;
  }
}

TEST(TransDeEn, SplitLooksAtLettersAndDigitsOnly) {
  EXPECT_EQ(SplitKey("Ärger, Öl × ÜBER-Maß 3!"), "ärgeröl×übermaß3");
  for (const char* source : {"das haus", "Das Haus.", "DAS-HAUS", "»das Haus"}) {
    if (source[0] != '\xC2') {
      EXPECT_EQ(SplitPartOf(source), SplitPartOf("Das Haus")) << source;
    }
  }
  std::map<SplitPart, int> parts;
  for (int i = 0; i < 100000; ++i) ++parts[SplitPartOf("Satz " + std::to_string(i))];
  // Binomial: 1000 +- 31.5 is one standard deviation.
  EXPECT_NEAR(parts[SplitPart::kTest], 1000, 160);
  EXPECT_NEAR(parts[SplitPart::kValid], 1000, 160);
}

// A file large enough for all three parts.
std::string Dictionary() {
  std::string text = "# a comment\n";
  for (int i = 0; i < 2000; ++i) {
    text += "Wort w" + std::to_string(i) + " {n} :: word w" + std::to_string(i) + "\n";
  }
  return text;
}

TEST(TransDeEn, DamageIsCountedAndNamed) {
  std::string text = Dictionary() + "kaputt\nGift \xFF :: poison\nWORT W0 :: other\nWort w1 :: word w1\n";
  DictionaryCounts counts;
  const auto parsed = ParseTransDeEn(text, "f", {}, &counts);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->source_language, "de");
  EXPECT_EQ(parsed->train.damaged, 2);
  ASSERT_EQ(parsed->train.damage.size(), 2u);
  EXPECT_EQ(parsed->train.damage[0].message, "f:2002: expected \"GERMAN :: ENGLISH\"");
  EXPECT_EQ(parsed->train.damage[1].message, "f:2003: expected valid UTF-8");
  EXPECT_EQ(counts.repeated, 1);
  const size_t all = parsed->train.pairs.size() + parsed->valid.pairs.size() + parsed->test.pairs.size();
  EXPECT_EQ(all, 2000u + (SplitPartOf("Wort w0") == SplitPart::kTrain ? 1 : 0));
  EXPECT_EQ(kernels::Message(ParseTransDeEn(text, "f", {.stop_at_damage = true}).status()),
            "f:2002: expected \"GERMAN :: ENGLISH\"");
  EXPECT_EQ(kernels::Message(ParseTransDeEn("a :: b\n", "f").status()).substr(0, 12), "f: no pairs ");
  EXPECT_EQ(kernels::Message(ParseTransDeEn(text, "f", {.min_words = 3}).status()).substr(0, 12), "f: no pairs ");
}

TEST(TransDeEn, RealFile) {
  if (!std::filesystem::exists(ParallelTextOptions().trans_de_en_path)) GTEST_SKIP() << "needs the package trans-de-en";
  const auto text = LoadParallelText("trans-de-en", {.stop_at_damage = true});
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_GT(text->train.pairs.size(), 400000u);
  EXPECT_GT(text->valid.pairs.size(), 3000u);
  EXPECT_GT(text->test.pairs.size(), 3000u);
  std::unordered_map<std::string, const TextPart*> part_of;
  std::set<std::pair<std::string, std::string>> seen;
  for (const TextPart* part : {&text->train, &text->valid, &text->test}) {
    for (const SentencePair& pair : part->pairs) {
      const auto [at, added] = part_of.emplace(SplitKey(pair.source), part);
      ASSERT_EQ(at->second, part) << pair.source << " is in " << part->name << " and in " << at->second->name;
      if (part != &text->train) {
        ASSERT_TRUE(added) << pair.source << " is twice in " << part->name;
      }
      ASSERT_TRUE(seen.emplace(pair.source, pair.target).second) << pair.source;
      for (const std::string* side : {&pair.source, &pair.target}) {
        ASSERT_EQ(side->find_first_of("{}[]<>()|;#~="), std::string::npos) << *side;
        ASSERT_EQ(side->find("  "), std::string::npos) << *side;
        ASSERT_FALSE(side->empty() || side->front() == ' ' || side->back() == ' ') << *side;
      }
    }
  }
  const auto phrases = LoadParallelText("trans-de-en", {.min_words = 3});
  ASSERT_TRUE(phrases.ok()) << phrases.status();
  EXPECT_LT(phrases->train.pairs.size(), text->train.pairs.size() / 2);
  EXPECT_GT(phrases->train.pairs.size(), 50000u);
}

}  // namespace
}  // namespace mathnas::supernet
