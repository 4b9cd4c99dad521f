// A 1x1 and a depthwise convolution, with the map between them in scratch.
#include <utility>

#include "kernels/cuda/carver.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/zero_outputs.h"

namespace mathnas::kernels::cuda {
namespace {

enum Input : size_t { kSrc, kExpand, kExpandBias, kWeights, kBias };

class ExpandDepthwiseKernel : public Kernel {
 public:
  ExpandDepthwiseKernel(std::shared_ptr<const Kernel> expand, std::shared_ptr<const Kernel> depthwise, size_t map_bytes)
      : expand_(std::move(expand)), depthwise_(std::move(depthwise)), map_bytes_(map_bytes) {}

  std::string implementation() const override {
    return expand_->implementation() + " + " + depthwise_->implementation();
  }
  size_t scratch_bytes() const override { return Scratch(*this, nullptr).bytes; }
  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& b) const override {
    const Scratch scratch(*this, b.scratch);
    auto bound = std::make_unique<Bound>();
    void* outputs[] = {scratch.map};
    auto first = expand_->Bind({b.inputs.subspan(kSrc, 3), outputs, scratch.rest, b.packed, b.stream});
    if (!first.ok()) return first.status();
    const KernelBuffers::Operand inputs[] = {{scratch.map, false}, b.inputs[kWeights], b.inputs[kBias]};
    auto second = depthwise_->Bind({inputs, b.outputs, scratch.rest, b.packed, b.stream});
    if (!second.ok()) return second.status();
    bound->expand = *std::move(first);
    bound->depthwise = *std::move(second);
    return bound;
  }

 private:
  struct Bound : BoundKernel {
    absl::Status Run() override {
      if (auto s = expand->Run(); !s.ok()) return s;
      return depthwise->Run();
    }
    std::unique_ptr<BoundKernel> expand, depthwise;
  };
  struct Scratch {
    std::byte *map, *rest;
    size_t bytes;

    Scratch(const ExpandDepthwiseKernel& k, void* memory) {
      Carver carver(memory);
      map = carver.Take<std::byte>(static_cast<int64_t>(k.map_bytes_));
      const size_t rest_bytes = std::max(k.expand_->scratch_bytes(), k.depthwise_->scratch_bytes());
      rest = carver.Take<std::byte>(static_cast<int64_t>(rest_bytes));
      bytes = carver.bytes();
    }
  };

  std::shared_ptr<const Kernel> expand_, depthwise_;
  size_t map_bytes_;
};

}  // namespace

KernelOr Make(const ExpandDepthwise& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  const Conv2d expand = {.has_bias = true, .activation = op.expand_activation};
  auto map = InferOutputs(expand, r.inputs.subspan(kSrc, 3));
  if (!map.ok()) return map.status();
  auto first = Make(expand, Request{r.inputs.subspan(kSrc, 3), *map, r.gpu});
  if (!first.ok()) return first;
  const Conv2d depthwise = {.stride = op.stride,
                            .padding = op.padding,
                            .groups = static_cast<int32_t>(r.inputs[kWeights].shape[0]),
                            .has_bias = true,
                            .activation = op.activation};
  auto second = Make(depthwise, Request{Descs{(*map)[0], r.inputs[kWeights], r.inputs[kBias]}, r.outputs, r.gpu});
  if (!second.ok()) return second;
  return std::make_shared<ExpandDepthwiseKernel>(*std::move(first), *std::move(second), (*map)[0].bytes());
}

}  // namespace mathnas::kernels::cuda
