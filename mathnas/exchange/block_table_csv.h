// Block tables as CSV, for measurements that come out of a spreadsheet or a script: one row per node and candidate.
//
//   node,candidate,reference,latency[ms],accuracy[%] max saving base=79.23
//   stage1,small,,12.5,0.31
//   stage1,large,1,20.25,0
//   stage2,small,,30,
//
// The first record names the columns, in any order:
//   node, candidate   required. Nodes and their candidates are ordered by first appearance.
//   reference         not empty, "0", "no" or "false" on one candidate of a node: its reference. Without: the first
//   one. absent            the name of a depth group (Eq 9): this candidate means that the network ends before this
//   node. Nodes
//                     with the same name here are one group, in the order of nodes; a node that is never cut needs
//                     none.
//   shared[NAME]      a number, the value of the shared choice NAME that the row is about, e.g. shared[resolution].
//   x-...             ignored.
//   METRIC[UNIT] ...  a metric, then in any order: min or max (max for `accuracy`, else min), cost or saving (cost),
//                     base=NUMBER (0), device=TEXT. Cells are finite decimal numbers with a point, or empty: not
//                     measured.
// A row without node and candidate gives the base of every metric whose column names none, one for each shared value.
// Spaces and tabs around cells do not count. Cells (structure kind "cell"), samples and stddev are for JSON alone.
//
// RFC 4180: commas, LF or CRLF, double quotes around cells with commas, line ends or quotes written twice; UTF-8 with
// or without byte order mark. Refused, with InvalidArgument that names source, line, column and what was expected: rows
// of another length than the first, one candidate twice, numbers that are not finite; more than 256 MB, 64 KB in a
// cell, 1024 columns, 256 shared values, or 2^22 entries (as block_table_json.h).
#ifndef MATHNAS_EXCHANGE_BLOCK_TABLE_CSV_H_
#define MATHNAS_EXCHANGE_BLOCK_TABLE_CSV_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"

namespace mathnas::exchange {

// `space` is the name of the space, which CSV does not have; `source_name` is what errors call the text.
absl::StatusOr<core::BlockTable> ParseCsv(std::string_view text, std::string_view space, std::string_view source_name);
absl::StatusOr<core::BlockTable> LoadCsv(const std::string& path, std::string_view space);

}  // namespace mathnas::exchange

#endif  // MATHNAS_EXCHANGE_BLOCK_TABLE_CSV_H_
