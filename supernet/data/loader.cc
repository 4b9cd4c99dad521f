#include "supernet/data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <map>
#include <mutex>
#include <new>
#include <numeric>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "supernet/data/input_maker.h"

namespace mathnas::supernet {

using kernels::DType;
using kernels::Random;
using kernels::Shape;
using kernels::Tensor;

namespace {

constexpr int kMaxThreads = 256;

// Whether the image itself cannot be had. What lacks for the moment (memory, descriptors) is no reason to take another
// image: the sequence would depend on it.
bool IsDamage(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) || absl::IsPermissionDenied(status);
}

}  // namespace

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

// Threads take images one at a time, in the order of the sequence. A batch is opened in slot (opened % ring) as long as
// opened - released < ring, and produced when its last image is done; the consumer holds slot (released % ring) between
// two calls of Next(). All fields change under the mutex but the buffers of a slot
// and, while `opening`, `order`.
struct BatchLoader::State {
  struct Slot {
    Tensor images, labels;
    std::vector<uint32_t> image_index;
    Batch batch;
    int64_t side = 0;       // asked of the maker
    int64_t taken = 0;      // images given to threads
    int64_t remaining = 0;  // images not done
    std::vector<DamagedImage> damaged;
    absl::Status status;  // of the first image in order that has no replacement either
    int64_t failed_at = 0;
  };

  ~State() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    changed.notify_all();
    for (std::thread& t : threads) t.join();
  }

  absl::Status Start();
  void Work();
  // The following batch, or the end; leaves the mutex while it is prepared.
  void Open(std::unique_lock<std::mutex>& lock);
  // One image of the batch opened last; leaves the mutex meanwhile.
  void MakeOne(std::unique_lock<std::mutex>& lock, InputMaker::Scratch& scratch);
  void Shuffle(int64_t epoch);
  Slot& slot(int64_t batch) { return ring[static_cast<size_t>(batch % options.ring)]; }
  bool HasImage() { return opened > 0 && slot(opened - 1).taken < slot(opened - 1).batch.size; }
  absl::Status CheckSide(int64_t side) const;

  std::string name;
  LoaderOptions options;
  ResolutionOptions resolution;
  std::unique_ptr<const InputMaker> maker;
  ImageSourcePtr source;
  std::span<const int32_t> labels;  // of the source
  int64_t batches_per_epoch = 0;
  std::vector<Slot> ring;

  mutable std::mutex mutex;
  std::condition_variable changed;
  int64_t opened = 0, produced = 0, released = 0;
  int64_t next_epoch = 0, next_index = 0;  // of the batch to be opened
  std::vector<uint32_t> order;             // of order_epoch
  int64_t order_epoch = -1;
  bool opening = false;   // a thread is in Open()
  bool holding = false;   // the consumer has slot `released`
  bool finished = false;  // nothing is opened any more
  bool stop = false;
  absl::Status end;     // why nothing is opened any more
  absl::Status status;  // that the consumer has met
  std::map<uint32_t, std::string> damaged;
  std::chrono::steady_clock::duration waited{};
  std::vector<std::thread> threads;
};

void BatchLoader::State::Shuffle(int64_t epoch) {
  std::iota(order.begin(), order.end(), uint32_t{0});
  order_epoch = epoch;
  if (!options.shuffle) return;
  Random random(options.seed, Random::Stream(kShufflePurpose, static_cast<uint64_t>(epoch)));
  random.Shuffle(order);
}

absl::Status BatchLoader::State::CheckSide(int64_t side) const {
  if (side >= 1 && side <= resolution.largest) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}: size {} for batch {} of epoch {}, expected 1 to {}", name, side,
                                                next_index, next_epoch, resolution.largest));
}

void BatchLoader::State::Open(std::unique_lock<std::mutex>& lock) {
  opening = true;
  if (next_index == batches_per_epoch) {
    next_index = 0;
    ++next_epoch;
  }
  const bool last = options.end_epoch >= 0 && next_epoch >= options.end_epoch;
  Slot& s = slot(opened);
  if (!last) {
    lock.unlock();
    if (order_epoch != next_epoch) Shuffle(next_epoch);
    s.side = resolution.size ? resolution.size(next_epoch, next_index) : resolution.largest;
    lock.lock();
    end = CheckSide(s.side);
  }
  opening = false;
  if (last || !end.ok()) {
    finished = true;
  } else if (!finished) {  // an image of an earlier batch may have ended it meanwhile
    const int64_t size = std::min(options.batch, static_cast<int64_t>(labels.size()) - next_index * options.batch);
    const Shape input = maker->InputShape(s.side);
    s.batch.epoch = next_epoch;
    s.batch.index = next_index++;
    s.batch.size = size;
    s.batch.replaced = 0;
    s.batch.images = {{DType::kF32, {size, input[0], input[1], input[2]}}, s.images.data()};
    s.batch.labels = {{DType::kI64, {size}}, s.labels.data()};
    s.batch.image_index = {s.image_index.data(), static_cast<size_t>(size)};
    s.taken = 0;
    s.remaining = size;
    s.damaged.clear();
    ++opened;
  }
  changed.notify_all();
}

void BatchLoader::State::MakeOne(std::unique_lock<std::mutex>& lock, InputMaker::Scratch& scratch) {
  Slot& s = slot(opened - 1);
  const int64_t place = s.taken++;
  const int64_t epoch = s.batch.epoch;
  uint32_t image = order[static_cast<size_t>(s.batch.index * options.batch + place)];
  lock.unlock();

  const auto values = static_cast<size_t>(s.batch.images.desc.elements() / s.batch.size);
  const std::span<float> out = s.batch.images.as<float>().subspan(static_cast<size_t>(place) * values, values);
  std::vector<DamagedImage> bad;
  absl::Status made;
  while (true) {
    made = maker->Make(epoch, image, s.side, scratch, out);
    if (made.ok() || !IsDamage(made)) break;
    bad.push_back({image, std::string(kernels::Message(made))});
    if (resolution.stop_at_damage || bad.size() == std::min<size_t>(kMaxDamagedInARow, labels.size())) break;
    image = (image + 1) % static_cast<uint32_t>(labels.size());
  }
  if (made.ok() && options.augment && options.erasing > 0) {
    const Shape input = maker->InputShape(s.side);
    const Rectangle erased =
        DrawErasing({.probability = options.erasing, .seed = options.seed}, epoch, image, input[0], input[1]);
    Erase(erased, options.seed, epoch, image, input[1], input[2], out);
  }
  s.image_index[static_cast<size_t>(place)] = image;
  s.labels.as<int64_t>()[static_cast<size_t>(place)] = labels[image];

  lock.lock();
  if (!made.ok() && (s.status.ok() || place < s.failed_at)) {
    s.status = std::move(made);
    if (std::ssize(bad) > 1) {
      s.status = kernels::Annotate(
          s.status, fmt::format("{}: {} images in a row that cannot be decoded, the last one", name, bad.size()));
    }
    s.failed_at = place;
    finished = true;
  }
  s.batch.replaced += !bad.empty();
  std::move(bad.begin(), bad.end(), std::back_inserter(s.damaged));
  if (--s.remaining > 0) return;
  while (produced < opened && slot(produced).remaining == 0) ++produced;
  changed.notify_all();
}

void BatchLoader::State::Work() {
  InputMaker::Scratch scratch;
  std::unique_lock lock(mutex);
  while (true) {
    auto can_open = [&] { return !opening && opened - released < options.ring; };
    changed.wait(lock, [&] { return stop || HasImage() || finished || can_open(); });
    if (stop) return;
    if (HasImage()) {
      MakeOne(lock, scratch);
    } else if (finished) {
      return;
    } else {
      Open(lock);
    }
  }
}

absl::Status BatchLoader::State::Start() {
  auto fail = [&](std::string_view what) { return absl::InvalidArgumentError(fmt::format("{}: {}", name, what)); };
  const auto count = static_cast<int64_t>(labels.size());
  if (count < 1) return fail("no images, expected at least one");
  if (options.batch < 1 || options.batch > count) {
    return fail(fmt::format("batch {}, expected 1 to {}, the number of images", options.batch, count));
  }
  if (options.ring < 2) return fail(fmt::format("ring of {} buffers, expected at least 2", options.ring));
  if (options.threads < 1 || options.threads > kMaxThreads) {
    return fail(fmt::format("{} threads, expected 1 to {}", options.threads, kMaxThreads));
  }
  if (!(options.erasing >= 0 && options.erasing <= 1)) {
    return fail(fmt::format("erasing {}, expected 0 to 1", options.erasing));
  }
  constexpr int64_t kEpochs = 1 << 24;  // Random::Stream tells no more apart
  if (options.first_epoch < 0 || options.first_epoch >= kEpochs) {
    return fail(fmt::format("first epoch {}, expected 0 to {}", options.first_epoch, kEpochs - 1));
  }
  const int64_t whole = count / options.batch;
  batches_per_epoch = options.drop_last || count % options.batch == 0 ? whole : whole + 1;
  if (options.first_batch < 0 || options.first_batch > batches_per_epoch) {
    return fail(fmt::format("first batch {}, expected 0 to {}, the batches of an epoch", options.first_batch,
                            batches_per_epoch));
  }
  next_epoch = options.first_epoch;
  next_index = options.first_batch;
  try {
    const Shape input = maker->InputShape(resolution.largest);
    order.resize(labels.size());
    ring.resize(static_cast<size_t>(options.ring));
    for (Slot& s : ring) {
      s.images = Tensor(DType::kF32, {options.batch, input[0], input[1], input[2]});
      s.labels = Tensor(DType::kI64, {options.batch});
      s.image_index.resize(static_cast<size_t>(options.batch));
    }
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: no memory for {} buffers of batches of {}", name, options.ring, options.batch));
  }
  try {
    while (std::ssize(threads) < options.threads) threads.emplace_back([this] { Work(); });
  } catch (const std::system_error& e) {
    return absl::ResourceExhaustedError(fmt::format("{}: cannot start a loader thread: {}", name, e.what()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BatchLoader>> BatchLoader::Create(const ImageDataset& dataset,
                                                                 const LoaderOptions& options) {
  return Create(Referring(dataset), options);
}

absl::StatusOr<std::unique_ptr<BatchLoader>> BatchLoader::Create(ImageSourcePtr source, const LoaderOptions& options) {
  auto state = std::make_unique<State>();
  state->name = source->name();
  state->options = options;
  state->labels = source->labels();
  if (source->count() > 0) {
    absl::StatusOr<ImageTransform> transform = ImageTransform::Create(
        *source, {.flip = options.flip, .crop_padding = options.crop_padding, .seed = options.seed});
    if (!transform.ok()) return transform.status();
    state->maker = FixedSizeMaker(source, *std::move(transform), options.augment);
  }
  state->source = std::move(source);
  if (absl::Status s = state->Start(); !s.ok()) return s;
  return std::unique_ptr<BatchLoader>(new BatchLoader(std::move(state)));
}

absl::StatusOr<std::unique_ptr<BatchLoader>> BatchLoader::Create(ImageSourcePtr source, const LoaderOptions& options,
                                                                 const ResolutionOptions& resolution) {
  if (resolution.largest < 1 || resolution.largest > kMaxInputSize) {
    return absl::InvalidArgumentError(
        fmt::format("{}: largest size {}, expected 1 to {}", source->name(), resolution.largest, kMaxInputSize));
  }
  auto state = std::make_unique<State>();
  state->name = source->name();
  state->options = options;
  state->resolution = resolution;
  state->labels = source->labels();
  ResizingOptions resizing = resolution.resizing;
  resizing.flip = options.flip;
  resizing.seed = options.seed;
  absl::StatusOr<ResizingTransform> transform = ResizingTransform::Create(*source, resizing);
  if (!transform.ok()) return transform.status();
  state->maker = ResizingMaker(source, *std::move(transform), options.augment);
  state->source = std::move(source);
  if (absl::Status s = state->Start(); !s.ok()) return s;
  return std::unique_ptr<BatchLoader>(new BatchLoader(std::move(state)));
}

BatchLoader::BatchLoader(std::unique_ptr<State> state) : state_(std::move(state)) {}

BatchLoader::~BatchLoader() = default;

const Batch* BatchLoader::Next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (s.holding) {
    s.holding = false;
    ++s.released;
    s.changed.notify_all();
  }
  auto ready = [&] { return s.produced > s.released || (s.finished && !s.opening && s.produced == s.opened); };
  if (!ready()) {
    const auto start = std::chrono::steady_clock::now();
    s.changed.wait(lock, ready);
    s.waited += std::chrono::steady_clock::now() - start;
  }
  if (s.produced == s.released) {
    s.status.Update(s.end);
    return nullptr;
  }
  const State::Slot& slot = s.slot(s.released);
  for (const DamagedImage& d : slot.damaged) {
    const bool first = s.damaged.emplace(d.index, d.message).second;
    if (first && s.resolution.on_damage) s.resolution.on_damage(d);
  }
  if (!slot.status.ok()) {
    s.status.Update(slot.status);
    return nullptr;
  }
  s.holding = true;
  return &slot.batch;
}

const absl::Status& BatchLoader::status() const { return state_->status; }

std::vector<DamagedImage> BatchLoader::damaged() const {
  std::lock_guard lock(state_->mutex);
  std::vector<DamagedImage> images;
  for (const auto& [index, message] : state_->damaged) images.push_back({index, message});
  return images;
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
