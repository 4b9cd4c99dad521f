// Mixed-integer linear programs as text. They are minimised.
#ifndef MATHNAS_EXCHANGE_INTERNAL_MILP_WRITER_H_
#define MATHNAS_EXCHANGE_INTERNAL_MILP_WRITER_H_

#include <string>
#include <vector>

namespace mathnas::exchange::internal {

// The power of two p with p <= value < 2 p; 1 for 0.
double PowerOfTwoNear(double value);

struct Milp {
  struct Column {
    std::string name;
    double lower = 0, upper = 0;
    bool binary = false;
  };
  struct Term {
    int column = 0;
    double coefficient = 0;
  };
  struct Row {
    std::string name;
    char sense = '=';  // '<', '>' or '='; 'N' for the objective, the first row
    double right = 0;
    std::vector<Term> terms;

    // Nothing for a coefficient of 0 or a column below 0.
    void Add(int column, double coefficient);
    // Divides by a power of two, so that the greatest coefficient is from 1 up to 2.
    void Scale();
  };

  int AddColumn(std::string name, double lower, double upper);
  Row& AddRow(std::string name, char sense, double right);

  std::vector<std::string> comments;
  std::vector<Column> columns;
  std::vector<Row> rows;
};

// CPLEX LP and free MPS. Numbers are the shortest decimals that read back to the same doubles.
std::string ToLp(const Milp& milp);
std::string ToMps(const Milp& milp);

}  // namespace mathnas::exchange::internal

#endif  // MATHNAS_EXCHANGE_INTERNAL_MILP_WRITER_H_
