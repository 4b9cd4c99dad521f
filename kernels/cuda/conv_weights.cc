#include "kernels/cuda/conv_weights.h"

#include <list>
#include <mutex>
#include <utility>

#include "kernels/cuda/cuda_stream.h"

namespace mathnas::kernels::cuda {
namespace {

// An address for each packing that there has been, as PackedWeights wants it.
const void* IdOf(const Packing& packing) {
  static std::mutex mutex;
  static std::list<Packing> seen;
  const std::lock_guard lock(mutex);
  for (const Packing& known : seen) {
    if (known == packing) return &known;
  }
  return &seen.emplace_back(packing);
}

const OwnKernel<PackWeightsArgs>& KernelOf(const Packing& p) {
  if (p.from == p.to) return p.from == p.values ? kPackWeights : kRoundWeights;
  return IsLow(p.from) ? kWidenWeights : kNarrowWeights;
}

}  // namespace

WeightOrder OrderOf(const ConvShape& s, ConvChoice::Path path, cudnn::Graph::Direction direction) {
  const long long in = s.group_in, taps = s.taps(), out = s.group_out;
  if (path != ConvChoice::Path::kDirect) return {out * taps * in, taps * in, 1, in};
  if (direction == cudnn::Graph::Direction::kBackwardData) return {in, s.in, 1, out * s.in};
  return {out, 1, s.out, in * s.out};
}

Packing::Packing(const ConvProblem& p, const ConvChoice& choice, const TensorDesc& weights)
    : out(p.shape.out),
      in(p.shape.group_in),
      taps(p.shape.taps()),
      group_out(p.shape.group_out),
      row(weights.row_elements()),
      order(OrderOf(p.shape, choice.path, p.direction)),
      from(weights.dtype),
      to(choice.path == ConvChoice::Path::kCudnn ? p.type : DType::kF32),
      values(p.type) {}

absl::Status Packing::Run(Queue& q, const void* masters, void* packed) const {
  const PackWeightsArgs args = {masters, packed, out, in, taps, group_out, row, order};
  return q.Launch(KernelOf(*this), values, q.Over(elements()), args);
}

absl::StatusOr<BoundWeights> Bind(const Packing& packing, const KernelBuffers& buffers, void* scratch) {
  const KernelBuffers::Operand& weights = buffers.inputs[1];
  if (packing.changes_nothing() && cudnn::IsAligned(weights.data)) return BoundWeights{weights.data, nullptr};
  if (!weights.constant) return BoundWeights{scratch, nullptr, true};
  auto kept = buffers.packed->Get(IdOf(packing), weights.data, [&]() -> absl::StatusOr<Tensor> {
    auto& stream = static_cast<CudaStream&>(*buffers.stream);
    Queue& queue = stream.queue();
    const TensorDesc desc = {packing.to, {packing.elements()}};
    auto memory = queue.gpu().Allocate(Gpu::Memory::kDevice, desc.bytes());
    if (!memory.ok()) return memory.status();
    void* packed = memory->get();
    // They may have been trained on the device, and any stream may read them afterwards.
    if (auto s = stream.updates().Precede(queue.stream()); !s.ok()) return s;
    if (auto s = packing.Run(queue, weights.data, packed); !s.ok()) return s;
    if (auto s = queue.Wait(); !s.ok()) return s;
    return Tensor::Borrow({desc, packed}, *std::move(memory));
  });
  if (!kept.ok()) return kept.status();
  return BoundWeights{(*kept)->data(), *kept};
}

}  // namespace mathnas::kernels::cuda
