// Where operators run. A device turns an operator with its shapes into a kernel; everything else is the same on all.
#ifndef MATHNAS_KERNELS_DEVICE_H_
#define MATHNAS_KERNELS_DEVICE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/kernel_cache.h"
#include "kernels/ops/operator.h"
#include "kernels/optimizer_kernels.h"
#include "kernels/packed_weights.h"
#include "kernels/stream.h"

namespace mathnas::kernels {

// Where a kernel finds its operands.
struct KernelBuffers {
  struct Operand {
    void* data;
    bool constant;  // its contents do not change while the kernel is bound, so they may be packed once
  };
  absl::Span<const Operand> inputs;
  absl::Span<void* const> outputs;
  void* scratch;             // scratch_bytes(), 64-byte aligned, shared by all kernels of a context
  PackedWeights* packed;     // where packed constants are kept; never null when an operand is constant
  Stream* stream = nullptr;  // of the device, where it has streams (Device::NewStream)
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

// What a device did, by its own records.
struct Occupation {
  double span_seconds = 0;  // from the start of the first thing that it did to the end of the last
  double busy_seconds = 0;  // of these, in which it did at least one
  int64_t kernels = 0;
  int64_t copies = 0;  // and fills
};

// Thread-safe. Kernels are cached by operator and shapes.
class Device : public std::enable_shared_from_this<Device> {
 public:
  virtual ~Device() = default;
  virtual std::string_view name() const = 0;
  // What it is, for people: "NVIDIA H200 (compute capability 9.0), cuDNN 9.19.0". By default its name.
  virtual std::string description() const { return std::string(name()); }
  // Threads that its kernels run on; part of what a kernel is.
  virtual int threads() const = 0;
  // The type of everything but labels in graphs for this device.
  virtual DType real() const = 0;
  // Whether it runs graphs of its type with values of `low`, bfloat16 or float16. Unimplemented with the reason where
  // not: in the loops that would be left there it is slower than float32.
  virtual absl::Status CheckLow(DType low) const;
  // Unimplemented, with the reason, where the device has no kernel for this.
  absl::StatusOr<std::shared_ptr<const Kernel>> Prepare(const Operator& op, DescSpan inputs, DescSpan outputs);
  KernelCache& cache() { return cache_; }
  const std::shared_ptr<PackedWeights>& packed() const { return packed_; }

  // Null where kernels work in the memory of the host, at once.
  virtual absl::StatusOr<std::unique_ptr<Stream>> NewStream() { return nullptr; }
  // A zeroed tensor that both the host and the kernels of the device reach: for weights that are trained, gradients,
  // moments. Other tensors are copied back and forth by every context that binds them.
  virtual absl::StatusOr<Tensor> NewTensor(const TensorDesc& desc) { return Tensor(desc); }
  // Whether kernels reach this memory.
  virtual bool Reaches(const void*) const { return true; }
  // A copy of a tensor in the device's memory, shared by all who hold one while it does not change. Never called where
  // kernels reach all memory.
  virtual absl::StatusOr<std::shared_ptr<const Tensor>> Upload(const Tensor& tensor);
  // What it has used since some point in the past. Unavailable says why it cannot be known.
  virtual absl::StatusOr<double> Joules() const;
  // What the device does during `work`, which waits for its results; updates below are done before. `work` is run
  // twice, and the second time is what counts: the first pays for what recording takes. Records are of the process:
  // nothing else of it may use the device meanwhile. One call at a time, others wait. Errors: those of `work`;
  // Unavailable says why there are no records, or not all of them.
  virtual absl::StatusOr<Occupation> Observe(absl::FunctionRef<absl::Status()> work);
  // Until all updates below are done; the host may read and write what they changed then.
  virtual absl::Status Wait() { return absl::OkStatus(); }

  // The steps of optimizer_kernels.h where the tensors are, in the order of the calls: after the runs of contexts that
  // were started before, and seen by later ones. All tensors are of real().
  virtual absl::Status SgdStep(absl::Span<const SgdUpdate<TensorView>> updates);
  virtual absl::Status AdamStep(absl::Span<const AdamUpdate<TensorView>> updates);
  // Of many pairs at once: the host waits for the values.
  virtual absl::StatusOr<std::vector<double>> DotProducts(absl::Span<const std::pair<TensorView, TensorView>> pairs);
  virtual absl::Status CombineGradients(absl::Span<const GradientPair<TensorView>> pairs);
  virtual absl::Status MoveAverage(double decay, absl::Span<const AveragedWeight<TensorView>> weights);

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

// Moves the floating tensors of a map to where the kernels of the device reach them; nothing where they reach all.
absl::Status Place(Device& device, TensorMap& tensors);

// oneDNN and own vector kernels, float32. InvalidArgument when threads < 1 or more than 4096; Unimplemented when this
// build has no CPU kernels.
absl::StatusOr<std::shared_ptr<Device>> CpuDevice(int threads);
struct CudaOptions {
  int device = 0;     // as the driver counts those that it may use
  bool tf32 = false;  // products of float32 with the 10 bits of TensorFloat-32
};
// cuDNN, cuBLASLt and own kernels, float32, bfloat16 or float16. Unimplemented when this build has no CUDA kernels;
// NotFound when there is no driver, no such device or no library, each with what was looked for; FailedPrecondition
// when the driver is older than the toolkit, a library of another version, or the device of a compute capability that
// this build has no code for.
absl::StatusOr<std::shared_ptr<Device>> CudaDevice(const CudaOptions& options = {});
// Naive loops on one thread that accumulate in double; real is kF32 or kF64. Slow: the oracle of tests.
std::shared_ptr<Device> ReferenceDevice(DType real);

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_DEVICE_H_
