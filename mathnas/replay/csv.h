// Tables as text: a header line, then one line per row, fields separated by commas, no quotes.
#ifndef MATHNAS_REPLAY_CSV_H_
#define MATHNAS_REPLAY_CSV_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace mathnas::replay {

class CsvTable {
 public:
  // `source` is what errors call the text, usually a file name. InvalidArgument names source, line and what was
  // expected: no header, a name twice, a line with another number of fields, quotes.
  static absl::StatusOr<CsvTable> Parse(std::string text, std::string source);

  const std::string& source() const { return source_; }
  const std::vector<std::string>& names() const { return names_; }
  size_t row_count() const { return fields_.size() / names_.size(); }
  // InvalidArgument lists the names that are known.
  absl::StatusOr<size_t> Column(std::string_view name) const;

  std::string_view Field(size_t row, size_t column) const;
  // NaN for an empty field; InvalidArgument names source, line and column of one that is no finite number.
  absl::StatusOr<double> Number(size_t row, size_t column) const;
  // "accuracy.csv, line 7, column index", for messages.
  std::string Place(size_t row, size_t column) const;

 private:
  struct Span {
    size_t begin = 0, size = 0;
  };
  std::string text_, source_;
  std::vector<std::string> names_;
  std::vector<Span> fields_;   // row by row
  std::vector<size_t> lines_;  // of each row, counted from 1
};

}  // namespace mathnas::replay

#endif  // MATHNAS_REPLAY_CSV_H_
