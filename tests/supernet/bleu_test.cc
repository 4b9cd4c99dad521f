#include "supernet/text/bleu.h"

#include "golden.h"
#include "gtest/gtest.h"

namespace mathnas::supernet {
namespace {

class Golden : public ::testing::Test {
 protected:
  static const nlohmann::json& File() {
    static const nlohmann::json file = LoadGolden("MATHNAS_GOLDEN_BLEU", "bleu.json");
    return file;
  }
};

TEST_F(Golden, AsSacreBleu) {
  int64_t compared = 0;
  for (const nlohmann::json& c : File()["cases"]) {
    const auto hypotheses = c["hypotheses"].get<std::vector<std::string>>();
    const auto references = c["references"].get<std::vector<std::string>>();
    for (const auto& [name, tokenizer] :
         {std::pair("13a", BleuOptions::Tokenizer::k13a), {"none", BleuOptions::Tokenizer::kNone}}) {
      SCOPED_TRACE(c["name"].get<std::string>() + " " + name);
      const nlohmann::json& expected = c[name];
      const auto bleu = Bleu(hypotheses, references, {.tokenizer = tokenizer});
      ASSERT_TRUE(bleu.ok()) << bleu.status();
      EXPECT_EQ(bleu->hypothesis_length, expected["hypothesis_length"].get<int64_t>());
      EXPECT_EQ(bleu->reference_length, expected["reference_length"].get<int64_t>());
      for (size_t n = 0; n < 4; ++n) {
        EXPECT_EQ(bleu->matches[n], expected["matches"][n].get<int64_t>());
        EXPECT_EQ(bleu->ngrams[n], expected["ngrams"][n].get<int64_t>());
        EXPECT_NEAR(bleu->precisions[n], expected["precisions"][n].get<double>(), 1e-9);
      }
      EXPECT_NEAR(bleu->brevity_penalty, expected["brevity_penalty"].get<double>(), 1e-12);
      EXPECT_NEAR(bleu->score, expected["score"].get<double>(), 1e-9);
      ++compared;
    }
  }
  EXPECT_GE(compared, 70);
}

TEST_F(Golden, Tokens) {
  for (const nlohmann::json& c : File()["cases"]) {
    for (size_t i = 0; i < c["hypotheses"].size(); ++i) {
      const auto sentence = c["hypotheses"][i].get<std::string>();
      EXPECT_EQ(BleuTokens(sentence), c["tokens_13a"][i].get<std::vector<std::string>>()) << sentence;
    }
  }
}

TEST_F(Golden, Signature) {
  EXPECT_EQ(Signature(), File()["signature"].get<std::string>());
  EXPECT_EQ(Signature({.tokenizer = BleuOptions::Tokenizer::kNone}), "nrefs:1|case:mixed|eff:no|tok:none|smooth:exp");
}

// fairseq's compound_split_bleu.sh: perl -ple 's{(\S)-(\S)}{$1 ##AT##-##AT## $2}g'.
TEST(Bleu, Compounds) {
  const BleuOptions options{.tokenizer = BleuOptions::Tokenizer::kNone, .split_compounds = true};
  EXPECT_EQ(BleuTokens("a well-known x- -y -", options),
            (std::vector<std::string>{"a", "well", "##AT##-##AT##", "known", "x-", "-y", "-"}));
  EXPECT_EQ(BleuTokens("a-b-c", options), (std::vector<std::string>{"a", "##AT##-##AT##", "b-c"}));
  EXPECT_EQ(BleuTokens("\xC3\xA4-\xC3\xB6", options),
            (std::vector<std::string>{"\xC3\xA4", "##AT##-##AT##", "\xC3\xB6"}));
}

TEST(Bleu, NumbersThatDiffer) {
  const std::vector<std::string> two(2), three(3);
  const auto bleu = Bleu(two, three);
  EXPECT_TRUE(absl::IsInvalidArgument(bleu.status()));
  EXPECT_EQ(bleu.status().message(), "BLEU: 2 hypotheses and 3 references, expected as many of both");
}

TEST(Bleu, Nothing) {
  const auto bleu = Bleu({}, {});
  ASSERT_TRUE(bleu.ok());
  EXPECT_EQ(bleu->score, 0);
}

}  // namespace
}  // namespace mathnas::supernet
