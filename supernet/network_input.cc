#include "supernet/network_input.h"

#include <utility>

#include "fmt/format.h"
#include "supernet/training/trainer.h"

namespace mathnas::supernet {
namespace {

class ReferredImages : public ImageSource {
 public:
  explicit ReferredImages(const ImageDataset& dataset) : dataset_(dataset) {
    name_ = dataset.name;
    classes_ = dataset.classes;
    channels_ = dataset.channels;
    labels_ = dataset.labels;
    mean_ = dataset.mean;
    stddev_ = dataset.stddev;
  }

  std::string Origin(int64_t index) const override { return fmt::format("{}: image {}", name(), index); }
  absl::StatusOr<ImageView> Decode(int64_t index, Buffer&) const override {
    return ImageView{dataset_.height, dataset_.width, dataset_.channels, dataset_.image(index).data()};
  }

 private:
  const ImageDataset& dataset_;
};

}  // namespace

absl::Status CheckImages(const SearchSpace& space, const ImageDataset& data) {
  return space.takes_any_image_size() ? CheckData(space, *Referring(data)) : CheckData(space, data);
}

ImageSourcePtr Referring(const ImageDataset& data) { return std::make_shared<ReferredImages>(data); }

ResolutionOptions ResolutionFor(const ImageSource& images, int64_t side, int64_t channels) {
  ResolutionOptions options;
  options.largest = side;
  options.resizing.repeat_grey = images.channels() == 1 && channels == 3;
  return options;
}

absl::StatusOr<std::unique_ptr<BatchLoader>> InputOf(const SearchSpace& space, const Choice& choice,
                                                     const ImageDataset& data, LoaderOptions options) {
  if (auto s = CheckImages(space, data); !s.ok()) return s;
  options.augment = false;
  if (!space.takes_any_image_size()) return BatchLoader::Create(data, options);
  const kernels::Shape input = space.input_shape(choice);
  ImageSourcePtr images = Referring(data);
  const ResolutionOptions resolution = ResolutionFor(*images, input[0], input[2]);
  return BatchLoader::Create(std::move(images), options, resolution);
}

}  // namespace mathnas::supernet
