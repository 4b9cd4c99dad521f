#include "supernet/recalibration.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "supernet/network_input.h"

namespace mathnas::supernet {
namespace {

// Element i of a floating tensor.
double At(const kernels::Tensor& tensor, size_t i) {
  return tensor.desc().dtype == kernels::DType::kF64 ? tensor.as<double>()[i] : double{tensor.as<float>()[i]};
}
void Set(const kernels::Tensor& tensor, size_t i, double value) {
  if (tensor.desc().dtype == kernels::DType::kF64) {
    tensor.as<double>()[i] = value;
  } else {
    tensor.as<float>()[i] = static_cast<float>(value);
  }
}

}  // namespace

Recalibration::Recalibration(const SearchSpace& space, const Choice& choice, kernels::TensorMap& own_weights,
                             std::shared_ptr<kernels::Device> device)
    : space_(space), choice_(choice), weights_(own_weights), device_(std::move(device)) {}

absl::StatusOr<Recalibration::Prepared*> Recalibration::Prepare(int64_t batch) {
  if (auto it = prepared_.find(batch); it != prepared_.end()) return &it->second;
  // Momentum 1: after each batch the running statistics are those of that batch.
  const NetworkGraph network =
      space_.Network(choice_, {.batch = batch, .mode = Mode::kTraining, .real = device_->real(), .norm_momentum = 1});
  auto plan = kernels::Plan::Create(network.graph, {}, *device_);
  if (!plan.ok()) return plan.status();
  auto context = kernels::Context::Create(*plan, {&weights_});
  if (!context.ok()) return context.status();
  if (prepared_.size() >= kShapesKept) prepared_.clear();  // batches have one size, and the last of a set another
  Prepared prepared = {*std::move(context), {}};
  for (const kernels::Graph::Node& node : network.graph.nodes()) {
    const auto* norm = std::get_if<kernels::BatchNormTraining>(&node.op);
    if (norm == nullptr || !norm->track) continue;
    const kernels::TensorDesc& x = network.graph.desc(node.inputs[0]);
    const double values = static_cast<double>(x.elements()) / static_cast<double>(x.shape.back());
    const bool biased = space_.recalibrated_variance() == BatchVariance::kBiased;
    prepared.correction[network.graph.info(node.inputs.back()).name] = biased ? (values - 1) / values : 1;
  }
  return &prepared_.emplace(batch, std::move(prepared)).first->second;
}

absl::Status Recalibration::Add(const kernels::TensorView& images) {
  const int64_t batch = images.desc.shape.empty() ? 0 : images.desc.shape[0];
  auto prepared = Prepare(batch);
  if (!prepared.ok()) return prepared.status();
  kernels::Context& context = *(*prepared)->context;
  const auto image = context.Input("image");
  if (!image.ok()) return image.status();
  if (image->desc != images.desc) {
    return absl::InvalidArgumentError(fmt::format("images are {}, the network takes {}",
                                                  kernels::ToString(images.desc.shape),
                                                  kernels::ToString(image->desc.shape)));
  }
  std::memcpy(image->data, images.data, images.desc.bytes());
  if (auto s = context.Run(); !s.ok()) return s;
  images_ += static_cast<double>(batch);
  for (const auto& [variance, correction] : (*prepared)->correction) {
    std::string mean = variance;
    mean.replace(mean.rfind("var"), 3, "mean");
    for (const auto& [name, factor] : {std::pair{mean, 1.0}, std::pair{variance, correction}}) {
      const kernels::Tensor& values = *weights_.Find(name);
      std::vector<double>& sum = sums_[name];
      sum.resize(static_cast<size_t>(values.desc().elements()));
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(batch) * factor * At(values, i);
    }
  }
  return absl::OkStatus();
}

absl::Status Recalibration::Finish() {
  if (!(images_ > 0)) return absl::FailedPreconditionError("recalibration on no images: expected a batch");
  for (const auto& [name, sum] : sums_) {
    const kernels::Tensor& values = *weights_.Find(name);
    for (size_t i = 0; i < sum.size(); ++i) Set(values, i, sum[i] / images_);
  }
  return absl::OkStatus();
}

absl::Status Recalibrate(const SearchSpace& space, const Choice& choice, kernels::TensorMap& own_weights,
                         const std::shared_ptr<kernels::Device>& device, const ImageSourcePtr& images,
                         const RecalibrationOptions& options, const ReadingOptions& reading) {
  if (auto s = space.Check(choice); !s.ok()) return s;
  if (options.batches < 1) {
    return absl::InvalidArgumentError(fmt::format("recalibration on {} batches: expected at least 1", options.batches));
  }
  LoaderOptions loading = LoaderOptions::Training(std::min(options.batch, images->count()), options.seed);
  auto loader = InputOf(space, choice, images, loading, reading);
  if (!loader.ok()) return loader.status();
  Recalibration recalibration(space, choice, own_weights, device);
  for (int64_t b = 0; b < options.batches; ++b) {
    if (options.cancel != nullptr && options.cancel->load()) return absl::CancelledError("recalibration interrupted");
    const Batch* batch = (*loader)->Next();
    if (batch == nullptr) return (*loader)->status();
    if (auto s = recalibration.Add(batch->images); !s.ok()) return s;
  }
  return recalibration.Finish();
}

}  // namespace mathnas::supernet
