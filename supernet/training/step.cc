#include "supernet/training/step.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "fmt/format.h"
#include "kernels/differentiate.h"
#include "kernels/status.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::TensorView;
using Clock = std::chrono::steady_clock;

constexpr size_t kPlansKept = 16;  // a supernet rarely draws the same network soon again

double Seconds(Clock::time_point since) { return std::chrono::duration<double>(Clock::now() - since).count(); }

template <typename T>
int64_t CountCorrect(std::span<const T> logits, std::span<const int64_t> labels) {
  const size_t classes = labels.empty() ? 0 : logits.size() / labels.size();
  int64_t correct = 0;
  for (size_t n = 0; n < labels.size(); ++n) {
    const auto row = logits.subspan(n * classes, classes);
    correct += std::max_element(row.begin(), row.end()) - row.begin() == labels[n];
  }
  return correct;
}

template <typename T>
absl::Span<T> SpanOf(const kernels::Tensor& tensor) {
  const auto elements = tensor.as<T>();
  return {elements.data(), elements.size()};
}

absl::Status CopyInto(const kernels::Context& context, std::string_view name, const TensorView& source) {
  auto target = context.Input(name);
  if (!target.ok()) return target.status();
  if (target->desc != source.desc) {
    return absl::InvalidArgumentError(fmt::format("{}: {} {}, expected {} {}", name, Name(source.desc.dtype),
                                                  kernels::ToString(source.desc.shape), Name(target->desc.dtype),
                                                  kernels::ToString(target->desc.shape)));
  }
  std::memcpy(target->data, source.data, source.desc.bytes());
  return absl::OkStatus();
}

}  // namespace

TrainingStep::TrainingStep(std::shared_ptr<const SearchSpace> space, std::shared_ptr<kernels::Device> device,
                           kernels::TensorMap& weights, StepOptions options)
    : space_(std::move(space)), device_(std::move(device)), weights_(weights), options_(options) {}

absl::StatusOr<const TrainingStep::Prepared*> TrainingStep::Prepare(const Key& key) {
  for (auto it = plans_.begin(); it != plans_.end(); ++it) {
    if (it->first != key) continue;
    plans_.splice(plans_.begin(), plans_, it);
    return &plans_.front().second;
  }
  if (key) {
    if (auto s = space_->Check(*key); !s.ok()) return s;
  }
  const GraphRequest request = {
      .batch = options_.batch, .mode = Mode::kTraining, .weights = options_.weights, .real = device_->real()};
  NetworkGraph network = key ? space_->Network(*key, request) : space_->Supernet(request);
  kernels::Graph& g = network.graph;
  if (!g.status().ok()) return g.status();
  const kernels::Value labels = g.Labels("labels", options_.batch);
  kernels::Value loss = g.Apply(kernels::SoftmaxCrossEntropy{options_.label_smoothing}, {network.logits, labels})[0];
  if (options_.soft_targets) {
    const kernels::Value targets = g.Input("soft_targets", {options_.batch, space_->classes()});
    const kernels::Value distilled = g.Apply(kernels::SoftTargetCrossEntropy{}, {network.logits, targets})[0];
    loss = g.Apply(kernels::Add{}, {loss, distilled})[0];
  }
  const auto gradients = kernels::Differentiate(g, loss);
  kernels::AccumulateGradients(g, gradients);

  Prepared prepared;
  for (const kernels::ParameterGradient& p : gradients) {
    const kernels::Graph::ValueInfo& parameter = g.info(g.LeafOf(p.parameter));
    prepared.parameters.push_back(parameter.name);
    if (!gradients_.contains(kernels::GradientName(parameter.name))) {
      gradients_.Put(kernels::GradientName(parameter.name), kernels::Tensor(parameter.desc));
    }
  }
  auto plan = kernels::Plan::Create(g, {{"loss", loss}, {"logits", network.logits}}, *device_);
  if (!plan.ok()) return plan.status();
  for (const kernels::Plan::Bound& b : (*plan)->bound()) {
    constexpr std::string_view kMean = "running_mean";
    if (b.name.ends_with(kMean)) {
      prepared.counters.push_back(b.name.substr(0, b.name.size() - kMean.size()) + "num_batches_tracked");
    }
  }
  prepared.plan = *std::move(plan);
  plans_.emplace_front(key, std::move(prepared));
  if (plans_.size() > kPlansKept) plans_.pop_back();
  return &plans_.front().second;
}

absl::Status TrainingStep::Bind(const Key& key) {
  const Clock::time_point start = Clock::now();
  auto prepared = Prepare(key);
  if (!prepared.ok()) return prepared.status();
  if (context_ == nullptr || bound_ != key) {
    const kernels::TensorMap* tensors[] = {&weights_, &gradients_};
    context_.reset();
    auto context = kernels::Context::Create((*prepared)->plan, tensors, &workspace_);
    if (!context.ok()) return context.status();
    context_ = *std::move(context);
    bound_ = key;
  }
  planning_seconds_ += Seconds(start);
  return absl::OkStatus();
}

absl::StatusOr<BatchResult> TrainingStep::Backward(const std::optional<Choice>& choice, const TensorView& images,
                                                   const TensorView& labels, const TensorView* soft_targets) {
  if (options_.soft_targets != (soft_targets != nullptr)) {
    return absl::InvalidArgumentError(fmt::format("soft targets: {}, expected {}",
                                                  soft_targets == nullptr ? "none" : "given",
                                                  options_.soft_targets ? "some" : "none"));
  }
  if (auto s = Bind(choice); !s.ok()) return s;
  const Prepared& prepared = plans_.front().second;
  const Clock::time_point start = Clock::now();
  if (auto s = CopyInto(*context_, "image", images); !s.ok()) return s;
  if (auto s = CopyInto(*context_, "labels", labels); !s.ok()) return s;
  if (soft_targets != nullptr) {
    if (auto s = CopyInto(*context_, "soft_targets", *soft_targets); !s.ok()) return s;
  }
  if (auto s = context_->Run(); !s.ok()) return s;
  touched_.insert(prepared.parameters.begin(), prepared.parameters.end());
  for (const std::string& name : prepared.counters) {
    if (const kernels::Tensor* counter = weights_.Find(name)) ++counter->as<int64_t>()[0];
  }
  const TensorView loss = *context_->Output("loss"), logits = *context_->Output("logits");
  BatchResult result;
  if (device_->real() == DType::kF64) {
    result = {loss.as<double>()[0], CountCorrect<double>(logits.as<double>(), labels.as<int64_t>())};
  } else {
    result = {loss.as<float>()[0], CountCorrect<float>(logits.as<float>(), labels.as<int64_t>())};
  }
  running_seconds_ += Seconds(start);
  return result;
}

void TrainingStep::Update(const kernels::SgdParameters& given) {
  const Clock::time_point start = Clock::now();
  for (const std::string& name : touched_) {
    kernels::SgdParameters parameters = given;
    const bool is_weight = name.find("bn") == std::string::npos && name.find("bias") == std::string::npos;
    if (options_.decay == Decay::kWeights && !is_weight) parameters.weight_decay = 0;
    const kernels::Tensor& weight = *weights_.Find(name);
    const kernels::Tensor& gradient = *gradients_.Find(kernels::GradientName(name));
    const bool first = !momentum_.contains(name);
    if (first) momentum_.Put(name, kernels::Tensor(weight.desc()));
    const kernels::Tensor& momentum = *momentum_.Find(name);
    if (weight.desc().dtype == DType::kF64) {
      kernels::SgdStep(parameters, SpanOf<double>(weight), SpanOf<double>(gradient), SpanOf<double>(momentum), first,
                       device_->threads());
    } else {
      kernels::SgdStep(parameters, SpanOf<float>(weight), SpanOf<float>(gradient), SpanOf<float>(momentum), first,
                       device_->threads());
    }
  }
  touched_.clear();
  running_seconds_ += Seconds(start);
}

}  // namespace mathnas::supernet
