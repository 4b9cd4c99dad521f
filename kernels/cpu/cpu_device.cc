#include <omp.h>

#include <memory>

#include "fmt/format.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/onednn.h"

namespace mathnas::kernels {
namespace {

constexpr int kMaxThreads = 4096;

class Cpu : public Device {
 public:
  explicit Cpu(int threads) : threads_(threads) {}
  std::string_view name() const override { return "cpu"; }
  int threads() const override { return threads_; }
  DType real() const override { return DType::kF32; }
  absl::Status CheckLow(DType low) const override {
    if (low != DType::kBf16) {
      return absl::UnimplementedError(
          fmt::format("element type {}: device cpu computes in F32, on some processors in BF16 too; device cuda has {}",
                      Name(low), Name(low)));
    }
    if (cpu::onednn::HasBfloat16()) return absl::OkStatus();
    return absl::UnimplementedError(
        "bfloat16: expected a processor with AVX-512 BF16 that ONEDNN_MAX_CPU_ISA does not limit; without, it is "
        "slower than float32");
  }

 protected:
  absl::StatusOr<std::shared_ptr<const Kernel>> Make(const Operator& op, DescSpan inputs, DescSpan outputs) override {
    for (DescSpan descs : {inputs, outputs}) {
      for (const TensorDesc& d : descs) {
        if (IsLow(d.dtype)) {
          if (auto s = CheckLow(d.dtype); !s.ok()) return s;
        } else if (d.dtype != DType::kF32 && d.dtype != DType::kI64) {
          return absl::UnimplementedError(fmt::format("element type {}: expected F32", Name(d.dtype)));
        }
      }
    }
    return std::visit(
        [&](const auto& o) -> cpu::KernelOr {
          if constexpr (std::is_same_v<decltype(o), const Slice&>) {
            return absl::InternalError("a view has no kernel");
          } else {
            return cpu::Make(o, cpu::Request{inputs, outputs, threads_});
          }
        },
        op);
  }
  bool TakesSlices(const Operator& op) const override {
    return std::holds_alternative<Conv2d>(op) || std::holds_alternative<Conv2dBackwardData>(op) ||
           std::holds_alternative<Linear>(op) || std::holds_alternative<LinearBackwardData>(op) ||
           std::holds_alternative<Embedding>(op) || std::holds_alternative<Accumulate>(op) ||
           std::holds_alternative<AccumulateRows>(op) || std::holds_alternative<Convert>(op) ||
           std::holds_alternative<Store>(op);
  }

 private:
  int threads_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<Device>> CpuDevice(int threads) {
  if (threads < 1 || threads > kMaxThreads) {
    return absl::InvalidArgumentError(fmt::format("threads {}: expected 1 to {}", threads, kMaxThreads));
  }
  return std::make_shared<Cpu>(threads);
}

}  // namespace mathnas::kernels
