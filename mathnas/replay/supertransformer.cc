// HAT's tables (search-spaces.md 4): the choices that they hold as such.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "mathnas/replay/architectures.h"

namespace mathnas::replay {

using exchange::CsvTable;

absl::StatusOr<Architectures> ReadSuperTransformer(const CsvTable& csv) {
  constexpr std::array<std::string_view, 3> kNodes = {"encoder_embed_dim", "decoder_embed_dim", "decoder_layer_num"};
  std::array<std::vector<double>, 3> values;  // by node and row
  Architectures read;
  read.table.space = "supertransformer";
  read.choices.resize(csv.row_count());
  for (size_t i = 0; i < kNodes.size(); ++i) {
    absl::StatusOr<size_t> column = csv.Column(kNodes[i]);
    if (!column.ok() && i == 2) column = csv.Column("decoder_layers");
    if (!column.ok()) return csv.Column(kNodes[i]).status();
    for (size_t row = 0; row < csv.row_count(); ++row) {
      const absl::StatusOr<double> number = csv.Number(row, *column);
      if (!number.ok()) return number.status();
      if (!(*number > 0) || *number > 1e6 || *number != std::floor(*number)) {
        return csv.Error(row, *column, "a whole number from 1");
      }
      values[i].push_back(*number);
    }
    const std::set<double> candidates(values[i].begin(), values[i].end());
    core::Node& node = read.table.nodes.emplace_back();
    node.name = kNodes[i];
    for (const double candidate : candidates) node.candidates.push_back(fmt::format("{}", candidate));
    node.reference = static_cast<int>(candidates.size()) - 1;
    for (size_t row = 0; row < csv.row_count(); ++row) {
      read.choices[row].push_back(static_cast<int>(std::distance(candidates.begin(), candidates.find(values[i][row]))));
    }
  }
  for (size_t row = 0; row < csv.row_count(); ++row) {
    read.names.push_back(fmt::format(
        R"({{"encoder":{{"encoder_embed_dim":{}}},"decoder":{{"decoder_embed_dim":{},"decoder_layer_num":{}}}}})",
        values[0][row], values[1][row], values[2][row]));
  }
  return read;
}

}  // namespace mathnas::replay
