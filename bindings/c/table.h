// Block tables, and how calls say what is to be predicted.
#ifndef MATHNAS_BINDINGS_C_TABLE_H_
#define MATHNAS_BINDINGS_C_TABLE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "bindings/c/handles.h"
#include "mathnas/core/block_table.h"
#include "mathnas/core/estimator.h"

namespace mathnas::c {

struct TableHandle : Object {
  static constexpr Kind kKind = Kind::kTable;
  static constexpr const char* kName = "table";
  TableHandle(core::BlockTable t, std::string d) : Object(kKind), table(std::move(t)), description(std::move(d)) {}
  const core::BlockTable table;
  const std::string description;
};

// An estimator by its names; `metrics` are those that will be used.
absl::StatusOr<core::EstimatorOptions> EstimatorOf(const char* estimator, const char* flops_fixed,
                                                   const core::BlockTable& table,
                                                   const std::vector<std::string>& metrics);

}  // namespace mathnas::c

#endif  // MATHNAS_BINDINGS_C_TABLE_H_
