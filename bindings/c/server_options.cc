#include "bindings/c/server_options.h"

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings/c/search.h"
#include "bindings/c/status.h"
#include "bindings/c/structs.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "supernet/candidates.h"
#include "supernet/data/image_source.h"

namespace mathnas::c {
namespace {

using supernet::SearchSpace;
using SpacePtr = std::shared_ptr<const SearchSpace>;

constexpr const char* kResolution = "resolution";
constexpr int64_t kMostSide = 65536;

template <typename Number>
absl::Status Expected(std::string_view option, Number value, std::string_view expected) {
  return absl::InvalidArgumentError(fmt::format("{}: {}, expected {}", option, value, expected));
}

absl::StatusOr<std::vector<int>> ResolutionsOf(const mathnas_server_options& o, const core::BlockTable& table) {
  std::vector<int> resolutions;
  if (o.resolution_count > 0) {
    if (o.resolutions == nullptr) return Null("resolutions", fmt::format("a list of {} numbers", o.resolution_count));
    resolutions.assign(o.resolutions, o.resolutions + o.resolution_count);
  } else if (table.structure.shared && table.structure.shared->name == kResolution) {
    for (double value : table.structure.shared->values) {
      if (!(value >= 1 && value <= kMostSide)) return Expected("resolutions of the table", value, "1 to 65536");
      resolutions.push_back(static_cast<int>(value));
    }
  }
  return resolutions;
}

// Copies, as the caller's may go.
absl::StatusOr<supernet::ImageSourcePtr> PixelsOf(const mathnas_server_options& o, const SearchSpace& space) {
  constexpr int64_t kMostBytes = int64_t{1} << 40;
  const int64_t height = o.calibration_height, width = o.calibration_width, images = o.calibration_images;
  if (height < 1 || height > kMostSide) return Expected("calibration_height", height, "1 to 65536");
  if (width < 1 || width > kMostSide) return Expected("calibration_width", width, "1 to 65536");
  const uint32_t channels = o.calibration_channels;
  if (channels < 1 || channels > 256) return Expected("calibration_channels", channels, "1 to 256");
  const int64_t bytes = height * width * channels;
  if (images < 1 || images > kMostBytes / bytes) return Expected("calibration_images", images, "how many they are");
  std::vector<double> mean(channels, 0), deviation(channels, 1);
  if (o.calibration_mean != nullptr) mean.assign(o.calibration_mean, o.calibration_mean + channels);
  if (o.calibration_deviation != nullptr) {
    deviation.assign(o.calibration_deviation, o.calibration_deviation + channels);
  }
  return supernet::Unlabelled("calibration_pixels",
                              std::span(o.calibration_pixels, static_cast<size_t>(images * bytes)), {height, width},
                              static_cast<int>(space.classes()), std::move(mean), std::move(deviation));
}

absl::StatusOr<runtime::CalibrationData> CalibrationOf(const mathnas_server_options& o, const SearchSpace& space) {
  runtime::CalibrationData calibration;
  if (o.calibration_batches < 1) return Expected("calibration_batches", o.calibration_batches, "1 or more");
  if (o.calibration_batch < 1) return Expected("calibration_batch", o.calibration_batch, "1 or more");
  calibration.recalibration = {.batches = o.calibration_batches, .batch = o.calibration_batch, .seed = o.seed};
  if (o.calibration_data != nullptr && o.calibration_pixels != nullptr) {
    return absl::InvalidArgumentError("calibration_data, calibration_pixels: expected one of them, the other null");
  }
  if (o.calibration_pixels != nullptr) {
    auto images = PixelsOf(o, space);
    if (!images.ok()) return images.status();
    calibration.images = *std::move(images);
  } else if (o.calibration_data != nullptr) {
    auto images = supernet::LoadImages(o.calibration_data);
    if (!images.ok()) return kernels::Annotate(images.status(), "calibration_data");
    // The part that the command line recalibrates on.
    auto split = supernet::HoldOut(*images, supernet::kUsualHoldOut, /*seed=*/0);
    if (!split.ok()) return kernels::Annotate(split.status(), "calibration_data");
    calibration.images = std::move(split->train);
  }
  return calibration;
}

absl::StatusOr<int> Small(const char* option, int64_t value, int64_t least, int64_t most) {
  if (value < least || value > most) return Expected(option, value, fmt::format("{} to {}", least, most));
  return static_cast<int>(value);
}

}  // namespace

absl::StatusOr<SpacePtr> WithCandidates(SpacePtr space, const mathnas_server_options& o,
                                        const core::BlockTable& table) {
  const auto resolutions = ResolutionsOf(o, table);
  if (!resolutions.ok()) return resolutions.status();
  return supernet::WithCandidates(std::move(space), o.blocks == nullptr ? "" : o.blocks, *resolutions);
}

absl::StatusOr<runtime::DynamicOptions> DynamicOptionsOf(const mathnas_server_options& o, const SearchSpace& space,
                                                         const core::BlockTable& table) {
  runtime::DynamicOptions options;
  const auto search = Read(o.search);
  if (!search.ok()) return search.status();
  auto request = RequestOf(*search, table);
  if (!request.ok()) return request.status();
  options.choosing.request = *std::move(request);
  for (const auto& [name, value] : {std::pair{"nearest", o.nearest}, std::pair{"background", o.background}}) {
    if (auto checked = Small(name, value, 0, 1); !checked.ok()) return checked.status();
  }
  options.choosing.nearest = o.nearest != 0;
  options.background = o.background != 0;
  options.batch = o.batch;
  options.image_side = o.image_side;
  options.lanes = o.lanes;
  options.prepared = o.prepared;
  if (o.statistics_file != nullptr) options.statistics_file = o.statistics_file;
  auto calibration = CalibrationOf(o, space);
  if (!calibration.ok()) return calibration.status();
  options.calibration = *std::move(calibration);
  if (o.follow != nullptr) {
    options.follow = runtime::FollowOptions{.metric = o.follow,
                                            .warmup = o.follow_warmup,
                                            .window = o.follow_window,
                                            .over = o.follow_over,
                                            .under = o.follow_under,
                                            .margin = o.follow_margin,
                                            .dwell = o.follow_dwell,
                                            .longest_patience = o.follow_longest_patience};
  }
  if (o.clock != nullptr) options.clock = [clock = o.clock, user = o.clock_user] { return clock(user); };
  return options;
}

}  // namespace mathnas::c
