#include "mathnas/exchange/internal/milp_writer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fmt/format.h"

namespace mathnas::exchange::internal {
namespace {

std::string_view Relation(char sense) { return sense == '<' ? "<=" : sense == '>' ? ">=" : "="; }

// Comments are one line each, whatever is in a name.
void AppendComments(const Milp& milp, char mark, std::string& text) {
  for (const std::string& comment : milp.comments) {
    text += mark;
    text += ' ';
    for (const char c : comment) text += c >= ' ' && c <= '~' ? c : '?';
    text += '\n';
  }
}

void Append(std::string& text, std::string_view first, std::string_view second, double value) {
  text += fmt::format(" {} {} {}\n", first, second, value);
}

}  // namespace

double PowerOfTwoNear(double value) { return value == 0 ? 1 : std::ldexp(1.0, std::ilogb(value)); }

void Milp::Row::Add(int column, double coefficient) {
  if (column >= 0 && coefficient != 0) terms.push_back({column, coefficient});
}

void Milp::Row::Scale() {
  double greatest = 0;
  for (const Term& term : terms) greatest = std::max(greatest, std::abs(term.coefficient));
  const double scale = 1 / PowerOfTwoNear(greatest);
  for (Term& term : terms) term.coefficient *= scale;
  right *= scale;
}

int Milp::AddColumn(std::string name, double lower, double upper) {
  columns.push_back({std::move(name), lower, upper});
  return static_cast<int>(columns.size()) - 1;
}

Milp::Row& Milp::AddRow(std::string name, char sense, double right) {
  rows.push_back({std::move(name), sense, right, {}});
  return rows.back();
}

std::string ToLp(const Milp& milp) {
  constexpr size_t kTermsPerLine = 4;  // readers limit the length of lines
  std::string text;
  AppendComments(milp, '\\', text);
  text += "Minimize\n";
  for (const Milp::Row& row : milp.rows) {
    text += fmt::format(" {}:", row.name);
    for (size_t t = 0; t < row.terms.size(); ++t) {
      const auto [column, coefficient] = row.terms[t];
      if (t > 0 && t % kTermsPerLine == 0) text += "\n ";
      text += fmt::format(" {} {} {}", coefficient < 0 ? '-' : '+', std::abs(coefficient), milp.columns[column].name);
    }
    if (row.terms.empty()) text += " 0 " + milp.columns[0].name;
    text += row.sense == 'N' ? "\nSubject To\n" : fmt::format(" {} {}\n", Relation(row.sense), row.right);
  }
  text += "Bounds\n";
  for (const Milp::Column& column : milp.columns) {
    if (!column.binary) text += fmt::format(" {} <= {} <= {}\n", column.lower, column.name, column.upper);
  }
  text += "Binaries\n";
  for (const Milp::Column& column : milp.columns) {
    if (column.binary) text += fmt::format(" {}\n", column.name);
  }
  return text + "End\n";
}

std::string ToMps(const Milp& milp) {
  std::string text;
  AppendComments(milp, '*', text);
  text += "NAME mathnas\nROWS\n";
  std::vector<std::vector<std::pair<int, double>>> entries(milp.columns.size());  // by column: row, coefficient
  for (size_t r = 0; r < milp.rows.size(); ++r) {
    const Milp::Row& row = milp.rows[r];
    const char sense = row.sense == '<' ? 'L' : row.sense == '>' ? 'G' : row.sense == '=' ? 'E' : 'N';
    text += fmt::format(" {} {}\n", sense, row.name);
    for (const auto& [column, coefficient] : row.terms) entries[column].push_back({static_cast<int>(r), coefficient});
  }
  text += "COLUMNS\n";
  for (const bool binary : {false, true}) {
    if (binary) text += " MARKER MARKER 'MARKER' 'INTORG'\n";
    for (size_t c = 0; c < milp.columns.size(); ++c) {
      if (milp.columns[c].binary != binary) continue;
      if (entries[c].empty()) entries[c].push_back({0, 0});
      for (const auto& [row, coefficient] : entries[c]) {
        Append(text, milp.columns[c].name, milp.rows[row].name, coefficient);
      }
    }
    if (binary) text += " MARKER MARKER 'MARKER' 'INTEND'\n";
  }
  text += "RHS\n";
  for (const Milp::Row& row : milp.rows) {
    if (row.right != 0) Append(text, "rhs", row.name, row.right);
  }
  text += "BOUNDS\n";
  for (const Milp::Column& column : milp.columns) {
    if (!column.binary) Append(text, "LO bounds", column.name, column.lower);
    Append(text, "UP bounds", column.name, column.upper);
  }
  return text + "ENDATA\n";
}

}  // namespace mathnas::exchange::internal
