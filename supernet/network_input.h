// Images as the networks of a space take them: as they are where all have the size of its input, otherwise brought to
// it.
#ifndef MATHNAS_SUPERNET_NETWORK_INPUT_H_
#define MATHNAS_SUPERNET_NETWORK_INPUT_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/data/image_source.h"
#include "supernet/data/loader.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

// Whether images are resized (resizing.h): in a space that takes any size, and where they do not all have one.
bool AreResized(const SearchSpace& space, const ImageSource& images);

// InvalidArgument when channels, classes or, where they are not resized, the size are not what the space takes.
absl::Status CheckImages(const SearchSpace& space, const ImageSource& images);

// How images of any size become input of a network {side, side, channels}.
ResolutionOptions ResolutionFor(const ImageSource& images, int64_t side, int64_t channels,
                                const ReadingOptions& reading = {});

// Batches {N,H,W,C} of a network's own input shape, not augmented: what evaluation, recalibration and deployment see.
// Where images are resized, it is bilinearly, and grey ones become three channels where the network has three. Errors:
// of CheckImages and BatchLoader::Create.
absl::StatusOr<std::unique_ptr<BatchLoader>> InputOf(const SearchSpace& space, const Choice& choice,
                                                     const ImageSourcePtr& images, LoaderOptions options,
                                                     const ReadingOptions& reading = {});

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_NETWORK_INPUT_H_
