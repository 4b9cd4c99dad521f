#include "bindings/cli/choice_file.h"

#include <bit>
#include <charconv>
#include <fstream>
#include <string_view>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::cli {
namespace {

static_assert(std::endian::native == std::endian::little);

template <typename Entry>
absl::Status ReadMatrix(std::ifstream& file, const std::string& path, int64_t nodes, std::vector<Entry>& entries,
                        int64_t& rows) {
  file.seekg(0, std::ios::end);
  const int64_t size = file.tellg(), row = nodes * static_cast<int64_t>(sizeof(Entry));
  if (size % row != 0) {
    return absl::InvalidArgumentError(
        fmt::format("{}: expected rows of {} bytes, one entry per node, found {} bytes", path, row, size));
  }
  rows = size / row;
  entries.resize(static_cast<size_t>(rows * nodes));
  file.seekg(0);
  if (!file.read(reinterpret_cast<char*>(entries.data()), size))
    return absl::DataLossError(fmt::format("{}: cannot be read", path));
  return absl::OkStatus();
}

// One line of text.
absl::Status AddLine(std::string_view line, std::string_view where, int64_t nodes, std::vector<uint16_t>& entries) {
  const char *at = line.data(), *end = at + line.size();
  for (int64_t i = 0; i < nodes; ++i) {
    while (at < end && *at == ' ') ++at;
    uint16_t code = 0;
    const auto [behind, error] = std::from_chars(at, end, code);
    at = behind;
    while (at < end && *at == ' ') ++at;
    const bool last = i + 1 == nodes;
    if (error != std::errc() || (last ? at != end : at == end || *at != ',')) {
      return absl::InvalidArgumentError(
          fmt::format("{}: expected {} candidate numbers, apart by commas, found '{:.60}'", where, nodes, line));
    }
    ++at;
    entries.push_back(code);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChoiceFile> ReadChoices(const std::string& path, int64_t nodes) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("{}: cannot be read", path));
  ChoiceFile choices;
  choices.wide = !path.ends_with(".u8");
  if (!choices.wide || path.ends_with(".u16")) {
    absl::Status status = choices.wide ? ReadMatrix(file, path, nodes, choices.words, choices.rows)
                                       : ReadMatrix(file, path, nodes, choices.bytes, choices.rows);
    if (!status.ok()) return status;
    return choices;
  }
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    absl::Status status = AddLine(line, fmt::format("{}:{}", path, number), nodes, choices.words);
    if (!status.ok()) return status;
    ++choices.rows;
  }
  return choices;
}

}  // namespace mathnas::cli
