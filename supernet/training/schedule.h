// The learning rate over a training run.
#ifndef MATHNAS_SUPERNET_TRAINING_SCHEDULE_H_
#define MATHNAS_SUPERNET_TRAINING_SCHEDULE_H_

#include <cstdint>

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

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_TRAINING_SCHEDULE_H_
