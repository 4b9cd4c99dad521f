#include "mathnas/deploy/image_network.h"

#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/internal/json_text.h"
#include "nlohmann/json.hpp"
#include "supernet/evaluation.h"
#include "supernet/network_input.h"

namespace mathnas::deploy {
namespace {

using kernels::internal::JsonText;
using kernels::internal::ParseJson;
using nlohmann::json;

// One entry per channel of the network, which may have three where the images have one.
absl::StatusOr<std::vector<double>> PerChannel(std::vector<double> values, int64_t channels, std::string_view what) {
  if (values.size() == 1) values.resize(static_cast<size_t>(channels), values[0]);
  if (std::ssize(values) != channels) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {} values, expected 1 or {}, one for each channel", what, values.size(), channels));
  }
  return values;
}

}  // namespace

ImageInput InputOf(const supernet::SearchSpace& space, const supernet::Choice& choice,
                   const supernet::ImageSource& images) {
  ImageInput input = {.normalisation = {images.mean(), images.stddev()}, .evaluation_crop = {}};
  if (supernet::AreResized(space, images)) {
    const kernels::Shape shape = space.input_shape(choice);
    input.evaluation_crop = supernet::ResolutionFor(images, shape[0], shape[2]).resizing.evaluation_crop;
  }
  return input;
}

absl::StatusOr<DeployedNetwork> MakeImageNetwork(const supernet::SearchSpace& space, const supernet::Choice& choice,
                                                 const kernels::TensorMap& own_weights,
                                                 const std::optional<ImageInput>& input, const std::string& information,
                                                 kernels::Precision precision) {
  auto folded = supernet::FoldedNetwork(space, choice, own_weights, /*batch=*/1, precision);
  if (!folded.ok()) return folded.status();
  DeployedNetwork network = {.graph = std::move(folded->graph),
                             .weights = std::move(folded->weights),
                             .input = "image",
                             .normalisation = {},
                             .output = "logits",
                             .class_names = {}};
  json known = ParseJson(information);
  if (input) {
    const int64_t channels = space.input_shape(choice)[2];
    auto mean = PerChannel(input->normalisation.mean, channels, "mean");
    if (!mean.ok()) return mean.status();
    auto stddev = PerChannel(input->normalisation.stddev, channels, "std");
    if (!stddev.ok()) return stddev.status();
    network.normalisation = {*std::move(mean), *std::move(stddev)};
    if (input->evaluation_crop) known["resizing"] = {{"crop", *input->evaluation_crop}};
  } else {
    known["pixels"] = false;
  }
  network.information = JsonText(known);
  return network;
}

bool TakesPixels(const DeployedNetwork& network) {
  const json known = ParseJson(network.information);
  return !known.is_object() || !known.contains("pixels") || known["pixels"] != false;
}

}  // namespace mathnas::deploy
