// Search spaces and choices of their networks, as everything that has weights shares them.
#ifndef MATHNAS_BINDINGS_PYTHON_SPACE_H_
#define MATHNAS_BINDINGS_PYTHON_SPACE_H_

#include <nanobind/nanobind.h>

#include <memory>
#include <string>

#include "supernet/search_space.h"

namespace mathnas::python {

// Immutable.
struct Space {
  std::shared_ptr<const supernet::SearchSpace> space;

  const supernet::SearchSpace& operator*() const { return *space; }
  const supernet::SearchSpace* operator->() const { return space.get(); }
};

// A network: a candidate number for each node, or the subnet as an object or JSON text in the form that the command
// line takes. ValueError names the entry, its value and what was expected. Needs the GIL.
supernet::Choice ChoiceOf(const supernet::SearchSpace& space, nanobind::handle subnet);

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_SPACE_H_
