// What an operator has to do at least: what its time is compared with.
#ifndef MATHNAS_BENCHMARK_WORK_H_
#define MATHNAS_BENCHMARK_WORK_H_

#include "kernels/plan.h"

namespace mathnas::benchmark {

struct Work {
  // Of convolutions, linear layers and attention, forward and backward (kernels::CountOf); other operators do some work
  // on each element and are a matter of bytes.
  double multiply_adds = 0;
  // Every input read once and every output written once; of tables the rows that are read, of states that change in
  // place both.
  double bytes = 0;

  Work& operator+=(const Work& other) {
    multiply_adds += other.multiply_adds;
    bytes += other.bytes;
    return *this;
  }
};

Work WorkOf(const kernels::Operator& op, kernels::DescSpan inputs, kernels::DescSpan outputs);
// The sum over its steps: what each leaves in memory for the next is written and read.
Work WorkOf(const kernels::Plan& plan);

}  // namespace mathnas::benchmark

#endif  // MATHNAS_BENCHMARK_WORK_H_
