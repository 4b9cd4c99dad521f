// Networks that classify images: scored with statistics that are recalibrated, timed on noise.
#ifndef MATHNAS_MATHNAS_PROFILE_IMAGE_WORKLOAD_H_
#define MATHNAS_MATHNAS_PROFILE_IMAGE_WORKLOAD_H_

#include <memory>

#include "mathnas/profile/workload.h"
#include "supernet/data/image_source.h"
#include "supernet/data/loader.h"
#include "supernet/recalibration.h"

namespace mathnas::profile {

struct ImageWorkloadOptions {
  supernet::RecalibrationOptions recalibration = {};
  supernet::ReadingOptions reading = {};
};

class ImageWorkload : public Workload {
 public:
  // `shared`, which must outlive the workload, are the supernet's weights, `training` the images that statistics are
  // recalibrated on, `validation` those that accuracy is measured on, by `device`.
  ImageWorkload(std::shared_ptr<const supernet::SearchSpace> space, std::shared_ptr<kernels::Device> device,
                const kernels::TensorMap& shared, supernet::ImageSourcePtr training,
                supernet::ImageSourcePtr validation, ImageWorkloadOptions options);

  const supernet::SearchSpace& space() const override { return *space_; }
  Conventions conventions() const override;
  std::string held_out() const override;
  absl::StatusOr<Score> ScoreOf(const Choice& choice, const std::atomic<bool>* cancel) override;
  absl::StatusOr<std::unique_ptr<Runnable>> MakeRunnable(const Choice& choice, int64_t batch,
                                                         const std::shared_ptr<kernels::Device>& device) override;

 private:
  std::shared_ptr<const supernet::SearchSpace> space_;
  std::shared_ptr<kernels::Device> device_;
  const kernels::TensorMap& shared_;
  supernet::ImageSourcePtr training_, validation_;
  ImageWorkloadOptions options_;
};

}  // namespace mathnas::profile

#endif  // MATHNAS_MATHNAS_PROFILE_IMAGE_WORKLOAD_H_
