#include "bindings/python/server_options.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/arrays.h"
#include "bindings/python/data.h"
#include "bindings/python/interrupt.h"
#include "bindings/python/module.h"
#include "bindings/python/network.h"
#include "bindings/python/request.h"
#include "bindings/python/status.h"
#include "bindings/python/supernet.h"
#include "fmt/format.h"
#include "supernet/data/image_source.h"

namespace mathnas::python {
namespace {

struct Following {
  int warmup, window;
  double over, under, margin, dwell, longest_patience;
};

// What a pixel of each channel becomes, {channels, 256}.
std::vector<float> NormalisedPixels(const std::vector<double>& mean, const std::vector<double>& deviation) {
  std::vector<float> values;
  values.reserve(256 * mean.size());
  for (size_t c = 0; c < mean.size(); ++c) {
    for (int pixel = 0; pixel < 256; ++pixel) values.push_back(static_cast<float>((pixel - mean[c]) / deviation[c]));
  }
  return values;
}

// What batch norm is recalibrated on: images of the training part of a data set, or pixels.
supernet::ImageSourcePtr CalibrationImages(nb::handle calibration, const supernet::SearchSpace& space,
                                           const std::vector<double>& mean, const std::vector<double>& deviation) {
  if (calibration.is_none()) return nullptr;
  if (nb::isinstance<nb::str>(calibration) || nb::isinstance<Dataset>(calibration)) {
    // The part that the command line recalibrates on.
    return Take(supernet::HoldOut(ImagesOf(calibration), supernet::kUsualHoldOut, /*seed=*/0)).train;
  }
  Array pixels;
  if (!nb::try_cast(calibration, pixels)) {
    throw nb::type_error("calibration: expected pixels, a Dataset, or a text as the command line takes it");
  }
  const std::span<const uint8_t> bytes = Elements<uint8_t>("calibration", pixels);
  if (pixels.ndim() != 4 || bytes.empty() || pixels.shape(3) != mean.size()) {
    RaiseUnexpected("calibration", pixels, fmt::format("uint8 {{images,height,width,{}}}", mean.size()));
  }
  const supernet::ImageSize size = {static_cast<int64_t>(pixels.shape(1)), static_cast<int64_t>(pixels.shape(2))};
  return Take(supernet::Unlabelled("calibration", bytes, size, static_cast<int>(space.classes()), mean, deviation));
}

void Construct(Server* server, const Supernet& supernet, const Table& table, nb::handle limits,
               const std::string& objective, nb::handle fix, nb::handle forbid, const std::string& estimator,
               const std::string& flops_fixed, nb::handle calibration, std::optional<std::vector<double>> mean,
               std::optional<std::vector<double>> deviation, int64_t calibration_batches, int64_t calibration_batch,
               uint64_t seed, const std::optional<std::filesystem::path>& statistics, int lanes, int64_t batch,
               int64_t image_side, int prepared, bool background, bool nearest,
               const std::optional<std::string>& follow, const Following& following, int threads,
               const std::string& device) {
  const supernet::SearchSpace& space = *supernet.space;
  const auto channels = static_cast<size_t>(space.input_shape().back());
  if (mean.has_value() != deviation.has_value()) {
    RaiseValueError(fmt::format("{}: missing, expected mean and std together", mean ? "std" : "mean"));
  }
  const bool knows_pixels = mean.has_value();
  if (!mean) {
    mean.emplace(channels, 0.0);
    deviation.emplace(channels, 1.0);
  }
  RaiseUnless(supernet::CheckNormalisation("mean, std", static_cast<int64_t>(channels), *mean, *deviation));
  if (calibration_batches < 1)
    RaiseValueError(fmt::format("calibration_batches: {}, expected 1 or more", calibration_batches));
  if (calibration_batch < 1)
    RaiseValueError(fmt::format("calibration_batch: {}, expected 1 or more", calibration_batch));

  runtime::DynamicOptions options;
  options.choosing.request = RequestOf(table, objective, limits, fix, forbid, estimator, flops_fixed, {});
  options.choosing.request.threads = 1;
  options.choosing.nearest = nearest;
  options.calibration.images = CalibrationImages(calibration, space, *mean, *deviation);
  options.calibration.recalibration = {.batches = calibration_batches, .batch = calibration_batch, .seed = seed};
  if (statistics) options.statistics_file = ExistingFile(*statistics);
  options.batch = batch;
  options.image_side = image_side;
  options.lanes = lanes;
  options.prepared = prepared;
  options.background = background;
  if (follow) {
    options.follow = runtime::FollowOptions{.metric = *follow,
                                            .warmup = following.warmup,
                                            .window = following.window,
                                            .over = following.over,
                                            .under = following.under,
                                            .margin = following.margin,
                                            .dwell = following.dwell,
                                            .longest_patience = following.longest_patience};
  }
  auto opened = Take(OpenDevice(device, threads));
  // A copy: training goes on with the supernet's own, and a subnet is never prepared of weights that change.
  auto network = Take(WithoutGil([&] {
    auto weights = std::make_shared<const kernels::TensorMap>(supernet.weights->Clone());
    return runtime::DynamicNetwork::Create({supernet.space.space, std::move(weights)}, *table, std::move(opened),
                                           std::move(options));
  }));
  new (server) Server(supernet.space, table, std::move(network), lanes, image_side,
                      knows_pixels ? NormalisedPixels(*mean, *deviation) : std::vector<float>());
}

}  // namespace

void AddServerConstructor(nb::class_<Server>& server) {
  server.def(
      "__init__",
      [](Server* s, const Supernet& supernet, const Table& table, nb::handle limits, const std::string& objective,
         nb::handle fix, nb::handle forbid, const std::string& estimator, const std::string& flops_fixed,
         nb::handle calibration, std::optional<std::vector<double>> mean, std::optional<std::vector<double>> deviation,
         int64_t calibration_batches, int64_t calibration_batch, uint64_t seed,
         const std::optional<std::filesystem::path>& statistics, int lanes, int64_t batch, int64_t image_side,
         int prepared, bool background, bool nearest, const std::optional<std::string>& follow, int follow_warmup,
         int follow_window, double follow_over, double follow_under, double follow_margin, double follow_dwell,
         double follow_longest_patience, int threads, const std::string& device) {
        Construct(s, supernet, table, limits, objective, fix, forbid, estimator, flops_fixed, calibration,
                  std::move(mean), std::move(deviation), calibration_batches, calibration_batch, seed, statistics,
                  lanes, batch, image_side, prepared, background, nearest, follow,
                  {follow_warmup, follow_window, follow_over, follow_under, follow_margin, follow_dwell,
                   follow_longest_patience},
                  threads, device);
      },
      "supernet"_a, "table"_a, "limits"_a = nb::none(), nb::kw_only(), "objective"_a = "accuracy", "fix"_a = nb::none(),
      "forbid"_a = nb::none(), "estimator"_a = "eq6", "flops_fixed"_a = "exclude", "calibration"_a = nb::none(),
      "mean"_a = nb::none(), "std"_a = nb::none(), "calibration_batches"_a = 20, "calibration_batch"_a = 128,
      "seed"_a = 0, "statistics"_a = nb::none(), "lanes"_a = 1, "batch"_a = 1, "image_side"_a = 0, "prepared"_a = 8,
      "background"_a = true, "nearest"_a = false, "follow"_a = nb::none(), "follow_warmup"_a = 5,
      "follow_window"_a = 20, "follow_over"_a = 0.05, "follow_under"_a = 0.15, "follow_margin"_a = 0.02,
      "follow_dwell"_a = 1.0, "follow_longest_patience"_a = 64.0, "threads"_a = 1, "device"_a = "cpu",
      nb::sig("def __init__(self, supernet: Supernet, table: Table, limits: collections.abc.Mapping[str, float | "
              "tuple[float | None, float | None]] | str | collections.abc.Sequence[str] | None = None, *, objective: "
              "str = 'accuracy', fix: collections.abc.Mapping[str, str | collections.abc.Sequence[str]] | str | "
              "collections.abc.Sequence[str] | None = None, forbid: collections.abc.Mapping[str, str | "
              "collections.abc.Sequence[str]] | str | collections.abc.Sequence[str] | None = None, estimator: str = "
              "'eq6', flops_fixed: str = 'exclude', calibration: numpy.typing.ArrayLike | Dataset | str | None = "
              "None, mean: collections.abc.Sequence[float] | None = None, std: collections.abc.Sequence[float] | None "
              "= None, calibration_batches: int = 20, calibration_batch: int = 128, seed: int = 0, statistics: str | "
              "os.PathLike | None = None, lanes: int = 1, batch: int = 1, image_side: int = 0, prepared: int = 8, "
              "background: bool = True, nearest: bool = False, follow: str | None = None, follow_warmup: int = 5, "
              "follow_window: int = 20, follow_over: float = 0.05, follow_under: float = 0.15, follow_margin: float = "
              "0.02, follow_dwell: float = 1.0, follow_longest_patience: float = 64.0, threads: int = 1, device: str "
              "= 'cpu') -> None"),
      "Solves for the first subnet and prepares it: it can serve afterwards. The weights are copied.\n\n"
      "supernet, table: of the same space (Supernet.with_candidates, where the table has other nodes).\n"
      "limits, objective, fix, forbid, estimator, flops_fixed: as Table.search has them.\n"
      "calibration: what batch norm of a subnet is recalibrated on when it is prepared first, in calibration_batches "
      "of "
      "calibration_batch: pixels, uint8 {images, height, width, channels}, or the training part of a data set.\n"
      "mean, std: of each channel, what pixels 0 to 255 are normalised by; with them requests may be pixels.\n"
      "statistics: a file of save_statistics, in place of calibration or besides it.\n"
      "lanes: requests that run at the same time. batch: images of a run. threads: of a run.\n"
      "image_side: of the images of requests, where networks differ in theirs.\n"
      "prepared: subnets that are kept ready. background: whether a thread of the server prepares, else `work` and "
      "`wait` do.\n"
      "follow: a metric of the table in ms ('latency'), whose limit the measured latency is to keep: the median of "
      "follow_window runs after follow_warmup. Slower than 1 + over of the limit is too slow, faster than 1 - under "
      "has room for a better subnet, new ones are looked for below 1 - margin, follow_dwell seconds apart at least. "
      "nearest: where nothing keeps the limits at that latency, the subnet that comes nearest.\n"
      "RuntimeError: no network keeps the limits, or there are no statistics for the best.");
}

}  // namespace mathnas::python
