// The tensors of a network or a supernet: made, initialised, taken over from shared ones.
#ifndef MATHNAS_SUPERNET_WEIGHTS_H_
#define MATHNAS_SUPERNET_WEIGHTS_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "kernels/graph.h"
#include "kernels/tensor.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

// A zeroed tensor for every parameter and state of the graph, by name, and for every running_mean the counter
// num_batches_tracked (int64 scalar) that the reference's state dicts have.
kernels::TensorMap AllocateWeights(const kernels::Graph& graph);

// kPyTorch: PyTorch's defaults, as the reference of NAS-Bench-201 uses them (spec/search-spaces.md 2.1): weights of
// rank 2 and more, and the biases beside them, uniform in +-1/sqrt(fan_in); normalisation 1 and 0, running statistics 0
// and 1. Each tensor's values depend on (seed, name) alone. "arch_parameters" are 1e-3 * normal (2.5). kHeFanOut,
// once-for-all's: convolutions normal with variance 2 / (kh kw out), linear layers uniform in
// +-1/sqrt(inputs), biases 0, kernel matrices the identity, normalisation as above. kNasVit: the same, but the last
// normalisation of a convolution block's branch has weight 0, rescale tables are 1e-4, and tables of relative positions
// normal with deviation 0.02 (spec/search-spaces.md 5.8; the reference truncates them at +-2). kXavier, HAT's (4.3):
// matrices uniform in
// +-sqrt(6 / (inputs + outputs)), biases 0, embeddings normal with variance 1 / columns, the row of the padding token
// 0.
void InitializeWeights(kernels::TensorMap& weights, uint64_t seed, Initialization kind = Initialization::kPyTorch);

// The deterministic values of spec/search-spaces.md 1.2, by name.
void FillSynthetic(kernels::TensorMap& weights);
// The same values for one tensor: r in [-1, 1) without any scaling, as the input of golden cases is made.
void FillSyntheticInput(std::string_view name, kernels::TensorView tensor);
// Element i of the generator: r of spec/search-spaces.md 1.2 for this name.
double SyntheticValue(std::string_view name, int64_t i);

// The own weights of a network, copied from a supernet's shared ones or, where it has parts of them, computed
// (SearchSpace::OwnTensor). Tensors that the supernet lacks because its
// normalisation is not affine become 1 (weight) and 0 (bias). NotFound names any other tensor that is missing.
absl::StatusOr<kernels::TensorMap> ExtractWeights(const SearchSpace& space, const Choice& choice,
                                                  const kernels::TensorMap& shared);
// The same for who does not change parameters: those that the supernet has as they are are borrowed, and keep it
// alive. Statistics are copies.
absl::StatusOr<kernels::TensorMap> BorrowWeights(const SearchSpace& space, const Choice& choice,
                                                 std::shared_ptr<const kernels::TensorMap> shared);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_WEIGHTS_H_
