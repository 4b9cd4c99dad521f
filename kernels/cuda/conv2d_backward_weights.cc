// Gradients of the weights of convolutions. cuDNN's come with channels innermost, and go from there into the order of
// the masters.
#include <algorithm>
#include <utility>

#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/conv_kernel.h"
#include "kernels/cuda/conv_weights.h"
#include "kernels/cuda/own/conv_direct.h"
#include "kernels/cuda/zero_outputs.h"

namespace mathnas::kernels::cuda {
namespace {

// Sums over so many rows, in parts that are enough to keep a GPU busy.
struct Parts {
  int64_t rows, rows_per_part, parts;

  Parts(int64_t rows_, int64_t wanted) : rows(rows_) {
    rows_per_part = std::max<int64_t>((rows + wanted - 1) / wanted, 1);
    parts = (rows + rows_per_part - 1) / rows_per_part;
  }
};

class BackwardWeights : public ConvKernel {
 public:
  BackwardWeights(const ConvProblem& problem, ConvChoice choice, bool has_bias, int multiprocessors)
      : ConvKernel(problem, std::move(choice)),
        has_bias_(has_bias),
        weight_parts_(choice_.path == Path::kDirect
                          ? Parts(p_.shape.batch * p_.shape.out_height, Wanted(p_.shape.weights(), multiprocessors))
                          : Parts(1, 1)),
        bias_(p_.shape.batch * p_.shape.out_height * p_.shape.out_width, p_.shape.out) {}

  size_t scratch_bytes() const override { return Scratch(*this, nullptr).bytes; }

  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    auto bound = std::make_unique<BoundSteps>(QueueOf(*buffers.stream));
    if (auto s = bound->queue().gpu().Enter(); !s.ok()) return s;
    const ConvShape& s = p_.shape;
    const Scratch scratch(*this, buffers.scratch);
    const void *x = buffers.inputs[0].data, *dy = buffers.inputs[1].data;
    auto* dw = static_cast<float*>(buffers.outputs[0]);
    const WeightOrder order = OrderOf(s, choice_.path, p_.direction);
    const bool is_plain = choice_.path != Path::kDirect && (s.group_in == 1 || s.taps() == 1) && cudnn::IsAligned(dw);
    float* sums = is_plain ? dw : scratch.weights;
    if (choice_.path == Path::kDirect) {
      const ConvBackwardWeightsArgs args = {s, x, dy, sums, weight_parts_.rows_per_part, weight_parts_.parts};
      const Grid grid = DirectGrid(s.weights(), weight_parts_.parts);
      bound->Add([=, type = p_.type](Queue& q) { return q.Launch(kConvBackwardWeights, type, grid, args); });
    } else {
      const void *wide_x = Widened(*bound, x, s.sources(), scratch.wide_x),
                 *wide_dy = Widened(*bound, dy, s.results(), scratch.wide_dy);
      auto status = AddPlan(*bound, {const_cast<void*>(wide_x), sums, const_cast<void*>(wide_dy)}, scratch.workspace);
      if (!status.ok()) return status;
    }
    if (!is_plain) {
      const UnpackWeightsArgs args = {
          sums, dw, s.out, s.group_in, s.taps(), s.group_out, order, weight_parts_.parts, s.weights()};
      bound->Add([args](Queue& q) {
        return q.Launch(kUnpackWeights, DType::kF32, q.Over(args.out * args.in * args.taps), args);
      });
    }
    if (has_bias_) {
      auto* db = static_cast<float*>(buffers.outputs[1]);
      bound->Add([=, bias = bias_, parts = scratch.bias, type = p_.type](Queue& q) {
        return bias.Run(q, dy, type, parts, db);
      });
    }
    return bound;
  }

 private:
  struct Scratch {
    std::byte* workspace;
    float *weights, *wide_x, *wide_dy, *bias;
    size_t bytes;

    Scratch(const BackwardWeights& k, void* memory) {
      const ConvShape& s = k.p_.shape;
      Carver carver(memory);
      workspace = k.TakeWorkspace(carver);
      weights = carver.Take<float>(s.weights() * k.weight_parts_.parts);
      wide_x = carver.Take<float>(k.widened() ? s.sources() : 0);
      wide_dy = carver.Take<float>(k.widened() ? s.results() : 0);
      bias = carver.Take<float>(k.has_bias_ ? k.bias_.scratch() : 0);
      bytes = carver.bytes();
    }
  };
  // Parts of rows, so that there is a thread of the GPU for each weight of each.
  static int64_t Wanted(int64_t weights, int multiprocessors) {
    constexpr int64_t kThreadsPerMultiprocessor = 2048;
    return std::max<int64_t>(kThreadsPerMultiprocessor * multiprocessors / weights, 1);
  }

  bool has_bias_;
  Parts weight_parts_;
  ColumnSums bias_;
};

}  // namespace

KernelOr Make(const Conv2dBackwardWeights& op, const Request& r) {
  if (r.inputs[0].elements() == 0 || r.inputs[1].elements() == 0) return ZeroOutputs(r);
  const ConvProblem problem = ProblemOf(op, r.inputs, r.outputs);
  auto choice = Choose(r, problem);
  if (!choice.ok()) return choice.status();
  return std::make_shared<BackwardWeights>(problem, *std::move(choice), op.has_bias, r.gpu.multiprocessors());
}

}  // namespace mathnas::kernels::cuda
