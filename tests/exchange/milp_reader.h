// Readers of CPLEX LP and free MPS, as far as exported programs go, written from the formats and not from the writer.
#ifndef MATHNAS_TESTS_EXCHANGE_MILP_READER_H_
#define MATHNAS_TESTS_EXCHANGE_MILP_READER_H_

#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace mathnas::exchange::testing {

struct ReadMilp {
  struct Row {
    std::string sense;  // "<=", ">=", "="
    double right = 0;
    std::map<std::string, double> terms;
  };
  struct Bounds {
    double lower = 0, upper = std::numeric_limits<double>::infinity();
  };
  std::map<std::string, double> objective;  // minimised
  std::map<std::string, Row> rows;
  std::map<std::string, Bounds> bounds;  // of every column
  std::set<std::string> integers;
};

inline bool IsNumber(const std::string& token, double& value) {
  size_t used = 0;
  try {
    value = std::stod(token, &used);
  } catch (const std::exception&) {
    return false;
  }
  return used == token.size();
}

inline ReadMilp ReadLp(const std::string& text) {
  ReadMilp milp;
  std::istringstream lines(text);
  std::string all;
  for (std::string line; std::getline(lines, line);) {
    if (line.size() > 255) throw std::runtime_error("line too long: " + line);
    all += line.substr(0, line.find('\\')) + " ";
  }
  std::istringstream tokens(all);
  enum { kStart, kObjective, kRows, kBounds, kBinaries, kEnd } section = kStart;
  std::string row;
  double sign = 1, coefficient = 1;
  std::string relation;
  std::vector<std::string> bound;
  for (std::string token; tokens >> token;) {
    if (section == kEnd) throw std::runtime_error("text after End");
    if (token == "Minimize") {
      section = kObjective;
    } else if (token == "Subject") {
      if (!(tokens >> token) || token != "To") throw std::runtime_error("Subject " + token);
      section = kRows;
    } else if (token == "Bounds") {
      section = kBounds;
    } else if (token == "Binaries") {
      section = kBinaries;
    } else if (token == "End") {
      section = kEnd;
    } else if (section == kBinaries) {
      milp.integers.insert(token);
      milp.bounds[token] = {0, 1};
    } else if (section == kBounds) {
      bound.push_back(token);
      if (bound.size() < 5) continue;
      if (bound[1] != "<=" || bound[3] != "<=") throw std::runtime_error("bound of " + bound[2]);
      milp.bounds[bound[2]] = {std::stod(bound[0]), std::stod(bound[4])};
      bound.clear();
    } else if (token.back() == ':') {
      row = token.substr(0, token.size() - 1);
      sign = coefficient = 1;
    } else if (token == "+" || token == "-") {
      sign = token == "-" ? -1 : 1;
    } else if (token == "<=" || token == ">=" || token == "=") {
      relation = token;
    } else if (double value = 0; IsNumber(token, value)) {
      if (relation.empty()) {
        coefficient = value;
      } else {
        milp.rows[row].sense = relation;
        milp.rows[row].right = value;
        relation.clear();
      }
    } else {
      auto& terms = section == kObjective ? milp.objective : milp.rows[row].terms;
      if (coefficient != 0) terms[token] += sign * coefficient;
      sign = coefficient = 1;
    }
  }
  if (section != kEnd) throw std::runtime_error("no End");
  return milp;
}

inline ReadMilp ReadMps(const std::string& text) {
  ReadMilp milp;
  std::istringstream lines(text);
  std::string section, objective;
  bool integer = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '*') continue;
    std::istringstream words(line);
    std::vector<std::string> word;
    for (std::string w; words >> w;) word.push_back(w);
    if (line[0] != ' ') {
      section = word[0];
    } else if (section == "ROWS") {
      if (word[0] == "N") {
        objective = word[1];
      } else {
        milp.rows[word[1]].sense = word[0] == "L" ? "<=" : word[0] == "G" ? ">=" : "=";
      }
    } else if (section == "COLUMNS") {
      if (word[1] == "MARKER") {
        integer = word.back() == "'INTORG'";
        continue;
      }
      if (integer) milp.integers.insert(word[0]);
      milp.bounds.try_emplace(word[0]);
      auto& terms = word[1] == objective ? milp.objective : milp.rows.at(word[1]).terms;
      if (const double coefficient = std::stod(word[2]); coefficient != 0) terms[word[0]] += coefficient;
    } else if (section == "RHS") {
      milp.rows.at(word[1]).right = std::stod(word[2]);
    } else if (section == "BOUNDS") {
      auto& bounds = milp.bounds.at(word[2]);
      if (word[0] == "LO") bounds.lower = std::stod(word[3]);
      if (word[0] == "UP") bounds.upper = std::stod(word[3]);
      if (word[0] != "LO" && word[0] != "UP") throw std::runtime_error("bound " + word[0]);
    } else {
      throw std::runtime_error("line in section " + section);
    }
  }
  if (section != "ENDATA") throw std::runtime_error("no ENDATA");
  return milp;
}

}  // namespace mathnas::exchange::testing

#endif  // MATHNAS_TESTS_EXCHANGE_MILP_READER_H_
