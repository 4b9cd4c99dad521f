#include "kernels/dense_copies.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace mathnas::kernels {
namespace {

constexpr size_t kAlignment = 64;

// A slice and its dense copy: rows of `row_bytes`, `stride_bytes` apart in the slice.
struct Copy {
  size_t input;
  size_t rows, row_bytes, stride_bytes;
  size_t offset;  // in scratch
  std::byte* slice = nullptr;
  std::byte* dense = nullptr;

  void In() const {
    for (size_t r = 0; r < rows; ++r) std::memcpy(dense + r * row_bytes, slice + r * stride_bytes, row_bytes);
  }
  void Out() const {
    for (size_t r = 0; r < rows; ++r) std::memcpy(slice + r * stride_bytes, dense + r * row_bytes, row_bytes);
  }
};

class Bound : public BoundKernel {
 public:
  Bound(std::unique_ptr<BoundKernel> kernel, std::vector<Copy> copies, bool copy_back)
      : kernel_(std::move(kernel)), copies_(std::move(copies)), copy_back_(copy_back) {}

  absl::Status Run() override {
    for (const Copy& c : copies_) c.In();
    if (absl::Status s = kernel_->Run(); !s.ok()) return s;
    if (copy_back_) {
      for (const Copy& c : copies_) c.Out();
    }
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<BoundKernel> kernel_;
  std::vector<Copy> copies_;
  bool copy_back_;
};

class CopyingKernel : public Kernel {
 public:
  CopyingKernel(std::shared_ptr<const Kernel> kernel, DescSpan inputs, bool copy_back)
      : kernel_(std::move(kernel)), copy_back_(copy_back) {
    scratch_bytes_ = Aligned(kernel_->scratch_bytes());
    for (size_t i = 0; i < inputs.size(); ++i) {
      const TensorDesc& d = inputs[i];
      if (d.dense()) continue;
      const auto rows = static_cast<size_t>(d.shape[0]);
      copies_.push_back({.input = i,
                         .rows = rows,
                         .row_bytes = d.bytes() / rows,
                         .stride_bytes = static_cast<size_t>(d.row_stride) * SizeOf(d.dtype),
                         .offset = scratch_bytes_});
      scratch_bytes_ += Aligned(d.bytes());
    }
  }

  std::string implementation() const override { return "copy + " + kernel_->implementation(); }
  size_t scratch_bytes() const override { return scratch_bytes_; }
  absl::StatusOr<std::unique_ptr<BoundKernel>> Bind(const KernelBuffers& buffers) const override {
    std::vector<Copy> copies = copies_;
    std::vector<KernelBuffers::Operand> inputs(buffers.inputs.begin(), buffers.inputs.end());
    for (Copy& c : copies) {
      c.slice = static_cast<std::byte*>(inputs[c.input].data);
      c.dense = static_cast<std::byte*>(buffers.scratch) + c.offset;
      inputs[c.input] = {.data = c.dense, .constant = false};
    }
    auto kernel = kernel_->Bind({inputs, buffers.outputs, buffers.scratch, buffers.packed});
    if (!kernel.ok()) return kernel;
    return std::make_unique<Bound>(*std::move(kernel), std::move(copies), copy_back_);
  }

 private:
  static size_t Aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  std::shared_ptr<const Kernel> kernel_;
  std::vector<Copy> copies_;
  bool copy_back_;
  size_t scratch_bytes_ = 0;
};

}  // namespace

std::shared_ptr<const Kernel> OnDenseCopies(std::shared_ptr<const Kernel> kernel, DescSpan inputs, bool copy_back) {
  return std::make_shared<CopyingKernel>(std::move(kernel), inputs, copy_back);
}

}  // namespace mathnas::kernels
