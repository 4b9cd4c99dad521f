// Images as the networks of a space take them: as they are where all have one size, otherwise brought to the size of
// the network's input.
#ifndef MATHNAS_SUPERNET_NETWORK_INPUT_H_
#define MATHNAS_SUPERNET_NETWORK_INPUT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "supernet/data/dataset.h"
#include "supernet/data/loader.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

// InvalidArgument when size, channels or classes are not what the space takes.
absl::Status CheckImages(const SearchSpace& space, const ImageDataset& data);

// A set in memory as a source that refers to it: it must outlive the source. Labels are copied.
ImageSourcePtr Referring(const ImageDataset& data);

// How images of any size become input of a network {side, side, channels}.
ResolutionOptions ResolutionFor(const ImageSource& images, int64_t side, int64_t channels);

// Batches {N,H,W,C} of a network's own input shape, not augmented: what evaluation, recalibration and deployment see.
// In a space that takes images of any size they are resized bilinearly (resizing.h), and grey ones become three
// channels where the network has three. `data` must outlive the loader. Errors: of CheckImages and BatchLoader::Create.
absl::StatusOr<std::unique_ptr<BatchLoader>> InputOf(const SearchSpace& space, const Choice& choice,
                                                     const ImageDataset& data, LoaderOptions options);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_NETWORK_INPUT_H_
