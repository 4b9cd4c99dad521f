// Weights of convolutions as cuDNN and own kernels want them, packed once where they are constant.
#ifndef MATHNAS_KERNELS_CUDA_CONV_WEIGHTS_H_
#define MATHNAS_KERNELS_CUDA_CONV_WEIGHTS_H_

#include "kernels/cuda/conv_choice.h"
#include "kernels/cuda/own/conv_weights.h"
#include "kernels/cuda/queue.h"

namespace mathnas::kernels::cuda {

// Where a weight lies in what the choice computes with.
WeightOrder OrderOf(const ConvShape& shape, ConvChoice::Path path, cudnn::Graph::Direction direction);

// Weights in another order, type or place than the masters'.
struct Packing {
  // Of the operand of a convolution, or of what flows back through it.
  Packing(const ConvProblem& problem, const ConvChoice& choice, const TensorDesc& weights);

  long long out, in, taps, group_out, row;
  WeightOrder order;
  DType from, to;
  DType values;  // of which type these are, whatever holds them

  bool operator==(const Packing&) const = default;
  long long elements() const { return out * in * taps; }
  // Whether the masters, if they are aligned, can be used as they are.
  bool changes_nothing() const {
    return from == to && values == to && row == in * taps && order.group == group_out * row && order.out == row &&
           (in == 1 || order.in == taps) && (taps == 1 || order.tap == 1);
  }
  // Enqueues it.
  absl::Status Run(Queue& q, const void* masters, void* packed) const;
};

// Where a bound kernel finds its weights.
struct BoundWeights {
  const void* data;
  std::shared_ptr<const Tensor> kept;  // where they were packed once
  bool pack = false;                   // into data, by every run
};
// Input 1 of the buffers; `scratch` is for weights that change.
absl::StatusOr<BoundWeights> Bind(const Packing& packing, const KernelBuffers& buffers, void* scratch);

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_CONV_WEIGHTS_H_
