#include "kernels/dense_copies.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace mathnas::kernels {
namespace {

constexpr size_t kAlignment = 256;  // what devices of any kind want

// A slice and its dense copy: rows of `row_bytes`, `stride_bytes` apart in the slice.
struct Copy {
  size_t input;
  size_t rows, row_bytes, stride_bytes;
  size_t offset;  // in scratch
  std::byte* slice = nullptr;
  std::byte* dense = nullptr;

  absl::Status In(Stream* stream) const { return Rows(stream, dense, row_bytes, slice, stride_bytes); }
  absl::Status Out(Stream* stream) const { return Rows(stream, slice, stride_bytes, dense, row_bytes); }

 private:
  absl::Status Rows(Stream* stream, std::byte* to, size_t to_stride, const std::byte* from, size_t from_stride) const {
    if (stream != nullptr) return stream->CopyRows(to, to_stride, from, from_stride, row_bytes, rows);
    for (size_t r = 0; r < rows; ++r) std::memcpy(to + r * to_stride, from + r * from_stride, row_bytes);
    return absl::OkStatus();
  }
};

class Bound : public BoundKernel {
 public:
  Bound(std::unique_ptr<BoundKernel> kernel, std::vector<Copy> copies, bool copy_back, Stream* stream)
      : kernel_(std::move(kernel)), copies_(std::move(copies)), copy_back_(copy_back), stream_(stream) {}

  absl::Status Run() override {
    for (const Copy& c : copies_) {
      if (absl::Status s = c.In(stream_); !s.ok()) return s;
    }
    if (absl::Status s = kernel_->Run(); !s.ok()) return s;
    if (copy_back_) {
      for (const Copy& c : copies_) {
        if (absl::Status s = c.Out(stream_); !s.ok()) return s;
      }
    }
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<BoundKernel> kernel_;
  std::vector<Copy> copies_;
  bool copy_back_;
  Stream* stream_;
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
    auto kernel = kernel_->Bind({inputs, buffers.outputs, buffers.scratch, buffers.packed, buffers.stream});
    if (!kernel.ok()) return kernel;
    return std::make_unique<Bound>(*std::move(kernel), std::move(copies), copy_back_, buffers.stream);
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
