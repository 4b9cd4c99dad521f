#include "mathnas/deploy/translator_file.h"

#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/internal/bounded_json.h"
#include "kernels/status.h"
#include "mathnas/deploy/internal/metadata.h"
#include "supernet/training/checkpoint.h"
#include "supernet/translation/beam_search.h"
#include "supernet/translation/vocabulary_files.h"

namespace mathnas::deploy {
namespace {

using internal::Wrong;
using kernels::Annotate;
using kernels::internal::DumpJson;
using kernels::internal::IntegerIn;
using kernels::internal::Shortened;
using nlohmann::json;
using supernet::Vocabulary;

constexpr std::string_view kSpace = "supertransformer";

struct Search {
  int beam;
  double length_penalty;
};

absl::Status CheckSearch(int beam, double length_penalty) {
  const supernet::SearchOptions options = {.beam = beam, .length_penalty = length_penalty};
  return Annotate(supernet::Check(options), "search");
}

absl::StatusOr<Search> ReadSearch(const supernet::Metadata& metadata) {
  const absl::StatusOr<json> search = internal::Parse(metadata, "search", json::value_t::object, "an object");
  if (!search.ok()) return search.status();
  for (const char* key : {"beam", "length_penalty"}) {
    if (!search->contains(key)) return Wrong(fmt::format("search.{}", key), "missing");
  }
  const json& beam = (*search)["beam"];
  const json& penalty = (*search)["length_penalty"];
  const std::optional<int64_t> hypotheses = IntegerIn(beam, 1, std::numeric_limits<int>::max());
  if (!hypotheses)
    return Wrong("search.beam", fmt::format("found {}, expected a number of hypotheses", Shortened(beam)));
  if (!penalty.is_number()) {
    return Wrong("search.length_penalty", fmt::format("found {}, expected a number", Shortened(penalty)));
  }
  return Search{static_cast<int>(*hypotheses), penalty.get<double>()};
}

// Those in the file, and the names of their tensors.
absl::StatusOr<supernet::VocabularyPair> ReadVocabularies(const supernet::SafetensorsFile& file,
                                                          std::set<std::string>& names) {
  return supernet::FindVocabularies([&](const std::string& name) -> absl::StatusOr<std::optional<Vocabulary>> {
    if (!file.contains(name)) return std::nullopt;
    const supernet::ConstTensorView tensor = *file.Get(name);
    const std::string called = fmt::format("tensor \"{}\"", name);
    if (tensor.desc.dtype != kernels::DType::kU8 || tensor.desc.shape.size() != 1) {
      return Wrong(called, fmt::format("is {} {}, expected the bytes of a vocabulary, U8 of rank 1",
                                       Name(tensor.desc.dtype), kernels::ToString(tensor.desc.shape)));
    }
    names.insert(name);
    const std::string_view bytes(static_cast<const char*>(tensor.data), tensor.desc.bytes());
    auto vocabulary = Vocabulary::Parse(bytes, name);
    if (!vocabulary.ok()) return Annotate(vocabulary.status(), "tensor");
    return *std::move(vocabulary);
  });
}

absl::StatusOr<DeployedTranslator> Read(supernet::SafetensorsFile opened) {
  const auto file = std::make_shared<const supernet::SafetensorsFile>(std::move(opened));
  const supernet::Metadata& metadata = file->metadata();
  if (auto s = supernet::CheckFormat(metadata, kTranslatorFormat); !s.ok()) return s;
  const absl::StatusOr<std::string> space_name = internal::Text(metadata, "space");
  if (!space_name.ok()) return space_name.status();
  if (*space_name != kSpace) {
    return Wrong("space", fmt::format("found {}, expected \"{}\"", Shortened(*space_name), kSpace));
  }
  // The spaces' own readers take any text; this one bounds its depth.
  for (const char* key : {"macro", "subnet"}) {
    if (auto s = internal::Parse(metadata, key, json::value_t::object, "an object").status(); !s.ok()) return s;
  }
  const absl::StatusOr<supernet::SuperTransformerMacro> macro =
      supernet::ParseSuperTransformerMacro(metadata.at("macro"));
  if (!macro.ok()) return Annotate(macro.status(), "macro");
  const auto space = supernet::SuperTransformer(*macro);
  if (!space.ok()) return Annotate(space.status(), "macro");
  absl::StatusOr<supernet::Choice> choice = (*space)->ParseSubnet(metadata.at("subnet"));
  if (!choice.ok()) return Annotate(choice.status(), "subnet");
  const absl::StatusOr<Search> search = ReadSearch(metadata);
  if (!search.ok()) return search.status();
  absl::StatusOr<std::string> information = internal::Text(metadata, "information");
  if (!information.ok()) return information.status();
  std::set<std::string> vocabulary_names;
  absl::StatusOr<supernet::VocabularyPair> vocabularies = ReadVocabularies(*file, vocabulary_names);
  if (!vocabularies.ok()) return vocabularies.status();

  DeployedTranslator translator = {.macro = *macro,
                                   .choice = *std::move(choice),
                                   .weights = {},
                                   .vocabularies = *std::move(vocabularies),
                                   .beam = search->beam,
                                   .length_penalty = search->length_penalty,
                                   .information = *std::move(information)};
  for (const std::string& name : file->names()) {
    if (vocabulary_names.contains(name)) continue;
    translator.weights.Put(name, kernels::Tensor::Borrow(file->Get(name)->read_only(), file));
  }
  if (auto s = Check(translator); !s.ok()) return s;
  return translator;
}

}  // namespace

absl::Status Check(const DeployedTranslator& translator) {
  const auto space = supernet::SuperTransformer(translator.macro);
  if (!space.ok()) return Annotate(space.status(), "macro");
  if (auto s = (*space)->Check(translator.choice); !s.ok()) return Annotate(s, "subnet");
  const supernet::VocabularyPair& v = translator.vocabularies;
  for (const auto& [side, found, expected] : {std::tuple{"source", v.source.size(), translator.macro.source_vocabulary},
                                              {"target", v.target.size(), translator.macro.target_vocabulary}}) {
    if (found == expected) continue;
    return Wrong(fmt::format("vocabulary of the {}", side),
                 fmt::format("{} tokens, expected {}, {}_vocabulary of macro", found, expected, side));
  }
  if (auto s = CheckSearch(translator.beam, translator.length_penalty); !s.ok()) return s;
  if (auto s = internal::CheckObject("information", translator.information); !s.ok()) return s;
  return supernet::CheckWeights(**space, translator.choice, translator.weights);
}

absl::Status Save(const std::string& path, const DeployedTranslator& translator) {
  if (auto s = Check(translator); !s.ok()) return Annotate(s, path);
  const auto space = supernet::SuperTransformer(translator.macro);
  const absl::StatusOr<std::string> search =
      DumpJson({{"beam", translator.beam}, {"length_penalty", translator.length_penalty}});
  if (!search.ok()) return Annotate(search.status(), path);
  std::vector<supernet::NamedTensor> tensors;
  for (const kernels::TensorMap::Entry& e : translator.weights.entries()) tensors.emplace_back(e.name, e.tensor.view());
  for (const supernet::NamedVocabulary& v : supernet::NamedVocabularies(translator.vocabularies)) {
    const std::string& bytes = v.vocabulary->serialized();
    const kernels::TensorDesc desc = {kernels::DType::kU8, {static_cast<int64_t>(bytes.size())}};
    tensors.emplace_back(v.name, supernet::ConstTensorView{desc, bytes.data()});
  }
  return supernet::WriteSafetensors(path, tensors,
                                    {{"format", std::string(kTranslatorFormat)},
                                     {"space", std::string(kSpace)},
                                     {"macro", (*space)->MacroJson()},
                                     {"subnet", (*space)->SubnetJson(translator.choice)},
                                     {"search", *search},
                                     {"information", translator.information}});
}

absl::StatusOr<DeployedTranslator> LoadTranslator(supernet::SafetensorsFile file) {
  const std::string path = file.path();
  absl::StatusOr<DeployedTranslator> translator = Read(std::move(file));
  if (!translator.ok()) return Annotate(translator.status(), path);
  return translator;
}

absl::StatusOr<DeployedTranslator> LoadTranslator(const std::string& path) {
  absl::StatusOr<supernet::SafetensorsFile> file = supernet::SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  return LoadTranslator(*std::move(file));
}

}  // namespace mathnas::deploy
