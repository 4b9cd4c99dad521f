#include "kernels/cuda/queue.h"

#include <utility>

#include "fmt/format.h"
#include "kernels/cuda/gpu.h"

namespace mathnas::kernels::cuda {

absl::StatusOr<std::unique_ptr<Queue>> Queue::Create(std::shared_ptr<Gpu> gpu) {
  if (auto s = gpu->Enter(); !s.ok()) return s;
  std::unique_ptr<Queue> queue(new Queue(gpu));
  auto fault = gpu->Allocate(Gpu::Memory::kHost, sizeof(Fault));
  if (!fault.ok()) return fault.status();
  queue->fault_ = *std::move(fault);
  *queue->fault() = {};
  const Libraries& l = gpu->libraries();
  if (auto s = gpu->Check(l.driver.StreamCreate(&queue->stream_, CU_STREAM_NON_BLOCKING), "cuStreamCreate"); !s.ok()) {
    return s;
  }
  if (auto s = ToStatus(l.cudnn, l.cudnn.Create(&queue->cudnn_), "cudnnCreate"); !s.ok()) return s;
  if (auto s = ToStatus(l.cudnn, l.cudnn.SetStream(queue->cudnn_, queue->stream_), "cudnnSetStream"); !s.ok()) return s;
  if (auto s = ToStatus(l.cublaslt, l.cublaslt.Create(&queue->cublaslt_), "cublasLtCreate"); !s.ok()) return s;
  return queue;
}

Queue::~Queue() {
  const Libraries& l = gpu_->libraries();
  if (!gpu_->Enter().ok()) return;  // a lost context takes all of it with it
  if (cublaslt_ != nullptr) l.cublaslt.Destroy(cublaslt_);
  if (cudnn_ != nullptr) l.cudnn.Destroy(cudnn_);
  if (stream_ != nullptr) l.driver.StreamDestroy(stream_);
}

const Libraries& Queue::libraries() const { return gpu_->libraries(); }

absl::Status Queue::Launch(const char* name, bool typed, DType type, const Grid& grid, const void* args) {
  if (grid.blocks == 0 || grid.rows == 0 || grid.planes == 0) return absl::OkStatus();
  std::string full = name;
  if (typed) full += type == DType::kBf16 ? "_bf16" : type == DType::kF16 ? "_f16" : "_f32";
  auto function = gpu_->Function(full);
  if (!function.ok()) return function.status();
  void* parameters[] = {const_cast<void*>(args)};
  const CUresult result =
      libraries().driver.LaunchKernel(*function, grid.blocks, grid.rows, grid.planes, grid.threads, 1, 1,
                                      static_cast<unsigned>(grid.shared_bytes), stream_, parameters, nullptr);
  return result == CUDA_SUCCESS ? absl::OkStatus() : gpu_->Check(result, full);
}

Grid Queue::Over(int64_t n) const {
  constexpr int64_t kThreads = 256, kBlocksPerMultiprocessor = 8;
  const int64_t most = kBlocksPerMultiprocessor * gpu_->multiprocessors();
  return {.blocks = static_cast<unsigned>(std::min((n + kThreads - 1) / kThreads, most)), .threads = kThreads};
}

absl::Status Queue::Copy(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return absl::OkStatus();
  return gpu_->Check(libraries().driver.MemcpyAsync(reinterpret_cast<CUdeviceptr>(to),
                                                    reinterpret_cast<CUdeviceptr>(from), bytes, stream_),
                     "cuMemcpyAsync");
}

absl::Status Queue::CopyRows(void* to, size_t to_stride, const void* from, size_t from_stride, size_t row_bytes,
                             size_t rows) {
  if (row_bytes == 0 || rows == 0) return absl::OkStatus();
  CUDA_MEMCPY2D copy = {};
  copy.srcMemoryType = copy.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  copy.srcDevice = reinterpret_cast<CUdeviceptr>(from);
  copy.srcPitch = from_stride;
  copy.dstDevice = reinterpret_cast<CUdeviceptr>(to);
  copy.dstPitch = to_stride;
  copy.WidthInBytes = row_bytes;
  copy.Height = rows;
  return gpu_->Check(libraries().driver.Memcpy2DAsync(&copy, stream_), "cuMemcpy2DAsync");
}

absl::Status Queue::Zero(void* to, size_t bytes) {
  if (bytes == 0) return absl::OkStatus();
  return gpu_->Check(libraries().driver.MemsetD8Async(reinterpret_cast<CUdeviceptr>(to), 0, bytes, stream_),
                     "cuMemsetD8Async");
}

absl::Status Queue::Wait() {
  if (auto s = gpu_->Check(libraries().driver.StreamSynchronize(stream_), "cuStreamSynchronize"); !s.ok()) return s;
  const Fault fault = std::exchange(*this->fault(), {});
  return fault.found != 0 ? CheckStoreAt(fault.at, fault.last) : absl::OkStatus();
}

}  // namespace mathnas::kernels::cuda
