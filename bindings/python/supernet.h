// Weights of a search space: those that all its networks share, and those of one network.
#ifndef MATHNAS_BINDINGS_PYTHON_SUPERNET_H_
#define MATHNAS_BINDINGS_PYTHON_SUPERNET_H_

#include <memory>
#include <optional>

#include "bindings/python/space.h"
#include "kernels/tensor.h"
#include "supernet/search_space.h"
#include "supernet/training/checkpoint.h"

namespace mathnas::python {

// Tensors are made once and never replaced, so that arrays of NumPy may be views of them as long as these live.
struct Supernet {
  Space space;
  std::shared_ptr<kernels::TensorMap> weights;
};

// One network with weights of its own.
struct Subnet {
  Space space;
  supernet::Choice choice;
  std::shared_ptr<kernels::TensorMap> weights;
};

// What is saved of either; weights are referred to.
supernet::Checkpoint CheckpointOf(const Space& space, const std::optional<supernet::Choice>& own,
                                  const kernels::TensorMap& weights);

// Threads of work that may take all of the machine.
int AllCores();

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_SUPERNET_H_
