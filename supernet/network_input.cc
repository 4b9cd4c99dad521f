#include "supernet/network_input.h"

#include "fmt/format.h"

namespace mathnas::supernet {

bool AreResized(const SearchSpace& space, const ImageSource& images) {
  return space.takes_any_image_size() || !images.one_size();
}

absl::Status CheckImages(const SearchSpace& space, const ImageSource& images) {
  const auto fail = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", images.name(), what));
  };
  const kernels::Shape input = space.input_shape();
  if (AreResized(space, images)) {
    const int64_t channels = input[2];
    if (images.channels() != channels && !(images.channels() == 1 && channels == 3)) {
      return fail(fmt::format("{} channels, the network takes {}", images.channels(), channels));
    }
    if (input[0] != input[1]) {
      return fail(
          fmt::format("images of any size, which are made square; the network takes {}", kernels::ToString(input)));
    }
  } else {
    const kernels::Shape own = {images.one_size()->height, images.one_size()->width, images.channels()};
    if (own != input) {
      return fail(fmt::format("images are {}, the network takes {}", kernels::ToString(own), kernels::ToString(input)));
    }
  }
  if (images.classes() != space.classes()) {
    return fail(fmt::format("{} classes, the network has {}", images.classes(), space.classes()));
  }
  return absl::OkStatus();
}

ResolutionOptions ResolutionFor(const ImageSource& images, int64_t side, int64_t channels,
                                const ReadingOptions& reading) {
  ResolutionOptions options;
  options.largest = side;
  options.resizing.repeat_grey = images.channels() == 1 && channels == 3;
  options.stop_at_damage = reading.stop_at_damage;
  options.on_damage = reading.on_damage;
  return options;
}

absl::StatusOr<std::unique_ptr<BatchLoader>> InputOf(const SearchSpace& space, const Choice& choice,
                                                     const ImageSourcePtr& images, LoaderOptions options,
                                                     const ReadingOptions& reading) {
  if (auto s = CheckImages(space, *images); !s.ok()) return s;
  options.augment = false;
  options.threads = reading.threads;
  if (!AreResized(space, *images)) return BatchLoader::Create(images, options);
  const kernels::Shape input = space.input_shape(choice);
  return BatchLoader::Create(images, options, ResolutionFor(*images, input[0], input[2], reading));
}

}  // namespace mathnas::supernet
