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

// Calls f with a zero of the tensor's type.
template <typename F>
auto WithTypeOf(const TensorView& view, const F& f) {
  return view.desc.dtype == DType::kF64 ? f(double{}) : f(float{});
}

}  // namespace

absl::Status Device::SgdStep(const SgdParameters& parameters, const TensorView& w, const TensorView& g,
                             const TensorView& b, bool first) {
  return WithTypeOf(w, [&](auto zero) {
    using T = decltype(zero);
    kernels::SgdStep(parameters, SpanOf<T>(w), SpanOf<T>(g), SpanOf<T>(b), first, threads());
    return absl::OkStatus();
  });
}

absl::Status Device::AdamStep(const AdamParameters& parameters, const TensorView& w, const TensorView& g,
                              const TensorView& m, const TensorView& v, int64_t t) {
  return WithTypeOf(w, [&](auto zero) {
    using T = decltype(zero);
    kernels::AdamStep(parameters, SpanOf<T>(w), SpanOf<T>(g), SpanOf<T>(m), SpanOf<T>(v), t, threads());
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<double>> Device::DotProducts(absl::Span<const std::pair<TensorView, TensorView>> pairs) {
  std::vector<double> products;
  for (const std::pair<TensorView, TensorView>& pair : pairs) {
    products.push_back(WithTypeOf(pair.first, [&](auto zero) {
      using T = const decltype(zero);
      return kernels::DotProduct(SpanOf<T>(pair.first), SpanOf<T>(pair.second), threads());
    }));
  }
  return products;
}

absl::Status Device::CombineGradients(double factor, const TensorView& g, const TensorView& h) {
  return WithTypeOf(g, [&](auto zero) {
    using T = decltype(zero);
    kernels::CombineGradients(factor, SpanOf<T>(g), SpanOf<T>(h), threads());
    return absl::OkStatus();
  });
}

absl::Status Device::MoveAverage(double decay, const TensorView& w, const TensorView& average) {
  return WithTypeOf(w, [&](auto zero) {
    using T = decltype(zero);
    kernels::MoveAverage(decay, SpanOf<const T>(w), SpanOf<T>(average), threads());
    return absl::OkStatus();
  });
}

}  // namespace mathnas::kernels
