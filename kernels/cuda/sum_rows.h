// Launches of the sums of own/channels.h.
#ifndef MATHNAS_KERNELS_CUDA_SUM_ROWS_H_
#define MATHNAS_KERNELS_CUDA_SUM_ROWS_H_

#include "kernels/cuda/columns.h"
#include "kernels/cuda/own/channels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {

inline size_t SumRowsScratch(const Columns& m) {
  return m.parts > 1 ? static_cast<size_t>(PartElements(m)) * sizeof(double) : 0;
}

// Sets what is in scratch in the arguments itself. Nothing where there are no elements.
inline absl::Status EnqueueSumRows(Queue& q, DType type, SumRowsArgs args, void* scratch) {
  args.sums = static_cast<double*>(scratch);
  if (auto s = q.Launch(kSumRows, type, GridOf(args.columns), args); !s.ok()) return s;
  if (args.columns.parts <= 1) return absl::OkStatus();
  // No more than the blocks that keep a GPU busy: images with several parts are few.
  Grid finish = FinishGridOf(args.columns);
  finish.rows = static_cast<unsigned>(args.columns.images);
  return q.Launch(kSumRowsFinish, type, finish, args);
}

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_SUM_ROWS_H_
