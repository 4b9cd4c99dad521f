#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/cupti.h"
#include "kernels/cuda/nvml.h"
#include "kernels/cuda/optimizer.h"

namespace mathnas::kernels {
namespace {

using cuda::Gpu;

class Cuda : public Device {
 public:
  static absl::StatusOr<std::shared_ptr<Device>> Create(std::shared_ptr<Gpu> gpu) {
    auto device = std::make_shared<Cuda>();
    auto updates = cuda::Updates::Create(gpu);
    if (!updates.ok()) return updates.status();
    device->gpu_ = std::move(gpu);
    device->updates_ = *std::move(updates);
    return device;
  }

  std::string_view name() const override { return "cuda"; }
  std::string description() const override {
    const size_t cudnn = gpu_->libraries().cudnn.GetVersion();
    std::string text =
        fmt::format("{} (compute capability {}.{}), cuDNN {}.{}.{}", gpu_->name(), gpu_->capability() / 10,
                    gpu_->capability() % 10, cudnn / 10000, cudnn / 100 % 100, cudnn % 100);
    if (auto nvml = cuda::Nvml::Open(gpu_->pci_bus_id()); nvml.ok()) text += ", clocks " + (*nvml)->Clocks();
    return text;
  }
  absl::StatusOr<double> Joules() const override {
    auto nvml = cuda::Nvml::Open(gpu_->pci_bus_id());
    if (!nvml.ok()) return nvml.status();
    return (*nvml)->Joules();
  }
  absl::StatusOr<Occupation> Observe(absl::FunctionRef<absl::Status()> work) override {
    if (auto s = Wait(); !s.ok()) return s;
    return cuda::Observe(work);
  }
  int threads() const override { return 1; }
  DType real() const override { return DType::kF32; }
  absl::Status CheckLow(DType) const override { return absl::OkStatus(); }

  absl::StatusOr<std::unique_ptr<Stream>> NewStream() override {
    auto queue = cuda::Queue::Create(gpu_);
    if (!queue.ok()) return queue.status();
    return std::make_unique<cuda::CudaStream>(*std::move(queue), updates_);
  }

  absl::StatusOr<Tensor> NewTensor(const TensorDesc& desc) override {
    auto memory = gpu_->Allocate(Gpu::Memory::kManaged, desc.bytes());
    if (!memory.ok()) return memory.status();
    void* data = memory->get();
    // Updates of it may not have been waited for when its last owner goes.
    const auto wait = [memory = *std::move(memory), updates = updates_](void*) { (void)updates->Wait(); };
    return Tensor::Borrow({desc, data}, std::shared_ptr<void>(data, wait));
  }

  bool Reaches(const void* address) const override { return gpu_->Reaches(address); }

  absl::StatusOr<std::shared_ptr<const Tensor>> Upload(const Tensor& tensor) override {
    return packed()->Get(this, tensor.data(), [&]() -> absl::StatusOr<Tensor> {
      auto memory = gpu_->Allocate(Gpu::Memory::kDevice, tensor.desc().bytes());
      if (!memory.ok()) return memory.status();
      void* data = memory->get();
      const CUresult copied =
          gpu_->driver().MemcpyHtoD(reinterpret_cast<CUdeviceptr>(data), tensor.data(), tensor.desc().bytes());
      if (auto s = gpu_->Check(copied, "cuMemcpyHtoD"); !s.ok()) return s;
      return Tensor::Borrow({tensor.desc(), data}, *std::move(memory));
    });
  }

  absl::Status Wait() override { return updates_->Wait(); }

  absl::Status SgdStep(absl::Span<const SgdUpdate<TensorView>> updates) override {
    return Update(
        ReachesAll(updates,
                   [](const auto& u) {
                     return std::array{u.w, u.g, u.b};
                   }),
        [&](cuda::Queue& q) { return EnqueueSgdStep(q, updates); }, [&] { return Device::SgdStep(updates); });
  }
  absl::Status AdamStep(absl::Span<const AdamUpdate<TensorView>> updates) override {
    return Update(
        ReachesAll(updates,
                   [](const auto& u) {
                     return std::array{u.w, u.g, u.m, u.v};
                   }),
        [&](cuda::Queue& q) { return EnqueueAdamStep(q, updates); }, [&] { return Device::AdamStep(updates); });
  }
  absl::Status CombineGradients(absl::Span<const GradientPair<TensorView>> pairs) override {
    return Update(
        ReachesAll(pairs,
                   [](const auto& p) {
                     return std::array{p.g, p.h};
                   }),
        [&](cuda::Queue& q) { return EnqueueCombineGradients(q, pairs); },
        [&] { return Device::CombineGradients(pairs); });
  }
  absl::Status MoveAverage(double decay, absl::Span<const AveragedWeight<TensorView>> weights) override {
    return Update(
        ReachesAll(weights,
                   [](const auto& a) {
                     return std::array{a.w, a.average};
                   }),
        [&](cuda::Queue& q) { return EnqueueMoveAverage(q, decay, weights); },
        [&] { return Device::MoveAverage(decay, weights); });
  }
  absl::StatusOr<std::vector<double>> DotProducts(absl::Span<const std::pair<TensorView, TensorView>> pairs) override {
    if (ReachesAll(pairs, [](const auto& pair) { return std::array{pair.first, pair.second}; })) {
      return dot_products_.Of(pairs, *gpu_, *updates_);
    }
    if (auto s = Wait(); !s.ok()) return s;
    return Device::DotProducts(pairs);
  }

 protected:
  absl::StatusOr<std::shared_ptr<const Kernel>> Make(const Operator& op, DescSpan inputs, DescSpan outputs) override {
    for (DescSpan descs : {inputs, outputs}) {
      for (const TensorDesc& d : descs) {
        if (!IsLow(d.dtype) && d.dtype != DType::kF32 && d.dtype != DType::kI64) {
          return absl::UnimplementedError(fmt::format("element type {}: expected F32", Name(d.dtype)));
        }
      }
    }
    return std::visit(
        [&](const auto& o) -> cuda::KernelOr {
          if constexpr (std::is_same_v<decltype(o), const Slice&>) {
            return absl::InternalError("a view has no kernel");
          } else {
            return cuda::Make(o, cuda::Request{inputs, outputs, *gpu_});
          }
        },
        op);
  }
  bool TakesSlices(const Operator& op) const override {
    return std::holds_alternative<Conv2d>(op) || std::holds_alternative<Conv2dBackwardData>(op) ||
           std::holds_alternative<ExpandDepthwise>(op) || std::holds_alternative<Linear>(op) ||
           std::holds_alternative<LinearBackwardData>(op) || std::holds_alternative<Embedding>(op) ||
           std::holds_alternative<Accumulate>(op) || std::holds_alternative<AccumulateRows>(op) ||
           std::holds_alternative<Convert>(op) || std::holds_alternative<Store>(op);
  }

 private:
  // tensors_of(item) are those of one item. A tensor without elements is anywhere.
  template <typename Items, typename TensorsOf>
  bool ReachesAll(const Items& items, const TensorsOf& tensors_of) const {
    return std::ranges::all_of(items, [&](const auto& item) {
      return std::ranges::all_of(tensors_of(item), [this](const TensorView& t) {
        return t.desc.dtype == DType::kF32 && (t.data == nullptr || t.desc.elements() == 0 || Reaches(t.data));
      });
    });
  }
  // On the device, or on the host where the device does not reach one of the tensors.
  template <typename Enqueue, typename OnHost>
  absl::Status Update(bool reaches, const Enqueue& enqueue, const OnHost& on_host) {
    if (reaches) return updates_->Enqueue(enqueue);
    if (auto s = Wait(); !s.ok()) return s;
    return on_host();
  }

  std::shared_ptr<Gpu> gpu_;
  std::shared_ptr<cuda::Updates> updates_;
  cuda::DotProductSums dot_products_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<Device>> CudaDevice(const CudaOptions& options) {
  auto gpu = Gpu::Open(options);
  if (!gpu.ok()) return gpu.status();
  return Cuda::Create(*std::move(gpu));
}

}  // namespace mathnas::kernels
