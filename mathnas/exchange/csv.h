// Reading CSV (RFC 4180) that nobody vouches for: record by record, or a whole table.
#ifndef MATHNAS_EXCHANGE_CSV_H_
#define MATHNAS_EXCHANGE_CSV_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::exchange {

// Fields are separated by commas; a field in double quotes may hold commas, line ends and quotes written twice. Lines
// end with LF or CRLF; a byte order mark at the beginning and empty lines are skipped. Memory: one record.
class CsvReader {
 public:
  static constexpr size_t kMaxField = size_t{1} << 16;    // bytes
  static constexpr size_t kMaxColumns = size_t{1} << 10;  // fields of a record

  // `text` must outlive the reader. Errors call it `source`.
  CsvReader(std::string_view text, std::string_view source);

  // Reads the next record into `fields`, false at the end. InvalidArgument names source, line and column.
  absl::StatusOr<bool> Next(std::vector<std::string>& fields);

  // The line on which the record read last begins, counted from 1.
  int64_t line() const { return record_line_; }

  // "SOURCE:LINE: WHERE: expected EXPECTED, found FOUND", of the record read last. What was found is cut and made
  // printable.
  absl::Status Error(std::string_view where, std::string_view expected, std::string_view found) const;

 private:
  absl::Status ReadField(std::string& field, size_t column);
  absl::Status ReadQuoted(std::string& field, size_t column);
  absl::Status ErrorAt(int64_t line, size_t column, std::string_view expected, std::string_view found) const;
  bool AtEnd() const { return position_ >= text_.size(); }
  bool TakeLineEnd();

  std::string_view text_, source_;
  size_t position_ = 0;
  int64_t line_ = 1, record_line_ = 1;
};

// A header with the names of the columns, then rows of as many fields; spaces and tabs around a field do not count.
class CsvTable {
 public:
  // Errors call the text `source`, usually the name of its file. InvalidArgument names source, line and what was
  // expected: no header, a column without a name or named twice, a row with another number of fields, no CSV.
  static absl::StatusOr<CsvTable> Parse(std::string_view text, std::string_view source);

  const std::string& source() const { return source_; }
  const std::vector<std::string>& names() const { return names_; }
  size_t row_count() const { return lines_.size(); }
  // InvalidArgument lists the names that are known.
  absl::StatusOr<size_t> Column(std::string_view name) const;

  std::string_view Field(size_t row, size_t column) const;
  // NaN for an empty field; InvalidArgument names source, line and column of one that is no finite number.
  absl::StatusOr<double> Number(size_t row, size_t column) const;
  // "SOURCE:LINE: column 2 (NAME): expected EXPECTED, found 'FIELD'".
  absl::Status Error(size_t row, size_t column, std::string_view expected) const;

 private:
  struct Span {
    size_t begin = 0, size = 0;
  };
  std::string text_, source_;  // text_: all fields, one behind the other
  std::vector<std::string> names_;
  std::vector<Span> fields_;    // row by row
  std::vector<int64_t> lines_;  // of each row, counted from 1
};

// 'text' in quotes for messages: at most 40 bytes, what is not printable ASCII as '?'.
std::string Quoted(std::string_view text);

}  // namespace mathnas::exchange

#endif  // MATHNAS_EXCHANGE_CSV_H_
