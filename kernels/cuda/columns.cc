#include "kernels/cuda/columns.h"

#include <algorithm>

#include "kernels/cuda/gpu.h"

namespace mathnas::kernels::cuda {
namespace {

constexpr int64_t kBlocksPerMultiprocessor = 8;
constexpr int64_t kLeastRows = 8;  // of a thread, before an image is worth another block

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

Columns ColumnsOf(const Shape& x, int64_t images, const Gpu& gpu) {
  Columns m = {};
  const int64_t channels = x.back(), elements = NumElements(x);
  if (elements == 0) return m;
  const int vector = channels % 4 == 0 ? 4 : 1;
  const int64_t threads = channels / vector, rows = elements / channels / images;
  const int64_t tiles = CeilDivide(threads, kColumnThreads), width = CeilDivide(threads, tiles);
  const int64_t groups = kColumnThreads / width;
  const int64_t most = std::max<int64_t>(1, kBlocksPerMultiprocessor * gpu.multiprocessors() / (images * tiles));
  const int64_t parts = std::min(CeilDivide(rows, groups * kLeastRows), most);
  m.images = images;
  m.rows = rows;
  m.channels = static_cast<int>(channels);
  m.vector = vector;
  m.width = static_cast<int>(width);
  m.groups = static_cast<int>(groups);
  m.tiles = static_cast<int>(tiles);
  m.part_rows = CeilDivide(CeilDivide(rows, parts), groups) * groups;
  m.parts = static_cast<int>(CeilDivide(rows, m.part_rows));
  return m;
}

Grid GridOf(const Columns& m) {
  return {.blocks = static_cast<unsigned>(m.images * m.parts * m.tiles), .threads = kColumnThreads};
}

Grid FinishGridOf(const Columns& m) {
  return {.blocks = static_cast<unsigned>(CeilDivide(m.channels, kFinishedChannels)), .threads = kColumnThreads};
}

int64_t PartElements(const Columns& m) { return m.images * m.parts * m.channels; }

}  // namespace mathnas::kernels::cuda
