// Images and labels as plain arrays in a safetensors file.
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "supernet/data/formats.h"
#include "supernet/safetensors.h"

namespace mathnas::supernet {
namespace {

absl::StatusOr<ImageDataset> LoadPart(const SafetensorsFile& file, const std::string& prefix, std::string name,
                                      const DatasetOptions& options) {
  auto fail = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", file.path(), what));
  };
  const std::string images_name = prefix + "images", labels_name = prefix + "labels";
  absl::StatusOr<ConstTensorView> images = file.Get(images_name);
  if (!images.ok()) return fail(fmt::format("{}: missing, expected U8 {{N, H, W, C}}", images_name));
  absl::StatusOr<ConstTensorView> labels = file.Get(labels_name);
  if (!labels.ok()) return fail(fmt::format("{}: missing, expected I64 {{N}}", labels_name));

  const kernels::TensorDesc& desc = images->desc;
  if (desc.dtype != kernels::DType::kU8 || desc.shape.size() != 4) {
    return fail(fmt::format("{}: is {} {}, expected U8 {{N, H, W, C}}", images_name, kernels::Name(desc.dtype),
                            kernels::ToString(desc.shape)));
  }
  ImageDataset d;
  d.name = std::move(name);
  d.count = desc.shape[0];
  d.height = desc.shape[1];
  d.width = desc.shape[2];
  d.channels = desc.shape[3];
  if (absl::Status s =
          CheckSize(fmt::format("{}: {}", file.path(), images_name), d.count, d.height, d.width, d.channels, options);
      !s.ok()) {
    return s;
  }
  if (labels->desc != kernels::TensorDesc{kernels::DType::kI64, {d.count}}) {
    return fail(fmt::format("{}: is {} {}, expected I64 {}, one for each of {}", labels_name,
                            kernels::Name(labels->desc.dtype), kernels::ToString(labels->desc.shape), d.count,
                            images_name));
  }
  const std::span<const uint8_t> pixels = images->as<uint8_t>();
  d.images.assign(pixels.begin(), pixels.end());
  d.labels.reserve(static_cast<size_t>(d.count));
  for (int64_t label : labels->as<int64_t>()) {
    if (label < 0 || label >= kMaxClasses) {
      return fail(
          fmt::format("{}: label {} is {}, expected 0 to {}", labels_name, d.labels.size(), label, kMaxClasses - 1));
    }
    d.labels.push_back(static_cast<int32_t>(label));
  }
  return d;
}

// The metadata entry "classes", nothing when there is none.
absl::StatusOr<std::optional<int>> DeclaredClasses(const SafetensorsFile& file) {
  auto it = file.metadata().find("classes");
  if (it == file.metadata().end()) return std::nullopt;
  const std::string& text = it->second;
  int classes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), classes);
  if (error != std::errc() || end != text.data() + text.size() || classes < 1 || classes > kMaxClasses) {
    return absl::InvalidArgumentError(
        fmt::format("{}: metadata classes: \"{}\", expected 1 to {}", file.path(), text.substr(0, 80), kMaxClasses));
  }
  return classes;
}

absl::Status CheckLabels(const SafetensorsFile& file, std::string_view field, const ImageDataset& d) {
  auto bad = std::find_if(d.labels.begin(), d.labels.end(), [&](int32_t label) { return label >= d.classes; });
  if (bad == d.labels.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}: {}: label {} is {}, expected 0 to {}", file.path(), field,
                                                bad - d.labels.begin(), *bad, d.classes - 1));
}

// Of every class the last tenth, at least one image of a class that has two. Keeps the order of the file.
DatasetPair SplitLastTenth(const ImageDataset& all) {
  std::vector<int64_t> remaining(static_cast<size_t>(all.classes));
  for (int32_t label : all.labels) ++remaining[static_cast<size_t>(label)];
  std::vector<int64_t> held_out;
  for (int64_t n : remaining) held_out.push_back(n >= 2 ? std::max<int64_t>(1, n / 10) : 0);

  DatasetPair pair{EmptyLike(all, "arrays/train"), EmptyLike(all, "arrays/test")};
  pair.train.images.reserve(all.images.size());
  pair.train.labels.reserve(all.labels.size());
  for (int64_t i = 0; i < all.count; ++i) {
    const auto label = static_cast<size_t>(all.labels[static_cast<size_t>(i)]);
    AppendImage(all, i, remaining[label]-- <= held_out[label] ? pair.test : pair.train);
  }
  return pair;
}

}  // namespace

absl::StatusOr<DatasetPair> LoadArrays(const std::string& path, const DatasetOptions& options) {
  absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<std::optional<int>> declared = DeclaredClasses(*file);
  if (!declared.ok()) return declared.status();
  absl::StatusOr<ImageDataset> train = LoadPart(*file, "", "arrays/train", options);
  if (!train.ok()) return train.status();
  int32_t largest = *std::max_element(train->labels.begin(), train->labels.end());

  DatasetPair pair;
  if (file->contains("test_images") || file->contains("test_labels")) {
    absl::StatusOr<ImageDataset> test = LoadPart(*file, "test_", "arrays/test", options);
    if (!test.ok()) return test.status();
    if (test->height != train->height || test->width != train->width || test->channels != train->channels) {
      return absl::InvalidArgumentError(fmt::format("{}: test_images: of {}x{}x{}, expected {}x{}x{} as in images",
                                                    path, test->height, test->width, test->channels, train->height,
                                                    train->width, train->channels));
    }
    largest = std::max(largest, *std::max_element(test->labels.begin(), test->labels.end()));
    train->classes = test->classes = declared->value_or(largest + 1);
    if (absl::Status s = CheckLabels(*file, "labels", *train); !s.ok()) return s;
    if (absl::Status s = CheckLabels(*file, "test_labels", *test); !s.ok()) return s;
    pair = {*std::move(train), *std::move(test)};
  } else {
    train->classes = declared->value_or(largest + 1);
    if (absl::Status s = CheckLabels(*file, "labels", *train); !s.ok()) return s;
    pair = SplitLastTenth(*train);
    if (pair.test.count == 0) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: labels: no class has two images, expected that or test_images and test_labels to test with", path));
    }
  }
  SetStatistics(pair);
  return pair;
}

}  // namespace mathnas::supernet
