// A folder of image files, one folder per class.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "supernet/data/formats.h"
#include "supernet/data/image_source.h"
#include "supernet/input_file.h"

namespace mathnas::supernet {
namespace {

namespace fs = std::filesystem;

// ImageNet's, on the scale 0 .. 1 (search-spaces.md 3.7).
constexpr double kMean[] = {0.485, 0.456, 0.406}, kStddev[] = {0.229, 0.224, 0.225};
// More than photographs have; every thread holds one file.
constexpr int64_t kMaxFileBytes = int64_t{256} << 20;

bool IsImageName(std::string_view name) {
  if (name.starts_with('.')) return false;
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return false;
  std::string ending(name.substr(dot + 1));
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == "jpg" || ending == "jpeg" || ending == "png";
}

// Names in a folder that `wanted` (a call with the entry and its name) accepts, in order of their bytes.
template <typename Wanted>
absl::StatusOr<std::vector<std::string>> List(const std::string& folder, Wanted wanted) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error); !error && it != end(it); it.increment(error)) {
    std::string name = it->path().filename().string();
    if (wanted(*it, name)) names.push_back(std::move(name));
  }
  if (error) return absl::ErrnoToStatus(error.value(), fmt::format("{}: cannot be listed", folder));
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::vector<std::string>> ClassNames(const std::string& folder) {
  return List(folder, [](const fs::directory_entry& entry, std::string_view name) {
    std::error_code error;
    return !name.starts_with('.') && entry.is_directory(error);
  });
}

class FolderImages : public ImageSource {
 public:
  // `folder`: one part, "FOLDER/train".
  static absl::StatusOr<ImageSourcePtr> Open(std::string folder, std::string name,
                                             const std::vector<std::string>& classes, const DatasetOptions& options) {
    std::shared_ptr<FolderImages> part(new FolderImages);
    part->folder_ = std::move(folder);
    part->name_ = std::move(name);
    part->class_names_ = classes;
    part->classes_ = static_cast<int>(classes.size());
    part->channels_ = 3;
    part->max_pixels_ = options.max_image_pixels;
    for (double m : kMean) part->mean_.push_back(m * 255);
    for (double s : kStddev) part->stddev_.push_back(s * 255);
    for (size_t c = 0; c < classes.size(); ++c) {
      const std::string path = part->folder_ + "/" + classes[c];
      std::error_code error;
      if (!fs::is_directory(path, error)) continue;  // a class that this part has no image of
      // Not asked whether it is a file: that would be a system call for each of millions.
      auto files = List(path, [](const fs::directory_entry&, std::string_view file) { return IsImageName(file); });
      if (!files.ok()) return files.status();
      for (const std::string& file : *files) {
        part->name_begins_.push_back(part->file_names_.size());
        part->file_names_ += file;
        part->file_names_ += '\0';
        part->labels_.push_back(static_cast<int32_t>(c));
      }
      if (part->count() > kMaxImages) {
        return absl::InvalidArgumentError(
            fmt::format("{}: more than {} images, expected at most that", part->folder_, kMaxImages));
      }
    }
    if (part->labels_.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("{}: no images, expected CLASS/*.jpg, *.jpeg or *.png", part->folder_));
    }
    return part;
  }

  std::string Origin(int64_t index) const override {
    const auto i = static_cast<size_t>(index);
    return fmt::format("{}/{}/{}", folder_, class_names_[static_cast<size_t>(labels_[i])],
                       file_names_.c_str() + name_begins_[i]);
  }

  absl::StatusOr<ImageView> Decode(int64_t index, Buffer& buffer) const override {
    const std::string path = Origin(index);
    absl::StatusOr<InputFile> file = InputFile::Open(path);
    if (!file.ok()) return file.status();
    if (file->size() > kMaxFileBytes) {
      return absl::InvalidArgumentError(
          fmt::format("{}: {} bytes, expected at most {}", path, file->size(), kMaxFileBytes));
    }
    try {
      buffer.file.resize(static_cast<size_t>(file->size()));
    } catch (const std::bad_alloc&) {
      return absl::ResourceExhaustedError(fmt::format("{}: no memory for its {} bytes", path, file->size()));
    }
    if (absl::Status s = file->ReadFully(buffer.file, "image"); !s.ok()) return s;
    if (absl::Status s = DecodeImage(buffer.file, path, max_pixels_, buffer.image); !s.ok()) return s;
    return ImageView{buffer.image.height, buffer.image.width, 3, buffer.image.pixels.data()};
  }

 private:
  FolderImages() = default;

  std::string folder_;
  std::vector<std::string> class_names_;
  int64_t max_pixels_ = 0;
  // All file names, each with a zero behind it, and where they begin: a string each would be twice the memory.
  std::string file_names_;
  std::vector<uint64_t> name_begins_;
};

}  // namespace

absl::StatusOr<ImageSources> OpenFolder(const std::string& folder, const DatasetOptions& options) {
  auto exists = [&](const char* part) {
    std::error_code error;
    return fs::is_directory(folder + "/" + part, error);
  };
  for (const char* part : {"", "train"}) {
    if (folder.empty() || !exists(part)) {
      return absl::NotFoundError(
          fmt::format("data \"{}{}\": expected a folder with train/CLASS/*.jpg, *.jpeg or *.png "
                      "and the same in test or val",
                      kFolderPrefix, folder));
    }
  }
  absl::StatusOr<std::vector<std::string>> classes = ClassNames(folder + "/train");
  if (!classes.ok()) return classes.status();
  if (classes->empty() || static_cast<int64_t>(classes->size()) > kMaxClasses) {
    return absl::InvalidArgumentError(fmt::format("{}/train: {} folders, expected 1 to {}, one for each class", folder,
                                                  classes->size(), kMaxClasses));
  }

  auto open = [&](const char* part, const char* name) -> absl::StatusOr<ImageSourcePtr> {
    const std::string path = folder + "/" + part;
    absl::StatusOr<std::vector<std::string>> own = ClassNames(path);
    if (!own.ok()) return own.status();
    for (const std::string& c : *own) {
      if (!std::binary_search(classes->begin(), classes->end(), c)) {
        return absl::InvalidArgumentError(
            fmt::format("{}: class \"{}\", expected none that {}/train has no folder for", path, c, folder));
      }
    }
    return FolderImages::Open(path, name, *classes, options);
  };
  const bool has_test = exists("test"), has_val = exists("val");
  if (!has_test && !has_val) {
    return absl::NotFoundError(fmt::format("{}: expected a folder test or val beside train", folder));
  }
  ImageSources sources;
  absl::StatusOr<ImageSourcePtr> part = open("train", "folder/train");
  if (!part.ok()) return part.status();
  sources.train = *std::move(part);
  part = open(has_test ? "test" : "val", "folder/test");
  if (!part.ok()) return part.status();
  sources.test = *std::move(part);
  if (has_test && has_val) {
    part = open("val", "folder/validation");
    if (!part.ok()) return part.status();
    sources.validation = *std::move(part);
  }
  return sources;
}

}  // namespace mathnas::supernet
