// The architectures of a benchmark file as choices of the nodes of their space. One source per space; a new one comes
// with a line in architectures.cc.
#ifndef MATHNAS_REPLAY_ARCHITECTURES_H_
#define MATHNAS_REPLAY_ARCHITECTURES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/exchange/csv.h"

namespace mathnas::replay {

struct Architectures {
  core::BlockTable table;             // nodes, structure, and `flops` where they are known
  std::vector<core::Choice> choices;  // of each row of the file
  std::vector<std::string> names;     // of each row: JSON if it begins with '{' (interfaces of the spaces)
};

struct ArchitectureOptions {
  std::string flops_column = {};  // nasbench201, digits: additive over the nodes; empty: the one that begins with flops
  double width = 1.0;             // mobilenetv3
};

// `space`: nasbench201, digits, mobilenetv3 or supertransformer. InvalidArgument names file, line and column, or the
// spaces that are known.
absl::StatusOr<Architectures> ReadArchitectures(std::string_view space, const exchange::CsvTable& csv,
                                                const ArchitectureOptions& options = {});

// Column `arch_str` or `arch`: a cell as NAS-Bench-201 writes it.
absl::StatusOr<Architectures> ReadNasBench201(const exchange::CsvTable& csv, const std::string& flops_column);

// Column `arch_str` or `arch`: one digit per layer of a chain. The reference is the candidate with the most FLOPs.
absl::StatusOr<Architectures> ReadDigits(const exchange::CsvTable& csv, const std::string& flops_column);

// Once-for-all MobileNetV3 (search-spaces.md 3). Columns `d` (5 depths, 2 to 4), `ks` and `e` (20 each, 4 per stage;
// what is behind the depth does not count), numbers separated by spaces; `resolution`, without it 224.
//
// Nodes: every layer slot, its candidates all (kernel, expansion), the third and fourth of a stage also `absent` (one
// depth group per stage); and `resolution` with the values of the file, if there are several. The 7,371 blocks of a
// whole stage, or the five that MathNAS keeps of them (mathnas.md 2.2), are no nodes here: in a few thousand random
// networks each is seen once or never. For one resolution the table has `flops` in MMAC, counted as in search-spaces.md
// 3.4 (no candidate of one slot changes what another costs), otherwise none, because they are no sum over the nodes.
// `width`: 1.0 or 1.2.
absl::StatusOr<Architectures> ReadMobileNetV3(const exchange::CsvTable& csv, double width);

// HAT (search-spaces.md 4). Columns `encoder_embed_dim`, `decoder_embed_dim` and `decoder_layer_num` (or
// `decoder_layers`) are the nodes, their candidates the values of the file. All other columns are averages over the
// active layers, which say neither what a layer is nor, as a number, which candidate was chosen; so networks that
// differ in layers only are the same choice, and there are no FLOPs.
absl::StatusOr<Architectures> ReadSuperTransformer(const exchange::CsvTable& csv);

}  // namespace mathnas::replay

#endif  // MATHNAS_REPLAY_ARCHITECTURES_H_
