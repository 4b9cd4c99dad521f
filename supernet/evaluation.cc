#include "supernet/evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "kernels/plan.h"
#include "supernet/network_input.h"

namespace mathnas::supernet {
namespace {

using kernels::TensorMap;

constexpr int64_t kImagesAtOnce = 256, kPixelsAtOnce = 1 << 20;

// log(sum(exp(row))), without overflow.
double LogSumExp(std::span<const float> row) {
  const float largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (float v : row) sum += std::exp(static_cast<double>(v) - largest);
  return largest + std::log(sum);
}

size_t IndexOfLargest(std::span<const float> row) {
  return static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

// A network ready to classify a batch.
class Classifier {
 public:
  static absl::StatusOr<Classifier> Create(const SearchSpace& space, const Choice& choice, const TensorMap& weights,
                                           int64_t batch, kernels::Precision precision, kernels::Device& device) {
    auto folded = FoldedNetwork(space, choice, weights, batch, precision);
    if (!folded.ok()) return folded.status();
    auto plan = kernels::Plan::Create(folded->graph, folded->outputs, device, {.constant_weights = true});
    if (!plan.ok()) return plan.status();
    Classifier classifier;
    classifier.weights_ = std::make_unique<TensorMap>(std::move(folded->weights));
    auto context = kernels::Context::Create(*plan, {classifier.weights_.get()});
    if (!context.ok()) return context.status();
    classifier.context_ = *std::move(context);
    return classifier;
  }

  // {batch, classes}, until the next run. The batch may be smaller; what stands behind it is computed too.
  absl::StatusOr<std::span<const float>> Run(const kernels::TensorView& images) {
    std::memcpy(context_->Input("image")->data, images.data, images.desc.bytes());
    if (auto s = context_->Run(); !s.ok()) return s;
    return context_->Output("logits")->as<float>();
  }

 private:
  Classifier() = default;
  std::unique_ptr<TensorMap> weights_;  // stays where it is
  std::unique_ptr<kernels::Context> context_;
};

// Of TensorMap&& or const TensorMap&.
template <typename Weights>
absl::StatusOr<kernels::FoldedGraph> Fold(const SearchSpace& space, const Choice& choice, Weights&& own_weights,
                                          int64_t batch, kernels::Precision precision) {
  if (auto s = space.Check(choice); !s.ok()) return s;
  const NetworkGraph network = space.Network(choice, {.batch = batch});
  auto folded =
      kernels::FoldForInference(network.graph, {{"logits", network.logits}}, std::forward<Weights>(own_weights));
  if (!folded.ok() || precision == kernels::Precision::kFloat32) return folded;
  return kernels::LowerPrecision(*folded, precision);
}

}  // namespace

absl::StatusOr<kernels::FoldedGraph> FoldedNetwork(const SearchSpace& space, const Choice& choice,
                                                   const TensorMap& own_weights, int64_t batch,
                                                   kernels::Precision precision) {
  return Fold(space, choice, own_weights, batch, precision);
}

absl::StatusOr<kernels::FoldedGraph> FoldedNetwork(const SearchSpace& space, const Choice& choice,
                                                   TensorMap&& own_weights, int64_t batch,
                                                   kernels::Precision precision) {
  return Fold(space, choice, std::move(own_weights), batch, precision);
}

absl::StatusOr<Evaluation> Evaluate(const SearchSpace& space, const Choice& choice, const TensorMap& own_weights,
                                    const std::shared_ptr<kernels::Device>& device, const ImageSourcePtr& images,
                                    const EvaluationOptions& options) {
  if (auto s = space.Check(choice); !s.ok()) return s;
  int64_t batch = options.batch;
  if (batch == 0) {
    const kernels::Shape input = space.input_shape(choice);
    batch = std::clamp<int64_t>(kPixelsAtOnce / (input[0] * input[1]), 1, kImagesAtOnce);
  }
  LoaderOptions loading = LoaderOptions::Evaluation(std::min(batch, images->count()));
  loading.end_epoch = 1;
  auto loader = InputOf(space, choice, images, loading, options.reading);
  if (!loader.ok()) return loader.status();
  const bool compare = options.precision != kernels::Precision::kFloat32;
  if (auto s = kernels::Check(*device, options.precision); !s.ok()) return s;
  auto network = Classifier::Create(space, choice, own_weights, loading.batch, options.precision, *device);
  if (!network.ok()) return network.status();
  std::optional<Classifier> wide;
  if (compare) {
    auto made = Classifier::Create(space, choice, own_weights, loading.batch, kernels::Precision::kFloat32, *device);
    if (!made.ok()) return made.status();
    wide = *std::move(made);
  }

  Evaluation evaluation;
  Evaluation::Reference reference;
  const auto classes = static_cast<size_t>(space.classes());
  while (const Batch* b = (*loader)->Next()) {
    if (options.cancel != nullptr && options.cancel->load()) return absl::CancelledError("evaluation interrupted");
    const auto logits = network->Run(b->images);
    if (!logits.ok()) return logits.status();
    const auto exact = wide ? wide->Run(b->images) : logits;
    if (!exact.ok()) return exact.status();
    for (size_t n = 0; n < static_cast<size_t>(b->size); ++n) {
      const std::span<const float> row = logits->subspan(n * classes, classes);
      const auto label = static_cast<size_t>(b->labels.as<int64_t>()[n]);
      const size_t found = IndexOfLargest(row);
      evaluation.accuracy += found == label ? 1 : 0;
      evaluation.loss += LogSumExp(row) - row[label];
      if (!wide) continue;
      const std::span<const float> other = exact->subspan(n * classes, classes);
      const size_t known = IndexOfLargest(other);
      reference.accuracy += known == label ? 1 : 0;
      reference.loss += LogSumExp(other) - other[label];
      reference.other_classes += known != found ? 1 : 0;
      for (size_t k = 0; k < classes; ++k) {
        reference.largest_deviation = std::max<double>(reference.largest_deviation, std::abs(row[k] - other[k]));
        reference.largest_logit = std::max<double>(reference.largest_logit, std::abs(other[k]));
      }
    }
    evaluation.images += b->size;
  }
  if (auto s = (*loader)->status(); !s.ok()) return s;
  const auto count = static_cast<double>(evaluation.images);
  evaluation.accuracy = 100 * evaluation.accuracy / count;  // rounded once, as whoever counts would
  evaluation.loss /= count;
  reference.accuracy = 100 * reference.accuracy / count;
  reference.loss /= count;
  if (wide) evaluation.float32 = reference;
  return evaluation;
}

}  // namespace mathnas::supernet
