#include "supernet/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <system_error>
#include <tuple>
#include <utility>

#include "fmt/format.h"
#include "kernels/random.h"
#include "supernet/data/formats.h"

namespace mathnas::supernet {

absl::Status CheckSize(std::string_view where, int64_t count, int64_t height, int64_t width, int64_t channels,
                       const DatasetOptions& options) {
  auto fail = [&](std::string_view what, int64_t value, int64_t most) {
    return absl::InvalidArgumentError(fmt::format("{}: {} {}, expected 1 to {}", where, value, what, most));
  };
  if (count < 1 || count > kMaxImages) return fail("images", count, kMaxImages);
  if (height < 1 || height > kMaxExtent) return fail("rows", height, kMaxExtent);
  if (width < 1 || width > kMaxExtent) return fail("columns", width, kMaxExtent);
  if (channels < 1 || channels > kMaxChannels) return fail("channels", channels, kMaxChannels);
  // At most 2^31 * (2^16 * 2^16 * 2^6 + 4): divide, do not multiply.
  const int64_t per_image = height * width * channels + static_cast<int64_t>(sizeof(int32_t));
  if (count > options.max_bytes / per_image) {
    return absl::InvalidArgumentError(fmt::format("{}: {} images of {}x{}x{}, expected at most {} bytes in memory",
                                                  where, count, height, width, channels, options.max_bytes));
  }
  return absl::OkStatus();
}

void SetStatistics(DatasetPair& pair) {
  const ImageDataset& d = pair.train;
  // Counts of every value: sums of squares stay exact, whatever the number of images.
  std::vector<uint64_t> histogram(static_cast<size_t>(d.channels) * 256);
  const uint8_t* p = d.images.data();
  for (int64_t i = 0; i < d.count * d.height * d.width; ++i) {
    for (int64_t c = 0; c < d.channels; ++c) ++histogram[static_cast<size_t>(c * 256 + *p++)];
  }
  const double n = static_cast<double>(d.count * d.height * d.width);
  std::vector<double> mean, stddev;
  for (int64_t c = 0; c < d.channels; ++c) {
    const uint64_t* h = histogram.data() + c * 256;
    double sum = 0, squares = 0;
    for (int v = 0; v < 256; ++v) sum += static_cast<double>(h[v]) * v;
    const double m = sum / n;
    for (int v = 0; v < 256; ++v) squares += static_cast<double>(h[v]) * (v - m) * (v - m);
    mean.push_back(m);
    stddev.push_back(squares > 0 ? std::sqrt(squares / n) : 1);
  }
  for (ImageDataset* part : {&pair.train, &pair.test}) {
    part->mean = mean;
    part->stddev = stddev;
  }
}

ImageDataset EmptyLike(const ImageDataset& of, std::string name) {
  ImageDataset d;
  d.name = std::move(name);
  std::tie(d.height, d.width, d.channels, d.classes) = std::tie(of.height, of.width, of.channels, of.classes);
  d.mean = of.mean;
  d.stddev = of.stddev;
  return d;
}

void AppendImage(const ImageDataset& from, int64_t index, ImageDataset& to) {
  const std::span<const uint8_t> image = from.image(index);
  to.images.insert(to.images.end(), image.begin(), image.end());
  to.labels.push_back(from.labels[static_cast<size_t>(index)]);
  ++to.count;
}

absl::StatusOr<DatasetPair> LoadDataset(std::string_view spec, const DatasetOptions& options) {
  const size_t colon = spec.find(':');
  const std::string_view kind = spec.substr(0, colon);
  const std::string rest(colon == spec.npos ? "" : spec.substr(colon + 1));
  auto need = [&](std::string_view form) {
    return absl::InvalidArgumentError(fmt::format("data \"{}\": expected {}", spec, form));
  };
  if (kind == "fashion-mnist") {
    if (colon == spec.npos) return LoadIdx(options.fashion_mnist_folder, options);
    return rest.empty() ? need("fashion-mnist:FOLDER") : LoadIdx(rest, options);
  }
  if (kind == "cifar10") return rest.empty() ? need("cifar10:FOLDER") : LoadCifar10(rest, options);
  if (kind == "arrays") return rest.empty() ? need("arrays:FILE.safetensors") : LoadArrays(rest, options);
  if (kind == "folder") {
    return need(
        "images that all have one size; those of a folder do not, and serve search spaces that take any "
        "resolution");
  }
  if (kind == "synthetic") return MakeSynthetic(rest, options);
  std::error_code error;
  if (!spec.empty() && std::filesystem::is_directory(std::string(spec), error)) {
    return LoadIdx(std::string(spec), options);
  }
  return need(
      "fashion-mnist, fashion-mnist:FOLDER, a folder of IDX files, cifar10:FOLDER, arrays:FILE.safetensors or "
      "synthetic[:N=..,size=..]");
}

absl::StatusOr<std::vector<uint32_t>> HeldOutImages(std::string_view name, std::span<const int32_t> labels, int classes,
                                                    int64_t validation_count, uint64_t seed) {
  const auto count = static_cast<int64_t>(labels.size());
  if (validation_count < 1 || validation_count >= count) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {} validation images, expected 1 to {}", name, validation_count, count - 1));
  }
  std::vector<std::vector<uint32_t>> members(static_cast<size_t>(classes));
  for (size_t i = 0; i < labels.size(); ++i) {
    members[static_cast<size_t>(labels[i])].push_back(static_cast<uint32_t>(i));
  }

  // Each class gives its share rounded down; what is missing to the total comes from the largest remainders.
  // Products stay below 2^62.
  std::vector<int64_t> quota(members.size());
  auto share = [&](size_t c) { return validation_count * static_cast<int64_t>(members[c].size()); };
  for (size_t c = 0; c < members.size(); ++c) quota[c] = share(c) / count;
  std::vector<size_t> order(members.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return share(a) % count > share(b) % count; });
  int64_t missing = validation_count - std::accumulate(quota.begin(), quota.end(), int64_t{0});
  for (size_t i = 0; missing > 0; ++i, --missing) ++quota[order[i]];

  std::vector<uint32_t> held_out;
  for (size_t c = 0; c < members.size(); ++c) {
    kernels::Random random(seed, kernels::Random::Stream(kSplitPurpose, c));
    random.Shuffle(members[c]);
    held_out.insert(held_out.end(), members[c].begin(), members[c].begin() + quota[c]);
  }
  std::sort(held_out.begin(), held_out.end());
  return held_out;
}

absl::StatusOr<TrainValidationSplit> SplitTrainValidation(ImageDataset dataset, int64_t validation_count,
                                                          uint64_t seed) {
  absl::StatusOr<std::vector<uint32_t>> held_out =
      HeldOutImages(dataset.name, dataset.labels, dataset.classes, validation_count, seed);
  if (!held_out.ok()) return held_out.status();

  TrainValidationSplit split;
  split.validation = EmptyLike(dataset, dataset.name + "/validation");
  split.validation.images.reserve(held_out->size() * dataset.image_bytes());
  split.validation.labels.reserve(held_out->size());
  for (uint32_t i : *held_out) AppendImage(dataset, i, split.validation);

  // The rest moves up to close the gaps.
  const size_t bytes = dataset.image_bytes();
  int64_t kept = 0;
  auto next = held_out->begin();
  for (int64_t i = 0; i < dataset.count; ++i) {
    if (next != held_out->end() && *next == i) {
      ++next;
      continue;
    }
    if (kept != i) {
      uint8_t* images = dataset.images.data();
      std::copy_n(images + static_cast<size_t>(i) * bytes, bytes, images + static_cast<size_t>(kept) * bytes);
      dataset.labels[static_cast<size_t>(kept)] = dataset.labels[static_cast<size_t>(i)];
    }
    ++kept;
  }
  dataset.count = kept;
  dataset.images.resize(static_cast<size_t>(kept) * bytes);
  dataset.labels.resize(static_cast<size_t>(kept));
  split.train = std::move(dataset);
  return split;
}

}  // namespace mathnas::supernet
