// Tables for tests: the published NAS-Bench-201 tables (mathnas.md 2.1) and small random ones.
#ifndef MATHNAS_TESTS_CORE_TABLES_H_
#define MATHNAS_TESTS_CORE_TABLES_H_

#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "mathnas/core/block_table.h"

namespace mathnas::core::testing {

inline constexpr double kNull = std::numeric_limits<double>::quiet_NaN();

inline Metric MakeMetric(std::string unit, Goal goal, Form form, double base, Grid values) {
  Metric metric;
  metric.unit = std::move(unit);
  metric.goal = goal;
  metric.form = form;
  metric.slices.push_back({.base = base, .values = std::move(values)});
  return metric;
}

inline BlockTable NasBench201() {
  BlockTable table;
  table.space = "nasbench201";
  for (const char* edge : {"0->1", "0->2", "1->2", "0->3", "1->3", "2->3"}) {
    Node node;
    node.name = edge;
    node.candidates = {"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"};
    node.reference = 3;
    table.nodes.push_back(node);
  }
  table.metrics["accuracy"] = MakeMetric("%", Goal::kMax, Form::kSaving, 40.78,
                                         {{10, 4.38333, 1.1, 0, 6.73333},
                                          {10, 2.76667, .73333, 0, 4.2},
                                          {10, 2.53056, .78611, 0, 2.87778},
                                          {10, 0, .4, 0, 5.43333},
                                          {10, 2.6, .48611, 0, 3.96667},
                                          {10, 4.08333, .76111, 0, 6.05}});
  table.metrics["latency_edgegpu"] = MakeMetric("us", Goal::kMin, Form::kSaving, 5711,
                                                {{0, 315.42586, -610.85702, -599.38782, 0},
                                                 {0, 336.03346, -612.97678, -595.01408, 0},
                                                 {0, 325.39059, -369.0587, -315.52772, 0},
                                                 {0, 0, -600.03096, -593.82201, 0},
                                                 {0, 334.66562, -345.33539, -336.60361, 0},
                                                 {0, 337.93072, 227.7118, 256.47649, 0}});
  const std::vector<double> fpga = {0, 63.78562, -46.6825, -420.5425, 0};
  table.metrics["latency_fpga"] =
      MakeMetric("us", Goal::kMin, Form::kSaving, 899, {fpga, fpga, fpga, {0, 0, -46.5, -419.14969, 0}, fpga, fpga});
  table.metrics["energy_edgegpu"] = MakeMetric("uJ", Goal::kMin, Form::kSaving, 23834,
                                               {{0, 1352.09215, -2474.40909, -2856.61443, 0},
                                                {0, 1415.35325, -2565.52723, -2806.49838, 0},
                                                {0, 1415.89487, -1560.51619, -1651.50288, 0},
                                                {0, 0, -2507.0758, -2807.25033, 0},
                                                {0, 1443.75742, -1399.63758, -1766.06265, 0},
                                                {0, 1492.13864, 884.75951, 699.21667, 0}});
  const std::vector<double> energy = {0, 446.49938, -326.7775, -2943.7975, 0};
  table.metrics["energy_fpga"] = MakeMetric("uJ", Goal::kMin, Form::kSaving, 6291,
                                            {energy, energy, energy, {0, 0, -325.5, -2934.04781, 0}, energy, energy});
  const std::vector<double> flops = {0, 0, .983, 8.847, 0};
  table.metrics["flops"] =
      MakeMetric("MFLOPs", Goal::kMin, Form::kCost, 1.95, {flops, flops, flops, flops, flops, flops});
  return table;
}

// Integers everywhere, so that sums are exact in any order; ties are frequent.
inline Grid RandomGrid(const BlockTable& table, std::mt19937_64& random, int least, int greatest) {
  std::uniform_int_distribution<int> number(least, greatest);
  Grid grid;
  for (const Node& node : table.nodes) {
    grid.emplace_back();
    for (size_t j = 0; j < node.candidates.size(); ++j) grid.back().push_back(number(random));
  }
  return grid;
}

inline Metric RandomMetric(const BlockTable& table, std::mt19937_64& random, Goal goal, Form form, int least,
                           int greatest) {
  Metric metric;
  metric.unit = "units";
  metric.goal = goal;
  metric.form = form;
  for (int s = 0; s < table.SharedCount(); ++s) {
    const double base = std::uniform_int_distribution<int>(0, 50)(random);
    metric.slices.push_back({.base = base, .values = RandomGrid(table, random, least, greatest)});
  }
  return metric;
}

// 2 to 6 nodes with 1 to 4 candidates, sometimes with depth groups, a shared choice and values that are not measured.
inline BlockTable RandomTable(std::mt19937_64& random) {
  const auto draw = [&random](int least, int greatest) {
    return std::uniform_int_distribution<int>(least, greatest)(random);
  };
  BlockTable table;
  table.space = "random";
  const int nodes = draw(2, 6);
  for (int i = 0; i < nodes; ++i) {
    Node node;
    node.name = fmt::format("node{}", i);
    const int candidates = draw(1, 4);
    for (int j = 0; j < candidates; ++j) node.candidates.push_back(fmt::format("b{}", j));
    node.reference = candidates - 1;
    table.nodes.push_back(node);
  }
  if (draw(0, 1)) {
    DepthGroup group;  // every second node or every node, so that groups are not always contiguous
    const int step = draw(1, 2);
    for (int i = draw(0, 1); i < nodes; i += step) {
      group.nodes.push_back(i);
      const bool cut = group.nodes.size() > 1 || draw(0, 3) == 0;
      group.absent.push_back(cut ? draw(0, static_cast<int>(table.nodes[i].candidates.size()) - 1)
                                 : DepthGroup::kCannotBeCut);
      if (!cut && group.nodes.size() > 1) break;
    }
    if (!group.nodes.empty()) table.structure.depth.push_back(group);
  }
  if (draw(0, 2) == 0) table.structure.shared = SharedChoice{.name = "resolution", .values = {192, 224}};
  table.metrics["accuracy"] = RandomMetric(table, random, Goal::kMax, draw(0, 1) ? Form::kSaving : Form::kCost, -3, 9);
  table.metrics["latency"] = RandomMetric(table, random, Goal::kMin, draw(0, 1) ? Form::kSaving : Form::kCost, -4, 9);
  table.metrics["energy"] = RandomMetric(table, random, Goal::kMin, Form::kCost, 0, 20);
  table.metrics["flops"] = RandomMetric(table, random, Goal::kMin, Form::kCost, 1, 9);
  if (draw(0, 2) == 0) {
    for (const char* name : {"accuracy", "energy"}) {
      std::vector<double>& row = table.metrics[name].slices[0].values[draw(0, nodes - 1)];
      row[draw(0, static_cast<int>(row.size()) - 1)] = kNull;
    }
  }
  return table;
}

}  // namespace mathnas::core::testing

#endif  // MATHNAS_TESTS_CORE_TABLES_H_
