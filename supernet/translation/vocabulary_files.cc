#include "supernet/translation/vocabulary_files.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "kernels/internal/json_text.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/supertransformer/space.h"

namespace mathnas::supernet {
namespace {

constexpr std::string_view kJoined = "vocabulary", kSource = "source", kTarget = "target";

std::string NameOf(std::string_view name, bool dictionary) {
  return fmt::format("{}{}", name, dictionary ? ".txt" : ".model");
}

std::string Beside(const std::string& checkpoint_path, std::string_view name) {
  return (std::filesystem::path(checkpoint_path).parent_path() / name).string();
}

}  // namespace

std::string VocabularyHash(const VocabularyPair& vocabularies) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](std::string_view bytes) {
    for (char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  };
  add(vocabularies.source.serialized());
  if (!vocabularies.joined) add(vocabularies.target.serialized());
  return fmt::format("{:016x}", hash);
}

std::vector<NamedVocabulary> NamedVocabularies(const VocabularyPair& vocabularies) {
  const auto named = [](std::string_view name, const Vocabulary& v) {
    return NamedVocabulary{NameOf(name, v.is_dictionary()), &v};
  };
  if (vocabularies.joined) return {named(kJoined, vocabularies.source)};
  return {named(kSource, vocabularies.source), named(kTarget, vocabularies.target)};
}

absl::StatusOr<VocabularyPair> FindVocabularies(
    const std::function<absl::StatusOr<std::optional<Vocabulary>>(const std::string& name)>& find) {
  const auto either = [&](std::string_view name) {
    auto model = find(NameOf(name, false));
    return !model.ok() || *model ? model : find(NameOf(name, true));
  };
  auto joined = either(kJoined);
  if (!joined.ok()) return joined.status();
  if (*joined) return VocabularyPair{**joined, **joined, true};
  auto source = either(kSource);
  if (!source.ok()) return source.status();
  auto target = either(kTarget);
  if (!target.ok()) return target.status();
  if (!*source || !*target) {
    return absl::NotFoundError(
        fmt::format("its vocabularies are missing, expected {}, or {} and {} (or the same with .txt)",
                    NameOf(kJoined, false), NameOf(kSource, false), NameOf(kTarget, false)));
  }
  return VocabularyPair{**std::move(source), **std::move(target), false};
}

absl::StatusOr<VocabularyPair> MakeVocabularies(const ParallelText& text, bool joined, const VocabularySource& from) {
  if (from.is_text()) return TrainVocabularies(text, joined, from.training);
  if (from.source_file.empty() || (from.target_file.empty() && !joined)) {
    return absl::InvalidArgumentError(
        fmt::format("vocabulary file of the {}: missing, expected a file for each language",
                    from.source_file.empty() ? "source" : "target"));
  }
  auto source = Vocabulary::Load(from.source_file);
  if (!source.ok()) return source.status();
  if (joined) {
    if (!from.target_file.empty() && from.target_file != from.source_file) {
      return absl::InvalidArgumentError(
          fmt::format("vocabulary file of the target, {}: expected none, since this task has one vocabulary for both",
                      from.target_file));
    }
    return VocabularyPair{*source, *source, true};
  }
  auto target = Vocabulary::Load(from.target_file);
  if (!target.ok()) return target.status();
  return VocabularyPair{*std::move(source), *std::move(target), false};
}

absl::Status SaveVocabulariesBeside(const std::string& checkpoint_path, const VocabularyPair& vocabularies) {
  for (const NamedVocabulary& v : NamedVocabularies(vocabularies)) {
    // What another run left behind under the other name would be taken first.
    const std::string stem = v.name.substr(0, v.name.rfind('.'));
    std::error_code ignored;
    std::filesystem::remove(Beside(checkpoint_path, NameOf(stem, !v.vocabulary->is_dictionary())), ignored);
    if (auto s = v.vocabulary->Save(Beside(checkpoint_path, v.name)); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::StatusOr<VocabularyPair> LoadVocabulariesBeside(const std::string& checkpoint_path) {
  auto found = FindVocabularies([&](const std::string& name) -> absl::StatusOr<std::optional<Vocabulary>> {
    const std::string path = Beside(checkpoint_path, name);
    if (!std::filesystem::exists(path)) return std::nullopt;
    auto vocabulary = Vocabulary::Load(path);
    if (!vocabulary.ok()) return vocabulary.status();
    return *std::move(vocabulary);
  });
  return absl::IsNotFound(found.status()) ? kernels::Annotate(found.status(), checkpoint_path + ", in its folder")
                                          : found;
}

absl::StatusOr<VocabularyPair> LoadVocabulariesOf(const Checkpoint& checkpoint, const std::string& checkpoint_path) {
  auto vocabularies = LoadVocabulariesBeside(checkpoint_path);
  if (!vocabularies.ok()) return vocabularies.status();
  const auto recipe = kernels::internal::ParseJson(checkpoint.recipe);
  const std::string found = VocabularyHash(*vocabularies);
  if (recipe.is_object() && recipe.contains("vocabulary") && recipe["vocabulary"].is_string()) {
    if (const auto trained = recipe["vocabulary"].get<std::string>(); !trained.empty() && trained != found) {
      return absl::InvalidArgumentError(
          fmt::format("{}: trained with other vocabularies than those beside it: {}, expected {}", checkpoint_path,
                      found, trained));
    }
  }
  auto macro = ParseSuperTransformerMacro(checkpoint.macro);
  if (!macro.ok()) return macro.status();
  if (vocabularies->source.size() != macro->source_vocabulary ||
      vocabularies->target.size() != macro->target_vocabulary) {
    return absl::InvalidArgumentError(fmt::format(
        "{}: vocabularies beside it of {} and {} tokens, expected {} and {}", checkpoint_path,
        vocabularies->source.size(), vocabularies->target.size(), macro->source_vocabulary, macro->target_vocabulary));
  }
  return vocabularies;
}

}  // namespace mathnas::supernet
