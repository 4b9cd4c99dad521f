// The learning rate over a training run.
#ifndef MATHNAS_SUPERNET_TRAINING_SCHEDULE_H_
#define MATHNAS_SUPERNET_TRAINING_SCHEDULE_H_

#include <cstdint>
#include <string_view>

namespace mathnas::supernet {

// Linear warm-up, then a half cosine down to `final_rate` (spec/search-spaces.md 2.8).
struct LearningRateSchedule {
  double rate = 0.1;
  double final_rate = 0;
  int64_t epochs = 1;
  int64_t warmup_epochs = 0;
  // The reference changes the rate once per epoch, which leaves short runs on few different rates; per step is the
  // other way.
  bool per_step = false;
  // What the warm-up begins with (spec/search-spaces.md 5.8); 0: a first step of the warm-up.
  double warmup_rate = 0;

  // The rate of batch `batch` of `batches` in epoch `epoch`, counted from 0.
  double At(int64_t epoch, int64_t batch, int64_t batches) const;
};

// The rate of an update of translation networks (spec/search-spaces.md 4.6): linear from `initial_rate` to `rate` in
// the first updates, then falling with the inverse square root of their number, or by half a cosine to `final_rate`.
struct UpdateSchedule {
  enum class Form : uint8_t { kInverseSqrt, kCosine } form = Form::kInverseSqrt;
  double rate = 5e-4;
  double initial_rate = 1e-7;
  double final_rate = 0;  // of the cosine
  int64_t warmup_updates = 4000;

  // Of update 0, 1, .. of `updates`.
  double At(int64_t update, int64_t updates) const;
};
// "inverse-sqrt", "cosine".
std::string_view Name(UpdateSchedule::Form form);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_SCHEDULE_H_
