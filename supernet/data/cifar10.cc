// The binary version of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html): records of one label byte, then 32 x 32
// red, green and blue bytes.
#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "supernet/data/formats.h"
#include "supernet/input_file.h"

namespace mathnas::supernet {
namespace {

constexpr int64_t kSide = 32, kPlane = kSide * kSide, kChannels = 3, kRecord = 1 + kChannels * kPlane;
constexpr int kClasses = 10;
// search-spaces.md 2.8; NAS-Bench-201 trains with these.
constexpr double kMean[] = {125.3, 123.0, 113.9}, kStddev[] = {63.0, 62.1, 66.7};

struct FileNames {
  std::vector<std::string> train, test;
};

absl::StatusOr<FileNames> FindFiles(const std::string& folder) {
  FileNames files;
  std::error_code error;
  for (auto it = std::filesystem::directory_iterator(folder, error); !error && it != end(it); it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.ends_with(".bin")) continue;
    if (name.starts_with("data_batch_") || name.starts_with("train")) files.train.push_back(it->path().string());
    if (name.starts_with("test")) files.test.push_back(it->path().string());
  }
  if (error) return absl::ErrnoToStatus(error.value(), fmt::format("{}: cannot be listed", folder));
  if (files.train.empty()) {
    return absl::NotFoundError(fmt::format("{}: expected data_batch_*.bin or train*.bin", folder));
  }
  if (files.test.empty()) return absl::NotFoundError(fmt::format("{}: expected test_batch.bin or test*.bin", folder));
  std::sort(files.train.begin(), files.train.end());
  std::sort(files.test.begin(), files.test.end());
  return files;
}

// Appends the records of one file, planes turned into pixels.
absl::Status AppendFile(InputFile& file, ImageDataset& d) {
  std::vector<uint8_t> record(kRecord);
  for (int64_t i = 0; i < file.size() / kRecord; ++i) {
    if (absl::Status s = file.ReadFully(record, "record"); !s.ok()) return s;
    if (record[0] >= kClasses) {
      return absl::InvalidArgumentError(
          fmt::format("{}: label of record {} is {}, expected 0 to {}", file.path(), i, record[0], kClasses - 1));
    }
    uint8_t* out = d.images.data() + static_cast<size_t>(d.count) * d.image_bytes();
    for (int64_t p = 0; p < kPlane; ++p) {
      for (int64_t c = 0; c < kChannels; ++c) *out++ = record[static_cast<size_t>(1 + c * kPlane + p)];
    }
    d.labels[static_cast<size_t>(d.count++)] = record[0];
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageDataset> LoadPart(const std::string& folder, const std::vector<std::string>& paths,
                                      std::string name, const DatasetOptions& options) {
  std::vector<InputFile> files;
  int64_t bytes = 0;
  for (const std::string& path : paths) {
    absl::StatusOr<InputFile> file = InputFile::Open(path);
    if (!file.ok()) return file.status();
    if (file->size() == 0 || file->size() % kRecord != 0) {
      return absl::InvalidArgumentError(
          fmt::format("{}: {} bytes long, expected a multiple of {}, one label and {} pixel "
                      "bytes",
                      path, file->size(), kRecord, kRecord - 1));
    }
    if (__builtin_add_overflow(bytes, file->size(), &bytes)) bytes = INT64_MAX;
    files.push_back(*std::move(file));
  }
  const int64_t count = bytes / kRecord;
  if (absl::Status s = CheckSize(folder, count, kSide, kSide, kChannels, options); !s.ok()) return s;

  ImageDataset d;
  d.name = std::move(name);
  d.height = d.width = kSide;
  d.channels = kChannels;
  d.classes = kClasses;
  d.images.resize(static_cast<size_t>(count) * d.image_bytes());
  d.labels.resize(static_cast<size_t>(count));
  for (InputFile& file : files) {
    if (absl::Status s = AppendFile(file, d); !s.ok()) return s;
  }
  d.mean.assign(std::begin(kMean), std::end(kMean));
  d.stddev.assign(std::begin(kStddev), std::end(kStddev));
  return d;
}

}  // namespace

absl::StatusOr<DatasetPair> LoadCifar10(const std::string& folder, const DatasetOptions& options) {
  absl::StatusOr<FileNames> files = FindFiles(folder);
  if (!files.ok()) return files.status();
  absl::StatusOr<ImageDataset> train = LoadPart(folder, files->train, "cifar10/train", options);
  if (!train.ok()) return train.status();
  absl::StatusOr<ImageDataset> test = LoadPart(folder, files->test, "cifar10/test", options);
  if (!test.ok()) return test.status();
  return DatasetPair{*std::move(train), *std::move(test)};
}

}  // namespace mathnas::supernet
