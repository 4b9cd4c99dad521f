#include "supernet/data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/random.h"

namespace mathnas::supernet {

using kernels::DType;
using kernels::Random;
using kernels::Tensor;

LoaderOptions LoaderOptions::Training(int64_t batch, uint64_t seed) {
  LoaderOptions o;
  o.batch = batch;
  o.seed = seed;
  return o;
}

LoaderOptions LoaderOptions::Evaluation(int64_t batch) {
  LoaderOptions o;
  o.batch = batch;
  o.shuffle = o.augment = o.drop_last = false;
  o.end_epoch = 1;
  return o;
}

// The producer fills slot (produced % ring) as long as produced - released < ring; the consumer holds slot
// (released % ring) between two calls of Next(). Counters change under the mutex, buffers are touched outside of it.
struct BatchLoader::State {
  struct Slot {
    Tensor images, labels;
    std::vector<uint32_t> image_index;
    Batch batch;
  };

  State(const ImageDataset& d, const LoaderOptions& o, ImageTransform t)
      : dataset(d), options(o), transform(std::move(t)) {}

  void Produce();
  void Shuffle(int64_t epoch, std::vector<uint32_t>& order) const;
  // False when the loader stops half-way.
  bool Fill(Slot& slot, int64_t epoch, int64_t index, std::span<const uint32_t> images);

  const ImageDataset& dataset;
  const LoaderOptions options;
  const ImageTransform transform;
  int64_t batches_per_epoch = 0;
  std::vector<Slot> ring;

  mutable std::mutex mutex;
  std::condition_variable changed;
  int64_t produced = 0, released = 0;
  bool holding = false;   // the consumer has slot `released`
  bool finished = false;  // nothing follows what is produced
  bool stop = false;
  std::chrono::steady_clock::duration waited{};
  std::thread thread;
};

void BatchLoader::State::Shuffle(int64_t epoch, std::vector<uint32_t>& order) const {
  std::iota(order.begin(), order.end(), uint32_t{0});
  if (!options.shuffle) return;
  Random random(options.seed, Random::Stream(kShufflePurpose, static_cast<uint64_t>(epoch)));
  random.Shuffle(order);
}

bool BatchLoader::State::Fill(Slot& slot, int64_t epoch, int64_t index, std::span<const uint32_t> images) {
  const size_t values = dataset.image_bytes();
  const std::span<int64_t> labels = slot.labels.as<int64_t>();
  const std::span<float> pixels = slot.images.as<float>();
  for (size_t i = 0; i < images.size(); ++i) {
    {
      std::lock_guard lock(mutex);
      if (stop) return false;
    }
    const uint32_t image = images[i];
    const std::span<float> out = pixels.subspan(i * values, values);
    if (options.augment) {
      transform.Apply(dataset.image(image), transform.Draw(epoch, image), out);
    } else {
      transform.Normalise(dataset.image(image), out);
    }
    labels[i] = dataset.labels[image];
    slot.image_index[i] = image;
  }
  const auto size = static_cast<int64_t>(images.size());
  slot.batch.epoch = epoch;
  slot.batch.index = index;
  slot.batch.size = size;
  slot.batch.images = {{DType::kF32, {size, dataset.height, dataset.width, dataset.channels}}, slot.images.data()};
  slot.batch.labels = {{DType::kI64, {size}}, slot.labels.data()};
  slot.batch.image_index = {slot.image_index.data(), images.size()};
  return true;
}

void BatchLoader::State::Produce() {
  std::vector<uint32_t> order(static_cast<size_t>(dataset.count));
  int64_t index = options.first_batch;
  for (int64_t epoch = options.first_epoch; options.end_epoch < 0 || epoch < options.end_epoch; ++epoch, index = 0) {
    Shuffle(epoch, order);
    for (; index < batches_per_epoch; ++index) {
      int64_t slot = 0;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return stop || produced - released < options.ring; });
        if (stop) return;
        slot = produced % options.ring;
      }
      const int64_t begin = index * options.batch, size = std::min(options.batch, dataset.count - begin);
      const std::span<const uint32_t> images(order.data() + begin, static_cast<size_t>(size));
      if (!Fill(ring[static_cast<size_t>(slot)], epoch, index, images)) return;
      {
        std::lock_guard lock(mutex);
        ++produced;
      }
      changed.notify_all();
    }
  }
  {
    std::lock_guard lock(mutex);
    finished = true;
  }
  changed.notify_all();
}

absl::StatusOr<std::unique_ptr<BatchLoader>> BatchLoader::Create(const ImageDataset& dataset,
                                                                 const LoaderOptions& options) {
  auto fail = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", dataset.name, what));
  };
  if (dataset.count < 1) return fail("no images, expected at least one");
  if (options.batch < 1 || options.batch > dataset.count) {
    return fail(fmt::format("batch {}, expected 1 to {}, the number of images", options.batch, dataset.count));
  }
  if (options.ring < 2) return fail(fmt::format("ring of {} buffers, expected at least 2", options.ring));
  constexpr int64_t kEpochs = 1 << 24;  // Random::Stream tells no more apart
  if (options.first_epoch < 0 || options.first_epoch >= kEpochs) {
    return fail(fmt::format("first epoch {}, expected 0 to {}", options.first_epoch, kEpochs - 1));
  }
  const int64_t whole = dataset.count / options.batch;
  const int64_t batches = options.drop_last || dataset.count % options.batch == 0 ? whole : whole + 1;
  if (options.first_batch < 0 || options.first_batch > batches) {
    return fail(fmt::format("first batch {}, expected 0 to {}, the batches of an epoch", options.first_batch, batches));
  }
  absl::StatusOr<ImageTransform> transform = ImageTransform::Create(
      dataset, {.flip = options.flip, .crop_padding = options.crop_padding, .seed = options.seed});
  if (!transform.ok()) return transform.status();

  auto state = std::make_unique<State>(dataset, options, *std::move(transform));
  state->batches_per_epoch = batches;
  for (int i = 0; i < options.ring; ++i) {
    state->ring.push_back({Tensor(DType::kF32, {options.batch, dataset.height, dataset.width, dataset.channels}),
                           Tensor(DType::kI64, {options.batch}),
                           std::vector<uint32_t>(static_cast<size_t>(options.batch)),
                           {}});
  }
  State* producer = state.get();
  try {
    state->thread = std::thread([producer] { producer->Produce(); });
  } catch (const std::system_error& e) {
    return absl::ResourceExhaustedError(fmt::format("{}: cannot start the loader thread: {}", dataset.name, e.what()));
  }
  return std::unique_ptr<BatchLoader>(new BatchLoader(std::move(state)));
}

BatchLoader::BatchLoader(std::unique_ptr<State> state) : state_(std::move(state)) {}

BatchLoader::~BatchLoader() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

const Batch* BatchLoader::Next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (s.holding) {
    s.holding = false;
    ++s.released;
    s.changed.notify_all();
  }
  auto ready = [&] { return s.produced > s.released || s.finished; };
  if (!ready()) {
    const auto start = std::chrono::steady_clock::now();
    s.changed.wait(lock, ready);
    s.waited += std::chrono::steady_clock::now() - start;
  }
  if (s.produced == s.released) return nullptr;
  s.holding = true;
  return &s.ring[static_cast<size_t>(s.released % s.options.ring)].batch;
}

int64_t BatchLoader::batches_per_epoch() const { return state_->batches_per_epoch; }

double BatchLoader::wait_seconds() const {
  std::lock_guard lock(state_->mutex);
  return std::chrono::duration<double>(state_->waited).count();
}

int64_t BatchLoader::buffer_bytes() const {
  int64_t bytes = 0;
  for (const State::Slot& slot : state_->ring) {
    bytes += static_cast<int64_t>(slot.images.desc().bytes() + slot.labels.desc().bytes() +
                                  slot.image_index.size() * sizeof(uint32_t));
  }
  return bytes;
}

}  // namespace mathnas::supernet
