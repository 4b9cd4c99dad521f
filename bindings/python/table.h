// Block tables, as what is asked of them shares them.
#ifndef MATHNAS_BINDINGS_PYTHON_TABLE_H_
#define MATHNAS_BINDINGS_PYTHON_TABLE_H_

#include <memory>

#include "mathnas/core/block_table.h"

namespace mathnas::python {

// Immutable: any number of threads may ask it.
struct Table {
  std::shared_ptr<const core::BlockTable> table;

  const core::BlockTable& operator*() const { return *table; }
  const core::BlockTable* operator->() const { return table.get(); }
};

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_TABLE_H_
