#include "bindings/cli/evaluate_translation.h"

#include <algorithm>
#include <utility>

#include "bindings/cli/progress.h"
#include "fmt/format.h"
#include "supernet/atomic_file.h"
#include "supernet/supertransformer/space.h"
#include "supernet/translation/evaluation.h"
#include "supernet/translation/vocabulary_files.h"

namespace mathnas::cli {

void TranslationScoring::AddTo(CLI::App* command) {
  command->add_option("--sentences", sentences, "supertransformer: how many to translate for BLEU (0: all)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  search.AddTo(command, "the published");
  command->add_option("--bleu-tokenizer", tokenizer, "supertransformer: 13a, or none for text that is tokenised")
      ->capture_default_str()
      ->check(CLI::IsMember({"13a", "none"}));
  command->add_option("--part", part, "supertransformer: the pairs that are looked at: test, valid or train")
      ->capture_default_str()
      ->check(CLI::IsMember({"test", "valid", "train"}));
  command->add_option("--translations", translations, "supertransformer: write them into this file, one a line");
  command->add_flag("--no-bleu", no_bleu, "supertransformer: the loss alone");
}

absl::StatusOr<Answer> EvaluateTranslation(const TranslationEvaluation& e) {
  const TranslationScoring& o = e.scoring;
  auto macro = supernet::ParseSuperTransformerMacro(e.network.space->MacroJson());
  if (!macro.ok()) return macro.status();
  auto vocabularies = supernet::LoadVocabulariesOf(e.network.checkpoint, e.network.path);
  if (!vocabularies.ok()) return vocabularies.status();
  auto text = e.data.LoadText();
  if (!text.ok()) return text.status();
  const supernet::TextPart& part = o.part == "test" ? text->test : o.part == "valid" ? text->valid : text->train;
  auto pairs = supernet::EncodePairs(part, vocabularies->source, vocabularies->target);
  if (!pairs.ok()) return pairs.status();
  auto device = OpenDevice(e.common);
  if (!device.ok()) return device.status();
  const supernet::SearchSpace& space = *e.network.space;
  auto weights = e.network.TakeWeights();
  if (!weights.ok()) return weights.status();
  auto loss = supernet::EvaluateLoss(*macro, e.network.choice, *weights, *device, *pairs, {.cancel = Interrupted()});
  if (!loss.ok()) return loss.status();
  Answer answer;
  answer.json = {{"subnet", Json::parse(space.SubnetJson(e.network.choice))},
                 {"part", part.name},
                 {"pairs", pairs->source.size()},
                 {"loss", loss->loss},
                 {"perplexity", loss->perplexity()},
                 {"accuracy", loss->accuracy},
                 {"tokens", loss->tokens}};
  answer.text = fmt::format("{}\n{}: loss {:.4f} a token, perplexity {:.2f}, {:.2f} % of {} tokens right\n",
                            space.SubnetJson(e.network.choice), part.name, loss->loss, loss->perplexity(),
                            loss->accuracy, loss->tokens);
  if (o.no_bleu) return answer;

  supernet::SearchOptions search = supernet::PublishedSearch(macro->task);
  o.search.Apply(search);
  search.cancel = Interrupted();
  Progress progress;
  const int64_t all = o.sentences > 0 ? std::min<int64_t>(o.sentences, std::ssize(part.pairs)) : std::ssize(part.pairs);
  search.progress = [&](int64_t done) {
    progress.Fraction("translating", static_cast<double>(done) / static_cast<double>(all));
  };
  supernet::BleuOptions bleu;
  if (o.tokenizer == "none") bleu = {.tokenizer = supernet::BleuOptions::Tokenizer::kNone, .split_compounds = true};
  supernet::IncrementalDecoder decoder(*macro, e.network.choice, *weights, *device);
  auto translated = supernet::EvaluateBleu(decoder, *vocabularies, part, o.sentences, search, bleu);
  progress.End();
  if (!translated.ok()) return translated.status();
  answer.json["bleu"] = translated->bleu.score;
  answer.json["bleu_signature"] = supernet::Signature(bleu);
  answer.json["sentences"] = translated->texts.size();
  answer.json["beam"] = search.beam;
  answer.json["length_penalty"] = search.length_penalty;
  answer.text += fmt::format("BLEU {:.2f} ({}, {} sentences, beam {}, length penalty {})\n", translated->bleu.score,
                             supernet::Signature(bleu), translated->texts.size(), search.beam, search.length_penalty);
  if (!o.translations.empty()) {
    std::string lines;
    for (const std::string& translation : translated->texts) lines += translation + "\n";
    if (auto s = supernet::AtomicWriteFile(o.translations, lines); !s.ok()) return s;
  }
  return answer;
}

}  // namespace mathnas::cli
