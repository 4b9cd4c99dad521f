#include "bindings/cli/run_translator.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "bindings/cli/progress.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "mathnas/deploy/translator.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/text/sentences.h"

namespace mathnas::cli {
namespace {

using supernet::supertransformer::kMaxTokens;

constexpr size_t kLargestInput = 256 << 20;

absl::StatusOr<std::string> StandardInput() {
  std::string text;
  char buffer[1 << 16];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) {
    text.append(buffer, n);
    if (text.size() > kLargestInput) return absl::InvalidArgumentError("standard input: more than 256 MiB of text");
  }
  if (std::ferror(stdin) != 0) return absl::InternalError("standard input: cannot be read");
  return text;
}

absl::StatusOr<std::vector<std::string>> ReadSentences(const std::string& input, std::string& called) {
  if (input != "-") return supernet::LoadSentences(input, kMaxTokens);
  called = "standard input";
  auto text = StandardInput();
  if (!text.ok()) return text.status();
  return supernet::ParseSentences(*text, called, kMaxTokens);
}

}  // namespace

absl::StatusOr<Answer> RunTranslator(supernet::SafetensorsFile network, const std::string& input,
                                     const TranslationSearch& asked, const Common& common) {
  const std::string path = network.path();
  auto deployed = deploy::LoadTranslator(std::move(network));
  if (!deployed.ok()) return deployed.status();
  auto device = OpenDevice(common);
  if (!device.ok()) return device.status();
  auto translator = deploy::Translator::Create(*std::move(deployed), *device);
  if (!translator.ok()) return translator.status();
  std::string called = input;
  auto sentences = ReadSentences(input, called);
  if (!sentences.ok()) return sentences.status();
  // Before any is translated, and by its line.
  int64_t tokens = 0;
  for (size_t i = 0; i < sentences->size(); ++i) {
    auto encoding = translator->Encode((*sentences)[i]);
    if (!encoding.ok()) return kernels::Annotate(encoding.status(), fmt::format("{}:{}", called, i + 1));
    tokens += std::ssize(encoding->ids);
  }

  supernet::SearchOptions search = translator->search();
  asked.Apply(search);
  Progress progress;
  search.progress = [&](int64_t done) {
    progress.Fraction("translating", static_cast<double>(done) / static_cast<double>(sentences->size()));
  };
  search.cancel = Interrupted();
  const auto start = std::chrono::steady_clock::now();
  auto translations = translator->Translate(*sentences, search);
  progress.End();
  if (!translations.ok()) return translations.status();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  Answer answer;
  Json list = Json::array();
  int64_t unknown = 0;
  for (deploy::Translation& t : *translations) {
    // A sub-word may be anything; a translation is one line.
    std::replace(t.text.begin(), t.text.end(), '\n', ' ');
    answer.text += t.text + "\n";
    list.push_back({{"text", t.text}, {"score", t.score}, {"unknown", t.unknown}});
    unknown += t.unknown;
  }
  if (unknown > 0) {
    fmt::print(stderr, "mathnas: {}: {} of {} tokens are unknown to the vocabulary of the source\n", called, unknown,
               tokens);
  }
  answer.json = {{"network", path},
                 {"sentences", sentences->size()},
                 {"translations", std::move(list)},
                 {"source_tokens", tokens},
                 {"unknown_tokens", unknown},
                 {"beam", search.beam},
                 {"length_penalty", search.length_penalty},
                 {"seconds", seconds},
                 {"threads", common.threads},
                 {"information", Json::parse(translator->description().information)}};
  return answer;
}

}  // namespace mathnas::cli
