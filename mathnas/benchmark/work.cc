#include "mathnas/benchmark/work.h"

namespace mathnas::benchmark {
namespace {

using kernels::DescSpan;
using kernels::TensorDesc;

double BytesOf(DescSpan descs) {
  double bytes = 0;
  for (const TensorDesc& d : descs) bytes += static_cast<double>(d.bytes());
  return bytes;
}

struct Bytes {
  DescSpan inputs, outputs;

  double of_input(size_t i) const { return static_cast<double>(inputs[i].bytes()); }
  double operator()(const kernels::Zero&) const { return BytesOf(outputs); }
  double operator()(const kernels::Fill&) const { return BytesOf(outputs); }
  double operator()(const kernels::Part&) const { return 2 * BytesOf(outputs); }
  double operator()(const kernels::Embedding&) const { return of_input(0) + 2 * BytesOf(outputs); }
  double operator()(const kernels::Accumulate&) const { return 2 * of_input(0) + of_input(1); }
  double operator()(const kernels::AccumulateRows&) const { return of_input(1) + 3 * of_input(2); }
  double operator()(const kernels::Store&) const { return 2 * of_input(1); }
  double operator()(const kernels::Slice&) const { return 0; }
  template <typename Any>
  double operator()(const Any&) const {
    return BytesOf(inputs) + BytesOf(outputs);
  }
};

}  // namespace

Work WorkOf(const kernels::Operator& op, DescSpan inputs, DescSpan outputs) {
  return {static_cast<double>(kernels::CountOf(op, inputs, outputs).macs), std::visit(Bytes{inputs, outputs}, op)};
}

Work WorkOf(const kernels::Plan& plan) {
  Work work;
  for (const kernels::Plan::Step& step : plan.steps()) work += WorkOf(step.op, step.input_descs, step.output_descs);
  return work;
}

}  // namespace mathnas::benchmark
