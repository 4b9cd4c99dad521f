#include "kernels/cuda/own/embedding.h"

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {
namespace {

unsigned Blocks(int64_t places, int64_t features) { return static_cast<unsigned>(features == 0 ? 0 : places); }

template <typename Op>
AddRowsArgs AddRowsOf(const Op& op, const TensorDesc& ids, const TensorDesc& sum) {
  return {.places = ids.elements(),
          .rows = sum.shape[0],
          .features = sum.shape[1],
          .stride = sum.row_elements(),
          .scale = static_cast<float>(op.scale),
          .padding = op.padding};
}

absl::Status EnqueueAddRows(Queue& q, AddRowsArgs args, const void* ids, const void* y, void* sum) {
  constexpr int64_t kThreads = AddRowsArgs::kThreads;
  args.ids = static_cast<const long long*>(ids);
  args.y = static_cast<const float*>(y);
  args.sum = static_cast<float*>(sum);
  return q.Launch(kAddRows, DType::kF32,
                  {.blocks = static_cast<unsigned>(args.places),
                   .threads = kThreads,
                   .rows = static_cast<unsigned>((args.features + kThreads - 1) / kThreads)},
                  args);
}

}  // namespace

KernelOr Make(const Embedding& op, const Request& r) {
  const TensorDesc& table = r.inputs[1];
  const EmbeddingArgs args = {.rows = table.shape[0],
                              .features = table.shape[1],
                              .stride = table.row_elements(),
                              .scale = static_cast<float>(op.scale)};
  return MakeEnqueued("own:embedding", 0, [args, places = r.inputs[0].elements()](Queue& q, const Operands& o) {
    EmbeddingArgs a = args;
    a.ids = static_cast<const long long*>(o.inputs[0]);
    a.table = o.in<float>(1);
    a.y = o.out<float>(0);
    return q.Launch(kEmbedding, DType::kF32, {.blocks = Blocks(places, a.features), .threads = 128}, a);
  });
}

KernelOr Make(const EmbeddingBackward& op, const Request& r) {
  const AddRowsArgs args = AddRowsOf(op, r.inputs[0], r.outputs[0]);
  return MakeEnqueued("own:embedding", 0, [args, bytes = r.outputs[0].bytes()](Queue& q, const Operands& o) {
    if (auto s = q.Zero(o.outputs[0], bytes); !s.ok()) return s;
    return EnqueueAddRows(q, args, o.inputs[0], o.inputs[1], o.outputs[0]);
  });
}

KernelOr Make(const AccumulateRows& op, const Request& r) {
  const AddRowsArgs args = AddRowsOf(op, r.inputs[1], r.inputs[0]);
  return MakeEnqueued("own:embedding", 0, [args](Queue& q, const Operands& o) {
    return EnqueueAddRows(q, args, o.inputs[1], o.inputs[2], o.inputs[0]);
  });
}

}  // namespace mathnas::kernels::cuda
