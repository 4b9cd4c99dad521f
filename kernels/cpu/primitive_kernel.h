// A kernel made of oneDNN primitives that run one after the other over operands and scratch memory.
#ifndef MATHNAS_KERNELS_CPU_PRIMITIVE_KERNEL_H_
#define MATHNAS_KERNELS_CPU_PRIMITIVE_KERNEL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cpu/onednn.h"
#include "kernels/device.h"

namespace mathnas::kernels::cpu {

class PrimitiveKernel : public Kernel {
 public:
  // Memory that a primitive reads or writes.
  struct Slot {
    enum Kind { kInput, kOutput, kScratch, kPacked } kind;
    size_t index;  // of the operand, offset in scratch, or number of the packing
    onednn::Md md;
  };
  using Arguments = std::vector<std::pair<int, Slot>>;

  explicit PrimitiveKernel(int threads) : threads_(threads) {}

  // Building, in the order in which things run.
  static Slot Input(size_t i, onednn::Md md) { return {Slot::kInput, i, std::move(md)}; }
  static Slot Output(size_t i, onednn::Md md) { return {Slot::kOutput, i, std::move(md)}; }
  Slot Scratch(const onednn::Md& md);
  // Whether the input may change between runs; kConstant: it never does in any use of the kernel.
  enum class Changes : uint8_t { kPerhaps, kConstant };
  // Input i in layout `wanted`: itself if it is that already, else a packed copy, made once if the input is constant.
  Slot Packed(size_t i, const onednn::Md& plain, const onednn::Md& wanted, Changes changes = Changes::kPerhaps);
  // Adds a primitive; its scratchpad is booked too.
  template <typename PrimitiveDesc>
  void Add(const PrimitiveDesc& pd, Arguments arguments) {
    AddPrimitive(dnnl::primitive(pd.get()), pd.impl_info_str(), pd.scratchpad_desc(), std::move(arguments));
  }
  // Copies a scratch slot into output i, which is plain.
  void Unpack(const Slot& from, size_t i, const onednn::Md& plain);

  // All primitives, joined by " + ": "jit:uni + brgconv:avx512_core".
  std::string implementation() const override { return implementation_; }
  size_t scratch_bytes() const override { return scratch_bytes_; }
  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override;

 private:
  struct Step {
    dnnl::primitive primitive;
    Arguments arguments;
    int packs = -1;  // number of the packing that this step makes
  };
  struct Packing {
    size_t input;
    size_t scratch_offset;
    onednn::Md wanted;
    const void* layouts;  // stands for what it is made from and what it becomes
  };

  void AddPrimitive(dnnl::primitive primitive, std::string_view implementation, const onednn::Md& scratchpad,
                    Arguments arguments);
  void Name(std::string_view implementation);

  int threads_;
  std::vector<Step> steps_;
  std::vector<Packing> packings_;
  std::string implementation_;
  size_t scratch_bytes_ = 0;
};

}  // namespace mathnas::kernels::cpu

#endif  // MATHNAS_KERNELS_CPU_PRIMITIVE_KERNEL_H_
