// The main job of networks that classify images.
#ifndef MATHNAS_MATHNAS_JOB_IMAGE_TASK_H_
#define MATHNAS_MATHNAS_JOB_IMAGE_TASK_H_

#include <memory>
#include <string>
#include <vector>

#include "mathnas/job/task.h"
#include "supernet/data/image_source.h"
#include "supernet/data/loader.h"
#include "supernet/recalibration.h"
#include "supernet/training/trainer.h"

namespace mathnas::job {

struct ImageTaskOptions {
  std::shared_ptr<const supernet::SearchSpace> space;
  int64_t validation_images = supernet::kUsualHoldOut;  // HoldOut: blocks are scored on them
  supernet::ReadingOptions reading = {};
  supernet::RecalibrationOptions recalibration = {};
  supernet::TrainingRecipe supernet;
  // In its place, stages of progressive shrinking in their order (stages.h), for mobilenetv3: each with `shrinking`.
  // Each stage but the last leaves stage-NAME.safetensors in `out`.
  std::vector<supernet::TrainingRecipe> stages = {};
  // Of the chosen network, on all of the training part, what was held out of it included.
  supernet::TrainingRecipe fine_tuning;
};

// Files are decoded as their batches come up.
class ImageTask : public Task {
 public:
  ImageTask(supernet::ImageSources data, ImageTaskOptions own) : own_(std::move(own)), data_(std::move(data)) {}

  absl::Status Begin(const SearchNetworkOptions& options) override;
  const std::shared_ptr<const supernet::SearchSpace>& space() const override { return own_.space; }
  Wording wording() const override;
  absl::StatusOr<TrainedSupernet> TrainSupernet() override;
  absl::StatusOr<std::unique_ptr<profile::Workload>> MakeWorkload(const kernels::TensorMap& shared) override;
  absl::StatusOr<FineTuned> FineTune(const supernet::Choice& choice, const kernels::TensorMap& shared) override;
  absl::Status Deploy(const std::string& path, const supernet::Choice& choice, const kernels::TensorMap& own_weights,
                      const std::string& information) override;
  void Describe(const supernet::Choice& choice, report::ChosenNetwork& chosen) const override;

 private:
  absl::StatusOr<TrainedSupernet> TrainStages(kernels::TensorMap weights);
  supernet::TrainingRun Run(std::string_view file) const;

  const ImageTaskOptions own_;
  const SearchNetworkOptions* options_ = nullptr;
  supernet::ImageSources data_;
  supernet::ImageSourcePtr training_, validation_;  // as blocks see them: without and with what is held out
};

}  // namespace mathnas::job

#endif  // MATHNAS_MATHNAS_JOB_IMAGE_TASK_H_
