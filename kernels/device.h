// Where operators run. A device turns an operator with its shapes into a kernel; everything else is the same on all.
#ifndef MATHNAS_KERNELS_DEVICE_H_
#define MATHNAS_KERNELS_DEVICE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/kernel_cache.h"
#include "kernels/ops/operator.h"
#include "kernels/packed_weights.h"

namespace mathnas::kernels {

// Where a kernel finds its operands.
struct KernelBuffers {
  struct Operand {
    void* data;
    bool constant;  // its contents do not change while the kernel is bound, so they may be packed once
  };
  absl::Span<const Operand> inputs;
  absl::Span<void* const> outputs;
  void* scratch;          // scratch_bytes(), 64-byte aligned, shared by all kernels of a context
  PackedWeights* packed;  // where packed constants are kept; never null when an operand is constant
};

// A kernel with resolved addresses. Not thread-safe. Run allocates no memory.
class BoundKernel {
 public:
  virtual ~BoundKernel() = default;
  virtual absl::Status Run() = 0;
};

// An operator prepared for certain shapes. Immutable, shared by plans and threads.
class Kernel {
 public:
  virtual ~Kernel() = default;
  // What was chosen: "brgconv:avx512_core", "vector:avx512", "ref".
  virtual std::string implementation() const = 0;
  virtual size_t scratch_bytes() const { return 0; }
  virtual absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const = 0;
};

// Thread-safe. Kernels are cached by operator and shapes.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view name() const = 0;
  // Threads that its kernels run on; part of what a kernel is.
  virtual int threads() const = 0;
  // The type of everything but labels in graphs for this device.
  virtual DType real() const = 0;
  // Whether it runs graphs of its type with values of bfloat16. Unimplemented with the reason where not: in the loops
  // that would be left there it is slower than float32.
  virtual absl::Status CheckBfloat16() const;
  // Unimplemented, with the reason, where the device has no kernel for this.
  absl::StatusOr<std::shared_ptr<const Kernel>> Prepare(const Operator& op, DescSpan inputs, DescSpan outputs);
  KernelCache& cache() { return cache_; }
  const std::shared_ptr<PackedWeights>& packed() const { return packed_; }

 protected:
  // Called with dense operands, but for operators that take slices as they are.
  virtual absl::StatusOr<std::shared_ptr<const Kernel>> Make(const Operator& op, DescSpan inputs, DescSpan outputs) = 0;
  virtual bool TakesSlices(const Operator&) const { return false; }

 private:
  // A kernel for slices made of one for dense operands.
  absl::StatusOr<std::shared_ptr<const Kernel>> MakeOnCopies(const Operator& op, DescSpan inputs, DescSpan outputs);

  KernelCache cache_;
  std::shared_ptr<PackedWeights> packed_ = std::make_shared<PackedWeights>();
};

// oneDNN and own vector kernels, float32. InvalidArgument when threads < 1 or more than 4096; Unimplemented when this
// build has no CPU kernels.
absl::StatusOr<std::shared_ptr<Device>> CpuDevice(int threads);
// Naive loops on one thread that accumulate in double; real is kF32 or kF64. Slow: the oracle of tests.
std::shared_ptr<Device> ReferenceDevice(DType real);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_DEVICE_H_
