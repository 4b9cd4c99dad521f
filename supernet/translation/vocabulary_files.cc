#include "supernet/translation/vocabulary_files.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "kernels/internal/json_text.h"
#include "nlohmann/json.hpp"
#include "supernet/supertransformer/space.h"

namespace mathnas::supernet {
namespace {

std::string Beside(const std::string& checkpoint_path, std::string_view name, bool dictionary) {
  const std::filesystem::path folder = std::filesystem::path(checkpoint_path).parent_path();
  return (folder / fmt::format("{}{}", name, dictionary ? ".txt" : ".model")).string();
}

absl::Status Save(const std::string& checkpoint_path, std::string_view name, const Vocabulary& vocabulary) {
  // What another run left behind under the other name would be taken first.
  std::error_code ignored;
  std::filesystem::remove(Beside(checkpoint_path, name, !vocabulary.is_dictionary()), ignored);
  return vocabulary.Save(Beside(checkpoint_path, name, vocabulary.is_dictionary()));
}

// None if there is no such file.
absl::StatusOr<std::optional<Vocabulary>> Find(const std::string& checkpoint_path, std::string_view name) {
  for (bool dictionary : {false, true}) {
    const std::string path = Beside(checkpoint_path, name, dictionary);
    if (!std::filesystem::exists(path)) continue;
    auto vocabulary = Vocabulary::Load(path);
    if (!vocabulary.ok()) return vocabulary.status();
    return *std::move(vocabulary);
  }
  return std::optional<Vocabulary>();
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

absl::Status SaveVocabulariesBeside(const std::string& checkpoint_path, const VocabularyPair& vocabularies) {
  if (vocabularies.joined) return Save(checkpoint_path, "vocabulary", vocabularies.source);
  if (auto s = Save(checkpoint_path, "source", vocabularies.source); !s.ok()) return s;
  return Save(checkpoint_path, "target", vocabularies.target);
}

absl::StatusOr<VocabularyPair> LoadVocabulariesBeside(const std::string& checkpoint_path) {
  auto joined = Find(checkpoint_path, "vocabulary");
  if (!joined.ok()) return joined.status();
  if (*joined) return VocabularyPair{**joined, **joined, true};
  auto source = Find(checkpoint_path, "source");
  if (!source.ok()) return source.status();
  auto target = Find(checkpoint_path, "target");
  if (!target.ok()) return target.status();
  if (!*source || !*target) {
    return absl::NotFoundError(
        fmt::format("{}: its vocabularies are missing, expected {}, or {} and {} (or the same with .txt)",
                    checkpoint_path, Beside(checkpoint_path, "vocabulary", false),
                    Beside(checkpoint_path, "source", false), Beside(checkpoint_path, "target", false)));
  }
  return VocabularyPair{**std::move(source), **std::move(target), false};
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
