#include "mathnas/deploy/translator.h"

#include <new>
#include <utility>

#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/text/sentences.h"

namespace mathnas::deploy {

using supernet::supertransformer::kMaxTokens;

absl::StatusOr<Translator> Translator::Load(const std::string& path, std::shared_ptr<kernels::Device> device) {
  absl::StatusOr<DeployedTranslator> translator = LoadTranslator(path);
  if (!translator.ok()) return translator.status();
  return Create(*std::move(translator), std::move(device));
}

absl::StatusOr<Translator> Translator::Create(DeployedTranslator deployed, std::shared_ptr<kernels::Device> device) {
  if (auto s = Check(deployed); !s.ok()) return s;
  if (device == nullptr) return absl::InvalidArgumentError("no device");
  if (device->real() != kernels::DType::kF32) {
    return absl::InvalidArgumentError(fmt::format("device {} computes in {}, expected {}", device->name(),
                                                  Name(device->real()), Name(kernels::DType::kF32)));
  }
  Translator translator;
  translator.translator_ = std::make_unique<DeployedTranslator>(std::move(deployed));
  const DeployedTranslator& d = *translator.translator_;
  translator.decoder_ = std::make_unique<supernet::IncrementalDecoder>(d.macro, d.choice, d.weights, std::move(device));
  return translator;
}

absl::StatusOr<supernet::Encoding> Translator::Encode(std::string_view sentence) const {
  std::string clean;
  if (auto s = supernet::CleanSentence(sentence, kMaxTokens, clean); !s.ok()) return s;
  absl::StatusOr<supernet::Encoding> encoding = translator_->vocabularies.source.Encode(clean);
  if (encoding.ok() && std::ssize(encoding->ids) > kMaxTokens) {
    return absl::InvalidArgumentError(
        fmt::format("{} tokens with the end of the sentence, expected at most {}", encoding->ids.size(), kMaxTokens));
  }
  return encoding;
}

supernet::SearchOptions Translator::search() const {
  return {.beam = translator_->beam, .length_penalty = translator_->length_penalty};
}

absl::StatusOr<std::vector<Translation>> Translator::Translate(std::span<const std::string> sentences,
                                                               const supernet::SearchOptions& options) {
  std::vector<std::vector<int32_t>> sources;
  std::vector<Translation> translations;
  const auto called = [](size_t index) { return fmt::format("sentence {}", index); };
  for (const std::string& sentence : sentences) {
    absl::StatusOr<supernet::Encoding> encoding = Encode(sentence);
    if (!encoding.ok()) return kernels::Annotate(encoding.status(), called(sources.size()));
    sources.push_back(std::move(encoding->ids));
    translations.push_back({.text = {}, .score = 0, .unknown = encoding->unknown});
  }
  try {
    const auto hypotheses = supernet::Translate(*decoder_, sources, options);
    if (!hypotheses.ok()) return hypotheses.status();
    for (size_t i = 0; i < translations.size(); ++i) {
      const supernet::Hypothesis& h = (*hypotheses)[i];
      // Nothing else leaves a sentence without any hypothesis.
      if (h.tokens.empty()) {
        return absl::InvalidArgumentError(
            fmt::format("{}: no token has a probability, expected weights that are finite", called(i)));
      }
      translations[i].text = translator_->vocabularies.target.Decode(h.tokens);
      translations[i].score = h.score;
    }
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        fmt::format("not enough memory for {} sentences at once, {} hypotheses each", options.sentences, options.beam));
  }
  return translations;
}

}  // namespace mathnas::deploy
