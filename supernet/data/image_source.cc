#include "supernet/data/image_source.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fmt/format.h"
#include "supernet/data/formats.h"

namespace mathnas::supernet {
namespace {

// Of a set that it holds or refers to.
template <typename Dataset>
class DatasetImages : public ImageSource {
 public:
  explicit DatasetImages(Dataset dataset) : dataset_(std::forward<Dataset>(dataset)) {
    name_ = dataset_.name;
    classes_ = dataset_.classes;
    channels_ = dataset_.channels;
    labels_.assign(dataset_.labels.begin(), dataset_.labels.begin() + dataset_.count);
    mean_ = dataset_.mean;
    stddev_ = dataset_.stddev;
  }

  std::optional<ImageSize> one_size() const override { return ImageSize{dataset_.height, dataset_.width}; }
  std::string Origin(int64_t index) const override { return fmt::format("{}: image {}", name(), index); }
  absl::StatusOr<ImageView> Decode(int64_t index, Buffer&) const override {
    return ImageView{dataset_.height, dataset_.width, dataset_.channels, dataset_.image(index).data()};
  }

 private:
  const Dataset dataset_;
};

// Some images of another source.
class SelectedImages : public ImageSource {
 public:
  SelectedImages(ImageSourcePtr source, std::string name, std::vector<uint32_t> selected)
      : ImageSource(*source, std::move(name), LabelsOf(*source, selected)),
        source_(std::move(source)),
        selected_(std::move(selected)) {}

  std::optional<ImageSize> one_size() const override { return source_->one_size(); }
  std::string Origin(int64_t index) const override { return source_->Origin(selected_[static_cast<size_t>(index)]); }
  absl::StatusOr<ImageView> Decode(int64_t index, Buffer& buffer) const override {
    return source_->Decode(selected_[static_cast<size_t>(index)], buffer);
  }

 private:
  static std::vector<int32_t> LabelsOf(const ImageSource& source, const std::vector<uint32_t>& selected) {
    std::vector<int32_t> labels;
    labels.reserve(selected.size());
    for (uint32_t i : selected) labels.push_back(source.labels()[i]);
    return labels;
  }

  ImageSourcePtr source_;
  std::vector<uint32_t> selected_;
};

}  // namespace

ImageSourcePtr InMemory(ImageDataset dataset) {
  return std::make_shared<DatasetImages<ImageDataset>>(std::move(dataset));
}

ImageSourcePtr Referring(const ImageDataset& dataset) {
  return std::make_shared<DatasetImages<const ImageDataset&>>(dataset);
}

absl::Status CheckNormalisation(std::string_view name, int64_t channels, std::span<const double> mean,
                                std::span<const double> stddev) {
  if (std::ssize(mean) != channels || std::ssize(stddev) != channels) {
    return absl::InvalidArgumentError(fmt::format("{}: means of {} channels and deviations of {}, expected {} of each",
                                                  name, mean.size(), stddev.size(), channels));
  }
  for (size_t c = 0; c < mean.size(); ++c) {
    if (std::isfinite(mean[c]) && std::isfinite(stddev[c]) && stddev[c] > 0) continue;
    return absl::InvalidArgumentError(
        fmt::format("{}: mean and deviation of channel {} are {} and {}, expected finite numbers, the second above 0",
                    name, c, mean[c], stddev[c]));
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageSourcePtr> Unlabelled(std::string name, std::span<const uint8_t> pixels, ImageSize size,
                                          int classes, std::vector<double> mean, std::vector<double> stddev) {
  if (auto s = CheckNormalisation(name, std::ssize(mean), mean, stddev); !s.ok()) return s;
  ImageDataset set;
  set.name = std::move(name);
  set.height = size.height;
  set.width = size.width;
  set.channels = static_cast<int64_t>(mean.size());
  set.classes = classes;
  if (mean.empty() || size.height < 1 || size.width < 1 || pixels.empty() || pixels.size() % set.image_bytes() != 0) {
    return absl::InvalidArgumentError(fmt::format("{}: {} pixels, expected those of images {{{},{},{}}}", set.name,
                                                  pixels.size(), size.height, size.width, set.channels));
  }
  set.count = static_cast<int64_t>(pixels.size() / set.image_bytes());
  set.images.assign(pixels.begin(), pixels.end());
  set.labels.assign(static_cast<size_t>(set.count), 0);
  set.mean = std::move(mean);
  set.stddev = std::move(stddev);
  return InMemory(std::move(set));
}

absl::StatusOr<ImageSources> LoadImages(std::string_view spec, const DatasetOptions& options) {
  if (spec.starts_with(kFolderPrefix)) return OpenFolder(std::string(spec.substr(kFolderPrefix.size())), options);
  absl::StatusOr<DatasetPair> pair = LoadDataset(spec, options);
  if (!pair.ok()) return pair.status();
  return ImageSources{InMemory(std::move(pair->train)), InMemory(std::move(pair->test)), nullptr};
}

absl::StatusOr<SourceSplit> SplitTrainValidation(const ImageSourcePtr& source, int64_t validation_count,
                                                 uint64_t seed) {
  absl::StatusOr<std::vector<uint32_t>> held_out =
      HeldOutImages(source->name(), source->labels(), source->classes(), validation_count, seed);
  if (!held_out.ok()) return held_out.status();
  std::vector<uint32_t> kept;
  kept.reserve(source->labels().size() - held_out->size());
  auto next = held_out->begin();
  for (uint32_t i = 0; i < source->labels().size(); ++i) {
    if (next != held_out->end() && *next == i) {
      ++next;
    } else {
      kept.push_back(i);
    }
  }
  return SourceSplit{std::make_shared<SelectedImages>(source, source->name(), std::move(kept)),
                     std::make_shared<SelectedImages>(source, source->name() + "/validation", *std::move(held_out))};
}

absl::StatusOr<SourceSplit> HoldOut(const ImageSources& images, int64_t validation_count, uint64_t seed) {
  if (validation_count == kUsualHoldOut) {
    validation_count = images.validation != nullptr ? 5000 : std::clamp<int64_t>(images.train->count() / 10, 1, 5000);
  }
  if (images.validation == nullptr) return SplitTrainValidation(images.train, validation_count, seed);
  if (images.validation->count() <= validation_count) return SourceSplit{images.train, images.validation};
  absl::StatusOr<SourceSplit> some = SplitTrainValidation(images.validation, validation_count, seed);
  if (!some.ok()) return some.status();
  return SourceSplit{images.train, some->validation};
}

}  // namespace mathnas::supernet
