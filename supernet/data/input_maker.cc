#include "supernet/data/input_maker.h"

#include <utility>

namespace mathnas::supernet {
namespace {

class FixedSize : public InputMaker {
 public:
  FixedSize(const ImageDataset& dataset, ImageTransform transform, bool augment)
      : dataset_(dataset), transform_(std::move(transform)), augment_(augment) {}

  kernels::Shape InputShape(int64_t) const override { return {dataset_.height, dataset_.width, dataset_.channels}; }
  absl::Status Make(int64_t epoch, uint32_t index, int64_t, Scratch&, std::span<float> out) const override {
    if (augment_) {
      transform_.Apply(dataset_.image(index), transform_.Draw(epoch, index), out);
    } else {
      transform_.Normalise(dataset_.image(index), out);
    }
    return absl::OkStatus();
  }

 private:
  const ImageDataset& dataset_;
  const ImageTransform transform_;
  const bool augment_;
};

class Resizing : public InputMaker {
 public:
  Resizing(ImageSourcePtr source, ResizingTransform transform, bool augment)
      : source_(std::move(source)), transform_(std::move(transform)), augment_(augment) {}

  kernels::Shape InputShape(int64_t size) const override { return {size, size, transform_.channels()}; }
  absl::Status Make(int64_t epoch, uint32_t index, int64_t size, Scratch& scratch,
                    std::span<float> out) const override {
    absl::StatusOr<ImageView> image = source_->Decode(index, scratch.buffer);
    if (!image.ok()) return image.status();
    if (augment_) {
      const ResizingDraw draw = transform_.Draw(epoch, index, image->height, image->width);
      transform_.Apply(*image, draw, size, scratch.resampler, out);
    } else {
      transform_.ApplyEvaluation(*image, size, scratch.resampler, out);
    }
    return absl::OkStatus();
  }

 private:
  const ImageSourcePtr source_;
  const ResizingTransform transform_;
  const bool augment_;
};

}  // namespace

std::unique_ptr<InputMaker> FixedSizeMaker(const ImageDataset& dataset, ImageTransform transform, bool augment) {
  return std::make_unique<FixedSize>(dataset, std::move(transform), augment);
}

std::unique_ptr<InputMaker> ResizingMaker(ImageSourcePtr source, ResizingTransform transform, bool augment) {
  return std::make_unique<Resizing>(std::move(source), std::move(transform), augment);
}

}  // namespace mathnas::supernet
