// Batches of network input, prepared ahead by a thread of its own.
#ifndef MATHNAS_SUPERNET_DATA_LOADER_H_
#define MATHNAS_SUPERNET_DATA_LOADER_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "kernels/tensor.h"
#include "supernet/data/augment.h"
#include "supernet/data/dataset.h"

namespace mathnas::supernet {

struct LoaderOptions {
  int64_t batch = 0;
  uint64_t seed = 0;  // of the order and of the augmentation
  // The order of an epoch is a permutation drawn from (seed, epoch); without, the order of the data set.
  bool shuffle = true;
  // Flip and crop; without, images are only normalised.
  bool augment = true;
  bool flip = true;
  int crop_padding = -1;  // as in AugmentOptions
  // The last, incomplete batch of an epoch is dropped: its images come up again in the next epoch's order.
  bool drop_last = true;
  // Where to begin: `first_batch` batches of `first_epoch` count as taken already.
  int64_t first_epoch = 0, first_batch = 0;
  // The epoch to end before, as an absolute number; -1 = never.
  int64_t end_epoch = -1;
  // Buffers: one that the consumer holds and `ring - 1` prepared ahead; at least 2.
  int ring = 4;

  // Shuffled, augmented, whole batches only, without end.
  static LoaderOptions Training(int64_t batch, uint64_t seed);
  // Every image once, in order, normalised only; the last batch may be smaller.
  static LoaderOptions Evaluation(int64_t batch);
};

// One batch, in buffers of the loader.
struct Batch {
  int64_t epoch = 0, index = 0;           // batch `index` of the epoch
  int64_t size = 0;                       // images, below LoaderOptions::batch only in a kept last batch
  kernels::TensorView images;             // F32 {size, height, width, channels}
  kernels::TensorView labels;             // I64 {size}
  std::span<const uint32_t> image_index;  // {size}: places in the data set
};

// The sequence of batches is a function of data set and options alone, whatever the timing of the thread. One consumer.
class BatchLoader {
 public:
  // Starts the thread. `dataset` must outlive the loader. InvalidArgument: no images, batch below 1 or larger than the
  // data set, first_epoch or first_batch out of range, or what ImageTransform::Create refuses.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(const ImageDataset& dataset, const LoaderOptions& options);
  // Stops the thread and waits for it, at most for the image it works on.
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  // The next batch; waits for it when it is not ready. Its buffers are valid until the following call. Null after the
  // last batch before end_epoch.
  const Batch* Next();

  int64_t batches_per_epoch() const;
  // Seconds that Next() has waited so far: near zero when the loader keeps up.
  double wait_seconds() const;
  // Bytes of the batch buffers.
  int64_t buffer_bytes() const;

 private:
  struct State;
  explicit BatchLoader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_LOADER_H_
