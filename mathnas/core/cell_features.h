// What a cell (cell.h) is made of, in numbers, from its live edges alone: cells that compute the same look the same.
//
// Nothing is known of the operations but what the table says. Candidates of one name are one operation; one whose
// `flops` are above 0 computes; the others are free, and one of them may hand its input on unchanged (`identity`).
//
// Features, over the ways from input to output on which no edge is `none`:
//   edges that are live, by operation
//   by computing operation: most on a way, mean over the ways
//   by free operation but the identity: least, most, mean
//   computing operations of any kind on a way: least, most, mean; whether there is any
//   log of the number of ways; longest way in edges
//   whether some way is of identities alone; whether some way is free but not of identities alone
//   ways without free operations other than the identity: all, and those that compute
//   FLOPs f of the live edges, in units of the least that is not 0, and log(1 + f)
#ifndef MATHNAS_CORE_CELL_FEATURES_H_
#define MATHNAS_CORE_CELL_FEATURES_H_

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mathnas/core/block_table.h"

namespace mathnas::core {

class CellFeatures {
 public:
  // True if every node of the table is an edge of its cell, `flops` are measured, and nothing is shared.
  static bool Apply(const BlockTable& table);

  // `identity` names the operation that hands its input on; without it, it is the free candidate with "skip" or
  // "identity" in its name, or none. InvalidArgument: tables that Apply refuses, an unknown name, one that computes.
  static absl::StatusOr<CellFeatures> Create(const BlockTable& table, const std::optional<std::string>& identity = {});

  int size() const { return size_; }
  // Fills size() numbers; false and zeros if the cell is cut. `choice` must pass CheckChoice.
  bool Compute(const Choice& choice, std::span<double> features) const;
  // The function of the cell as text and the number of its operations but identities, which are the same for cells that
  // differ in dead edges, in the order of vertices or of sums, or in identities; "" if the cell is cut.
  std::string Expression(const Choice& choice) const;

 private:
  struct Operation {
    std::string name;
    bool computes = false;
    bool identity = false;
  };

  CellFeatures() = default;
  int OperationAt(int edge, const Choice& choice) const;

  CellStructure cell_;
  std::vector<std::vector<int>> ways_;  // edges
  std::vector<Operation> operations_;
  std::vector<std::vector<int>> operation_of_;  // by edge and candidate; kNone
  Grid flops_;                                  // by edge and candidate
  int size_ = 0;
};

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_CELL_FEATURES_H_
