#include "kernels/cuda/gpu.h"

#include <cstring>

#include "fmt/format.h"
#include "kernels/cuda/own/fatbins.h"

namespace mathnas::kernels::cuda {
namespace {

constexpr int kOldestCapability = 80;  // bfloat16 in tensor cores

std::string InMiB(size_t bytes) { return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / 0x1p20); }

}  // namespace

absl::StatusOr<std::shared_ptr<Gpu>> Gpu::Open(const CudaOptions& options) {
  auto libraries = LoadLibraries();
  if (!libraries.ok()) return libraries.status();
  std::shared_ptr<Gpu> gpu(new Gpu);
  gpu->options_ = options;
  gpu->libraries_ = *std::move(libraries);
  if (auto s = gpu->OpenDevice(); !s.ok()) return s;
  if (auto s = gpu->LoadModules(); !s.ok()) return s;
  return gpu;
}

absl::Status Gpu::OpenDevice() {
  const Driver& d = driver();
  // Without a device the driver does not even initialise.
  if (const CUresult result = d.Init(0); result == CUDA_ERROR_NO_DEVICE) {
    return absl::NotFoundError("no CUDA device: the driver finds none");
  } else if (auto s = Check(result, "cuInit"); !s.ok()) {
    return s;
  }
  int count = 0;
  if (auto s = Check(d.DeviceGetCount(&count), "cuDeviceGetCount"); !s.ok()) return s;
  if (options_.device < 0 || options_.device >= count) {
    return absl::NotFoundError(fmt::format("CUDA device {}: there are {}", options_.device, count));
  }
  if (auto s = Check(d.DeviceGet(&device_, options_.device), "cuDeviceGet"); !s.ok()) return s;
  char name[256] = "";
  if (auto s = Check(d.DeviceGetName(name, sizeof(name), device_), "cuDeviceGetName"); !s.ok()) return s;
  name_ = name;
  char bus[32] = "";
  if (auto s = Check(d.DeviceGetPCIBusId(bus, sizeof(bus), device_), "cuDeviceGetPCIBusId"); !s.ok()) return s;
  pci_bus_id_ = bus;
  int major = 0, minor = 0;
  for (auto [value, attribute] : {std::pair{&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR},
                                  std::pair{&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR},
                                  std::pair{&multiprocessors_, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT}}) {
    if (auto s = Check(d.DeviceGetAttribute(value, attribute, device_), "cuDeviceGetAttribute"); !s.ok()) return s;
  }
  capability_ = 10 * major + minor;
  if (capability_ < kOldestCapability) {
    return absl::FailedPreconditionError(fmt::format("{} has compute capability {}.{}, expected {}.{} or newer", name_,
                                                     major, minor, kOldestCapability / 10, kOldestCapability % 10));
  }
  if (auto s = Check(d.DevicePrimaryCtxRetain(&context_, device_), "cuDevicePrimaryCtxRetain"); !s.ok()) return s;
  return Enter();
}

absl::Status Gpu::LoadModules() {
  for (const unsigned char* fatbin : Fatbins()) {
    CUmodule module = nullptr;
    const CUresult result = driver().ModuleLoadData(&module, fatbin);
    if (result == CUDA_ERROR_NO_BINARY_FOR_GPU) {
      return absl::FailedPreconditionError(
          fmt::format("{} has compute capability {}.{}, for which this build has no code", name_, capability_ / 10,
                      capability_ % 10));
    }
    if (auto s = Check(result, "cuModuleLoadData"); !s.ok()) return s;
    modules_.push_back(module);
  }
  return absl::OkStatus();
}

absl::Status Gpu::OpenCudnn() {
  if (auto s = Enter(); !s.ok()) return s;
  if (cudnn_ != nullptr) return absl::OkStatus();
  return ToStatus(libraries_->cudnn, libraries_->cudnn.Create(&cudnn_), "cudnnCreate");
}

Gpu::~Gpu() {
  if (context_ == nullptr) return;
  if (driver().CtxSetCurrent(context_) == CUDA_SUCCESS) {
    if (cudnn_ != nullptr) libraries_->cudnn.Destroy(cudnn_);
    for (CUmodule module : modules_) driver().ModuleUnload(module);
  }
  driver().DevicePrimaryCtxRelease(device_);
}

absl::Status Gpu::Enter() const {
  if (lost_) return absl::AbortedError("the CUDA device was lost to this process by an earlier error; start it again");
  const CUresult result = driver().CtxSetCurrent(context_);
  return result == CUDA_SUCCESS ? absl::OkStatus() : ToStatus(driver(), result, "cuCtxSetCurrent");
}

absl::Status Gpu::Check(CUresult result, std::string_view call) {
  if (result == CUDA_SUCCESS) return absl::OkStatus();
  absl::Status status = ToStatus(driver(), result, call);
  if (absl::IsAborted(status)) lost_ = true;
  return status;
}

absl::StatusOr<std::shared_ptr<void>> Gpu::Allocate(Memory kind, size_t bytes) {
  if (auto s = Enter(); !s.ok()) return s;
  bytes = std::max<size_t>(bytes, 1);
  void* memory = nullptr;
  CUdeviceptr address = 0;
  CUresult result = CUDA_SUCCESS;
  size_t free = 0, total = 0;
  switch (kind) {
    case Memory::kDevice:
      result = driver().MemAlloc(&address, bytes);
      break;
    case Memory::kManaged:
      result = driver().MemGetInfo(&free, &total);
      if (result == CUDA_SUCCESS && bytes > free) result = CUDA_ERROR_OUT_OF_MEMORY;
      if (result == CUDA_SUCCESS) result = driver().MemAllocManaged(&address, bytes, CU_MEM_ATTACH_GLOBAL);
      break;
    case Memory::kHost:
      result = driver().MemAllocHost(&memory, bytes);
      break;
  }
  if (kind != Memory::kHost) memory = reinterpret_cast<void*>(address);
  if (auto s = Check(result, "memory"); !s.ok()) {
    if (!absl::IsResourceExhausted(s) || driver().MemGetInfo(&free, &total) != CUDA_SUCCESS) return s;
    return absl::ResourceExhaustedError(fmt::format("{}: {} wanted{}, {} of {} are free", name_, InMiB(bytes),
                                                    kind == Memory::kHost ? " of page-locked host memory" : "",
                                                    InMiB(free), InMiB(total)));
  }
  if (kind == Memory::kManaged) {
    std::memset(memory, 0, bytes);
    // To where it is used most. A system that cannot moves it page by page.
    driver().MemPrefetchAsync(address, bytes, {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device_}, 0, nullptr);
  }
  if (kind != Memory::kHost) {
    const std::lock_guard lock(mutex_);
    allocations_[reinterpret_cast<uintptr_t>(memory)] = bytes;
  }
  return std::shared_ptr<void>(memory, [self = shared_from_this(), kind](void* m) { self->Free(kind, m); });
}

void Gpu::Free(Memory kind, void* memory) {
  // A lost context takes its memory with it.
  if (driver().CtxSetCurrent(context_) == CUDA_SUCCESS) {
    if (kind == Memory::kHost) {
      driver().MemFreeHost(memory);
    } else {
      driver().MemFree(reinterpret_cast<CUdeviceptr>(memory));
    }
  }
  const std::lock_guard lock(mutex_);
  allocations_.erase(reinterpret_cast<uintptr_t>(memory));
}

bool Gpu::Reaches(const void* address) const {
  const auto at = reinterpret_cast<uintptr_t>(address);
  const std::lock_guard lock(mutex_);
  auto after = allocations_.upper_bound(at);
  if (after == allocations_.begin()) return false;
  --after;
  return at < after->first + after->second;
}

absl::StatusOr<CUfunction> Gpu::Function(const std::string& name) {
  const std::lock_guard lock(mutex_);
  CUfunction& function = functions_[name];
  for (size_t m = 0; function == nullptr && m < modules_.size(); ++m) {
    const CUresult result = driver().ModuleGetFunction(&function, modules_[m], name.c_str());
    if (result == CUDA_ERROR_NOT_FOUND) function = nullptr;
    if (result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_FOUND) return ToStatus(driver(), result, name);
  }
  if (function == nullptr) return absl::UnimplementedError(fmt::format("there is no CUDA kernel {}", name));
  return function;
}

}  // namespace mathnas::kernels::cuda
