// How training goes about, as arguments of Python say it.
#ifndef MATHNAS_BINDINGS_PYTHON_RECIPE_H_
#define MATHNAS_BINDINGS_PYTHON_RECIPE_H_

#include <optional>
#include <string>

#include "kernels/recompute.h"

namespace mathnas::python {

// 'nothing', 'activations', 'blocks'; None: what takes no time in the space. ValueError lists them.
std::optional<kernels::Recomputed> RecomputedOf(const std::optional<std::string>& name);

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_RECIPE_H_
