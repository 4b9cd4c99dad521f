// The published tables (mathnas/tables), the optima known for them (tests/data/published/expected_optima.json; its
// header says how they were found), and the way to the best network that suits the size of a space.
#ifndef MATHNAS_TESTS_CORE_PUBLISHED_H_
#define MATHNAS_TESTS_CORE_PUBLISHED_H_

#include <cmath>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "mathnas/core/block_table_json.h"
#include "mathnas/core/estimator.h"
#include "mathnas/core/networks.h"
#include "mathnas/core/search.h"
#include "nlohmann/json.hpp"

namespace mathnas::core::testing {

inline BlockTable PublishedTable(const std::string& name) {
  auto table = Load(fmt::format("{}/{}.json", MATHNAS_PUBLISHED_TABLES, name));
  if (!table.ok()) throw std::runtime_error(std::string(table.status().message()));
  return *std::move(table);
}

struct PublishedInstance {
  std::string name;   // for messages
  std::string table;  // file name without .json
  SearchRequest request;
  std::string cost;  // the metric of the first limit
  bool feasible = false;
  double objective = 0, cost_at_optimum = 0;
  std::optional<int64_t> feasible_count, optimal_count;
  std::vector<int> optimal;  // index vector as published
  bool first_end_column = false;
};

// Published index vectors end at the first 36 (`end`); the literal tables have a node behind the first decoder layer.
inline Choice ChoiceOf(const BlockTable& table, std::vector<int> vector, bool first_end_column = false) {
  constexpr int kEnd = 36;
  if (table.FindNode("decoder0-end")) {
    vector.insert(vector.begin() + 7, first_end_column ? 1 : 0);
    if (first_end_column) vector.resize(8);
  }
  vector.resize(table.nodes.size(), kEnd);
  return vector;
}

inline PublishedInstance ParseInstance(const nlohmann::json& json) {
  PublishedInstance i;
  const std::string space = json.at("space"), variant = json.at("variant");
  const std::string device = json.value("device", "");
  const bool literal = variant.find("literal") != std::string::npos;
  const std::string suffix = literal ? "-literal" : "";
  i.name = json.dump();
  i.request.estimator = {.kind = EstimatorKind::kLinear};
  const auto limit = [&i](std::string metric, double value) {
    i.request.limits.push_back({.metric = std::move(metric), .op = LimitOp::kAtMost, .value = value});
  };
  if (space == "nasbench201") {
    i.table = space + suffix;
    limit("latency_" + device, json.at("latency_limit"));
    limit("energy_" + device, json.at("energy_limit"));
  } else if (space == "mobilenetv3") {
    i.table = space + (device == "tx2gpu" ? "-gpu" : "-cpu");
    limit("latency_" + device, json.at("latency_limit"));
  } else if (space == "supervit") {
    i.table = space + suffix;
    limit("flops", json.at("flops_limit_M"));
    if (!literal) i.request.fixed = {{"resolution", fmt::format("{}", json.at("resolution").get<int>())}};
  } else if (space == "supertransformer") {
    i.table = space + "-" + device + suffix;
    const bool intended_base = device == "raspberrypi" && json.at("base_latency") == 9200 && literal;
    limit(intended_base ? "latency_9200" : "latency", json.at("latency_limit"));
    if (!literal) {  // full depth only
      for (int d = 1; d < 6; ++d) i.request.forbidden.push_back({fmt::format("decoder{}", d), "end"});
    }
  } else {
    throw std::runtime_error("unknown space " + space);
  }
  i.cost = i.request.limits[0].metric;
  i.feasible = json.at("status") == "optimal";
  if (json.contains("feasible_count")) i.feasible_count = json.at("feasible_count").get<int64_t>();
  if (!i.feasible) return i;
  i.objective = json.at("objective");
  i.cost_at_optimum = json.at(space == "supervit" ? "flops_M" : "latency");
  i.optimal = json.at("optimal").get<std::vector<int>>();
  if (json.contains("optimal_count")) i.optimal_count = json.at("optimal_count").get<int64_t>();
  i.first_end_column = json.contains("note");
  return i;
}

inline std::vector<PublishedInstance> PublishedInstances() {
  std::ifstream in(MATHNAS_TEST_DATA "/published/expected_optima.json");
  if (!in) throw std::runtime_error("no " MATHNAS_TEST_DATA "/published/expected_optima.json");
  const auto document = nlohmann::json::parse(in);
  std::vector<PublishedInstance> instances;
  for (const auto& json : document.at("instances")) instances.push_back(ParseInstance(json));
  return instances;
}

struct BestNetwork {
  Choice choice;
  int shared = 0;
  double objective = 0;
};

// The proven best network, or nullopt if there is none within the limits. Throws if it was not proven.
inline std::optional<BestNetwork> FindBest(const BlockTable& table, const SearchRequest& request) {
  const auto result = Search(table, request);
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  if (result->status == SearchStatus::kInfeasible) return std::nullopt;
  if (result->status != SearchStatus::kOptimal) throw std::runtime_error("not solved");
  const FoundNetwork& best = result->networks.at(0);
  return BestNetwork{best.choice, best.shared_index, best.objective};
}

}  // namespace mathnas::core::testing

#endif  // MATHNAS_TESTS_CORE_PUBLISHED_H_
