// A kernel made of a function of pointers: for kernels that need no objects of a library.
#ifndef MATHNAS_KERNELS_FUNCTION_KERNEL_H_
#define MATHNAS_KERNELS_FUNCTION_KERNEL_H_

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "kernels/device.h"

namespace mathnas::kernels {

// What a function kernel is called with; the pointers have the operator's shapes.
struct Operands {
  absl::InlinedVector<void*, 6> inputs;
  absl::InlinedVector<void*, 4> outputs;
  void* scratch = nullptr;
  Stream* stream = nullptr;  // of a device that has one

  template <typename T>
  const T* in(size_t i) const {
    return static_cast<const T*>(inputs[i]);
  }
  template <typename T>
  T* out(size_t i) const {
    return static_cast<T*>(outputs[i]);
  }
};

// `run` is called as run(const Operands&), by several threads at once with different operands. It returns nothing, or a
// status.
template <typename Function>
class FunctionKernel : public Kernel {
 public:
  FunctionKernel(std::string implementation, size_t scratch_bytes, Function run)
      : implementation_(std::move(implementation)), scratch_bytes_(scratch_bytes), run_(std::move(run)) {}

  std::string implementation() const override { return implementation_; }
  size_t scratch_bytes() const override { return scratch_bytes_; }
  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    auto bound = std::make_unique<Bound>(run_);
    for (const KernelBuffers::Operand& o : buffers.inputs) bound->operands.inputs.push_back(o.data);
    bound->operands.outputs.assign(buffers.outputs.begin(), buffers.outputs.end());
    bound->operands.scratch = buffers.scratch;
    bound->operands.stream = buffers.stream;
    return bound;
  }

 private:
  struct Bound : BoundKernel {
    explicit Bound(const Function& f) : function(f) {}
    absl::Status Run() override {
      if constexpr (std::is_same_v<decltype(function(operands)), absl::Status>) {
        return function(operands);
      } else {
        function(operands);
        return absl::OkStatus();
      }
    }
    Function function;  // a copy: the kernel may leave the cache before its contexts end
    Operands operands;
  };

  std::string implementation_;
  size_t scratch_bytes_;
  Function run_;
};

template <typename Function>
std::shared_ptr<const Kernel> MakeFunctionKernel(std::string implementation, size_t scratch_bytes, Function run) {
  return std::make_shared<FunctionKernel<Function>>(std::move(implementation), scratch_bytes, std::move(run));
}

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_FUNCTION_KERNEL_H_
