#include "kernels/cuda/nvml.h"

#include <dlfcn.h>

#include <cstdlib>
#include <initializer_list>

#include "fmt/format.h"

namespace mathnas::kernels::cuda {
namespace {

constexpr int kClockOfMultiprocessors = 1;  // NVML_CLOCK_SM
// Clocks below what was asked for, of NVML_CLOCKS_EVENT_REASON_*: power cap, hardware slowdown, thermal ones.
constexpr unsigned long long kThrottled = 0x4 | 0x8 | 0x20 | 0x40 | 0x80;

}  // namespace

// The header of NVML comes with the driver's package alone, so its functions are declared here: handles are pointers,
// results are ints, and 0 is success.
struct Nvml::Functions {
  int (*init)();
  const char* (*error_string)(int);
  int (*handle_by_bus)(const char*, void**);
  int (*total_energy)(void*, unsigned long long*);  // millijoules
  int (*clock)(void*, int, unsigned*);              // MHz
  int (*max_clock)(void*, int, unsigned*);
  int (*throttle_reasons)(void*, unsigned long long*);
};

absl::StatusOr<std::shared_ptr<const Nvml>> Nvml::Open(const std::string& pci_bus_id) {
  constexpr const char* kFile = "libnvidia-ml.so.1";
  const char* folder = std::getenv("MATHNAS_CUDA_LIBRARIES");
  const std::string place = folder != nullptr && *folder != '\0' ? fmt::format("{}/{}", folder, kFile) : kFile;
  void* library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return absl::UnavailableError(fmt::format("no NVML: {}", dlerror()));
  auto f = std::make_shared<Functions>();
  bool complete = true;
  const auto find = [&](auto& function, std::initializer_list<const char*> names) {
    function = nullptr;
    for (const char* name : names) {
      if (function == nullptr)
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    }
    complete = complete && function != nullptr;
  };
  find(f->init, {"nvmlInit_v2"});
  find(f->error_string, {"nvmlErrorString"});
  find(f->handle_by_bus, {"nvmlDeviceGetHandleByPciBusId_v2"});
  find(f->total_energy, {"nvmlDeviceGetTotalEnergyConsumption"});
  find(f->clock, {"nvmlDeviceGetClockInfo"});
  find(f->max_clock, {"nvmlDeviceGetMaxClockInfo"});
  find(f->throttle_reasons, {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"});
  if (!complete) return absl::UnavailableError(fmt::format("{}: too old", place));
  auto nvml = std::make_shared<Nvml>();
  if (const int result = f->init(); result != 0) {
    return absl::UnavailableError(fmt::format("nvmlInit: {}", f->error_string(result)));
  }
  if (const int result = f->handle_by_bus(pci_bus_id.c_str(), &nvml->device_); result != 0) {
    return absl::UnavailableError(fmt::format("NVML does not know {}: {}", pci_bus_id, f->error_string(result)));
  }
  nvml->functions_ = std::move(f);
  return nvml;
}

absl::StatusOr<double> Nvml::Joules() const {
  unsigned long long millijoules = 0;
  if (const int result = functions_->total_energy(device_, &millijoules); result != 0) {
    return absl::UnavailableError(
        fmt::format("nvmlDeviceGetTotalEnergyConsumption: {}", functions_->error_string(result)));
  }
  return 1e-3 * static_cast<double>(millijoules);
}

std::string Nvml::Clocks() const {
  unsigned now = 0, most = 0;
  unsigned long long reasons = 0;
  if (functions_->clock(device_, kClockOfMultiprocessors, &now) != 0 ||
      functions_->max_clock(device_, kClockOfMultiprocessors, &most) != 0) {
    return "clocks unknown";
  }
  const bool known = functions_->throttle_reasons(device_, &reasons) == 0;
  return fmt::format("{} of at most {} MHz{}; for times that compare, lock them: nvidia-smi --lock-gpu-clocks={}", now,
                     most, known && (reasons & kThrottled) != 0 ? ", held down by heat or power" : "", most);
}

}  // namespace mathnas::kernels::cuda
