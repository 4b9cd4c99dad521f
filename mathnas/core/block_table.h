// The block table: what was measured of every candidate block of a search space, in memory.
// The JSON form is in block_table_json.h; docs of the fields follow the format "mathnas-block-table/1".
#ifndef MATHNAS_CORE_BLOCK_TABLE_H_
#define MATHNAS_CORE_BLOCK_TABLE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mathnas/core/cell.h"

namespace mathnas::core {

// One number per node and candidate: grid[i][j]. NaN = not measured.
using Grid = std::vector<std::vector<double>>;
// One candidate index per node: (J_1, ..., J_m) of the paper, counted from 0.
using Choice = std::vector<int>;
// Keys that begin with "x-" and their values as JSON text: carried along, never interpreted.
using Extensions = std::map<std::string, std::string>;

// Block node B_i with its candidate blocks b_{i,j}; `reference` is the candidate of the base network N~ in this node.
struct Node {
  std::string name;
  std::vector<std::string> candidates;
  int reference = 0;
  Extensions extensions = {};
};

enum class Goal { kMin, kMax };
// kCost: value(N) = base + sum of values.  kSaving (the paper's b): value(N) = base - sum of values.
enum class Form { kCost, kSaving };

// The numbers of one metric for one value of the shared choice.
struct MetricSlice {
  double base = 0;                                 // in the metric's unit; NaN = not measured
  Grid values = {};                                // in the metric's unit
  std::vector<std::vector<int64_t>> samples = {};  // measurements behind each value, 0 = none; empty = not recorded
  Grid stddev = {};                                // spread of those, in the metric's unit; empty = not recorded
};

// A network that was measured whole, in the metric's unit.
struct Evaluation {
  Choice choice;  // need not be canonical
  double value = 0;
  Extensions extensions = {};
};

struct Metric {
  std::string unit;
  Goal goal = Goal::kMin;
  Form form = Form::kCost;
  std::vector<MetricSlice> slices;  // one per value of the shared choice, or one if there is no such choice
  // What the estimator `interaction` learns from (interaction.h); every network once. Not with a shared choice.
  std::vector<Evaluation> evaluations = {};
  std::optional<std::string> device;
  std::optional<int64_t> batch;
  std::optional<int64_t> threads;
  std::optional<std::string> convention;
  std::optional<std::string> measured_at;
  Extensions extensions = {};
};

// Nodes that may end early (Eq 9). Once a node takes its `absent` candidate all later nodes of the group are absent
// too: they are reported as their own `absent` candidate, and only the first absent node contributes its values.
struct DepthGroup {
  static constexpr int kCannotBeCut = -1;
  std::vector<int> nodes;   // strictly increasing node indices; a node is in one group at most
  std::vector<int> absent;  // candidate index by position in `nodes`; once one is named, all later ones are
  Extensions extensions = {};
};

// One choice for the whole network, e.g. the input resolution. Each value has its own tables.
struct SharedChoice {
  std::string name;
  std::vector<double> values;
  Extensions extensions = {};
};

struct Structure {
  std::vector<DepthGroup> depth;
  std::optional<SharedChoice> shared;
  std::optional<CellStructure> cell;
};

struct BlockTable {
  std::string space;
  std::vector<Node> nodes;
  std::map<std::string, Metric, std::less<>> metrics;
  Structure structure;
  Extensions extensions = {};

  // How many values the shared choice has; 1 if there is none.
  int SharedCount() const;
  // The index, or nullopt.
  std::optional<int> FindNode(std::string_view name) const;
  std::optional<int> FindCandidate(int node, std::string_view name) const;
};

// The metric whose `base` is the fixed part (stem, head) and whose values are block FLOPs: equations 4 to 6 divide by
// it.
inline constexpr std::string_view kFlopsMetric = "flops";

// Counts, names, references, finiteness, structure. InvalidArgument names `source`, the field's path and what was
// expected: "table.json: metrics.latency.values[3][1]: expected a finite number, found inf".
absl::Status Validate(const BlockTable& table, std::string_view source = "block table");

// Is `choice` one candidate per node, and `shared` an index of the shared choice? InvalidArgument names the entry.
absl::Status CheckChoice(const BlockTable& table, const Choice& choice, int shared = 0);

// The choice as it is reported: nodes behind a cut take their own `absent` candidate, dead edges of a cell `none`.
// `choice` must pass CheckChoice.
Choice CanonicalChoice(const BlockTable& table, Choice choice);

// False if the network computes nothing: its cell is cut (cell.h). `choice` must pass CheckChoice.
bool ComputesSomething(const BlockTable& table, const Choice& choice);

// For every node, whether it contributes its values: false behind a cut. `choice` must pass CheckChoice.
std::vector<bool> ContributingNodes(const BlockTable& table, const Choice& choice);

}  // namespace mathnas::core

#endif  // MATHNAS_CORE_BLOCK_TABLE_H_
