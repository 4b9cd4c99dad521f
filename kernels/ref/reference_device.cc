#include "fmt/format.h"
#include "kernels/device.h"
#include "kernels/ref/reference_kernels.h"

namespace mathnas::kernels {
namespace {

class ReferenceDeviceImpl : public Device {
 public:
  explicit ReferenceDeviceImpl(DType real) : real_(real) {}

  std::string_view name() const override { return "ref"; }
  int threads() const override { return 1; }
  DType real() const override { return real_; }

 protected:
  absl::StatusOr<std::shared_ptr<const Kernel>> Make(const Operator& op, DescSpan inputs, DescSpan outputs) override {
    for (DescSpan descs : {inputs, outputs}) {
      for (const TensorDesc& d : descs) {
        if (IsLow(d.dtype)) {
          return absl::UnimplementedError(fmt::format("element type {}: expected {}", Name(d.dtype), Name(real_)));
        }
      }
    }
    return std::visit(
        [&](const auto& o) -> absl::StatusOr<std::shared_ptr<const Kernel>> {
          if constexpr (std::is_same_v<decltype(o), const Slice&>) {
            return absl::InternalError("a view has no kernel");
          } else {
            return ref::Make(o, ref::Request{inputs, outputs, real_});
          }
        },
        op);
  }

 private:
  DType real_;
};

}  // namespace

std::shared_ptr<Device> ReferenceDevice(DType real) {
  return std::make_shared<ReferenceDeviceImpl>(real == DType::kF64 ? DType::kF64 : DType::kF32);
}

}  // namespace mathnas::kernels
