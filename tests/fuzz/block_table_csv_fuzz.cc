// CSV: refused with a message, or read; a block table in it is one that JSON takes as well.
#include <string_view>

#include "check.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/exchange/block_table_csv.h"
#include "mathnas/exchange/csv.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mathnas;  // the parts under test
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto csv = exchange::CsvTable::Parse(input, "fuzz"); !csv.ok()) {
    fuzz::Check(absl::IsInvalidArgument(csv.status()), "another error than a bad argument");
    fuzz::Check(csv.status().message().substr(0, 5) == "fuzz:", "an error that does not name its source");
  } else {
    for (size_t row = 0; row < csv->row_count(); ++row) {
      for (size_t column = 0; column < csv->names().size(); ++column) {
        const auto number = csv->Number(row, column);
        fuzz::Check(number.ok() || number.status().message().substr(0, 5) == "fuzz:", "an error without its source");
      }
    }
  }
  const auto table = exchange::ParseCsv(input, "space", "fuzz");
  if (!table.ok()) {
    fuzz::Check(absl::IsInvalidArgument(table.status()), "another error than a bad argument");
    fuzz::Check(table.status().message().substr(0, 4) == "fuzz", "an error that does not name its source");
    return 0;
  }
  fuzz::Check(core::Validate(*table).ok(), "a table that is not valid");
  const std::string text = core::ToJson(*table);
  const auto again = core::Parse(text, "again");
  fuzz::Check(again.ok(), "JSON does not take it");
  fuzz::Check(core::ToJson(*again) == text, "JSON takes something else");
  return 0;
}
