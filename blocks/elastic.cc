#include "blocks/elastic.h"

#include <utility>

namespace mathnas::blocks {

using kernels::Graph;
using kernels::Shape;
using kernels::Value;

Value LeadingParameter(Graph& g, std::string_view name, Shape stored, int64_t rows, int64_t columns) {
  return kernels::Leading(g, g.Parameter(name, std::move(stored)), rows, columns);
}

Value LeadingState(Graph& g, std::string_view name, Shape stored, int64_t rows) {
  return kernels::Leading(g, g.State(name, std::move(stored)), rows);
}

}  // namespace mathnas::blocks
