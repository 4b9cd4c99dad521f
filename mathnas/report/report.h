// Everything a finished run of the main job knows, and its two renderings: one HTML file and a terminal summary.
//
// Fill the structs, leave out what is not known: every part may be empty, every number may be missing. Numbers are
// shown in the unit that stands beside them and are never converted. Predicted and measured values always appear
// together. Text fields are plain text in UTF-8; the renderings escape them.
#ifndef MATHNAS_REPORT_REPORT_H_
#define MATHNAS_REPORT_REPORT_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "mathnas/core/block_table.h"
#include "mathnas/core/limit.h"
#include "mathnas/core/search.h"

namespace mathnas::report {

// A number, or why there is none. Shown as a dash with the reason if `value` is not finite.
struct Reading {
  double value = std::numeric_limits<double>::quiet_NaN();
  std::string reason = {};  // e.g. "RAPL counters are not readable"; "" = "not recorded"
};

// One line of a list of settings, shown as it stands.
struct Setting {
  std::string name;
  std::string value;
};

// Where the run took place.
struct Environment {
  std::string device;                  // "cpu", "cuda"
  std::string machine;                 // one line: processor, instruction set, memory
  int threads = 0;                     // 0 = not recorded
  std::vector<Setting> versions = {};  // compiler, libraries
};

// After one epoch. Accuracies in %.
struct Epoch {
  int epoch = 0;  // counted from 1
  Reading loss = {};
  Reading train_accuracy = {};
  Reading validation_accuracy = {};
};

struct Training {
  std::string quality = "accuracy";    // what the accuracies of epochs are
  std::vector<Setting> settings = {};  // optimiser, learning rate, batch, augmentation, ...
  std::vector<Epoch> epochs = {};
};

// A limit of the search and where it came from: "--limit", "60 % of the largest network", ...
struct Budget {
  core::Limit limit;
  std::string origin = {};
};

// One metric of the chosen network, by the block table and by measuring the network itself.
struct Comparison {
  std::string metric;  // name in the block table: "accuracy", "latency", "energy", "flops", "parameters", ...
  std::string unit = {};
  core::Goal goal = core::Goal::kMin;
  Reading predicted = {};
  Reading measured = {};      // the median where there are several samples
  Reading measured_low = {};  // lower and upper quartile; missing = measured once
  Reading measured_high = {};
  int64_t samples = 0;      // behind `measured`; 0 = not recorded
  std::string method = {};  // how it was measured or counted: "batch 1, 200 runs after 20 for warm-up"
};

// Of the chosen network on data that took no part in training and search.
struct TestScore {
  Reading inherited = {};  // with the weights of the supernet, before fine-tuning
  Reading fine_tuned = {};
  int64_t count = 0;  // of `items`; 0 = not recorded
  std::string name = "accuracy";
  std::string unit = "%";
  std::string items = "images";
};

// One edge of a cell: node `to` adds op(node `from`). Operators as in search-space strings: "nor_conv_3x3", "none", ...
struct CellEdge {
  int from = 0;
  int to = 0;
  std::string op;
};

// One layer of a stack.
struct StackLayer {
  std::string name;  // "1"
  std::string text;  // what it is made of: "4 heads, feed-forward 512"
  double size = 1;   // of the largest that the space has, 0 to 1
  int sources = 0;   // how many of the last layers of the first stack it looks at
};

// Layers one upon the other, the first at the bottom: an encoder, a decoder.
struct Stack {
  std::string title = {};
  std::vector<StackLayer> layers = {};
};

struct ChosenNetwork {
  std::string architecture;         // as the space writes it; "" = there is none
  core::Choice choice = {};         // candidates by node of the block table; marks them there
  int shared_index = 0;             // value of the shared choice; its block values are the ones shown
  std::vector<CellEdge> cell = {};  // to be drawn; see CellFromArchitecture
  std::vector<Stack> stacks = {};   // to be drawn side by side
  std::vector<Comparison> metrics = {};
  std::vector<TestScore> tests = {};
};

// What the search proved.
struct Proof {
  core::SearchStatus status = core::SearchStatus::kInfeasible;
  std::string objective_metric = "accuracy";
  std::string objective_unit = {};
  Reading objective = {};
  Reading bound = {};     // no network within the budget is better
  Reading gap = {};       // fraction: |bound - objective| / |objective|
  int64_t explored = 0;   // networks looked at
  Reading networks = {};  // in the space
  Reading seconds = {};
  std::string estimator = {};  // "eq6"
};

struct Point {
  double x = 0;
  double y = 0;
};

// Predictions over the whole space: x is the budgeted metric, y the objective.
struct Landscape {
  std::string x_metric = "latency";
  std::string x_unit = "ms";
  std::string y_metric = "accuracy";
  std::string y_unit = "%";
  std::vector<Point> front = {};  // every non-dominated network of the space, in any order
  std::vector<Point> cloud = {};  // all networks or a sample, any number: drawn as a density. Not finite = left out
  Reading networks = {};          // in the space, to say how much of it the cloud shows
};

// One random subnet, predicted and then measured.
struct AuditedNetwork {
  std::string architecture = {};
  double predicted = std::numeric_limits<double>::quiet_NaN();
  double measured = std::numeric_limits<double>::quiet_NaN();
};

// The audit of one metric; its statistics are computed from the networks (agreement.h).
struct Audit {
  std::string metric;
  std::string unit = {};
  std::string method = {};  // how the networks were drawn and measured
  std::vector<AuditedNetwork> networks = {};
};

struct Stage {
  std::string name;
  Reading seconds = {};
  std::string note = {};  // "taken from the checkpoint", ...
};

struct Report {
  std::string title = "MathNAS report";
  std::string space;
  std::string dataset;     // with its split: "fashion-mnist, 50000 / 10000 / 10000 images"
  std::string created_at;  // date and time; "" = left out
  std::string command;     // that repeats the run; "" = left out
  Environment environment;
  std::vector<Setting> macro;  // channels, cells per stage, classes, input
  Training supernet;
  Training fine_tuning;
  std::vector<Budget> budgets;
  ChosenNetwork chosen;
  Proof proof;
  Landscape landscape;
  std::vector<Audit> audits;
  core::BlockTable table;  // values, samples and spread are shown for every metric
  std::vector<Stage> stages;
  std::vector<std::string> notes;  // warnings and remarks of the run, shown near the top
};

// One self-contained HTML file: inline style and SVG, no scripts, nothing loaded from anywhere, light and dark.
std::string RenderHtml(const Report& report);

// 15 to 25 plain lines of at most 100 columns, each ended by a newline.
std::string RenderTerminalSummary(const Report& report);

// The fields of a finished search that Proof has; `networks` (of the space) is left to the caller.
Proof ProofOf(const core::SearchResult& result, const core::BlockTable& table, const std::string& objective);

// The edges of a NAS-Bench-201 string, "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|"; empty if it is not one.
std::vector<CellEdge> CellFromArchitecture(const std::string& architecture);

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_REPORT_H_
