#include "supernet/data/input_maker.h"

#include <utility>

namespace mathnas::supernet {
namespace {

class FixedSize : public InputMaker {
 public:
  FixedSize(ImageSourcePtr source, ImageTransform transform, bool augment)
      : source_(std::move(source)), size_(*source_->one_size()), transform_(std::move(transform)), augment_(augment) {}

  kernels::Shape InputShape(int64_t) const override { return {size_.height, size_.width, source_->channels()}; }
  absl::Status Make(int64_t epoch, uint32_t index, int64_t, Scratch& scratch, std::span<float> out) const override {
    absl::StatusOr<ImageView> image = source_->Decode(index, scratch.buffer);
    if (!image.ok()) return image.status();
    const std::span<const uint8_t> pixels(image->pixels, out.size());
    if (augment_) {
      transform_.Apply(pixels, transform_.Draw(epoch, index), out);
    } else {
      transform_.Normalise(pixels, out);
    }
    return absl::OkStatus();
  }

 private:
  const ImageSourcePtr source_;
  const ImageSize size_;
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

std::unique_ptr<InputMaker> FixedSizeMaker(ImageSourcePtr source, ImageTransform transform, bool augment) {
  return std::make_unique<FixedSize>(std::move(source), std::move(transform), augment);
}

std::unique_ptr<InputMaker> ResizingMaker(ImageSourcePtr source, ResizingTransform transform, bool augment) {
  return std::make_unique<Resizing>(std::move(source), std::move(transform), augment);
}

}  // namespace mathnas::supernet
