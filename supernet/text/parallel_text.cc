#include "supernet/text/parallel_text.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/inflating_file.h"
#include "supernet/text/internal/damage.h"
#include "supernet/text/internal/utf8.h"
#include "supernet/text/sentences.h"
#include "supernet/text/trans_de_en.h"

namespace mathnas::supernet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTransDeEn = "trans-de-en", kParallelPrefix = "parallel:";

int64_t CountLines(std::string_view text) {
  return std::count(text.begin(), text.end(), '\n') + (!text.empty() && !text.ends_with('\n'));
}

absl::Status CheckOptions(const ParallelTextOptions& options) {
  if (options.max_positions < 2) {
    return absl::InvalidArgumentError(
        fmt::format("max_positions {}, expected at least 2: a word and the end", options.max_positions));
  }
  if (options.min_words < 1) {
    return absl::InvalidArgumentError(fmt::format("min_words {}, expected at least 1", options.min_words));
  }
  return absl::OkStatus();
}

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// The two endings of FOLDER/train.*, in order of their bytes.
absl::StatusOr<std::vector<std::string>> Suffixes(const std::string& folder) {
  std::vector<std::string> suffixes;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error); !error && it != end(it); it.increment(error)) {
    const std::string name = it->path().filename().string();
    constexpr std::string_view kTrain = "train.";
    if (name.starts_with(kTrain) && name.size() > kTrain.size()) suffixes.push_back(name.substr(kTrain.size()));
  }
  if (error) return absl::ErrnoToStatus(error.value(), fmt::format("{}: cannot be listed", folder));
  std::sort(suffixes.begin(), suffixes.end());
  return suffixes;
}

absl::Status FindLanguages(const std::string& folder, std::string& source, std::string& target) {
  if (!source.empty() && source == target) {
    return absl::InvalidArgumentError(fmt::format("languages \"{}\" and \"{}\", expected two", source, target));
  }
  if (!source.empty() && !target.empty()) return absl::OkStatus();
  absl::StatusOr<std::vector<std::string>> found = Suffixes(folder);
  if (!found.ok()) return found.status();
  if (found->size() != 2) {
    std::string names;
    for (const std::string& s : *found) names += fmt::format("{}train.{}", names.empty() ? "" : ", ", s);
    return absl::InvalidArgumentError(
        fmt::format("{}: {}, expected two files train.LANGUAGE, or source and target "
                    "language given",
                    folder, names.empty() ? "no train.*" : names));
  }
  const std::string& first = (*found)[0];
  const std::string& second = (*found)[1];
  if (source.empty() && target.empty()) {
    source = first;
    target = second;
    return absl::OkStatus();
  }
  std::string& known = source.empty() ? target : source;
  std::string& unknown = source.empty() ? source : target;
  if (known != first && known != second) {
    return absl::NotFoundError(
        fmt::format("{}/train.{}: no such file, found train.{} and train.{}", folder, known, first, second));
  }
  unknown = known == first ? second : first;
  return absl::OkStatus();
}

absl::StatusOr<ParallelText> LoadFolder(const std::string& folder, const ParallelTextOptions& options) {
  std::error_code error;
  if (folder.empty() || !fs::is_directory(folder, error)) {
    return absl::NotFoundError(
        fmt::format("text \"{}{}\": expected a folder with {{train,valid,test}}.LANGUAGE, two "
                    "languages",
                    kParallelPrefix, folder));
  }
  ParallelText text;
  text.source_language = options.source_language;
  text.target_language = options.target_language;
  if (absl::Status s = FindLanguages(folder, text.source_language, text.target_language); !s.ok()) return s;
  for (auto [part, name] : {std::pair(&text.train, "train"), {&text.valid, "valid"}, {&text.test, "test"}}) {
    const std::string source = fmt::format("{}/{}.{}", folder, name, text.source_language);
    const std::string target = fmt::format("{}/{}.{}", folder, name, text.target_language);
    for (const std::string& path : {source, target}) {
      if (!Exists(path)) {
        return absl::NotFoundError(fmt::format("{}: no such file, expected {{train,valid,test}}.{{{},{}}}", path,
                                               text.source_language, text.target_language));
      }
    }
    absl::StatusOr<TextPart> loaded = LoadTextPair(source, target, options);
    if (!loaded.ok()) return loaded.status();
    *part = *std::move(loaded);
    part->name = fmt::format("parallel/{}", name);
  }
  return text;
}

}  // namespace

absl::StatusOr<TextPart> ParseTextPair(std::string_view source, std::string_view target, const std::string& source_path,
                                       const std::string& target_path, const ParallelTextOptions& options) {
  if (absl::Status s = CheckOptions(options); !s.ok()) return s;
  source = text::WithoutByteOrderMark(source);
  target = text::WithoutByteOrderMark(target);
  const int64_t source_lines = CountLines(source), target_lines = CountLines(target);
  if (source_lines != target_lines) {
    return absl::InvalidArgumentError(fmt::format("{} has {} lines and {} has {}, expected as many: line by line",
                                                  source_path, source_lines, target_path, target_lines));
  }
  TextPart part;
  part.name = source_path;
  part.source_path = source_path;
  part.target_path = target_path;
  part.lines = source_lines;
  SentencePair pair;
  while (!source.empty()) {
    ++pair.line;
    const std::string_view source_line = text::TakeLine(source), target_line = text::TakeLine(target);
    const std::string* path = &source_path;
    absl::Status damage = CleanSentence(source_line, options.max_positions, pair.source);
    if (damage.ok()) {
      path = &target_path;
      damage = CleanSentence(target_line, options.max_positions, pair.target);
    }
    if (damage.ok()) {
      part.pairs.push_back(pair);
    } else if (absl::Status s = text::CountDamage(*path, pair.line, std::string(kernels::Message(damage)), options,
                                                  part.damaged, part.damage);
               !s.ok()) {
      return s;
    }
  }
  if (part.pairs.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: no sentences, expected at least one line that is whole{}{}", source_path,
                    part.damage.empty() ? "" : "; the first: ", part.damage.empty() ? "" : part.damage[0].message));
  }
  return part;
}

absl::StatusOr<TextPart> LoadTextPair(const std::string& source_path, const std::string& target_path,
                                      const ParallelTextOptions& options) {
  absl::StatusOr<std::string> source = ReadText(source_path, options.max_bytes);
  if (!source.ok()) return source.status();
  absl::StatusOr<std::string> target = ReadText(target_path, options.max_bytes);
  if (!target.ok()) return target.status();
  return ParseTextPair(*source, *target, source_path, target_path, options);
}

absl::StatusOr<ParallelText> LoadParallelText(std::string_view spec, const ParallelTextOptions& options) {
  if (absl::Status s = CheckOptions(options); !s.ok()) return s;
  if (spec.starts_with(kParallelPrefix)) {
    return LoadFolder(std::string(spec.substr(kParallelPrefix.size())), options);
  }
  if (spec == kTransDeEn || spec.starts_with(fmt::format("{}:", kTransDeEn))) {
    const std::string path =
        spec == kTransDeEn ? options.trans_de_en_path : std::string(spec.substr(kTransDeEn.size() + 1));
    if (!Exists(path)) {
      return absl::NotFoundError(
          fmt::format("{}: no such file, expected that of Debian's package {}", path, kTransDeEn));
    }
    absl::StatusOr<std::string> text = ReadText(path, options.max_bytes);
    if (!text.ok()) return text.status();
    return ParseTransDeEn(*text, path, options);
  }
  return absl::InvalidArgumentError(
      fmt::format("text \"{}\": expected {}, {}:FILE or {}FOLDER", spec, kTransDeEn, kTransDeEn, kParallelPrefix));
}

}  // namespace mathnas::supernet
