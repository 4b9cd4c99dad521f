// The entry points of the CUDA driver, cuDNN and cuBLASLt that the backend calls, found when a device is opened: a
// process without a GPU loads none of these libraries, and whatever has the same entry points can stand in for them.
#ifndef MATHNAS_KERNELS_CUDA_LIBRARIES_H_
#define MATHNAS_KERNELS_CUDA_LIBRARIES_H_

#include <cublasLt.h>
#include <cuda.h>
#include <cudnn.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::kernels::cuda {

// Each is named as the function without its prefix.
struct Driver {
  decltype(&cuInit) Init;
  decltype(&cuDriverGetVersion) DriverGetVersion;
  decltype(&cuGetErrorName) GetErrorName;
  decltype(&cuGetErrorString) GetErrorString;
  decltype(&cuDeviceGetCount) DeviceGetCount;
  decltype(&cuDeviceGet) DeviceGet;
  decltype(&cuDeviceGetName) DeviceGetName;
  decltype(&cuDeviceGetAttribute) DeviceGetAttribute;
  decltype(&cuDeviceGetPCIBusId) DeviceGetPCIBusId;
  decltype(&cuDevicePrimaryCtxRetain) DevicePrimaryCtxRetain;
  decltype(&cuDevicePrimaryCtxRelease) DevicePrimaryCtxRelease;
  decltype(&cuCtxSetCurrent) CtxSetCurrent;
  decltype(&cuMemGetInfo) MemGetInfo;
  decltype(&cuMemAlloc) MemAlloc;
  decltype(&cuMemFree) MemFree;
  decltype(&cuMemAllocManaged) MemAllocManaged;
  decltype(&cuMemPrefetchAsync) MemPrefetchAsync;
  decltype(&cuMemAllocHost) MemAllocHost;
  decltype(&cuMemFreeHost) MemFreeHost;
  decltype(&cuMemcpyHtoD) MemcpyHtoD;
  decltype(&cuMemcpyAsync) MemcpyAsync;
  decltype(&cuMemcpy2DAsync) Memcpy2DAsync;
  decltype(&cuMemsetD8Async) MemsetD8Async;
  decltype(&cuStreamCreate) StreamCreate;
  decltype(&cuStreamDestroy) StreamDestroy;
  decltype(&cuStreamSynchronize) StreamSynchronize;
  decltype(&cuStreamWaitEvent) StreamWaitEvent;
  decltype(&cuStreamBeginCapture) StreamBeginCapture;
  decltype(&cuStreamEndCapture) StreamEndCapture;
  decltype(&cuGraphInstantiate) GraphInstantiate;
  decltype(&cuGraphLaunch) GraphLaunch;
  decltype(&cuGraphDestroy) GraphDestroy;
  decltype(&cuGraphExecDestroy) GraphExecDestroy;
  decltype(&cuEventCreate) EventCreate;
  decltype(&cuEventRecord) EventRecord;
  decltype(&cuEventRecordWithFlags) EventRecordWithFlags;
  decltype(&cuEventSynchronize) EventSynchronize;
  decltype(&cuEventElapsedTime) EventElapsedTime;
  decltype(&cuEventDestroy) EventDestroy;
  decltype(&cuModuleLoadData) ModuleLoadData;
  decltype(&cuModuleUnload) ModuleUnload;
  decltype(&cuModuleGetFunction) ModuleGetFunction;
  decltype(&cuLaunchKernel) LaunchKernel;
};

struct Cudnn {
  decltype(&cudnnGetVersion) GetVersion;
  decltype(&cudnnGetErrorString) GetErrorString;
  decltype(&cudnnGetLastErrorString) GetLastErrorString;
  decltype(&cudnnCreate) Create;
  decltype(&cudnnDestroy) Destroy;
  decltype(&cudnnSetStream) SetStream;
  decltype(&cudnnBackendCreateDescriptor) BackendCreateDescriptor;
  decltype(&cudnnBackendDestroyDescriptor) BackendDestroyDescriptor;
  decltype(&cudnnBackendFinalize) BackendFinalize;
  decltype(&cudnnBackendSetAttribute) BackendSetAttribute;
  decltype(&cudnnBackendGetAttribute) BackendGetAttribute;
  decltype(&cudnnBackendExecute) BackendExecute;
};

struct CublasLt {
  decltype(&cublasLtGetVersion) GetVersion;
  decltype(&cublasLtGetStatusString) GetStatusString;
  decltype(&cublasLtCreate) Create;
  decltype(&cublasLtDestroy) Destroy;
  decltype(&cublasLtMatmulDescCreate) MatmulDescCreate;
  decltype(&cublasLtMatmulDescDestroy) MatmulDescDestroy;
  decltype(&cublasLtMatmulDescSetAttribute) MatmulDescSetAttribute;
  decltype(&cublasLtMatrixLayoutCreate) MatrixLayoutCreate;
  decltype(&cublasLtMatrixLayoutDestroy) MatrixLayoutDestroy;
  decltype(&cublasLtMatrixLayoutSetAttribute) MatrixLayoutSetAttribute;
  decltype(&cublasLtMatmulPreferenceCreate) MatmulPreferenceCreate;
  decltype(&cublasLtMatmulPreferenceDestroy) MatmulPreferenceDestroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) MatmulPreferenceSetAttribute;
  decltype(&cublasLtMatmulAlgoGetHeuristic) MatmulAlgoGetHeuristic;
  decltype(&cublasLtMatmul) Matmul;
};

struct Libraries {
  Driver driver;
  Cudnn cudnn;
  CublasLt cublaslt;
};

// Errors: those of library.h; FailedPrecondition also for a version that this build cannot use, with both versions.
// Loaded once; a failure is not kept.
absl::StatusOr<std::shared_ptr<const Libraries>> LoadLibraries();
// Of cuDNN alone, for which no driver is needed.
absl::StatusOr<std::shared_ptr<const Cudnn>> LoadCudnn();

// OK, or what the driver calls it: ResourceExhausted when memory is out, Aborted for errors after which the context of
// the device is lost (an illegal address, a launch that failed), Internal otherwise.
absl::Status ToStatus(const Driver& driver, CUresult result, std::string_view call);
absl::Status ToStatus(const Cudnn& cudnn, cudnnStatus_t status, std::string_view call);
absl::Status ToStatus(const CublasLt& cublaslt, cublasStatus_t status, std::string_view call);

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_LIBRARIES_H_
