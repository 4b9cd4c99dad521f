// Tensors of which a network uses the leading part (spec/search-spaces.md 1.1).
#ifndef MATHNAS_BLOCKS_ELASTIC_H_
#define MATHNAS_BLOCKS_ELASTIC_H_

#include <string_view>

#include "kernels/graph.h"

namespace mathnas::blocks {

// Parameter or state NAME, stored as `stored`, and of that the leading `rows` and `columns` (0: all of them).
kernels::Value LeadingParameter(kernels::Graph& g, std::string_view name, kernels::Shape stored, int64_t rows,
                                int64_t columns = 0);
kernels::Value LeadingState(kernels::Graph& g, std::string_view name, kernels::Shape stored, int64_t rows);

}  // namespace mathnas::blocks

#endif  // MATHNAS_BLOCKS_ELASTIC_H_
