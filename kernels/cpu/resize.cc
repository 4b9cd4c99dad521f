// Bicubic interpolation, columns after rows. Loops: only a network's input is resized.
#include <vector>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/elements.h"
#include "kernels/cpu/vector/vector_kernels.h"
#include "kernels/function_kernel.h"

namespace mathnas::kernels::cpu {

KernelOr Make(const Resize& op, const Request& r) {
  const VectorKernels& v = Vector();
  const Shape x = r.inputs[0].shape;
  const int64_t channels = x[3], source_row = x[2] * channels;
  std::vector<CubicTaps> rows, columns;
  for (int64_t i = 0; i < op.height; ++i) rows.emplace_back(i, x[1], op.height);
  for (int64_t i = 0; i < op.width; ++i) columns.emplace_back(i, x[2], op.width);
  Carver book(nullptr);
  for (int t = 0; t < r.threads; ++t) book.Take<float>(source_row);
  return MakeFunctionKernel(v.name, book.bytes(), [=, &v, threads = r.threads](const Operands& o) {
    ParallelFor(threads, x[0] * op.height, GrainOf(4 * source_row), [&](int thread, int64_t begin, int64_t end) {
      Carver carver(o.scratch);
      float* row = carver.Take<float>(source_row);
      for (int t = 0; t < thread; ++t) row = carver.Take<float>(source_row);
      for (int64_t i = begin; i < end; ++i) {
        const CubicTaps& taps = rows[static_cast<size_t>(i % op.height)];
        const float* image = o.in<float>(0) + i / op.height * x[1] * source_row;
        v.fill(0, row, source_row);
        for (size_t t = 0; t < 4; ++t) {
          v.add_scaled(static_cast<float>(taps.weights[t]), image + taps.at[t] * source_row, row, source_row);
        }
        float* y = o.out<float>(0) + i * op.width * channels;
        for (const CubicTaps& column : columns) {
          for (int64_t k = 0; k < channels; ++k) {
            float sum = 0;
            for (size_t t = 0; t < 4; ++t) {
              sum += static_cast<float>(column.weights[t]) * row[column.at[t] * channels + k];
            }
            *y++ = sum;
          }
        }
      }
    });
  });
}

}  // namespace mathnas::kernels::cpu
