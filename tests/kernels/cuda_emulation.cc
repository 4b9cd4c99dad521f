#include "tests/kernels/cuda_emulation.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <utility>

namespace mathnas::kernels::testing {
namespace {

// The library that the backend has loaded under other names.
template <typename Function>
auto Call(const char* name) -> decltype(std::declval<Function>()()) {
  const char* folder = std::getenv("MATHNAS_CUDA_LIBRARIES");
  if (folder == nullptr) return nullptr;
  void* library = dlopen((std::string(folder) + "/libmathnas_cuda_emulation.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  return reinterpret_cast<Function>(dlsym(library, name))();
}

}  // namespace

cuda::emulation::Settings* EmulationSettings() {
  return Call<decltype(&mathnas_cuda_emulation_settings)>("mathnas_cuda_emulation_settings");
}

const cuda::emulation::Counters* EmulationCounters() {
  return Call<decltype(&mathnas_cuda_emulation_counters)>("mathnas_cuda_emulation_counters");
}

}  // namespace mathnas::kernels::testing
