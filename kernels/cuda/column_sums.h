// Sums over the rows of a matrix: by blocks of rows first, then over these.
#ifndef MATHNAS_KERNELS_CUDA_COLUMN_SUMS_H_
#define MATHNAS_KERNELS_CUDA_COLUMN_SUMS_H_

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/own/column_sums.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {

// Of a matrix{rows,columns}, each at least 1; in the same order every time.
class ColumnSums {
 public:
  ColumnSums(int64_t rows, int64_t columns) : rows_(rows), columns_(columns) {
    rows_per_part_ = std::max(kRows, (rows + kMostParts - 1) / kMostParts);
    parts_ = (rows + rows_per_part_ - 1) / rows_per_part_;
  }
  // Floats of the device that Run needs, no more for fewer rows.
  int64_t scratch() const { return std::min(kMostParts, (rows_ + kRows - 1) / kRows) * columns_; }
  // y{columns} of x{rows,columns} of `type`.
  absl::Status Run(Queue& q, const void* x, DType type, float* scratch, float* y) const {
    Grid grid = {.blocks = static_cast<unsigned>((columns_ + kColumnSumColumns - 1) / kColumnSumColumns),
                 .threads = kColumnSumThreads,
                 .rows = static_cast<unsigned>(parts_)};
    if (parts_ == 1) return q.Launch(kColumnSums, type, grid, {x, y, rows_, columns_, rows_});
    if (auto s = q.Launch(kColumnSums, type, grid, {x, scratch, rows_, columns_, rows_per_part_}); !s.ok()) return s;
    grid.rows = 1;
    return q.Launch(kColumnSums, DType::kF32, grid, {scratch, y, parts_, columns_, parts_});
  }

 private:
  static constexpr int64_t kRows = 128, kMostParts = 256;
  int64_t rows_, columns_, rows_per_part_, parts_;
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_COLUMN_SUMS_H_
