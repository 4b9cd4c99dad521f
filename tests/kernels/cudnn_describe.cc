// cudnn_describe: prints the GPU as cuDNN describes it, which is what cudnn_deviceless_test takes in place of one: into
// devices/, named after the GPU. Exit status 1 with the reason where there is no GPU, or cuDNN does not describe it.
#include <iostream>
#include <string>
#include <utility>

#include "kernels/cuda/cudnn_descriptor.h"
#include "kernels/cuda/gpu.h"
#include "kernels/status.h"

namespace mathnas::kernels::cuda {
namespace {

absl::StatusOr<std::string> Describe() {
  auto gpu = Gpu::Open({});
  if (!gpu.ok()) return gpu.status();
  if (auto s = (*gpu)->Enter(); !s.ok()) return s;
  const Cudnn& cudnn = (*gpu)->libraries().cudnn;
  auto json = (*gpu)->WithCudnn([&](cudnnHandle_t handle) { return cudnn::Target(handle).Json(cudnn); });
  if (!json.ok()) return json.status();
  if (json->ok() && (*json)->empty()) return absl::UnimplementedError("this cuDNN does not describe its device");
  return *std::move(json);
}

}  // namespace
}  // namespace mathnas::kernels::cuda

int main() {
  const auto json = mathnas::kernels::cuda::Describe();
  if (!json.ok()) {
    std::cerr << "cudnn_describe: " << mathnas::kernels::Message(json.status()) << "\n";
    return 1;
  }
  std::cout << *json << "\n";
  return 0;
}
