#include "supernet/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "blocks/transformer_layer.h"
#include "fmt/format.h"
#include "kernels/device.h"
#include "kernels/plan.h"
#include "kernels/random.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::Graph;
using kernels::Tensor;
using kernels::TensorDesc;
using kernels::TensorMap;
using kernels::TensorView;
using kernels::Value;
using kernels::ValueKind;

constexpr uint8_t kInitPurpose = 0x10;

uint32_t Fnv1a(std::string_view text) {
  uint32_t h = 0x811c9dc5;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x01000193;
  return h;
}

double Mixed(uint32_t hash, int64_t i) {
  uint32_t x = hash + static_cast<uint32_t>(i) * 0x9E3779B9u;
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return 2.0 * x / 4294967296.0 - 1.0;
}

// Sets every element, in the tensor's own type, to value(i). Values are rounded to float32 first, as the golden files
// do.
template <typename Function>
void Fill(TensorView tensor, const Function& value) {
  if (tensor.desc.dtype == DType::kF32) {
    auto data = tensor.as<float>();
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(value(static_cast<int64_t>(i)));
  } else if (tensor.desc.dtype == DType::kF64) {
    auto data = tensor.as<double>();
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(value(static_cast<int64_t>(i)));
  }
}

// fan_in of a weight: what one output sums over.
double FanIn(const Tensor& weight) {
  return static_cast<double>(weight.desc().elements()) / static_cast<double>(std::max<int64_t>(weight.shape()[0], 1));
}

// The weight of rank 2 or more that a bias belongs to; null for a bias of a normalisation.
const Tensor* WeightBeside(const TensorMap& weights, const std::string& bias) {
  const std::string name = bias.substr(0, bias.size() - std::string_view("bias").size()) + "weight";
  const Tensor* weight = weights.Find(name);
  return weight != nullptr && weight->shape().size() >= 2 ? weight : nullptr;
}

// A tensor that a network needs, without its memory.
struct NamedDesc {
  std::string name;
  TensorDesc desc;
  bool is_parameter;
};

// What AllocateWeights makes tensors of.
std::vector<NamedDesc> TensorsOf(const Graph& graph) {
  constexpr std::string_view kMean = "running_mean";
  std::vector<NamedDesc> tensors;
  for (ValueKind kind : {ValueKind::kParameter, ValueKind::kState}) {
    for (Value v : graph.Leaves(kind)) {
      const Graph::ValueInfo& leaf = graph.info(v);
      tensors.push_back({leaf.name, leaf.desc, kind == ValueKind::kParameter});
      if (leaf.name.ends_with(kMean)) {
        tensors.push_back({leaf.name.substr(0, leaf.name.size() - kMean.size()) + "num_batches_tracked",
                           {DType::kI64, {}},
                           /*is_parameter=*/false});
      }
    }
  }
  return tensors;
}

}  // namespace

TensorMap AllocateWeights(const Graph& graph) {
  TensorMap weights;
  for (NamedDesc& t : TensorsOf(graph)) weights.Put(std::move(t.name), Tensor(std::move(t.desc)));
  return weights;
}

void InitializeWeights(TensorMap& weights, uint64_t seed, Initialization kind) {
  const bool nasvit = kind == Initialization::kNasVit, he = kind == Initialization::kHeFanOut || nasvit;
  const bool xavier = kind == Initialization::kXavier;
  for (const TensorMap::Entry& e : weights.entries()) {
    kernels::Random random(seed, kernels::Random::Stream(kInitPurpose, 0, Fnv1a(e.name)));
    const auto uniform = [&](double bound) {
      Fill(e.tensor.view(), [&](int64_t) { return bound * (2 * random.Uniform() - 1); });
    };
    if (nasvit && (e.name.ends_with(".rescale_attn") || e.name.ends_with(".rescale_mlp"))) {
      Fill(e.tensor.view(), [](int64_t) { return 1e-4; });
    } else if (nasvit && e.name.ends_with(".relative_position_bias_table")) {
      Fill(e.tensor.view(), [&](int64_t) { return std::clamp(0.02 * random.Normal(), -2.0, 2.0); });
    } else if (nasvit && e.name.ends_with(".point_linear.bn.bn.weight")) {
      Fill(e.tensor.view(), [](int64_t) { return 0; });
    } else if (e.name.ends_with("_matrix")) {
      const int64_t columns = e.tensor.shape().back();
      Fill(e.tensor.view(), [&](int64_t i) { return i / columns == i % columns ? 1 : 0; });
    } else if (e.name == "arch_parameters") {
      Fill(e.tensor.view(), [&](int64_t) { return 1e-3 * random.Normal(); });
    } else if (he && e.tensor.shape().size() == 4) {
      const kernels::Shape& shape = e.tensor.shape();
      const double deviation = std::sqrt(2 / static_cast<double>(std::max<int64_t>(1, shape[0] * shape[2] * shape[3])));
      Fill(e.tensor.view(), [&](int64_t) { return deviation * random.Normal(); });
    } else if (xavier && e.name.find(".embed_") != std::string::npos) {
      const int64_t columns = e.tensor.shape().back(), padding = blocks::kPaddingToken;
      const double deviation = 1 / std::sqrt(static_cast<double>(columns));
      const bool looked_up = e.name.ends_with(".weight");
      Fill(e.tensor.view(), [&](int64_t i) {
        const double value = deviation * random.Normal();
        return looked_up && i / columns == padding ? 0 : value;
      });
    } else if (xavier && e.tensor.shape().size() >= 2) {
      uniform(std::sqrt(6 / (FanIn(e.tensor) + static_cast<double>(e.tensor.shape()[0]))));
    } else if (e.tensor.shape().size() >= 2) {
      uniform(1 / std::sqrt(FanIn(e.tensor)));
    } else if (e.name.ends_with(".bias")) {
      const Tensor* weight = WeightBeside(weights, e.name);
      uniform(he || xavier || weight == nullptr ? 0 : 1 / std::sqrt(FanIn(*weight)));
    } else {
      const double value = e.name.ends_with(".weight") || e.name.ends_with("running_var") ? 1 : 0;
      Fill(e.tensor.view(), [&](int64_t) { return value; });
    }
  }
}

double SyntheticValue(std::string_view name, int64_t i) { return Mixed(Fnv1a(name), i); }

void FillSyntheticInput(std::string_view name, TensorView tensor) {
  const uint32_t hash = Fnv1a(name);
  Fill(tensor, [&](int64_t i) { return Mixed(hash, i); });
}

void FillSynthetic(TensorMap& weights) {
  for (const TensorMap::Entry& e : weights.entries()) {
    const std::string& name = e.name;
    const uint32_t hash = Fnv1a(name);
    double scale = 0, offset = 0;
    if (name.ends_with("_matrix")) {
      const int64_t columns = e.tensor.shape().back();
      Fill(e.tensor.view(), [&](int64_t i) { return (i / columns == i % columns ? 1 : 0) + 0.1 * Mixed(hash, i); });
      continue;
    }
    if (name.find("rescale_") != std::string::npos) {
      offset = 1, scale = 0.5;
    } else if (name.ends_with("running_mean")) {
      scale = 0.1;
    } else if (name.ends_with("running_var")) {
      offset = 1, scale = 0.5;
    } else if (e.tensor.shape().size() >= 2) {
      scale = std::sqrt(3 / FanIn(e.tensor));
    } else if (name.ends_with("bias")) {
      scale = 0.1;
    } else if (name.ends_with("weight")) {
      offset = 1, scale = 0.2;
    } else {
      continue;
    }
    Fill(e.tensor.view(), [&](int64_t i) { return offset + scale * Mixed(hash, i); });
  }
}

namespace {

// The type of the weights: that of the first floating tensor.
DType RealOf(const TensorMap& weights) {
  for (const TensorMap::Entry& e : weights.entries()) {
    if (e.tensor.desc().dtype == DType::kF64 || e.tensor.desc().dtype == DType::kF32) return e.tensor.desc().dtype;
  }
  return DType::kF32;
}

// A dense copy, of a slice too.
Tensor Copy(const TensorView& view) {
  if (view.desc.dense()) return Tensor::Borrow(view, nullptr).Clone();
  Tensor copy = Tensor::Uninitialized({view.desc.dtype, view.desc.shape});
  if (view.desc.elements() == 0) return copy;
  const size_t rows = view.desc.shape.empty() ? 1 : static_cast<size_t>(view.desc.shape[0]);
  const size_t bytes = view.desc.bytes() / rows;
  const size_t stride = static_cast<size_t>(view.desc.row_stride) * SizeOf(view.desc.dtype);
  for (size_t r = 0; r < rows; ++r) {
    std::memcpy(static_cast<std::byte*>(copy.data()) + r * bytes, static_cast<const std::byte*>(view.data) + r * stride,
                bytes);
  }
  return copy;
}

// Computes what is no part of a tensor: kernels of other sizes, which took the reference device half of an extraction.
std::shared_ptr<kernels::Device> ComputingDevice(DType real) {
  if (real == DType::kF32) {
    if (auto cpu = kernels::CpuDevice(/*threads=*/1); cpu.ok()) return *std::move(cpu);
  }
  return kernels::ReferenceDevice(real);
}

// Of a supernet without affine normalisation: what that does to its input.
Tensor Unlearned(const NamedDesc& own) {
  const bool one = own.name.ends_with(".weight") || own.name.ends_with("running_var");
  Tensor tensor(own.desc);
  Fill(tensor.view(), [&](int64_t) { return one ? 1 : 0; });
  return tensor;
}

// Borrows parameters that are as they should be from `owner`, which has them, if it is not null.
absl::StatusOr<TensorMap> Extract(const SearchSpace& space, const Choice& choice, const TensorMap& shared,
                                  const std::shared_ptr<const TensorMap>& owner) {
  if (auto s = space.Check(choice); !s.ok()) return s;
  const DType real = RealOf(shared);
  const std::vector<NamedDesc> own = TensorsOf(space.Network(choice, {.mode = Mode::kTraining, .real = real}).graph);
  std::vector<const Tensor*> sources;  // of `own`, in the supernet
  Graph parts(real);                   // what is not just a tensor of the supernet
  std::vector<kernels::PlanOutput> computed;
  std::optional<NetworkGraph> supernet;  // made when something is missing: what should be there
  for (const NamedDesc& e : own) {
    const std::string name = space.SharedName(e.name, choice);
    const Tensor* source = sources.emplace_back(shared.Find(name));
    if (source == nullptr) {
      if (!supernet) supernet = space.Supernet({.mode = Mode::kTraining});
      if (e.desc.shape.size() > 1 || supernet->graph.Find(name).valid()) {
        return absl::NotFoundError(fmt::format("supernet tensor \"{}\": missing", name));
      }
    } else if (source->desc() != e.desc) {
      computed.push_back({e.name, space.OwnTensor(parts, e.name, e.desc.shape, choice)});
    }
  }
  const auto device = ComputingDevice(real);
  auto plan = kernels::Plan::Create(parts, computed, *device);
  if (!plan.ok()) return plan.status();
  const TensorMap* const tensors[] = {&shared};
  auto context = kernels::Context::Create(*plan, tensors);
  if (!context.ok()) return context.status();
  if (auto s = (*context)->Run(); !s.ok()) return s;

  TensorMap extracted;
  for (size_t i = 0; i < own.size(); ++i) {
    const NamedDesc& e = own[i];
    if (sources[i] == nullptr) {
      extracted.Put(e.name, Unlearned(e));
    } else if (sources[i]->desc() != e.desc) {
      extracted.Put(e.name, Copy(*(*context)->Output(e.name)));
    } else if (owner != nullptr && e.is_parameter) {
      extracted.Put(e.name, Tensor::Borrow(sources[i]->view(), owner));
    } else {
      extracted.Put(e.name, sources[i]->Clone());
    }
  }
  return extracted;
}

}  // namespace

absl::StatusOr<TensorMap> ExtractWeights(const SearchSpace& space, const Choice& choice, const TensorMap& shared) {
  return Extract(space, choice, shared, nullptr);
}

absl::StatusOr<TensorMap> BorrowWeights(const SearchSpace& space, const Choice& choice,
                                        std::shared_ptr<const TensorMap> shared) {
  return Extract(space, choice, *shared, shared);
}

}  // namespace mathnas::supernet
