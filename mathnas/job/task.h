// What differs between jobs: what networks are trained and tested on, and what becomes of the one that is chosen.
#ifndef MATHNAS_MATHNAS_JOB_TASK_H_
#define MATHNAS_MATHNAS_JOB_TASK_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/tensor.h"
#include "mathnas/job/options.h"
#include "mathnas/profile/workload.h"
#include "mathnas/report/report.h"
#include "supernet/search_space.h"
#include "supernet/training/checkpoint.h"

namespace mathnas::job {

// One stage of progressive shrinking, finished.
struct TrainedStage {
  std::string name, checkpoint;
  std::vector<supernet::EpochRecord> epochs;
  double seconds = 0;
};

struct TrainedSupernet {
  supernet::Checkpoint checkpoint;  // with the epochs of all stages
  std::vector<TrainedStage> stages;
};

// How reports speak of a task.
struct Wording {
  std::string dataset;   // with its parts: "fashion-mnist: 55000 training, 5000 validation, 10000 test images"
  std::string quality;   // what the metric "accuracy" is: "accuracy", "token accuracy", "BLEU"
  std::string unit;      // of it; "" where the name says it
  std::string training;  // what the accuracy of training is, in %
  std::string audit;     // how networks that are audited are scored
  std::string compared;  // what is behind the predicted and the measured quality of the chosen network
};

// A result of the test, by its name in the answer and in the deployed file: "test_accuracy" in %.
struct TestValue {
  std::string name;
  double value = 0;
};

struct FineTuned {
  supernet::Checkpoint checkpoint;        // of the chosen network
  double quality = 0;                     // of the kind that the metric "accuracy" is, on the test part
  std::vector<report::TestScore> scores;  // before and after; the first is that of `quality`'s tile
  std::vector<TestValue> values;          // after
};

class Task {
 public:
  virtual ~Task() = default;

  // Called first: says what can be known to be wrong before anything long begins, and makes what the space depends on.
  // `options` must outlive the task's use.
  virtual absl::Status Begin(const SearchNetworkOptions& options) = 0;

  // What follows is called after Begin.
  virtual const std::shared_ptr<const supernet::SearchSpace>& space() const = 0;
  virtual Wording wording() const = 0;
  // Leaves kSupernetFile. Cancelled when interrupted, as all that follows.
  virtual absl::StatusOr<TrainedSupernet> TrainSupernet() = 0;
  // `shared`, the weights of the supernet, outlive the workload.
  virtual absl::StatusOr<std::unique_ptr<profile::Workload>> MakeWorkload(const kernels::TensorMap& shared) = 0;
  // Extracts a network, trains it on with weights of its own, which leaves kFineTunedFile, and tests it before and
  // after.
  virtual absl::StatusOr<FineTuned> FineTune(const supernet::Choice& choice, const kernels::TensorMap& shared) = 0;
  // Writes the file that `mathnas run` takes. `information` is the text of a JSON object.
  virtual absl::Status Deploy(const std::string& path, const supernet::Choice& choice,
                              const kernels::TensorMap& own_weights, const std::string& information) = 0;
  // Architecture and drawing.
  virtual void Describe(const supernet::Choice& choice, report::ChosenNetwork& chosen) const = 0;
};

}  // namespace mathnas::job

#endif  // MATHNAS_MATHNAS_JOB_TASK_H_
