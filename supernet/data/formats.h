// The readers behind LoadDataset, one for each format, and the checks they share. Private to supernet/data.
#ifndef MATHNAS_SUPERNET_DATA_FORMATS_H_
#define MATHNAS_SUPERNET_DATA_FORMATS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/data/dataset.h"
#include "supernet/data/image_source.h"

namespace mathnas::supernet {

absl::StatusOr<DatasetPair> LoadIdx(const std::string& folder, const DatasetOptions& options);
absl::StatusOr<DatasetPair> LoadCifar10(const std::string& folder, const DatasetOptions& options);
absl::StatusOr<DatasetPair> LoadArrays(const std::string& path, const DatasetOptions& options);
// `parameters`: "N=2048,size=16", without the "synthetic:".
absl::StatusOr<DatasetPair> MakeSynthetic(std::string_view parameters, const DatasetOptions& options);
// What the spec of an image folder begins with.
inline constexpr std::string_view kFolderPrefix = "folder:";
absl::StatusOr<ImageSources> OpenFolder(const std::string& folder, const DatasetOptions& options);

// Largest extent of an image in any format.
inline constexpr int64_t kMaxExtent = 65535;
inline constexpr int64_t kMaxChannels = 64;
// Images of one part: an image index is an uint32_t everywhere, and leaves room.
inline constexpr int64_t kMaxImages = int64_t{1} << 31;
inline constexpr int64_t kMaxClasses = 65536;

// Checks {count, height, width, channels} before anything is allocated: each extent in its range and images plus labels
// within options.max_bytes. `where` = file and field, the beginning of the error.
absl::Status CheckSize(std::string_view where, int64_t count, int64_t height, int64_t width, int64_t channels,
                       const DatasetOptions& options);

// Which images SplitTrainValidation holds out, in ascending order. `name`: the beginning of the error.
absl::StatusOr<std::vector<uint32_t>> HeldOutImages(std::string_view name, std::span<const int32_t> labels, int classes,
                                                    int64_t validation_count, uint64_t seed);

// A part with the name, the size of the images and the classes of `of`, without images.
ImageDataset EmptyLike(const ImageDataset& of, std::string name);
// Appends image `index` of `from`.
void AppendImage(const ImageDataset& from, int64_t index, ImageDataset& to);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_DATA_FORMATS_H_
