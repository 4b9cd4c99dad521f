#include "bindings/cli/deploy_image.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "mathnas/deploy/image_network.h"
#include "supernet/counting.h"
#include "supernet/network_input.h"
#include "supernet/recalibration.h"

namespace mathnas::cli {
namespace {

bool HasStatistics(const kernels::TensorMap& weights) {
  return std::any_of(weights.entries().begin(), weights.entries().end(),
                     [](const kernels::TensorMap::Entry& e) { return e.name.ends_with("running_mean"); });
}

// What pixels are to the network: by the data, else by --mean and --std; none if nobody says so.
absl::StatusOr<std::optional<deploy::ImageInput>> InputOf(const ImageDeployment& d, const CheckpointNetwork& network,
                                                          const supernet::ImageSource* images) {
  if (images != nullptr) {
    if (!d.mean.empty() || !d.stddev.empty()) {
      return absl::InvalidArgumentError("--mean, --std: expected none where --data is given, which has its own");
    }
    return deploy::InputOf(*network.space, network.choice, *images);
  }
  if (d.mean.empty() != d.stddev.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("--{}: missing, expected --mean and --std together", d.mean.empty() ? "mean" : "std"));
  }
  if (d.mean.empty()) return std::nullopt;
  return deploy::ImageInput{.normalisation = {d.mean, d.stddev}, .evaluation_crop = {}};
}

}  // namespace

void ImageDeployment::AddTo(CLI::App* command) {
  data.AddTo(command,
             "Networks of images: the data set of the training, which statistics of a supernet's network are "
             "recalibrated on, and which says how pixels are normalised");
  command
      ->add_option("--recalibration-batches", recalibration_batches,
                   "Batches of 128 training images for the statistics")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  command->add_flag("--as-is", as_is,
                    "Leave the statistics of a supernet's network as they are: mixed from all of its networks, and "
                    "of little worth");
  command
      ->add_option("--mean", mean, "Without --data: what pixels 0 to 255 are normalised by, for all channels or each")
      ->delimiter(',');
  command->add_option("--std", stddev, "The same, their deviation")->delimiter(',');
}

absl::StatusOr<DeployedWeights> WeightsToDeploy(const Common& common, CheckpointNetwork& network, ImageDeployment& d) {
  const supernet::SearchSpace& space = *network.space;
  auto weights = network.TakeWeights();
  if (!weights.ok()) return weights.status();
  const bool stale = !network.own() && HasStatistics(*weights);
  if (stale && !d.as_is && d.data.name.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("--data: missing, expected the data that {} was trained on: the statistics of a supernet are mixed "
                    "from all of its networks and must be recalibrated (--as-is leaves them as they are)",
                    network.path));
  }
  std::optional<supernet::ImageSources> data;
  if (!d.data.name.empty()) {
    auto loaded = d.data.Load();
    if (!loaded.ok()) return loaded.status();
    data = *std::move(loaded);
    if (auto s = supernet::CheckImages(space, *data->train); !s.ok()) return s;
  }
  auto input = InputOf(d, network, data ? data->train.get() : nullptr);
  if (!input.ok()) return input.status();
  const bool recalibrated = stale && !d.as_is;
  if (recalibrated) {
    auto device = OpenDevice(common);
    if (!device.ok()) return device.status();
    auto s = supernet::Recalibrate(space, network.choice, *weights, *device, data->train,
                                   {.batches = d.recalibration_batches, .seed = common.seed}, d.data.Reading(common));
    if (!s.ok()) return s;
  }
  const char* statistics = !stale ? "of the network's own training" : recalibrated ? "recalibrated" : "of the supernet";
  return DeployedWeights{*std::move(weights), statistics, stale && d.as_is, *std::move(input)};
}

absl::StatusOr<Answer> DeployImageNetwork(const Common& common, CheckpointNetwork& network, ImageDeployment& d,
                                          kernels::Precision precision, const std::string& out) {
  const supernet::SearchSpace& space = *network.space;
  auto ready = WeightsToDeploy(common, network, d);
  if (!ready.ok()) return ready.status();
  auto cost = supernet::CountWork(space, network.choice);
  if (!cost.ok()) return cost.status();
  const Json subnet = Json::parse(space.SubnetJson(network.choice));
  const Json counted = {{"flops", cost->total.flops}, {"parameters", cost->total.parameters}};
  Json information = {{"space", std::string(space.name())},
                      {"subnet", subnet},
                      {"macro", Json::parse(space.MacroJson())},
                      {"cost", counted},
                      {"recipe", Json::parse(network.checkpoint.recipe, nullptr, false)},
                      {"statistics", ready->statistics}};
  if (!d.data.name.empty()) information["data"] = d.data.name;
  auto made =
      deploy::MakeImageNetwork(space, network.choice, ready->weights, ready->input, information.dump(), precision);
  if (!made.ok()) return made.status();
  if (auto s = deploy::Save(out, *made); !s.ok()) return s;
  if (ready->stale) fmt::print(stderr, "warning: {}: its statistics are stale, its answers of little worth\n", out);
  if (!ready->input) {
    fmt::print(stderr,
               "warning: {}: takes normalised values alone; --data, or --mean and --std, say what pixels are to it\n",
               out);
  }
  Answer answer;
  answer.json = {{"network", out},
                 {"format", deploy::kNetworkFormat},
                 {"subnet", subnet},
                 {"cost", counted},
                 {"statistics", ready->statistics},
                 {"pixels", ready->input.has_value()},
                 {"precision", kernels::Name(precision)}};
  answer.text = fmt::format("{}: {} parameters, {}, statistics {}\n", out, cost->total.parameters,
                            kernels::Name(precision), ready->statistics);
  d.data.Report(answer);
  return answer;
}

}  // namespace mathnas::cli
