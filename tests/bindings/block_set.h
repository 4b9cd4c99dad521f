// A small block set of MobileNetV3 for tests of the program.
#ifndef MATHNAS_TESTS_BINDINGS_BLOCK_SET_H_
#define MATHNAS_TESTS_BINDINGS_BLOCK_SET_H_

#include <fstream>
#include <string>

#include "nlohmann/json.hpp"
#include "tests/bindings/process.h"

namespace mathnas::cli {

// The path of a set of two candidates for every stage, a small and a larger one.
inline std::string TwoEach(const TemporaryFolder& folder) {
  using nlohmann::json;
  const json small = {{"d", 2}, {"ks", 3}, {"e", 3}}, large = {{"d", 3}, {"ks", 5}, {"e", 4}};
  json set = {{"format", "mathnas-block-set/1"}, {"name", "two"}, {"stages", json::array()}};
  for (int stage = 0; stage < 5; ++stage) set["stages"].push_back({small, large});
  const std::string path = folder / "blocks.json";
  std::ofstream(path) << set.dump();
  return path;
}

}  // namespace mathnas::cli

#endif  // MATHNAS_TESTS_BINDINGS_BLOCK_SET_H_
