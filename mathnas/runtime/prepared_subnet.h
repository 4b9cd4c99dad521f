// A subnet that is ready to serve: statistics of its own, folded weights, a plan, and a context for each lane.
#ifndef MATHNAS_MATHNAS_RUNTIME_PREPARED_SUBNET_H_
#define MATHNAS_MATHNAS_RUNTIME_PREPARED_SUBNET_H_

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/divided_batch.h"
#include "kernels/fold.h"
#include "kernels/plan.h"
#include "kernels/tasks.h"
#include "mathnas/runtime/statistics.h"
#include "supernet/data/image_source.h"
#include "supernet/data/loader.h"
#include "supernet/recalibration.h"
#include "supernet/search_space.h"

namespace mathnas::runtime {

// A trained supernet; weights are read and never written.
struct Supernet {
  std::shared_ptr<const supernet::SearchSpace> space;  // of images
  std::shared_ptr<const kernels::TensorMap> weights;
};

// What statistics are recalibrated on: images of the training part.
struct CalibrationData {
  supernet::ImageSourcePtr images;  // null: statistics must come from a file
  supernet::RecalibrationOptions recalibration = {};
  supernet::ReadingOptions reading = {};
};

// Memory of the requests that run at the same time, one for each lane: contexts of all subnets of a lane share it,
// since they never run at the same time. It grows by being replaced; contexts keep what they were made with.
class Lanes {
 public:
  explicit Lanes(int count) : workspaces_(static_cast<size_t>(count)) {}
  std::vector<std::shared_ptr<kernels::Workspace>> AtLeast(size_t bytes);
  size_t count() const { return workspaces_.size(); }

 private:
  std::vector<std::shared_ptr<kernels::Workspace>> workspaces_;
};

struct PreparedSubnet {
  // Images of another side than the network's become its own (kernels/ops/resize.h).
  struct Resizing {
    std::unique_ptr<kernels::Context> context;
    std::span<float> images, resized;
  };
  // What a lane runs it with.
  struct Lane {
    std::shared_ptr<kernels::Workspace> workspace;
    std::unique_ptr<kernels::DividedContext> context;
    std::vector<Resizing> resizing;  // of each part of the batch; none: the network takes the images as they are

    // {n, side, side, channels} and {n, classes}, n from 1 to the batch.
    absl::Status Run(std::span<const float> images, std::span<float> logits);
  };

  supernet::Choice choice;
  kernels::FoldedGraph folded;  // lives longer than the contexts that are bound to its weights
  std::shared_ptr<const kernels::DividedPlan> plan;
  std::vector<Lane> lanes;
  size_t weight_bytes = 0;  // its own, folded; those packed for kernels come to about as much

  PreparedSubnet() = default;
  PreparedSubnet(const PreparedSubnet&) = delete;
  PreparedSubnet& operator=(const PreparedSubnet&) = delete;
  ~PreparedSubnet() { lanes.clear(); }
};

struct PreparingOptions {
  int64_t batch = 1;                // images of a run
  int64_t image_side = 0;           // of the images that are given; 0: the network's own
  kernels::Division division = {};  // of a batch
  const std::atomic<bool>* cancel = nullptr;
};

// Statistics are those of the store or, if it has none, recalibrated and put there: nothing is prepared without.
// `calibrating` is the device for that, `serving` the one that the subnet runs on. FailedPrecondition: no statistics,
// and no images to take them from. ResourceExhausted: not
// enough memory. Otherwise errors of BorrowWeights, Recalibrate, Plan and Context, which name the
// network. Not thread-safe with respect to `lanes`.
absl::StatusOr<std::shared_ptr<PreparedSubnet>> Prepare(const Supernet& supernet, const supernet::Choice& choice,
                                                        const CalibrationData& calibration, StatisticsStore& statistics,
                                                        const std::shared_ptr<kernels::Device>& calibrating,
                                                        kernels::Device& serving, Lanes& lanes,
                                                        const PreparingOptions& options);

}  // namespace mathnas::runtime

#endif  // MATHNAS_MATHNAS_RUNTIME_PREPARED_SUBNET_H_
