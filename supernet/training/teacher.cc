#include "supernet/training/teacher.h"

#include <cstring>
#include <utility>

#include "fmt/format.h"

namespace mathnas::supernet {

Teacher::Teacher(std::shared_ptr<const SearchSpace> space, std::shared_ptr<kernels::Device> device,
                 const kernels::TensorMap& own_weights)
    : space_(std::move(space)), device_(std::move(device)), weights_(own_weights.Clone()) {}

absl::StatusOr<kernels::TensorView> Teacher::Targets(const kernels::TensorView& images, const Choice& like) {
  Choice choice = space_->base();
  if (const int shared = space_->structure().shared; shared >= 0) choice[shared] = like[shared];
  auto it = contexts_.find(choice);
  if (it == contexts_.end()) {
    const int64_t batch = images.desc.shape[0];
    NetworkGraph network = space_->Network(choice, {.batch = batch, .mode = Mode::kTraining, .real = device_->real()});
    // The loss is of no interest, its probabilities are.
    const kernels::Values outputs =
        network.graph.Apply(kernels::SoftmaxCrossEntropy{}, {network.logits, network.graph.Labels("labels", batch)});
    auto plan = kernels::Plan::Create(network.graph, {{"probabilities", outputs[1]}}, *device_);
    if (!plan.ok()) return plan.status();
    auto context = kernels::Context::Create(*plan, {&weights_});
    if (!context.ok()) return context.status();
    const kernels::TensorView labels = *(*context)->Input("labels");
    std::memset(labels.data, 0, labels.desc.bytes());
    it = contexts_.emplace(choice, *std::move(context)).first;
  }
  kernels::Context& context = *it->second;
  const kernels::TensorView image = *context.Input("image");
  if (image.desc != images.desc) {
    return absl::InvalidArgumentError(fmt::format("images are {}, the teacher takes {}",
                                                  kernels::ToString(images.desc.shape),
                                                  kernels::ToString(image.desc.shape)));
  }
  std::memcpy(image.data, images.data, images.desc.bytes());
  if (auto s = context.Run(); !s.ok()) return s;
  return context.Output("probabilities");
}

}  // namespace mathnas::supernet
