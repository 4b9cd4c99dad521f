#include "supernet/mobilenetv3/block_sets.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/bounded_json.h"
#include "kernels/internal/json_text.h"
#include "kernels/status.h"
#include "supernet/input_file.h"

namespace mathnas::supernet::mobilenetv3 {
namespace {

using kernels::internal::IntegerIn;
using kernels::internal::JsonText;
using kernels::internal::Shortened;
using nlohmann::json;

constexpr std::string_view kFormat = "mathnas-block-set/1";
// The 5 * 7371 candidates that there are take half of it.
constexpr size_t kMaxBytes = 8 << 20;
constexpr int kMaxDepth = 8;

template <typename... Parts>
absl::Status Invalid(fmt::format_string<Parts...> format, Parts&&... parts) {
  return absl::InvalidArgumentError(fmt::format(format, std::forward<Parts>(parts)...));
}

// One of the values that are allowed, at `path` of the document.
template <size_t n>
absl::Status ReadOneOf(const json& value, const std::array<int, n>& allowed, const std::string& path, int& result) {
  const std::optional<int64_t> number = IntegerIn(value, allowed.front(), allowed.back());
  if (!number || std::find(allowed.begin(), allowed.end(), *number) == allowed.end()) {
    return Invalid("{}: {}, expected {} or {}", path, Shortened(value),
                   fmt::join(allowed.begin(), allowed.end() - 1, ", "), allowed.back());
  }
  result = static_cast<int>(*number);
  return absl::OkStatus();
}

// `d` numbers, four, or one for all. What is behind the depth becomes the smallest that is allowed.
template <size_t n>
absl::Status ReadEntries(const json& value, const std::array<int, n>& allowed, int d, const std::string& path,
                         std::array<int, kStageBlocks>& entries) {
  entries.fill(allowed.front());
  if (!value.is_array()) {
    int all = 0;
    if (auto s = ReadOneOf(value, allowed, path, all); !s.ok()) return s;
    std::fill_n(entries.begin(), d, all);
    return absl::OkStatus();
  }
  if (value.size() != static_cast<size_t>(d) && value.size() != entries.size()) {
    return Invalid("{}: {} entries, expected {} as the depth is, {}, or one number for all", path, value.size(), d,
                   kStageBlocks);
  }
  for (size_t i = 0; i < static_cast<size_t>(d); ++i) {
    if (auto s = ReadOneOf(value[i], allowed, fmt::format("{}[{}]", path, i), entries[i]); !s.ok()) return s;
  }
  for (size_t i = static_cast<size_t>(d); i < value.size(); ++i) {
    if (!value[i].is_number_integer()) {
      return Invalid("{}[{}]: {}, expected a number, whatever it is, behind the depth", path, i, Shortened(value[i]));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<StageBlocks> ReadCandidate(const json& value, const std::string& path) {
  constexpr std::string_view kForm = R"({"d": depth, "ks": kernels, "e": expansions})";
  if (!value.is_object()) return Invalid("{}: {}, expected {}", path, Shortened(value), kForm);
  for (const auto& [name, entry] : value.items()) {
    if (name != "d" && name != "ks" && name != "e" && !name.starts_with("x-")) {
      return Invalid("{}: unknown name \"{:.60}\", expected {}", path, name, kForm);
    }
  }
  for (const char* name : {"d", "ks", "e"}) {
    if (!value.contains(name)) return Invalid("{}: \"{}\" is missing, expected {}", path, name, kForm);
  }
  StageBlocks blocks{};
  if (auto s = ReadOneOf(value["d"], kDepths, path + ".d", blocks.d); !s.ok()) return s;
  if (auto s = ReadEntries(value["ks"], kKernels, blocks.d, path + ".ks", blocks.ks); !s.ok()) return s;
  if (auto s = ReadEntries(value["e"], kExpansions, blocks.d, path + ".e", blocks.e); !s.ok()) return s;
  return blocks;
}

absl::Status AgainError(const std::string& path, const StageBlocks& blocks, int stage, int64_t first) {
  return Invalid("{}: {} again, expected another than stages[{}][{}]", path, Name(blocks), stage, first);
}

// The largest network but for a stage that is `blocks`.
Architecture With(int stage, const StageBlocks& blocks) {
  Architecture architecture;
  architecture.d[stage] = blocks.d;
  std::copy(blocks.ks.begin(), blocks.ks.end(), architecture.ks.begin() + stage * kStageBlocks);
  std::copy(blocks.e.begin(), blocks.e.end(), architecture.e.begin() + stage * kStageBlocks);
  return architecture;
}

// Kernel, expansion and depth in digits as spec/search-spaces.md 6.2 has them: {d, e, k}.
struct Digits {
  int d, e, k;
};

std::array<int, kStageBlocks> Split(int digits) {
  return {digits / 1000, digits / 100 % 10, digits / 10 % 10, digits % 10};
}

BlockSet MakeSet(std::string name, const std::array<std::array<Digits, 5>, kStages>& table) {
  BlockSet set{std::move(name), {}};
  for (int stage = 0; stage < kStages; ++stage) {
    for (const Digits& digits : table[stage]) {
      StageBlocks blocks{digits.d, Split(digits.k), Split(digits.e)};
      for (int i = blocks.d; i < kStageBlocks; ++i) blocks.ks[i] = kKernels.front(), blocks.e[i] = kExpansions.front();
      set.stages[stage].push_back(blocks);
    }
  }
  return set;
}

StageBlocks BlocksOf(const Architecture& canonical, int stage) {
  StageBlocks blocks{canonical.d[stage], {}, {}};
  std::copy_n(canonical.ks.begin() + stage * kStageBlocks, kStageBlocks, blocks.ks.begin());
  std::copy_n(canonical.e.begin() + stage * kStageBlocks, kStageBlocks, blocks.e.begin());
  return blocks;
}

}  // namespace

std::string Name(const StageBlocks& blocks) {
  const auto first = [&](const std::array<int, kStageBlocks>& entries) {
    return fmt::join(entries.begin(), entries.begin() + blocks.d, "");
  };
  return fmt::format("d{}-k{}-e{}", blocks.d, first(blocks.ks), first(blocks.e));
}

absl::Status Check(const BlockSet& set) {
  for (int stage = 0; stage < kStages; ++stage) {
    const std::vector<StageBlocks>& candidates = set.stages[stage];
    if (candidates.empty()) return Invalid("stages[{}]: an empty list, expected at least one candidate", stage);
    for (auto it = candidates.begin(); it != candidates.end(); ++it) {
      const std::string path = fmt::format("stages[{}][{}]", stage, it - candidates.begin());
      const Architecture architecture = With(stage, *it);
      if (auto s = Check(architecture); !s.ok()) return kernels::Annotate(s, path);
      if (architecture != Canonical(architecture)) {
        return Invalid("{}: expected the smallest kernels and expansions behind the depth", path);
      }
      const auto same = std::find(candidates.begin(), it, *it);
      if (same != it) return AgainError(path, *it, stage, same - candidates.begin());
    }
  }
  return absl::OkStatus();
}

const BlockSet& CpuBlocks() {
  static const BlockSet& set = *new BlockSet(
      MakeSet("cpu", {{{{{2, 4333, 3333}, {2, 3633, 3333}, {3, 3633, 3333}, {3, 4663, 3333}, {4, 3663, 3335}}},
                       {{{3, 6333, 5333}, {3, 6463, 5333}, {4, 6443, 7335}, {4, 6463, 5555}, {4, 6666, 7577}}},
                       {{{3, 3333, 5533}, {3, 6333, 5555}, {4, 4334, 5755}, {4, 6633, 5775}, {4, 6664, 7777}}},
                       {{{3, 3433, 3333}, {3, 6433, 3553}, {4, 4444, 3553}, {4, 6446, 5553}, {4, 6666, 7557}}},
                       {{{2, 6333, 3333}, {3, 4443, 3333}, {3, 6443, 3353}, {3, 6663, 3353}, {4, 6664, 5357}}}}}));
  return set;
}

const BlockSet& GpuBlocks() {
  static const BlockSet& set = *new BlockSet(
      MakeSet("gpu", {{{{{2, 3633, 7733}, {3, 3663, 7773}, {3, 6663, 5533}, {4, 6666, 7577}, {4, 6666, 5535}}},
                       {{{2, 6333, 7733}, {3, 6333, 7773}, {3, 6663, 7573}, {4, 6633, 7577}, {4, 6666, 7577}}},
                       {{{2, 3333, 7733}, {3, 3333, 7773}, {3, 6663, 7773}, {4, 6633, 5577}, {4, 6664, 7777}}},
                       {{{2, 3333, 7733}, {3, 3333, 7773}, {3, 6663, 7553}, {4, 6633, 5577}, {4, 6666, 7557}}},
                       {{{2, 6633, 7333}, {3, 6663, 7353}, {3, 6663, 3353}, {4, 6666, 7355}, {4, 6664, 5357}}}}}));
  return set;
}

absl::StatusOr<BlockSet> ParseBlockSet(std::string_view text) {
  const absl::StatusOr<json> document = kernels::internal::ParseBoundedJson(text, kMaxBytes, kMaxDepth);
  if (!document.ok()) return document.status();
  if (!document->is_object()) return Invalid("{}, expected an object with format and stages", Shortened(*document));
  for (const auto& [name, value] : document->items()) {
    if (name != "format" && name != "name" && name != "stages" && !name.starts_with("x-")) {
      return Invalid("unknown name \"{:.60}\", expected format, name, stages or one that begins with x-", name);
    }
  }
  for (const char* name : {"format", "stages"}) {
    if (!document->contains(name)) return Invalid("\"{}\" is missing", name);
  }
  const json& format = (*document)["format"];
  if (format != kFormat) return Invalid("format: {}, expected \"{}\"", Shortened(format), kFormat);
  BlockSet set;
  if (document->contains("name")) {
    const json& name = (*document)["name"];
    if (!name.is_string()) return Invalid("name: {}, expected a text", Shortened(name));
    set.name = name.get<std::string>();
  }
  const json& stages = (*document)["stages"];
  if (!stages.is_array()) return Invalid("stages: {}, expected a list of {}", Shortened(stages), kStages);
  if (stages.size() != kStages) return Invalid("stages: {} entries, expected {}", stages.size(), kStages);
  for (int stage = 0; stage < kStages; ++stage) {
    const json& candidates = stages[stage];
    if (!candidates.is_array() || candidates.empty()) {
      return Invalid("stages[{}]: {}, expected a list of at least one candidate", stage,
                     candidates.is_array() ? "an empty list" : Shortened(candidates));
    }
    for (size_t c = 0; c < candidates.size(); ++c) {
      const std::string path = fmt::format("stages[{}][{}]", stage, c);
      absl::StatusOr<StageBlocks> blocks = ReadCandidate(candidates[c], path);
      if (!blocks.ok()) return blocks.status();
      std::vector<StageBlocks>& before = set.stages[stage];
      const auto same = std::find(before.begin(), before.end(), *blocks);
      if (same != before.end()) {
        return AgainError(path, *blocks, stage, same - before.begin());
      }
      before.push_back(*blocks);
    }
  }
  return set;
}

absl::StatusOr<BlockSet> ReadBlockSet(const std::string& path) {
  absl::StatusOr<InputFile> file = InputFile::Open(path);
  if (!file.ok()) return file.status();
  if (file->size() > static_cast<int64_t>(kMaxBytes)) {
    return Invalid("{}: {} bytes, expected at most {}", path, file->size(), kMaxBytes);
  }
  std::string text(static_cast<size_t>(file->size()), '\0');
  if (auto s = file->ReadFully({reinterpret_cast<uint8_t*>(text.data()), text.size()}, "the block set"); !s.ok()) {
    return s;
  }
  absl::StatusOr<BlockSet> set = ParseBlockSet(text);
  if (!set.ok()) return kernels::Annotate(set.status(), path);
  return set;
}

absl::StatusOr<BlockSet> LoadBlockSet(const std::string& name_or_path) {
  for (const BlockSet* set : {&CpuBlocks(), &GpuBlocks()}) {
    if (set->name == name_or_path) return *set;
  }
  absl::StatusOr<BlockSet> set = ReadBlockSet(name_or_path);
  if (absl::IsNotFound(set.status())) {
    return absl::NotFoundError(
        fmt::format("block set: expected cpu, gpu or a file: {}", kernels::Message(set.status())));
  }
  return set;
}

std::string ToJson(const BlockSet& set) {
  json stages = json::array();
  for (const std::vector<StageBlocks>& candidates : set.stages) {
    json& list = stages.emplace_back(json::array());
    for (const StageBlocks& blocks : candidates) {
      const auto first = [&](const std::array<int, kStageBlocks>& entries) {
        return std::vector<int>(entries.begin(), entries.begin() + blocks.d);
      };
      list.push_back({{"d", blocks.d}, {"ks", first(blocks.ks)}, {"e", first(blocks.e)}});
    }
  }
  const json document = {{"format", kFormat}, {"name", set.name}, {"stages", std::move(stages)}};
  return JsonText(document);
}

absl::StatusOr<Architecture> ArchitectureOf(const BlockSet& set, std::span<const int> codes, int resolution) {
  if (codes.size() != kStages) return Invalid("{} codes, expected {}", codes.size(), kStages);
  Architecture architecture;
  architecture.resolution = resolution;
  for (int stage = 0; stage < kStages; ++stage) {
    const std::vector<StageBlocks>& candidates = set.stages[stage];
    if (codes[stage] < 0 || codes[stage] >= std::ssize(candidates)) {
      return Invalid("codes[{}]: {}, expected 0 to {}", stage, codes[stage], std::ssize(candidates) - 1);
    }
    const StageBlocks& blocks = candidates[codes[stage]];
    architecture.d[stage] = blocks.d;
    std::copy(blocks.ks.begin(), blocks.ks.end(), architecture.ks.begin() + stage * kStageBlocks);
    std::copy(blocks.e.begin(), blocks.e.end(), architecture.e.begin() + stage * kStageBlocks);
  }
  if (auto s = Check(architecture); !s.ok()) return s;
  return architecture;
}

absl::StatusOr<Architecture> ParseCodes(const BlockSet& set, std::string_view text, int resolution) {
  constexpr size_t kMaxSubnetBytes = 1 << 16;
  const absl::StatusOr<json> parsed = kernels::internal::ParseBoundedJson(text, kMaxSubnetBytes, kMaxDepth);
  const bool list = parsed.ok() && parsed->is_array();
  if (!list && !(parsed.ok() && parsed->is_object() && parsed->contains("codes"))) {
    return ParseArchitecture(text, resolution);
  }
  const json& entries = list ? *parsed : (*parsed)["codes"];
  if (!entries.is_array()) return Invalid("codes: {}, expected a list of {}", Shortened(entries), kStages);
  std::vector<int> codes;
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::optional<int64_t> code = IntegerIn(entries[i], 0, std::numeric_limits<int>::max());
    if (!code) return Invalid("codes[{}]: {}, expected the number of a candidate", i, Shortened(entries[i]));
    codes.push_back(static_cast<int>(*code));
  }
  if (!list) {
    for (const auto& [name, value] : parsed->items()) {
      if (name == "codes") continue;
      if (name != "resolution") {
        return Invalid("subnet: unknown name \"{:.60}\", expected codes and resolution", name);
      }
      const std::optional<int64_t> given = IntegerIn(value, 0, kMostResolution);
      if (!given) return Invalid("resolution: {}, expected pixels, at most {}", Shortened(value), kMostResolution);
      resolution = static_cast<int>(*given);
    }
  }
  return ArchitectureOf(set, codes, resolution);
}

absl::StatusOr<std::vector<int>> CodesOf(const BlockSet& set, const Architecture& architecture) {
  if (auto s = Check(architecture); !s.ok()) return s;
  const Architecture canonical = Canonical(architecture);
  std::vector<int> codes;
  for (int stage = 0; stage < kStages; ++stage) {
    const std::vector<StageBlocks>& candidates = set.stages[stage];
    const StageBlocks blocks = BlocksOf(canonical, stage);
    const auto found = std::find(candidates.begin(), candidates.end(), blocks);
    if (found == candidates.end()) {
      return absl::NotFoundError(fmt::format("stage {} is {}, which is not among the {} candidates of the block set{}",
                                             stage, Name(blocks), candidates.size(),
                                             set.name.empty() ? "" : fmt::format(" \"{:.60}\"", set.name)));
    }
    codes.push_back(static_cast<int>(found - candidates.begin()));
  }
  return codes;
}

}  // namespace mathnas::supernet::mobilenetv3
