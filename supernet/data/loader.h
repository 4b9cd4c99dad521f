// Batches of network input, prepared ahead by threads of its own.
#ifndef MATHNAS_SUPERNET_DATA_LOADER_H_
#define MATHNAS_SUPERNET_DATA_LOADER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/tensor.h"
#include "supernet/data/augment.h"
#include "supernet/data/dataset.h"
#include "supernet/data/image_source.h"
#include "supernet/data/random_erasing.h"
#include "supernet/data/resizing.h"

namespace mathnas::supernet {

struct LoaderOptions {
  int64_t batch = 0;
  uint64_t seed = 0;  // of the order and of the augmentation
  // The order of an epoch is a permutation drawn from (seed, epoch); without, the order of the data set.
  bool shuffle = true;
  // Flip and crop; without, images are only normalised.
  bool augment = true;
  bool flip = true;
  int crop_padding = -1;  // as in AugmentOptions; of sets whose images have one size
  double erasing = 0;     // with `augment`: ErasingOptions::probability
  // The last, incomplete batch of an epoch is dropped: its images come up again in the next epoch's order.
  bool drop_last = true;
  // Where to begin: `first_batch` batches of `first_epoch` count as taken already.
  int64_t first_epoch = 0, first_batch = 0;
  // The epoch to end before, as an absolute number; -1 = never.
  int64_t end_epoch = -1;
  // Buffers: one that the consumer holds and `ring - 1` prepared ahead; at least 2.
  int ring = 4;
  // Threads that prepare; they have no influence on what is prepared. Decoding files takes more than one.
  int threads = 1;

  // Shuffled, augmented, whole batches only, without end.
  static LoaderOptions Training(int64_t batch, uint64_t seed);
  // Every image once, in order, normalised only; the last batch may be smaller.
  static LoaderOptions Evaluation(int64_t batch);
};

// An image that could not be decoded.
struct DamagedImage {
  uint32_t index = 0;   // its place in the set
  std::string message;  // names the file
  bool operator==(const DamagedImage&) const = default;
};

// Batches from an ImageSource: `augment` and `flip` of LoaderOptions count for them too, the crop is that of
// `resizing`.
struct ResolutionOptions {
  // The side of the input: 1 to kMaxInputSize. Buffers are made for the largest.
  int64_t largest = 224;
  // The side for all images of a batch, 1 to `largest`; empty = always `largest`. Called once a batch by a thread of
  // the loader, so it must depend on nothing but its arguments. ElasticSize is one.
  std::function<int64_t(int64_t epoch, int64_t batch)> size;
  ResizingOptions resizing;  // its flip and seed are set by the loader
  // An image that cannot be decoded: the batch takes the next of the set that can be, one of the same class mostly, and
  // the loader counts it. With this, the sequence of batches ends before it, and status() says why. It ends as well
  // after kMaxDamagedInARow such images in a row, and when memory or file descriptors are wanting.
  bool stop_at_damage = false;
  // Called in Next() with every image of damaged() when it is met first.
  std::function<void(const DamagedImage&)> on_damage;
};

inline constexpr int kMaxDamagedInARow = 64;

// How a job reads its images, in all of its loaders: part of their options.
struct ReadingOptions {
  int threads = 1;              // as in LoaderOptions
  bool stop_at_damage = false;  // as in ResolutionOptions
  std::function<void(const DamagedImage&)> on_damage;
};

// One batch, in buffers of the loader.
struct Batch {
  int64_t epoch = 0, index = 0;           // batch `index` of the epoch
  int64_t size = 0;                       // images, below LoaderOptions::batch only in a kept last batch
  kernels::TensorView images;             // F32 {size, height, width, channels}
  kernels::TensorView labels;             // I64 {size}
  std::span<const uint32_t> image_index;  // {size}: places in the data set, of the replacements where there are some
  int64_t replaced = 0;                   // images that another one stands for
};

// The sequence of batches is a function of data set and options alone, whatever the number of the threads and their
// timing. One consumer.
class BatchLoader {
 public:
  // Starts the threads. InvalidArgument: no images, batch below 1 or larger than their number, first_epoch or
  // first_batch out of range, threads not 1 to 256, erasing not 0 to 1, or what ImageTransform::Create refuses.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(ImageSourcePtr source, const LoaderOptions& options);
  // `dataset` must outlive the loader.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(const ImageDataset& dataset, const LoaderOptions& options);
  // Input of any size, {size, side, side, channels}. InvalidArgument as above, for `largest` out of range, and what
  // ResizingTransform::Create refuses.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(ImageSourcePtr source, const LoaderOptions& options,
                                                             const ResolutionOptions& resolution);
  // Stops the threads and waits for them, at most for the images they work on.
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  // The next batch; waits for it when it is not ready. Its buffers are valid until the following call. Null after the
  // last batch before end_epoch, and when there is no next one because of an error; then status() tells it.
  const Batch* Next();
  // Of what Next() has met so far.
  const absl::Status& status() const;
  // Images of the batches so far that could not be decoded, each once, in order of their places in the set.
  std::vector<DamagedImage> damaged() const;

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
