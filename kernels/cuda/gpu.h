// One GPU: its context, its memory, the own kernels loaded on it. What everything in this folder shares.
#ifndef MATHNAS_KERNELS_CUDA_GPU_H_
#define MATHNAS_KERNELS_CUDA_GPU_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "kernels/cuda/libraries.h"
#include "kernels/device.h"

namespace mathnas::kernels::cuda {

// Thread-safe. Memory keeps its GPU alive.
class Gpu : public std::enable_shared_from_this<Gpu> {
 public:
  enum class Memory : uint8_t {
    kDevice,   // for kernels alone
    kManaged,  // moves between both sides
    kHost,     // page-locked: copies need not stop there
  };

  // Errors: those of CudaDevice (device.h).
  static absl::StatusOr<std::shared_ptr<Gpu>> Open(const CudaOptions& options);
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  const CudaOptions& options() const { return options_; }
  const Libraries& libraries() const { return *libraries_; }
  const Driver& driver() const { return libraries_->driver; }
  const std::string& name() const { return name_; }
  int capability() const { return capability_; }  // 90 for 9.0
  int multiprocessors() const { return multiprocessors_; }
  // Its place on the bus, as NVML has it.
  const std::string& pci_bus_id() const { return pci_bus_id_; }

  // Makes the GPU the one that calls of this thread mean; first in everything that is called from outside. Aborted when
  // it was lost before: nothing that it holds is to be trusted.
  absl::Status Enter() const;
  // The status of a call of the driver. An error after which the context is lost is remembered.
  absl::Status Check(CUresult result, std::string_view call);

  // 256-byte aligned, kManaged zeroed and no more than is free: managed memory that does not fit moves to and fro.
  // ResourceExhausted: how much was wanted and how much is free.
  absl::StatusOr<std::shared_ptr<void>> Allocate(Memory kind, size_t bytes);
  // Whether kernels reach this address: it lies in memory of Allocate.
  bool Reaches(const void* address) const;

  absl::StatusOr<CUfunction> Function(const std::string& name);

  // What f(cudnnHandle_t) makes, with a handle that one thread has at a time: for kernels, which are made before there
  // is a queue with its own.
  template <typename F>
  auto WithCudnn(const F& f) -> absl::StatusOr<decltype(f(cudnnHandle_t{}))> {
    const std::lock_guard lock(cudnn_mutex_);
    if (auto s = OpenCudnn(); !s.ok()) return s;
    return f(cudnn_);
  }

 private:
  Gpu() = default;
  absl::Status OpenDevice();
  absl::Status LoadModules();
  absl::Status OpenCudnn();
  void Free(Memory kind, void* memory);

  CudaOptions options_;
  std::shared_ptr<const Libraries> libraries_;
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
  std::string name_;
  std::string pci_bus_id_;
  int capability_ = 0;
  int multiprocessors_ = 1;
  std::atomic<bool> lost_ = false;
  std::mutex cudnn_mutex_;
  cudnnHandle_t cudnn_ = nullptr;

  mutable std::mutex mutex_;
  std::map<uintptr_t, size_t> allocations_;
  std::vector<CUmodule> modules_;
  absl::flat_hash_map<std::string, CUfunction> functions_;
};

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_GPU_H_
