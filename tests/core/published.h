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
#include "mathnas/core/solver.h"
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

// One slice of a table and a linear request with limits of the kind <= as a Program. All values must be decimals with
// at most `kDecimals` places; throws what does not fit.
class ProgramOfTable {
 public:
  ProgramOfTable(const BlockTable& table, const SearchRequest& request) : table_(table), filter_(AllowAll(table)) {
    Check(ApplyFixed(table, request.fixed, filter_));
    Check(ApplyForbidden(table, request.forbidden, filter_));
    shared_ = -1;
    for (int s = 0; s < table.SharedCount(); ++s) {
      if (!filter_.shared[s]) continue;
      if (shared_ >= 0) throw std::runtime_error("one shared value expected");
      shared_ = s;
    }
    const Metric& objective = table.metrics.at(request.objective);
    const int sign = objective.goal == Goal::kMax ? -1 : 1;
    for (const Limit& limit : request.limits) {
      const Metric& metric = table.metrics.at(limit.metric);
      const auto room = static_cast<long double>(limit.value) - metric.slices[shared_].base;
      program_.limits.push_back(static_cast<int64_t>(std::floor(room * kScale + 1e-3L)));
    }
    AddNodes(request, objective, sign);
    for (const DepthGroup& group : table.structure.depth) AddChain(group, request, objective, sign);
  }

  const Program& program() const { return program_; }
  int shared() const { return shared_; }

  Choice ToChoice(const std::vector<int>& x) const {
    Choice choice;
    for (size_t i = 0; i < x.size(); ++i) {
      choice.push_back(x[i] == Program::kAbsent ? absent_[i] : candidates_[i][x[i]]);
    }
    return CanonicalChoice(table_, choice);
  }

 private:
  static constexpr int64_t kScale = 100'000'000;

  static void Check(const absl::Status& status) {
    if (!status.ok()) throw std::runtime_error(std::string(status.message()));
  }
  static int64_t Scaled(double value) {
    const long double scaled = static_cast<long double>(value) * kScale;
    if (std::abs(scaled - std::round(scaled)) > 1e-3L) throw std::runtime_error(fmt::format("{}: decimals", value));
    return std::llround(scaled);
  }
  // What the candidate adds to the metric.
  int64_t Cost(const Metric& metric, int i, int j) const {
    return (metric.form == Form::kSaving ? -1 : 1) * Scaled(metric.slices[shared_].values[i][j]);
  }

  void AddNodes(const SearchRequest& request, const Metric& objective, int sign) {
    absent_.assign(table_.nodes.size(), -1);
    for (const DepthGroup& group : table_.structure.depth) {
      for (size_t p = 0; p < group.nodes.size(); ++p) absent_[group.nodes[p]] = group.absent[p];
    }
    for (int i = 0; i < std::ssize(table_.nodes); ++i) {
      Program::Node node;
      node.w.resize(request.limits.size());
      candidates_.emplace_back();
      for (int j = 0; j < std::ssize(table_.nodes[i].candidates); ++j) {
        if (!filter_.candidates[i][j] || j == absent_[i]) continue;
        candidates_.back().push_back(j);
        node.a.push_back(sign * Cost(objective, i, j));
        node.f.push_back(0);
        for (size_t l = 0; l < request.limits.size(); ++l) {
          node.w[l].push_back(Cost(table_.metrics.at(request.limits[l].metric), i, j));
        }
      }
      program_.nodes.push_back(std::move(node));
    }
  }

  void AddChain(const DepthGroup& group, const SearchRequest& request, const Metric& objective, int sign) {
    Program::Chain chain;
    // A Program's chain has at least one node; the node before a group that can be empty is never cut.
    chain.first = group.absent[0] == DepthGroup::kCannotBeCut ? group.nodes[0] : group.nodes[0] - 1;
    chain.length = group.nodes.back() - chain.first + 1;
    chain.end_w.resize(request.limits.size());
    int allowed = 0;
    for (int i = chain.first + 1; i < chain.first + chain.length; ++i) {
      allowed += filter_.candidates[i][absent_[i]] ? 1 : 0;
      chain.end_a.push_back(sign * Cost(objective, i, absent_[i]));
      chain.end_f.push_back(0);
      for (size_t l = 0; l < request.limits.size(); ++l) {
        chain.end_w[l].push_back(Cost(table_.metrics.at(request.limits[l].metric), i, absent_[i]));
      }
    }
    if (allowed == 0) return;
    if (allowed != chain.length - 1) throw std::runtime_error("all ends allowed or none expected");
    program_.chains.push_back(std::move(chain));
  }

  const BlockTable& table_;
  NetworkFilter filter_;
  int shared_;
  std::vector<int> absent_;
  std::vector<std::vector<int>> candidates_;  // of the table, by node and candidate of the program
  Program program_;
};

struct BestNetwork {
  Choice choice;
  int shared = 0;
  double objective = 0;
};

// The proven best network, or nullopt if there is none within the limits: by Search, or by the exact solver where the
// space is too large for Search. Throws if neither answers.
inline std::optional<BestNetwork> FindBest(const BlockTable& table, const SearchRequest& request) {
  const auto result = Search(table, request);
  if (result.ok()) {
    if (result->status == SearchStatus::kInfeasible) return std::nullopt;
    const FoundNetwork& best = result->networks.at(0);
    return BestNetwork{best.choice, best.shared_index, best.objective};
  }
  if (!absl::IsResourceExhausted(result.status())) throw std::runtime_error(result.status().ToString());
  const ProgramOfTable program(table, request);
  const auto solution = Solve(program.program());
  if (!solution.ok()) throw std::runtime_error(solution.status().ToString());
  if (solution->status == SolutionStatus::kInfeasible) return std::nullopt;
  if (solution->status != SolutionStatus::kOptimal) throw std::runtime_error("not solved");
  BestNetwork best = {.choice = program.ToChoice(solution->x), .shared = program.shared()};
  const auto estimator = Estimator::Create(table, request.estimator);
  best.objective = estimator->Predict(request.objective, best.choice, best.shared).value();
  return best;
}

}  // namespace mathnas::core::testing

#endif  // MATHNAS_TESTS_CORE_PUBLISHED_H_
