#include "supernet/training/optimizer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "fmt/format.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::Tensor;
using kernels::TensorMap;
using kernels::TensorView;

constexpr std::array kKinds = {Optimizer::kMomentum, Optimizer::kFirstMoment, Optimizer::kSecondMoment,
                               Optimizer::kSteps};

std::string Joined(std::string_view kind, std::string_view name) { return fmt::format("{}{}", kind, name); }

}  // namespace

std::string_view Name(Decay decay) {
  switch (decay) {
    case Decay::kAll:
      return "all";
    case Decay::kWeights:
      return "weights";
    case Decay::kMatrices:
      return "matrices";
  }
  return "";
}

absl::StatusOr<Decay> ParseDecay(std::string_view name) {
  for (Decay d : {Decay::kAll, Decay::kWeights, Decay::kMatrices}) {
    if (Name(d) == name) return d;
  }
  return absl::InvalidArgumentError(fmt::format("decay \"{:.60}\": expected all, weights or matrices", name));
}

bool Decays(Decay decay, std::string_view name, size_t rank) {
  const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
  switch (decay) {
    case Decay::kAll:
      return true;
    case Decay::kWeights:
      return !has("bn") && !has("bias");
    case Decay::kMatrices:
      return rank >= 2 && !has("rescale") && !has("bn") && !name.ends_with(".bias");
  }
  return true;
}

std::string_view Name(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kSgd:
      return "sgd";
    case Algorithm::kAdam:
      return "adamw";
    case Algorithm::kFairseqAdam:
      return "fairseq-adam";
  }
  return "";
}

absl::StatusOr<Algorithm> ParseAlgorithm(std::string_view name) {
  for (Algorithm a : {Algorithm::kSgd, Algorithm::kAdam, Algorithm::kFairseqAdam}) {
    if (Name(a) == name) return a;
  }
  return absl::InvalidArgumentError(fmt::format("optimizer \"{:.60}\": expected sgd, adamw or fairseq-adam", name));
}

absl::StatusOr<TensorView> Optimizer::State(std::string_view kind, const std::string& name,
                                            const kernels::TensorDesc& desc, kernels::Device& device) {
  const std::string key = Joined(kind, name);
  const Tensor* found = state_.Find(key);
  if (found != nullptr && device.Reaches(found->data())) return found->view();
  auto made = device.NewTensor(desc);
  if (!made.ok()) return made.status();
  if (found != nullptr) std::memcpy(made->data(), found->data(), desc.bytes());  // restored
  state_.Put(key, *std::move(made));
  return state_.Find(key)->view();
}

absl::Status Optimizer::Step(std::span<const Parameter> parameters, double learning_rate, double scale,
                             kernels::Device& device) {
  const auto decay_of = [&](const Parameter& p) {
    return Decays(options_.decay, p.name, p.weight.desc.shape.size()) ? options_.weight_decay : 0;
  };
  if (options_.algorithm == Algorithm::kSgd) {
    std::vector<kernels::SgdUpdate<TensorView>> updates;
    for (const Parameter& p : parameters) {
      const bool first = !state_.contains(Joined(kMomentum, p.name));
      const auto momentum = State(kMomentum, p.name, p.weight.desc, device);
      if (!momentum.ok()) return momentum.status();
      updates.push_back({{.learning_rate = learning_rate,
                          .momentum = options_.momentum,
                          .weight_decay = decay_of(p),
                          .gradient_scale = scale,
                          .nesterov = options_.nesterov},
                         p.weight,
                         p.gradient,
                         *momentum,
                         first});
    }
    return device.SgdStep(updates);
  }
  std::vector<kernels::AdamUpdate<TensorView>> updates;
  for (const Parameter& p : parameters) {
    const auto m = State(kFirstMoment, p.name, p.weight.desc, device),
               v = State(kSecondMoment, p.name, p.weight.desc, device);
    if (!m.ok()) return m.status();
    if (!v.ok()) return v.status();
    const std::string steps = Joined(kSteps, p.name);
    if (!state_.contains(steps)) state_.Put(steps, Tensor(DType::kI64, {}));
    const bool as_pytorch = options_.algorithm == Algorithm::kAdam;
    updates.push_back({{.learning_rate = learning_rate,
                        .beta1 = options_.beta1,
                        .beta2 = options_.beta2,
                        .epsilon = options_.epsilon,
                        .weight_decay = decay_of(p),
                        .gradient_scale = scale,
                        .form = as_pytorch ? kernels::AdamForm::kPyTorch : kernels::AdamForm::kFairseq},
                       p.weight,
                       p.gradient,
                       *m,
                       *v,
                       ++state_.Find(steps)->as<int64_t>()[0]});
  }
  return device.AdamStep(updates);
}

bool Optimizer::IsState(std::string_view name) {
  return std::any_of(kKinds.begin(), kKinds.end(), [&](std::string_view kind) { return name.starts_with(kind); });
}

absl::Status Optimizer::CheckState(const TensorMap& state, const TensorMap& weights) {
  for (const TensorMap::Entry& e : state.entries()) {
    for (std::string_view kind : kKinds) {
      if (!e.name.starts_with(kind)) continue;
      const std::string_view name = std::string_view(e.name).substr(kind.size());
      const Tensor* weight = weights.Find(name);
      const auto fail = [&](std::string_view expected) {
        return absl::InvalidArgumentError(fmt::format("tensor \"{}\" is {} {}, expected {}", e.name,
                                                      kernels::Name(e.tensor.desc().dtype),
                                                      kernels::ToString(e.tensor.shape()), expected));
      };
      if (weight == nullptr) return fail(fmt::format("the type and shape of \"{}\"", name));
      if (kind == kSteps) {
        if (e.tensor.desc() != kernels::TensorDesc{DType::kI64, {}} || e.tensor.as<int64_t>()[0] < 1) {
          return fail("an int64 scalar of at least 1");
        }
      } else if (weight->desc() != e.tensor.desc()) {
        return fail(fmt::format("the type and shape of \"{}\"", name));
      }
      if (kind == kMomentum) continue;
      for (std::string_view other : {kFirstMoment, kSecondMoment, kSteps}) {
        if (state.contains(Joined(other, name))) continue;
        return absl::InvalidArgumentError(
            fmt::format("tensor \"{}{}\": missing, expected it beside \"{}\"", other, name, e.name));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace mathnas::supernet
