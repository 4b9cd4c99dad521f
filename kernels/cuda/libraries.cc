#include "kernels/cuda/libraries.h"

#include <mutex>

#include "fmt/format.h"
#include "kernels/cuda/library.h"
#include "kernels/status.h"

namespace mathnas::kernels::cuda {
namespace {

absl::Status Load(Driver& d) {
  auto library = Library::Load("libcuda.so.1");
  if (!library.ok()) {
    return absl::NotFoundError(fmt::format("no CUDA driver: {}", Message(library.status())));
  }
  library->Find(d.Init, "cuInit");
  library->Find(d.DriverGetVersion, "cuDriverGetVersion");
  library->Find(d.GetErrorName, "cuGetErrorName");
  library->Find(d.GetErrorString, "cuGetErrorString");
  if (auto s = library->status(); !s.ok()) return s;
  int version = 0;
  if (auto s = ToStatus(d, d.DriverGetVersion(&version), "cuDriverGetVersion"); !s.ok()) return s;
  // Any driver of the toolkit's major version runs its code.
  if (version / 1000 < CUDA_VERSION / 1000) {
    return absl::FailedPreconditionError(
        fmt::format("{} is of CUDA {}.{}, expected {}.0 or newer: the driver is older than the toolkit",
                    library->place(), version / 1000, version % 1000 / 10, CUDA_VERSION / 1000));
  }
  library->Find(d.DeviceGetCount, "cuDeviceGetCount");
  library->Find(d.DeviceGet, "cuDeviceGet");
  library->Find(d.DeviceGetName, "cuDeviceGetName");
  library->Find(d.DeviceGetAttribute, "cuDeviceGetAttribute");
  library->Find(d.DeviceGetPCIBusId, "cuDeviceGetPCIBusId");
  library->Find(d.DevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
  library->Find(d.DevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
  library->Find(d.CtxSetCurrent, "cuCtxSetCurrent");
  library->Find(d.MemGetInfo, "cuMemGetInfo_v2");
  library->Find(d.MemAlloc, "cuMemAlloc_v2");
  library->Find(d.MemFree, "cuMemFree_v2");
  library->Find(d.MemAllocManaged, "cuMemAllocManaged");
  library->Find(d.MemPrefetchAsync, "cuMemPrefetchAsync_v2");
  library->Find(d.MemAllocHost, "cuMemAllocHost_v2");
  library->Find(d.MemFreeHost, "cuMemFreeHost");
  library->Find(d.MemcpyHtoD, "cuMemcpyHtoD_v2");
  library->Find(d.MemcpyAsync, "cuMemcpyAsync");
  library->Find(d.Memcpy2DAsync, "cuMemcpy2DAsync_v2");
  library->Find(d.MemsetD8Async, "cuMemsetD8Async");
  library->Find(d.StreamCreate, "cuStreamCreate");
  library->Find(d.StreamDestroy, "cuStreamDestroy_v2");
  library->Find(d.StreamSynchronize, "cuStreamSynchronize");
  library->Find(d.StreamWaitEvent, "cuStreamWaitEvent");
  library->Find(d.StreamBeginCapture, "cuStreamBeginCapture_v2");
  library->Find(d.StreamEndCapture, "cuStreamEndCapture");
  library->Find(d.GraphInstantiate, "cuGraphInstantiateWithFlags");
  library->Find(d.GraphLaunch, "cuGraphLaunch");
  library->Find(d.GraphDestroy, "cuGraphDestroy");
  library->Find(d.GraphExecDestroy, "cuGraphExecDestroy");
  library->Find(d.EventCreate, "cuEventCreate");
  library->Find(d.EventRecord, "cuEventRecord");
  library->Find(d.EventRecordWithFlags, "cuEventRecordWithFlags");
  library->Find(d.EventSynchronize, "cuEventSynchronize");
  library->Find(d.EventElapsedTime, "cuEventElapsedTime_v2");
  library->Find(d.EventDestroy, "cuEventDestroy_v2");
  library->Find(d.ModuleLoadData, "cuModuleLoadData");
  library->Find(d.ModuleUnload, "cuModuleUnload");
  library->Find(d.ModuleGetFunction, "cuModuleGetFunction");
  library->Find(d.LaunchKernel, "cuLaunchKernel");
  return library->status();
}

absl::Status Load(Cudnn& c) {
  auto library = Library::Load("libcudnn.so.9");
  if (!library.ok()) return library.status();
  library->Find(c.GetVersion, "cudnnGetVersion");
  library->Find(c.GetErrorString, "cudnnGetErrorString");
  library->Find(c.GetLastErrorString, "cudnnGetLastErrorString");
  library->Find(c.Create, "cudnnCreate");
  library->Find(c.Destroy, "cudnnDestroy");
  library->Find(c.SetStream, "cudnnSetStream");
  library->Find(c.BackendCreateDescriptor, "cudnnBackendCreateDescriptor");
  library->Find(c.BackendDestroyDescriptor, "cudnnBackendDestroyDescriptor");
  library->Find(c.BackendFinalize, "cudnnBackendFinalize");
  library->Find(c.BackendSetAttribute, "cudnnBackendSetAttribute");
  library->Find(c.BackendGetAttribute, "cudnnBackendGetAttribute");
  library->Find(c.BackendExecute, "cudnnBackendExecute");
  if (auto s = library->status(); !s.ok()) return s;
  const auto text = [](size_t version) {
    return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
  };
  // The graph API of one major version is the same in all of its libraries; what they cannot do, plans say.
  const size_t version = c.GetVersion();
  if (version / 10000 != CUDNN_MAJOR) {
    return absl::FailedPreconditionError(
        fmt::format("{} is cuDNN {}, expected one of version {} (this was built with {})", library->place(),
                    text(version), CUDNN_MAJOR, text(CUDNN_VERSION)));
  }
  return absl::OkStatus();
}

absl::Status Load(CublasLt& c) {
  auto library = Library::Load(fmt::format("libcublasLt.so.{}", CUBLAS_VER_MAJOR));
  if (!library.ok()) return library.status();
  library->Find(c.GetVersion, "cublasLtGetVersion");
  library->Find(c.GetStatusString, "cublasLtGetStatusString");
  library->Find(c.Create, "cublasLtCreate");
  library->Find(c.Destroy, "cublasLtDestroy");
  library->Find(c.MatmulDescCreate, "cublasLtMatmulDescCreate");
  library->Find(c.MatmulDescDestroy, "cublasLtMatmulDescDestroy");
  library->Find(c.MatmulDescSetAttribute, "cublasLtMatmulDescSetAttribute");
  library->Find(c.MatrixLayoutCreate, "cublasLtMatrixLayoutCreate");
  library->Find(c.MatrixLayoutDestroy, "cublasLtMatrixLayoutDestroy");
  library->Find(c.MatrixLayoutSetAttribute, "cublasLtMatrixLayoutSetAttribute");
  library->Find(c.MatmulPreferenceCreate, "cublasLtMatmulPreferenceCreate");
  library->Find(c.MatmulPreferenceDestroy, "cublasLtMatmulPreferenceDestroy");
  library->Find(c.MatmulPreferenceSetAttribute, "cublasLtMatmulPreferenceSetAttribute");
  library->Find(c.MatmulAlgoGetHeuristic, "cublasLtMatmulAlgoGetHeuristic");
  library->Find(c.Matmul, "cublasLtMatmul");
  return library->status();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Libraries>> LoadLibraries() {
  static std::mutex mutex;
  static std::shared_ptr<const Libraries> loaded;
  const std::lock_guard lock(mutex);
  if (loaded == nullptr) {
    auto libraries = std::make_shared<Libraries>();
    if (auto s = Load(libraries->driver); !s.ok()) return s;
    if (auto s = Load(libraries->cudnn); !s.ok()) return s;
    if (auto s = Load(libraries->cublaslt); !s.ok()) return s;
    loaded = std::move(libraries);
  }
  return loaded;
}

absl::StatusOr<std::shared_ptr<const Cudnn>> LoadCudnn() {
  auto cudnn = std::make_shared<Cudnn>();
  if (auto s = Load(*cudnn); !s.ok()) return s;
  return cudnn;
}

absl::Status ToStatus(const Driver& driver, CUresult result, std::string_view call) {
  if (result == CUDA_SUCCESS) return absl::OkStatus();
  const char *name = nullptr, *text = nullptr;
  driver.GetErrorName(result, &name);
  driver.GetErrorString(result, &text);
  const std::string message = fmt::format("{}: {} ({})", call, text != nullptr ? text : "unknown error",
                                          name != nullptr ? name : std::to_string(result));
  switch (result) {
    case CUDA_ERROR_OUT_OF_MEMORY:
      return absl::ResourceExhaustedError(message);
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
      return absl::AbortedError(message + "; the device is lost to this process, start it again");
    default:
      return absl::InternalError(message);
  }
}

absl::Status ToStatus(const Cudnn& cudnn, cudnnStatus_t status, std::string_view call) {
  if (status == CUDNN_STATUS_SUCCESS) return absl::OkStatus();
  char detail[512] = "";
  cudnn.GetLastErrorString(detail, sizeof(detail));
  const std::string message = fmt::format("{}: {} {}", call, cudnn.GetErrorString(status), detail);
  // The four groups of cuDNN 9: 2xxx is wrong use, 3xxx not supported, 5xxx failed execution.
  return status / 1000 == 3 ? absl::UnimplementedError(message) : absl::InternalError(message);
}

absl::Status ToStatus(const CublasLt& cublaslt, cublasStatus_t status, std::string_view call) {
  if (status == CUBLAS_STATUS_SUCCESS) return absl::OkStatus();
  const std::string message = fmt::format("{}: {}", call, cublaslt.GetStatusString(status));
  return status == CUBLAS_STATUS_NOT_SUPPORTED ? absl::UnimplementedError(message) : absl::InternalError(message);
}

}  // namespace mathnas::kernels::cuda
