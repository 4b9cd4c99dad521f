// A network in bfloat16 or float16, for inference or for training: half the memory that activations and weights move,
// and the matrix units of processors that have them for it. A graph in, a graph of the same network out.
#ifndef MATHNAS_KERNELS_LOWER_PRECISION_H_
#define MATHNAS_KERNELS_LOWER_PRECISION_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/device.h"
#include "kernels/fold.h"
#include "kernels/fuse.h"

namespace mathnas::kernels {

// What a network computes in.
enum class Precision : uint8_t { kFloat32, kBfloat16, kFloat16 };
// "float32", "bfloat16", "float16".
std::string_view Name(Precision precision);
DType TypeOf(Precision precision);
// InvalidArgument lists the names that are known.
absl::StatusOr<Precision> ParsePrecision(std::string_view name);
// Whether the device computes in it: Device::CheckLow.
absl::Status Check(const Device& device, Precision precision);

// Returns a graph that computes the same outputs from the same inputs, both float32 still, up to the rounding of what
// lies between to the 8 bits of bfloat16, or the 11 of float16:
//  - Convolutions and linear layers read 16 bits and add up in float32. Their constant weights are rounded once: of
//    "x.weight" the graph reads "x.weight.bfloat16" or "x.weight.float16". Biases stay float32.
//  - Activations, sums, pooling and what else is cheap (ops/element_types.h) have 16 bits where all that they read has.
//    What is larger than 65504 is infinite in float16.
//  - What is delicate stays float32: normalisations, attention with its softmax, embeddings, resizing, and every
//    operator that takes no 16 bits. Convert operators stand between; a linear layer that such an operator or an output
//    reads gives its float32 sums as they are (Linear::wide_dst).
//  - ExpandDepthwise becomes its two convolutions: oneDNN's in bfloat16 take 0.91 to 1.17 times what the one operator
//    takes in float32 (MobileNetV3, batch 32; 1.1 to 1.25 at batch 1), but it would need conversions at both ends.
// Values, blocks and outputs keep their names. Whether a device runs it fast: Check.
//
// Errors: the graph's own; InvalidArgument for kFloat32, for a graph that is not float32 throughout, and for a weight
// that is finite and too large for float16; NotFound names a weight that is missing.
absl::StatusOr<FoldedGraph> LowerPrecision(const FoldedGraph& network, Precision precision);

// The same for training, of a forward graph that is to be differentiated; `kept` are values of the graph that was
// fused, which the result has in float32, as it has all leaves. What it does otherwise than LowerPrecision:
//  - Weights are parameters of float32, rounded by a Convert in every run; so their gradients, of the same names and
//    slices, are float32 (ops/element_types.h).
//  - Batch normalisation in training, and its sums, take and give 16 bits; their statistics, scales and shifts are
//    float32.
// The backward pass follows: what flows back into a value has its type. The exponents of bfloat16 are those of float32;
// in float16 gradients below 2^-24 are lost, so that they have to be scaled (the factor of Differentiate). With
// kFloat32 the network stays as it is. Errors are those of the result's graph: its own, and InvalidArgument for a graph
// that is not float32 throughout.
FusedGraph LowerForTraining(FusedGraph network, absl::Span<const Value> kept, Precision precision);

// What a graph has values of besides float32; of none that is kFloat32.
Precision PrecisionOf(const Graph& graph);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_LOWER_PRECISION_H_
