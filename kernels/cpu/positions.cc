// Sinusoidal positions: rows of a table that all kernels for it share, whatever their shapes and columns.
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {
namespace {

using Table = std::vector<float>;  // {rows, width}

std::shared_ptr<const Table> MakeTable(int64_t rows, int64_t width) {
  const int64_t half = width / 2;
  std::vector<double> frequencies;
  for (int64_t i = 0; i < half; ++i) {
    frequencies.push_back(std::exp(static_cast<double>(i) * -std::log(10000.0) / static_cast<double>(half - 1)));
  }
  auto table = std::make_shared<Table>();
  table->reserve(static_cast<size_t>(rows * width));
  for (int64_t row = 0; row < rows; ++row) {
    for (double f : frequencies) table->push_back(static_cast<float>(std::sin(static_cast<double>(row) * f)));
    for (double f : frequencies) table->push_back(static_cast<float>(std::cos(static_cast<double>(row) * f)));
  }
  return table;
}

// A constant, so it may be one for the whole process; it goes with the last kernel that reads it.
std::shared_ptr<const Table> SharedTable(int64_t rows, int64_t width) {
  static std::mutex mutex;
  static auto& tables = *new std::map<std::pair<int64_t, int64_t>, std::weak_ptr<const Table>>;
  const std::lock_guard<std::mutex> lock(mutex);
  std::weak_ptr<const Table>& known = tables[{rows, width}];
  std::shared_ptr<const Table> table = known.lock();
  if (table == nullptr) {
    std::erase_if(tables, [](const auto& entry) { return entry.second.expired(); });
    table = MakeTable(rows, width);
    tables[{rows, width}] = table;
  }
  return table;
}

}  // namespace

KernelOr Make(const SinusoidalPositions& op, const Request& r) {
  const VectorKernels& v = Vector();
  const Shape& shape = r.inputs[0].shape;
  // Positions need no order; tokens are counted row by row.
  const int64_t length = op.from_tokens ? shape.back() : 1;
  const int64_t rows = op.from_tokens ? RowsOf(shape) : r.inputs[0].elements();
  return MakeFunctionKernel(
      v.name, 0,
      [op, rows, length, &v, threads = r.threads, table = SharedTable(op.rows, op.width)](const Operands& o) {
        ParallelFor(threads, rows, GrainOf(length * op.columns), [&](int, int64_t begin, int64_t end) {
          const int64_t* ids = o.in<int64_t>(0) + begin * length;
          float* y = o.out<float>(0) + begin * length * op.columns;
          const auto bytes = static_cast<size_t>(op.columns) * sizeof(float);
          for (int64_t i = begin; i < end; ++i) {
            int64_t count = 0;
            for (int64_t t = 0; t < length; ++t, ++ids, y += op.columns) {
              const int64_t row = op.from_tokens && *ids != op.padding ? op.padding + ++count : *ids;
              if (row == op.padding) {
                v.fill(0, y, op.columns);
              } else if (row < 0 || row >= op.rows) {
                v.fill(std::numeric_limits<float>::quiet_NaN(), y, op.columns);
              } else {
                std::memcpy(y, table->data() + row * op.width, bytes);
              }
            }
          }
        });
      });
}

}  // namespace mathnas::kernels::cpu
