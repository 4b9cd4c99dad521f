// Convolutions and what flows back through them: NHWC activations, by cuDNN where it can (conv_choice.h). The masters
// of weights are plain OIHW; cuDNN wants its filters dense, with their channels innermost.
#include <algorithm>
#include <utility>

#include "kernels/cuda/conv_kernel.h"
#include "kernels/cuda/conv_weights.h"
#include "kernels/cuda/own/conv_direct.h"
#include "kernels/cuda/own/conv_epilogue.h"
#include "kernels/cuda/zero_outputs.h"

namespace mathnas::kernels::cuda {
namespace {

static_assert(static_cast<int>(Activation::kRelu) == static_cast<int>(ConvActivation::kRelu) &&
              static_cast<int>(Activation::kHardSwish) == static_cast<int>(ConvActivation::kHardSwish) &&
              static_cast<int>(Activation::kSwish) == static_cast<int>(ConvActivation::kSwish));

class Forward : public ConvKernel {
 public:
  Forward(const ConvProblem& problem, ConvChoice choice, const TensorDesc& weights)
      : ConvKernel(problem, std::move(choice)), packing_(p_, choice_, weights) {}

  size_t scratch_bytes() const override { return Scratch(*this, nullptr).bytes; }

  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    auto bound = std::make_unique<BoundSteps>(QueueOf(*buffers.stream));
    if (auto s = bound->queue().gpu().Enter(); !s.ok()) return s;
    const Scratch scratch(*this, buffers.scratch);
    auto weights = bound->AddWeights(packing_, buffers, scratch.weights);
    if (!weights.ok()) return weights.status();
    const void* x = buffers.inputs[0].data;
    const auto* bias = p_.has_bias ? static_cast<const float*>(buffers.inputs[2].data) : nullptr;
    const void* addend = p_.has_addend ? buffers.inputs.back().data : nullptr;
    void* y = buffers.outputs[0];
    const auto activation = static_cast<ConvActivation>(p_.activation);
    if (choice_.path == Path::kDirect) {
      const ConvForwardArgs args = {p_.shape, x, static_cast<const float*>(*weights), bias, addend, y, activation};
      const Grid grid = DirectGrid(int64_t{p_.shape.out_width} * p_.shape.out, p_.shape.batch * p_.shape.out_height);
      bound->Add([=, type = p_.type](Queue& q) { return q.Launch(kConvForward, type, grid, args); });
      return bound;
    }

    x = Widened(*bound, x, p_.shape.sources(), scratch.wide);
    void* sums = SumsApart() ? scratch.sums : y;
    absl::InlinedVector<void*, 4> tensors = {const_cast<void*>(x), const_cast<void*>(*weights)};
    if (choice_.fused) tensors.push_back(Aligned(*bound, bias, scratch.bias));
    tensors.push_back(sums);
    if (auto s = AddPlan(*bound, tensors, scratch.workspace); !s.ok()) return s;
    if (p_.has_epilogue() && !choice_.fused) {
      const int64_t n = p_.shape.results();
      const ConvEpilogueArgs args = {static_cast<const float*>(sums), bias, addend, y, n, p_.shape.out, activation};
      bound->Add([=, type = p_.type](Queue& q) { return q.Launch(kConvEpilogue, type, q.Over(n), args); });
    }
    return bound;
  }

 private:
  struct Scratch {
    std::byte* workspace;
    float *weights, *wide, *sums, *bias;
    size_t bytes;

    Scratch(const Forward& k, void* memory) {
      const bool fused = k.choice_.fused;
      Carver carver(memory);
      workspace = k.TakeWorkspace(carver);
      weights = carver.Take<float>(k.packing_.elements());
      wide = carver.Take<float>(k.widened() ? k.p_.shape.sources() : 0);
      sums = carver.Take<float>(k.SumsApart() ? k.p_.shape.results() : 0);
      bias = carver.Take<float>(fused ? k.p_.shape.out : 0);
      bytes = carver.bytes();
    }
  };
  // Whether cuDNN's sums cannot be in the output: it is of another type, or holds the addend.
  bool SumsApart() const { return widened() || (choice_.path == Path::kCudnn && p_.has_addend); }

  // A bias may be a slice that begins anywhere.
  void* Aligned(BoundSteps& bound, const float* bias, float* scratch) const {
    if (cudnn::IsAligned(bias)) return const_cast<float*>(bias);
    const size_t bytes = static_cast<size_t>(p_.shape.out) * sizeof(float);
    bound.Add([=](Queue& q) { return q.Copy(scratch, bias, bytes); });
    return scratch;
  }

  Packing packing_;
};

class BackwardData : public ConvKernel {
 public:
  BackwardData(const ConvProblem& problem, ConvChoice choice, const TensorDesc& weights)
      : ConvKernel(problem, std::move(choice)), packing_(p_, choice_, weights) {}

  size_t scratch_bytes() const override { return Scratch(*this, nullptr).bytes; }

  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    auto bound = std::make_unique<BoundSteps>(QueueOf(*buffers.stream));
    if (auto s = bound->queue().gpu().Enter(); !s.ok()) return s;
    const Scratch scratch(*this, buffers.scratch);
    auto weights = bound->AddWeights(packing_, buffers, scratch.weights);
    if (!weights.ok()) return weights.status();
    void *dy = buffers.inputs[0].data, *dx = buffers.outputs[0];
    if (choice_.path == Path::kDirect) {
      const ConvBackwardDataArgs args = {p_.shape, dy, static_cast<const float*>(*weights), dx};
      const Grid grid = DirectGrid(int64_t{p_.shape.width} * p_.shape.in, p_.shape.batch * p_.shape.height);
      bound->Add([=, type = p_.type](Queue& q) { return q.Launch(kConvBackwardData, type, grid, args); });
      return bound;
    }
    if (auto s = AddPlan(*bound, {dx, const_cast<void*>(*weights), dy}, scratch.workspace); !s.ok()) return s;
    return bound;
  }

 private:
  struct Scratch {
    std::byte* workspace;
    float* weights;
    size_t bytes;

    Scratch(const BackwardData& k, void* memory) {
      Carver carver(memory);
      workspace = k.TakeWorkspace(carver);
      weights = carver.Take<float>(k.packing_.elements());
      bytes = carver.bytes();
    }
  };

  Packing packing_;
};

}  // namespace

KernelOr Make(const Conv2d& op, const Request& r) {
  if (r.outputs[0].elements() == 0) return ZeroOutputs(r);
  const ConvProblem problem = ProblemOf(op, r.inputs, r.outputs);
  auto choice = Choose(r, problem);
  if (!choice.ok()) return choice.status();
  return std::make_shared<Forward>(problem, *std::move(choice), r.inputs[1]);
}

KernelOr Make(const Conv2dBackwardData& op, const Request& r) {
  if (r.inputs[0].elements() == 0 || r.outputs[0].elements() == 0) return ZeroOutputs(r);
  const ConvProblem problem = ProblemOf(op, r.inputs, r.outputs);
  auto choice = Choose(r, problem);
  if (!choice.ok()) return choice.status();
  return std::make_shared<BackwardData>(problem, *std::move(choice), r.inputs[1]);
}

}  // namespace mathnas::kernels::cuda
