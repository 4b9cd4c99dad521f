// All floors: a linear layer described as a graph, planned for the CPU and run.
#include <cstdio>

#include "kernels/device.h"
#include "kernels/graph.h"
#include "kernels/ops/linear.h"
#include "kernels/plan.h"

namespace kernels = mathnas::kernels;

namespace {

absl::StatusOr<float> RunLinearLayer() {
  kernels::Graph graph;
  const kernels::Value src = graph.Input("src", {1, 3});
  const kernels::Value weights = graph.Parameter("weights", {2, 3});
  const kernels::Values dst = graph.Apply(kernels::Linear{.has_bias = false}, {src, weights});
  if (!graph.status().ok()) return graph.status();

  kernels::TensorMap parameters;
  const auto weights_view = parameters.Add("weights", graph.desc(weights));
  if (!weights_view.ok()) return weights_view.status();
  for (int i = 0; i < 6; ++i) weights_view->as<float>()[i] = static_cast<float>(i + 1);

  const auto device = kernels::CpuDevice(/*threads=*/1);
  if (!device.ok()) return device.status();
  const auto plan = kernels::Plan::Create(graph, {{"dst", dst[0]}}, **device);
  if (!plan.ok()) return plan.status();
  const auto context = kernels::Context::Create(*plan, {&parameters});
  if (!context.ok()) return context.status();
  const auto input = (*context)->Input("src");
  const auto output = (*context)->Output("dst");
  if (!input.ok()) return input.status();
  if (!output.ok()) return output.status();
  for (int i = 0; i < 3; ++i) input->as<float>()[i] = static_cast<float>(10 * i);
  const absl::Status status = (*context)->Run();
  if (!status.ok()) return status;
  return output->as<float>()[1];
}

}  // namespace

int main() {
  const auto result = RunLinearLayer();
  if (!result.ok()) {
    std::printf("%s\n", result.status().ToString().c_str());
    return 1;
  }
  std::printf("second output: %g\n", *result);
  return *result == 0 * 4 + 10 * 5 + 20 * 6 ? 0 : 1;
}
