#include "mathnas/profile/image_workload.h"

#include <utility>

#include "fmt/format.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "supernet/evaluation.h"
#include "supernet/weights.h"

namespace mathnas::profile {
namespace {

using kernels::TensorMap;

constexpr uint8_t kInputPurpose = 0x30;

struct FoldedRunnable : Runnable {
  explicit FoldedRunnable(kernels::FoldedGraph made) : folded(std::move(made)) {}

  absl::Status Run() override { return context->Run(); }
  std::optional<double> last_seconds() const override { return context->last_seconds(); }
  int64_t memory_bytes() const override {
    int64_t bytes = static_cast<int64_t>(context->plan().arena_bytes());
    for (const TensorMap::Entry& e : folded.weights.entries()) bytes += static_cast<int64_t>(e.tensor.desc().bytes());
    return bytes;
  }

  kernels::FoldedGraph folded;
  std::unique_ptr<kernels::Context> context;
};

}  // namespace

ImageWorkload::ImageWorkload(std::shared_ptr<const supernet::SearchSpace> space,
                             std::shared_ptr<kernels::Device> device, const TensorMap& shared,
                             supernet::ImageSourcePtr training, supernet::ImageSourcePtr validation,
                             ImageWorkloadOptions options)
    : space_(std::move(space)),
      device_(std::move(device)),
      shared_(shared),
      training_(std::move(training)),
      validation_(std::move(validation)),
      options_(std::move(options)) {}

Conventions ImageWorkload::conventions() const {
  return {.accuracy_unit = "%",
          .accuracy = "weights inherited from the supernet, statistics recalibrated, validation images",
          .latency = "median of rounds over all networks in turn, caches warm, folded for inference",
          .memory = "folded weights, activations and scratch memory of one context",
          .energy = "processor packages by RAPL, one run"};
}

std::string ImageWorkload::held_out() const { return fmt::format("{} validation images", validation_->count()); }

absl::StatusOr<Score> ImageWorkload::ScoreOf(const Choice& choice, const std::atomic<bool>* cancel) {
  auto weights = supernet::ExtractWeights(*space_, choice, shared_);
  if (!weights.ok()) return weights.status();
  auto s =
      supernet::Recalibrate(*space_, choice, *weights, device_, training_, options_.recalibration, options_.reading);
  if (!s.ok()) return s;
  auto result = supernet::Evaluate(*space_, choice, *weights, device_, validation_,
                                   {.reading = options_.reading, .cancel = cancel});
  if (!result.ok()) return result.status();
  return Score{.accuracy = result->accuracy, .loss = result->loss};
}

absl::StatusOr<std::unique_ptr<Runnable>> ImageWorkload::MakeRunnable(const Choice& choice, int64_t batch,
                                                                      const std::shared_ptr<kernels::Device>& device) {
  // The statistics do not matter to the time, but wild activations would (denormal numbers are slow).
  auto weights = supernet::ExtractWeights(*space_, choice, shared_);
  if (!weights.ok()) return weights.status();
  auto folded = supernet::FoldedNetwork(*space_, choice, *std::move(weights), batch);
  if (!folded.ok()) return folded.status();
  auto runnable = std::make_unique<FoldedRunnable>(*std::move(folded));
  auto plan =
      kernels::Plan::Create(runnable->folded.graph, runnable->folded.outputs, *device, {.constant_weights = true});
  if (!plan.ok()) return plan.status();
  auto context = kernels::Context::Create(*plan, {&runnable->folded.weights});
  if (!context.ok()) return context.status();
  runnable->context = *std::move(context);
  auto image = runnable->context->Input("image");
  if (!image.ok()) return image.status();
  kernels::Random random(0, kernels::Random::Stream(kInputPurpose, 0));
  for (float& v : image->as<float>()) v = static_cast<float>(random.Normal());
  return runnable;
}

}  // namespace mathnas::profile
