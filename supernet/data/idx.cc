// IDX, the format of MNIST and Fashion-MNIST (http://yann.lecun.com/exdb/mnist): a magic number 00 00 TYPE RANK, RANK
// extents of four bytes, big endian, then the values.
#include <algorithm>
#include <array>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "supernet/data/formats.h"
#include "supernet/inflating_file.h"

namespace mathnas::supernet {
namespace {

constexpr int kClasses = 10;
constexpr uint32_t kImagesMagic = 0x00000803;  // unsigned bytes, rank 3
constexpr uint32_t kLabelsMagic = 0x00000801;  // unsigned bytes, rank 1

// An IDX file: what its header promises is checked before anything is allocated for it.
class IdxStream {
 public:
  static absl::StatusOr<std::unique_ptr<IdxStream>> Open(const std::string& path) {
    absl::StatusOr<InflatingFile> file = InflatingFile::Open(path);
    if (!file.ok()) return file.status();
    return std::unique_ptr<IdxStream>(new IdxStream(*std::move(file)));
  }

  const std::string& path() const { return file_.path(); }

  // Whether `bytes` more can come out of this file, judged by its size.
  absl::Status CheckPromise(int64_t header_bytes, int64_t bytes) {
    if (header_bytes + bytes <= file_.most_bytes()) return absl::OkStatus();
    return Error(fmt::format("header promises {} bytes of values, but the {} of {} bytes cannot hold them", bytes,
                             file_.is_gzip() ? "gzip file" : "file", file_.size()));
  }

  absl::Status Read(std::span<uint8_t> out, std::string_view field) {
    absl::StatusOr<size_t> n = file_.Read(out);
    if (!n.ok()) return n.status();
    if (*n == out.size()) return absl::OkStatus();
    return Error(fmt::format("{}: data ends after {} bytes of it, expected {}", field, *n, out.size()));
  }

  absl::StatusOr<uint32_t> ReadWord(std::string_view field) {
    std::array<uint8_t, 4> b;
    if (absl::Status s = Read(b, field); !s.ok()) return s;
    return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
  }

  // The values must be the end of the data, and the checksum of a gzip file right.
  absl::Status ExpectEnd() {
    std::array<uint8_t, 1> more;
    absl::StatusOr<size_t> n = file_.Read(more);
    if (!n.ok()) return n.status();
    if (*n > 0) return Error("data goes on after the values that the header promises, expected the end");
    return file_.ExpectEnd();
  }

 private:
  explicit IdxStream(InflatingFile file) : file_(std::move(file)) {}

  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(fmt::format("{}: {}", path(), what));
  }

  InflatingFile file_;
};

// The first of the usual names that exists in `folder`: with '-' or '.' before "idx", plain or with ".gz".
absl::StatusOr<std::string> FindFile(const std::string& folder, const std::string& stem, const std::string& kind) {
  for (const char* separator : {"-", "."}) {
    for (const char* ending : {"", ".gz"}) {
      const std::string path = fmt::format("{}/{}{}{}-ubyte{}", folder, stem, separator, kind, ending);
      std::error_code error;
      if (std::filesystem::exists(path, error)) return path;
    }
  }
  return absl::NotFoundError(
      fmt::format("{}: expected a file {}-{}-ubyte or {}-{}-ubyte.gz", folder, stem, kind, stem, kind));
}

// Opens the file and reads its header: `extents` words after the magic number.
struct Idx {
  std::unique_ptr<IdxStream> stream;
  std::vector<int64_t> extents;
};
absl::StatusOr<Idx> OpenIdx(const std::string& folder, const std::string& stem, const std::string& kind,
                            uint32_t expected_magic) {
  absl::StatusOr<std::string> path = FindFile(folder, stem, kind);
  if (!path.ok()) return path.status();
  absl::StatusOr<std::unique_ptr<IdxStream>> stream = IdxStream::Open(*path);
  if (!stream.ok()) return stream.status();
  Idx idx{*std::move(stream), {}};
  absl::StatusOr<uint32_t> magic = idx.stream->ReadWord("magic number");
  if (!magic.ok()) return magic.status();
  if (*magic != expected_magic) {
    return absl::InvalidArgumentError(
        fmt::format("{}: magic number 0x{:08x}, expected 0x{:08x}", *path, *magic, expected_magic));
  }
  constexpr const char* kNames[] = {"count", "rows", "columns"};
  for (uint32_t i = 0; i < (expected_magic & 0xff); ++i) {
    absl::StatusOr<uint32_t> extent = idx.stream->ReadWord(kNames[i]);
    if (!extent.ok()) return extent.status();
    idx.extents.push_back(*extent);
  }
  return idx;
}

absl::StatusOr<ImageDataset> LoadPart(const std::string& folder, const std::string& stem, const DatasetOptions& options,
                                      std::string name) {
  absl::StatusOr<Idx> images = OpenIdx(folder, stem + "-images", "idx3", kImagesMagic);
  if (!images.ok()) return images.status();
  absl::StatusOr<Idx> labels = OpenIdx(folder, stem + "-labels", "idx1", kLabelsMagic);
  if (!labels.ok()) return labels.status();

  ImageDataset d;
  d.name = std::move(name);
  d.count = images->extents[0];
  d.height = images->extents[1];
  d.width = images->extents[2];
  d.channels = 1;
  d.classes = kClasses;
  if (absl::Status s = CheckSize(images->stream->path() + ": header", d.count, d.height, d.width, 1, options);
      !s.ok()) {
    return s;
  }
  const int64_t bytes = d.count * d.height * d.width;
  if (absl::Status s = images->stream->CheckPromise(16, bytes); !s.ok()) return s;
  if (labels->extents[0] != d.count) {
    return absl::InvalidArgumentError(fmt::format("{}: count: {} labels, expected {}, the images of {}",
                                                  labels->stream->path(), labels->extents[0], d.count,
                                                  images->stream->path()));
  }
  if (absl::Status s = labels->stream->CheckPromise(8, d.count); !s.ok()) return s;

  d.images.resize(static_cast<size_t>(bytes));
  if (absl::Status s = images->stream->Read(d.images, "pixels"); !s.ok()) return s;
  if (absl::Status s = images->stream->ExpectEnd(); !s.ok()) return s;

  std::vector<uint8_t> values(static_cast<size_t>(d.count));
  if (absl::Status s = labels->stream->Read(values, "labels"); !s.ok()) return s;
  if (absl::Status s = labels->stream->ExpectEnd(); !s.ok()) return s;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= kClasses) {
      return absl::InvalidArgumentError(
          fmt::format("{}: label {} is {}, expected 0 to {}", labels->stream->path(), i, values[i], kClasses - 1));
    }
  }
  d.labels.assign(values.begin(), values.end());
  return d;
}

}  // namespace

absl::StatusOr<DatasetPair> LoadIdx(const std::string& folder, const DatasetOptions& options) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    const bool standard = folder == DatasetOptions().fashion_mnist_folder;
    return absl::NotFoundError(
        fmt::format("{}: expected a folder of IDX files{}", folder,
                    standard ? ": install dataset-fashion-mnist, or give fashion-mnist:FOLDER" : ""));
  }
  absl::StatusOr<ImageDataset> train = LoadPart(folder, "train", options, "fashion-mnist/train");
  if (!train.ok()) return train.status();
  absl::StatusOr<ImageDataset> test = LoadPart(folder, "t10k", options, "fashion-mnist/test");
  if (!test.ok()) return test.status();
  if (train->height != test->height || train->width != test->width) {
    return absl::InvalidArgumentError(fmt::format("{}: test images of {}x{}, expected {}x{} as the training images",
                                                  folder, test->height, test->width, train->height, train->width));
  }
  DatasetPair pair{*std::move(train), *std::move(test)};
  SetStatistics(pair);
  return pair;
}

}  // namespace mathnas::supernet
