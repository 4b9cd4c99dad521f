#include "kernels/device.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "kernels/dense_copies.h"
#include "kernels/status.h"

namespace mathnas::kernels {

absl::Status Device::CheckLow(DType) const {
  return absl::UnimplementedError(fmt::format("device {} computes in {} alone", name(), Name(real())));
}

absl::StatusOr<std::shared_ptr<const Kernel>> Device::Prepare(const Operator& op, DescSpan inputs, DescSpan outputs) {
  const KernelCache::KeyView key(op, inputs, outputs);
  if (auto kernel = cache_.Find(key)) return kernel;
  const bool dense = std::all_of(inputs.begin(), inputs.end(), [](const TensorDesc& d) { return d.dense(); });
  auto kernel = dense || TakesSlices(op) ? Make(op, inputs, outputs) : MakeOnCopies(op, inputs, outputs);
  if (!kernel.ok()) return Annotate(kernel.status(), NameOf(op));
  cache_.Insert(key, *kernel);
  return kernel;
}

absl::StatusOr<std::shared_ptr<const Kernel>> Device::MakeOnCopies(const Operator& op, DescSpan inputs,
                                                                   DescSpan outputs) {
  Descs dense(inputs.begin(), inputs.end());
  for (TensorDesc& d : dense) d.row_stride = 0;
  auto kernel = Make(op, dense, outputs);
  if (!kernel.ok()) return kernel;
  return OnDenseCopies(*std::move(kernel), inputs, ChangesState(op));
}

absl::Status Place(Device& device, TensorMap& tensors) {
  std::vector<std::pair<std::string, Tensor>> moved;
  for (const TensorMap::Entry& e : tensors.entries()) {
    if (e.tensor.desc().dtype == DType::kI64 || device.Reaches(e.tensor.data())) continue;
    auto tensor = device.NewTensor(e.tensor.desc());
    if (!tensor.ok()) return Annotate(tensor.status(), fmt::format("tensor \"{}\"", e.name));
    std::memcpy(tensor->data(), e.tensor.data(), e.tensor.desc().bytes());
    moved.emplace_back(e.name, *std::move(tensor));
  }
  for (auto& [name, tensor] : moved) tensors.Put(name, std::move(tensor));
  return absl::OkStatus();
}

absl::StatusOr<double> Device::Joules() const {
  return absl::UnavailableError(fmt::format("device {} has no counter of energy", name()));
}

absl::StatusOr<Occupation> Device::Observe(absl::FunctionRef<absl::Status()>) {
  return absl::UnavailableError(fmt::format("device {} keeps no records", name()));
}

absl::StatusOr<std::shared_ptr<const Tensor>> Device::Upload(const Tensor&) {
  return absl::InternalError(fmt::format("device {} reaches all memory", name()));
}

namespace {

template <typename T>
absl::Span<T> SpanOf(const TensorView& view) {
  const auto elements = view.as<std::remove_const_t<T>>();
  return {elements.data(), elements.size()};
}

// Calls f with a zero of the type.
template <typename F>
void WithZeroOf(DType real, const F& f) {
  real == DType::kF64 ? f(double{}) : f(float{});
}

}  // namespace

absl::Status Device::SgdStep(absl::Span<const SgdUpdate<TensorView>> updates) {
  WithZeroOf(real(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<SgdUpdate<absl::Span<T>>> spans;
    for (const auto& [p, w, g, b, first] : updates) {
      spans.push_back({p, SpanOf<T>(w), SpanOf<T>(g), SpanOf<T>(b), first});
    }
    kernels::SgdStep(spans, threads());
  });
  return absl::OkStatus();
}

absl::Status Device::AdamStep(absl::Span<const AdamUpdate<TensorView>> updates) {
  WithZeroOf(real(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<AdamUpdate<absl::Span<T>>> spans;
    for (const auto& [p, w, g, m, v, t] : updates) {
      spans.push_back({p, SpanOf<T>(w), SpanOf<T>(g), SpanOf<T>(m), SpanOf<T>(v), t});
    }
    kernels::AdamStep(spans, threads());
  });
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> Device::DotProducts(absl::Span<const std::pair<TensorView, TensorView>> pairs) {
  std::vector<double> products;
  WithZeroOf(real(), [&](auto zero) {
    using T = const decltype(zero);
    for (const auto& [x, y] : pairs) {
      products.push_back(kernels::DotProduct(SpanOf<T>(x), SpanOf<T>(y), threads()));
    }
  });
  return products;
}

absl::Status Device::CombineGradients(absl::Span<const GradientPair<TensorView>> pairs) {
  WithZeroOf(real(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<GradientPair<absl::Span<T>>> spans;
    for (const auto& [factor, g, h] : pairs) spans.push_back({factor, SpanOf<T>(g), SpanOf<T>(h)});
    kernels::CombineGradients(spans, threads());
  });
  return absl::OkStatus();
}

absl::Status Device::MoveAverage(double decay, absl::Span<const AveragedWeight<TensorView>> weights) {
  WithZeroOf(real(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<AveragedWeight<absl::Span<T>>> spans;
    for (const auto& [w, average] : weights) spans.push_back({SpanOf<T>(w), SpanOf<T>(average)});
    kernels::MoveAverage(decay, spans, threads());
  });
  return absl::OkStatus();
}

}  // namespace mathnas::kernels
