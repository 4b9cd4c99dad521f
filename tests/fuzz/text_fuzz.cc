// Texts, dictionaries and sub-word models from files that nobody vouches for. The first byte says which reader.
#include <algorithm>
#include <string>
#include <string_view>

#include "check.h"
#include "supernet/text/bleu.h"
#include "supernet/text/internal/utf8.h"
#include "supernet/text/parallel_text.h"
#include "supernet/text/sentences.h"
#include "supernet/text/trans_de_en.h"
#include "supernet/text/vocabulary.h"

namespace mathnas {
namespace {

using fuzz::Check;
using supernet::text::IsValidUtf8;

void CheckStatus(const absl::Status& status) {
  Check(absl::IsInvalidArgument(status), "another error than a bad argument");
}

void CheckSide(const std::string& side) {
  Check(IsValidUtf8(side) && !side.empty(), "a side that is empty or no UTF-8");
  for (std::string_view rest = side; !rest.empty();) {
    Check(!supernet::text::IsControl(*supernet::text::TakeCharacter(rest)), "a control character");
  }
}

void Lines(std::string_view input) {
  if (const auto sentences = supernet::ParseSentences(input, "file", 32); sentences.ok()) {
    for (const std::string& sentence : *sentences) CheckSide(sentence);
  } else {
    CheckStatus(sentences.status());
  }
  // One side before the first form feed, the other behind it.
  const size_t middle = std::min(input.find('\f'), input.size());
  const auto part = supernet::ParseTextPair(input.substr(0, middle), input.substr(std::min(middle + 1, input.size())),
                                            "source", "target", {.max_positions = 32});
  if (!part.ok()) return CheckStatus(part.status());
  Check(static_cast<int64_t>(part->pairs.size()) + part->damaged == part->lines, "lines that are neither");
  for (const supernet::SentencePair& pair : part->pairs) {
    CheckSide(pair.source);
    CheckSide(pair.target);
  }
}

void DictionaryLines(std::string_view input) {
  const auto pairs = supernet::ParseDictionaryLine(input);
  if (!pairs.ok()) return CheckStatus(pairs.status());
  for (const supernet::SentencePair& pair : *pairs) {
    CheckSide(pair.source);
    CheckSide(pair.target);
    Check(pair.source != pair.target, "a pair with equal sides");
    supernet::SplitPartOf(pair.source);
  }
  const auto text = supernet::ParseTransDeEn(input, "file");
  if (!text.ok()) CheckStatus(text.status());
}

void Vocabulary(const absl::StatusOr<supernet::Vocabulary>& vocabulary, std::string_view input) {
  if (!vocabulary.ok()) return CheckStatus(vocabulary.status());
  Check(vocabulary->size() % 8 == 0 && vocabulary->used() <= vocabulary->size(), "the size");
  for (std::string_view text :
       {std::string_view("Das ist ein Satz, \xE2\x96\x81 und noch \xEF\xAC\x81 einer."), input.substr(0, 256)}) {
    const auto encoding = vocabulary->Encode(text);
    if (!encoding.ok()) continue;
    for (int32_t id : encoding->ids) Check(id >= 0 && id < vocabulary->used(), "an id out of range");
    Check(encoding->ids.back() == supernet::kEosId, "the end");
    vocabulary->Decode(encoding->ids);
  }
}

void Scores(std::string_view input) {
  const std::string hypothesis(input.substr(0, input.size() / 2)), reference(input.substr(input.size() / 2));
  for (const auto tokenizer : {supernet::BleuOptions::Tokenizer::k13a, supernet::BleuOptions::Tokenizer::kNone}) {
    const auto bleu = supernet::Bleu({&hypothesis, 1}, {&reference, 1}, {tokenizer, true});
    Check(bleu.ok() && bleu->score >= 0 && bleu->score <= 100 + 1e-9, "a score out of range");
  }
}

}  // namespace
}  // namespace mathnas

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mathnas;  // the parts under test
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      Lines(input);
      break;
    case 1:
      DictionaryLines(input);
      break;
    case 2:
      Vocabulary(supernet::Vocabulary::ParseDictionary(input, "file"), input);
      break;
    case 3:
      Scores(input.substr(0, 2000));
      break;
    default:  // where there is most to get wrong
      Vocabulary(supernet::Vocabulary::ParseModel(input, "file"), input);
  }
  return 0;
}
