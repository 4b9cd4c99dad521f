#include "supernet/evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstring>

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

}  // namespace

absl::StatusOr<kernels::FoldedGraph> FoldedNetwork(const SearchSpace& space, const Choice& choice,
                                                   const TensorMap& own_weights, int64_t batch) {
  if (auto s = space.Check(choice); !s.ok()) return s;
  const NetworkGraph network = space.Network(choice, {.batch = batch});
  return kernels::FoldForInference(network.graph, {{"logits", network.logits}}, own_weights);
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
  auto folded = FoldedNetwork(space, choice, own_weights, loading.batch);
  if (!folded.ok()) return folded.status();
  auto plan = kernels::Plan::Create(folded->graph, folded->outputs, *device, {.constant_weights = true});
  if (!plan.ok()) return plan.status();
  auto context = kernels::Context::Create(*plan, {&folded->weights});
  if (!context.ok()) return context.status();
  const kernels::TensorView image = *(*context)->Input("image"), logits = *(*context)->Output("logits");

  Evaluation evaluation;
  int64_t correct = 0;
  double loss = 0;
  const auto classes = static_cast<size_t>(space.classes());
  while (const Batch* b = (*loader)->Next()) {
    if (options.cancel != nullptr && options.cancel->load()) return absl::CancelledError("evaluation interrupted");
    // The last batch may be smaller; what stands behind it is computed too and not looked at.
    std::memcpy(image.data, b->images.data, b->images.desc.bytes());
    if (auto s = (*context)->Run(); !s.ok()) return s;
    for (int64_t n = 0; n < b->size; ++n) {
      const std::span<const float> row = logits.as<float>().subspan(static_cast<size_t>(n) * classes, classes);
      const auto label = static_cast<size_t>(b->labels.as<int64_t>()[n]);
      correct += static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin()) == label;
      loss += LogSumExp(row) - row[label];
    }
    evaluation.images += b->size;
  }
  if (auto s = (*loader)->status(); !s.ok()) return s;
  evaluation.accuracy = 100.0 * static_cast<double>(correct) / static_cast<double>(evaluation.images);
  evaluation.loss = loss / static_cast<double>(evaluation.images);
  return evaluation;
}

}  // namespace mathnas::supernet
