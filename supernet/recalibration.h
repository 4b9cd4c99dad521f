// Running statistics of one network, taken anew: those of a supernet are mixed from all its networks, and a subnet is
// worth nothing with them (spec/search-spaces.md 3.6, 5.5).
#ifndef MATHNAS_SUPERNET_RECALIBRATION_H_
#define MATHNAS_SUPERNET_RECALIBRATION_H_

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/plan.h"
#include "supernet/data/image_source.h"
#include "supernet/data/loader.h"
#include "supernet/search_space.h"

namespace mathnas::supernet {

// Averages over batches, each weighted by its images: of the batch means, and of the batch variances, biased or not as
// the space has it (SearchSpace::recalibrated_variance).
class Recalibration {
 public:
  // A network with own weights, whose statistics are changed while batches run; all must outlive this object.
  Recalibration(const SearchSpace& space, const Choice& choice, kernels::TensorMap& own_weights,
                std::shared_ptr<kernels::Device> device);

  // One batch {N,H,W,C}; batches may differ in N.
  absl::Status Add(const kernels::TensorView& images);
  // Writes the averages. FailedPrecondition without a batch.
  absl::Status Finish();

 private:
  struct Prepared {
    std::unique_ptr<kernels::Context> context;
    std::map<std::string, double> correction;  // by variance: to what it is averaged as, from the unbiased one
  };
  static constexpr size_t kShapesKept = 4;
  // Valid until the next call.
  absl::StatusOr<Prepared*> Prepare(int64_t batch);

  const SearchSpace& space_;
  const Choice& choice_;
  kernels::TensorMap& weights_;
  std::shared_ptr<kernels::Device> device_;
  std::map<int64_t, Prepared> prepared_;             // by batch size
  std::map<std::string, std::vector<double>> sums_;  // by statistic
  double images_ = 0;
};

struct RecalibrationOptions {
  int64_t batches = 20;
  int64_t batch = 128;  // never more than there are images
  uint64_t seed = 0;    // of the images that are drawn
  const std::atomic<bool>* cancel = nullptr;
};

// Over batches of `images`, not augmented (network_input.h). Cancelled when the flag is set; the statistics are those
// of some batch then.
absl::Status Recalibrate(const SearchSpace& space, const Choice& choice, kernels::TensorMap& own_weights,
                         const std::shared_ptr<kernels::Device>& device, const ImageSourcePtr& images,
                         const RecalibrationOptions& options, const ReadingOptions& reading = {});

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_RECALIBRATION_H_
