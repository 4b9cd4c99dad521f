#include "mathnas/exchange/csv.h"

#include <cmath>

#include "gtest/gtest.h"

namespace mathnas::exchange {
namespace {

TEST(CsvTable, ReadsAndNamesPlaces) {
  const auto table =
      CsvTable::Parse("\xEF\xBB\xBFindex, name ,value\r\n0,\"x, \"\"y\"\"\",1.5\n\n1,\"z\n\",\n2,,many\n", "t.csv");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->source(), "t.csv");
  EXPECT_EQ(table->names(), (std::vector<std::string>{"index", "name", "value"}));
  ASSERT_EQ(table->row_count(), 3U);
  const size_t value = *table->Column("value");
  EXPECT_EQ(table->Field(0, 1), "x, \"y\"");
  EXPECT_EQ(table->Field(1, 1), "z\n");
  EXPECT_EQ(table->Field(2, 1), "");
  EXPECT_EQ(*table->Number(0, value), 1.5);
  EXPECT_TRUE(std::isnan(*table->Number(1, value)));
  EXPECT_EQ(table->Number(2, value).status().message(),
            "t.csv:6: column 3 (value): expected a finite number, found 'many'");
  EXPECT_EQ(table->Column("other").status().message(), "t.csv: expected a column 'other', found index, name, value");
}

TEST(CsvTable, Refusals) {
  const std::pair<std::string, std::string> cases[] = {
      {"a,b\n1\n", "t.csv:2: the row: expected 2 fields, as in the first row, found 1"},
      {"a,b\n1,2,3\n", "t.csv:2: the row: expected 2 fields, as in the first row, found 3"},
      {"", "t.csv:1: the first row: expected the names of the columns, found the end of the file"},
      {"a,a\n", "t.csv:1: column 2: expected a name of its own, found 'a'"},
      {"a, \n", "t.csv:1: column 2: expected a name of its own, found ''"},
      {"a\n\"1\n", "t.csv:2: column 1: expected a closing quote, found the end of the file"},
      {"a\n1\"2\"\n", "t.csv:2: column 1: expected a comma or the end of the line after the field, found '\"'"},
      {"a\n\xFF\n", "t.csv:2: column 1: expected UTF-8 text, found other bytes"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(CsvTable::Parse(text, "t.csv").status(), absl::InvalidArgumentError(message)) << text;
  }
}

}  // namespace
}  // namespace mathnas::exchange
