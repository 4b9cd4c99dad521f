// Block tables, as what is asked of them shares them.
#ifndef MATHNAS_BINDINGS_PYTHON_TABLE_H_
#define MATHNAS_BINDINGS_PYTHON_TABLE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"

namespace mathnas::python {

// Immutable: any number of threads may ask it.
struct Table {
  std::shared_ptr<const core::BlockTable> table;

  const core::BlockTable& operator*() const { return *table; }
  const core::BlockTable* operator->() const { return table.get(); }
};

// The estimator of that name; `metrics` are those that will be used. InvalidArgument lists the names that are known.
absl::StatusOr<core::EstimatorOptions> EstimatorOf(const std::string& name, const std::string& flops_fixed,
                                                   const core::BlockTable& table,
                                                   const std::vector<std::string>& metrics);

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_TABLE_H_
