// Programs with known optima, format "mathnas-solver-instances-1": files of instances, one a line, large ones by the
// parameters of a generator. The folder is named by MATHNAS_SOLVER_INSTANCES; the default is tests/solver-instances.
#ifndef MATHNAS_TESTS_CORE_SOLVER_INSTANCES_H_
#define MATHNAS_TESTS_CORE_SOLVER_INSTANCES_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "mathnas/core/program.h"
#include "nlohmann/json.hpp"

namespace mathnas::core {

struct SolverInstance {
  std::string file, name, status;
  Program program;
  int64_t a = 0, f = 1;  // the optimum, or the best known; 0 / 1 without one
  double lower_bound = 0;
};

// The generator of the instances: unsigned 64-bit arithmetic that wraps.
class InstanceGenerator {
 public:
  InstanceGenerator(const std::string& kind, int m, int n, int k, uint64_t seed)
      : kind_(kind), m_(m), n_(n), k_(k), seed_(seed) {}

  Program Make(std::vector<int64_t> limits) const {
    Program program;
    program.f0 = 0;
    program.limits = std::move(limits);
    for (int i = 0; i < m_; ++i) program.nodes.push_back(MakeNode(i));
    if (kind_ == "D") {
      const int length = m_ == 6 ? 3 : 5;
      for (int first = 0; first < m_; first += length) program.chains.push_back(MakeChain(first, length));
    }
    return program;
  }

 private:
  static uint64_t Mix(uint64_t z) {
    z += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }
  int64_t R(uint64_t t, uint64_t i, uint64_t j, int64_t low, int64_t high) const {
    const uint64_t h = Mix(Mix(Mix(Mix(seed_) + t) + i) + j);
    return low + static_cast<int64_t>(h % static_cast<uint64_t>(high - low + 1));
  }
  Program::Node MakeNode(int i) const {
    Program::Node node;
    node.w.resize(k_);
    const int64_t F = R(2, i, 0, 1000, 9999), L = R(3, i, 0, 1000, 9999);
    for (int j = 0; j < n_; ++j) {
      if (kind_ == "U") {
        node.a.push_back(R(40, i, j, 0, 9999));
        node.f.push_back(R(41, i, j, 100, 1000));
        for (int l = 0; l < k_; ++l) node.w[l].push_back(R(50 + l, i, j, 1, 1000));
      } else if (kind_ == "S") {
        int64_t sum = 0;
        for (int l = 0; l < k_; ++l) {
          node.w[l].push_back(R(60 + l, i, j, 1, 1000));
          sum += node.w[l].back();
        }
        const int64_t v = sum / k_;
        node.a.push_back(1100 - v + R(70, i, j, 0, 9));
        node.f.push_back(500 + v / 2);
      } else {
        const int64_t q = R(1, i, j, 0, 999);
        node.f.push_back(F * (250 + q) / 1000);
        node.a.push_back(L * (999 - q) * (999 - q) / 1000000 + R(4, i, j, 0, L / 10));
        for (int l = 0; l < k_; ++l) {
          const int64_t W = R(10 + l, i, 0, 1000, 9999);
          node.w[l].push_back(W * (200 + q) / 1000 + R(20 + l, i, j, 0, W / 5));
        }
      }
    }
    return node;
  }
  Program::Chain MakeChain(int first, int length) const {
    Program::Chain chain = {first, length, {}, {}, {}};
    const auto ends = static_cast<size_t>(length - 1);
    chain.end_a.assign(ends, 0);
    chain.end_f.assign(ends, 0);
    chain.end_w.assign(k_, std::vector<int64_t>(ends, 0));
    for (int t = 1; t < length; ++t) {
      for (int i = first + t; i < first + length; ++i) {
        chain.end_a[t - 1] += R(3, i, 0, 1000, 9999) * R(30, i, 0, 60, 140) / 100;
      }
    }
    return chain;
  }

  std::string kind_;
  int m_, n_, k_;
  uint64_t seed_;
};

inline std::string ChecksumOf(const Program& p) {
  uint64_t h = 0xcbf29ce484222325;
  const auto add = [&](const std::vector<int64_t>& words) {
    for (int64_t w : words) h = (h ^ static_cast<uint64_t>(w)) * 0x100000001b3;
  };
  for (const auto& n : p.nodes) add(n.a);
  for (const auto& n : p.nodes) add(n.f);
  for (size_t l = 0; l < p.limits.size(); ++l) {
    for (const auto& n : p.nodes) add(n.w[l]);
  }
  for (const auto& c : p.chains) {
    add(c.end_a);
    add(c.end_f);
    for (const auto& w : c.end_w) add(w);
  }
  return fmt::format("{:016x}", h);
}

inline Program ParseProgram(const nlohmann::json& instance) {
  const auto limits = instance.at("limits").get<std::vector<int64_t>>();
  Program program;
  if (instance.contains("nodes")) {
    program.limits = limits;
    program.a0 = instance.at("A0");
    program.f0 = instance.at("B0");
    for (const auto& n : instance.at("nodes")) program.nodes.push_back({n.at("a"), n.at("f"), n.at("w")});
    for (const auto& c : instance.at("chains")) {
      program.chains.push_back({c.at("first"), c.at("length"), c.at("end_a"), c.at("end_f"), c.at("end_w")});
    }
  } else {
    const auto& g = instance.at("generator");
    program = InstanceGenerator(g.at("kind"), g.at("m"), g.at("n"), g.at("k"), g.at("seed")).Make(limits);
  }
  if (ChecksumOf(program) != instance.at("checksum").get<std::string>()) {
    throw std::runtime_error(fmt::format("{}: checksum {}, expected {}", instance.at("name").get<std::string>(),
                                         ChecksumOf(program), instance.at("checksum").get<std::string>()));
  }
  return program;
}

inline std::vector<SolverInstance> LoadSolverInstances(const std::string& folder) {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") files.insert(entry.path());
  }
  std::vector<SolverInstance> instances;
  for (const auto& path : files) {
    std::ifstream in(path);
    const auto document = nlohmann::json::parse(in);
    if (document.at("format") != "mathnas-solver-instances-1") throw std::runtime_error(path.string() + ": format");
    for (const auto& entry : document.at("instances")) {
      SolverInstance i = {path.stem(), entry.at("name"), entry.at("status"), ParseProgram(entry)};
      if (entry.contains("A") && entry.at("A").is_number()) {
        i.a = entry.at("A");
        i.f = entry.at("B");
      }
      if (entry.contains("lower_bound")) i.lower_bound = entry.at("lower_bound");
      instances.push_back(std::move(i));
    }
  }
  return instances;
}

inline std::string SolverInstanceFolder() {
  const char* folder = std::getenv("MATHNAS_SOLVER_INSTANCES");
  return folder != nullptr ? folder : MATHNAS_TEST_DATA "/../solver-instances";
}

}  // namespace mathnas::core

#endif  // MATHNAS_TESTS_CORE_SOLVER_INSTANCES_H_
