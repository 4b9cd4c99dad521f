// What a network costs, counted and not measured: FLOPs, parameters, memory, by block.
#ifndef MATHNAS_SUPERNET_COUNTING_H_
#define MATHNAS_SUPERNET_COUNTING_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

struct Cost {
  int64_t flops = 0;             // in the space's convention (SearchSpace::flops_convention)
  int64_t macs = 0;              // multiply-adds
  int64_t parameters = 0;        // trainable values
  int64_t activation_bytes = 0;  // most bytes of activations held at once, batch 1, folded for inference, float32
};

struct BlockCost {
  std::string block;
  int node;  // of the space, -1 for the fixed part
  Cost cost;
};

struct NetworkCost {
  Cost total;                     // sums (SearchSpace::Sum), and unused_parameters; of activation_bytes the maximum
  std::vector<BlockCost> blocks;  // in the order in which they run
};

// Work and parameters alone, from the graph; activation_bytes are 0. InvalidArgument for a choice outside of the space.
absl::StatusOr<NetworkCost> CountWork(const SearchSpace& space, const Choice& choice);
// All of it, for which the network is planned: takes some hundred times as long.
absl::StatusOr<NetworkCost> CountNetwork(const SearchSpace& space, const Choice& choice);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_COUNTING_H_
