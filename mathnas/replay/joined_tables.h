// CSV tables side by side: for every row of the first, the row with the same key in the others.
#ifndef MATHNAS_REPLAY_JOINED_TABLES_H_
#define MATHNAS_REPLAY_JOINED_TABLES_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/exchange/csv.h"

namespace mathnas::replay {

class JoinedTables {
 public:
  // Tables must outlive this.
  explicit JoinedTables(const exchange::CsvTable& first);

  // The key is the first column of `table` that the first table has too. InvalidArgument: there is none, or a value of
  // it is twice in `table`.
  absl::Status Join(const exchange::CsvTable& table);

  // One number per row of the first table, NaN where there is none: the column of this name in any table, or the only
  // one that begins with it ("flops" is flops_m_cifar10). InvalidArgument lists what was found.
  absl::StatusOr<std::vector<double>> Column(std::string_view name) const;
  // The same from table `table` (0 is the first) alone, by its whole name; "A+B" is the sum of two columns, and so on.
  absl::StatusOr<std::vector<double>> Sum(size_t table, std::string_view names) const;

 private:
  struct Table {
    const exchange::CsvTable* csv;
    std::vector<int64_t> rows;  // -1: none
  };
  absl::StatusOr<std::vector<double>> Numbers(const Table& table, size_t column) const;

  std::vector<Table> tables_;
};

}  // namespace mathnas::replay

#endif  // MATHNAS_REPLAY_JOINED_TABLES_H_
