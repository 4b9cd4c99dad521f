// Drop path, or stochastic depth (Huang et al., 2016): in training the residual branches of a block are zero for
// samples drawn at random, the more often the deeper the block lies.
#ifndef MATHNAS_BLOCKS_DROP_PATH_H_
#define MATHNAS_BLOCKS_DROP_PATH_H_

#include <cstdint>

#include "kernels/graph.h"

namespace mathnas::blocks {

class DropPath {
 public:
  // Of a network of `blocks` blocks, the last of which has this rate; each other one the share of it that its place is
  // of their number, counted from 1 (equation 4 of the paper). 0 <= rate < 1. Above 0 the graph gets the input
  // "seed"{1} int64, on which all depends that is drawn in a run; with 0 nothing is added to it.
  DropPath(kernels::Graph& g, double rate, int blocks);

  // The next block begins.
  void Begin() { ++block_; }
  // A residual branch y{N,..} of the block: for each sample 0 with the probability of its rate, otherwise y /
  // (1 - rate), so that the expectation is y. Branches are drawn independently.
  kernels::Value Branch(kernels::Value y);

 private:
  kernels::Graph& g_;
  double rate_;
  int blocks_, block_ = 0;
  int32_t stream_ = 0;
  kernels::Value seed_;
};

}  // namespace mathnas::blocks

#endif  // MATHNAS_BLOCKS_DROP_PATH_H_
