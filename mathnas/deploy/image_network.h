// Networks of images as they are deployed: of the weights of a space's network.
#ifndef MATHNAS_MATHNAS_DEPLOY_IMAGE_NETWORK_H_
#define MATHNAS_MATHNAS_DEPLOY_IMAGE_NETWORK_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/lower_precision.h"
#include "kernels/tensor.h"
#include "mathnas/deploy/network_file.h"
#include "supernet/data/image_source.h"
#include "supernet/search_space.h"

namespace mathnas::deploy {

// How pixels became the input of a network when it was trained and tested.
struct ImageInput {
  // One entry for all channels, or one per channel of the network.
  Normalisation normalisation;
  // Of images that were resized, the part that tests look at (ResizingOptions::evaluation_crop).
  std::optional<double> evaluation_crop;
};
ImageInput InputOf(const supernet::SearchSpace& space, const supernet::Choice& choice,
                   const supernet::ImageSource& images);

// Folds batch norm into the weights around it: nothing of the training is left. `information` is the text of a JSON
// object, to which "resizing" is added for images that were resized, and "pixels": false without `input`: then nobody
// knows what a pixel is to the network, and it takes values that are normalised already. InvalidArgument: weights that
// the network does not have, means or deviations for another number of channels.
absl::StatusOr<DeployedNetwork> MakeImageNetwork(const supernet::SearchSpace& space, const supernet::Choice& choice,
                                                 const kernels::TensorMap& own_weights,
                                                 const std::optional<ImageInput>& input, const std::string& information,
                                                 kernels::Precision precision = kernels::Precision::kFloat32);

// Whether pixels may be given to a network, by the information in its file.
bool TakesPixels(const DeployedNetwork& network);

}  // namespace mathnas::deploy

#endif  // MATHNAS_MATHNAS_DEPLOY_IMAGE_NETWORK_H_
