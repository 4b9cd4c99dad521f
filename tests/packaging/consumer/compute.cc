// Kernels and blocks alone: a convolution described as a graph, planned for the device of the argument (cpu or cuda)
// and run.
#include <cstdio>
#include <string_view>

#include "kernels/device.h"
#include "kernels/graph.h"
#include "kernels/ops/conv2d.h"
#include "kernels/plan.h"

namespace kernels = mathnas::kernels;

namespace {

// Of the image and the filter 1 .. 9, both 3x3, padded by one: the first value and the middle one.
absl::Status Convolve(kernels::Device& device, float& first, float& middle) {
  kernels::Graph graph;
  const kernels::Value src = graph.Input("src", {1, 3, 3, 1});
  const kernels::Value weights = graph.Parameter("weights", {1, 1, 3, 3});
  const kernels::Value dst = kernels::Convolve(graph, src, weights, {}, /*stride=*/1, /*padding=*/1);
  if (!graph.status().ok()) return graph.status();

  kernels::TensorMap parameters;
  const auto weights_view = parameters.Add("weights", graph.desc(weights));
  if (!weights_view.ok()) return weights_view.status();
  for (int i = 0; i < 9; ++i) weights_view->as<float>()[i] = static_cast<float>(i + 1);

  const auto plan = kernels::Plan::Create(graph, {{"dst", dst}}, device);
  if (!plan.ok()) return plan.status();
  const auto context = kernels::Context::Create(*plan, {&parameters});
  if (!context.ok()) return context.status();
  const auto input = (*context)->Input("src");
  const auto output = (*context)->Output("dst");
  if (!input.ok()) return input.status();
  if (!output.ok()) return output.status();
  for (int i = 0; i < 9; ++i) input->as<float>()[i] = static_cast<float>(i + 1);
  const absl::Status status = (*context)->Run();
  first = output->as<float>()[0];
  middle = output->as<float>()[4];
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  const auto device =
      argc == 2 && std::string_view(argv[1]) == "cuda" ? kernels::CudaDevice() : kernels::CpuDevice(/*threads=*/1);
  float first = 0, middle = 0;
  const absl::Status status = device.ok() ? Convolve(**device, first, middle) : device.status();
  if (!status.ok()) {
    std::printf("%s\n", status.ToString().c_str());
    return 1;
  }
  std::printf("%s: %g, %g\n", (*device)->description().c_str(), first, middle);
  return first == 1 * 5 + 2 * 6 + 4 * 8 + 5 * 9 && middle == 1 + 4 + 9 + 16 + 25 + 36 + 49 + 64 + 81 ? 0 : 1;
}
