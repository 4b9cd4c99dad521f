#include "supernet/training/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/internal/json_text.h"
#include "kernels/status.h"
#include "nlohmann/json.hpp"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/safetensors.h"
#include "supernet/supertransformer/space.h"
#include "supernet/supervit/space.h"
#include "supernet/training/optimizer.h"
#include "supernet/weights.h"

namespace mathnas::supernet {
namespace {

using kernels::Tensor;
using kernels::TensorMap;
using kernels::internal::JsonText;
using kernels::internal::ParseJson;
using nlohmann::json;

constexpr std::string_view kAverage = "average.";

absl::Status Bad(const std::string& path, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", path, what));
}

absl::Status ReadProgress(const std::string& path, const std::string& text, Checkpoint& checkpoint) {
  const json progress = ParseJson(text);
  if (!progress.is_object()) return Bad(path, "metadata \"progress\": expected a JSON object");
  for (const char* field : {"epoch", "batch"}) {
    if (!progress.contains(field) || !progress[field].is_number_integer() || progress[field] < 0) {
      return Bad(path, fmt::format("metadata \"progress\".{}: expected an integer of at least 0", field));
    }
  }
  if (!progress.contains("seed") || !progress["seed"].is_number_unsigned()) {
    return Bad(path, "metadata \"progress\".seed: expected an integer of at least 0");
  }
  checkpoint.epoch = progress["epoch"].get<int64_t>();
  checkpoint.batch = progress["batch"].get<int64_t>();
  checkpoint.seed = progress["seed"].get<uint64_t>();
  if (!progress.contains("epochs") || !progress["epochs"].is_array()) {
    return Bad(path, "metadata \"progress\".epochs: expected a list");
  }
  for (const json& e : progress["epochs"]) {
    if (!e.is_array() || e.size() != 4 || !e[0].is_number() || !e[1].is_number() || !e[2].is_number_integer() ||
        !e[3].is_number()) {
      return Bad(path, "metadata \"progress\".epochs: expected entries [loss, accuracy, images, seconds]");
    }
    checkpoint.epochs.push_back({e[0].get<double>(), e[1].get<double>(), e[2].get<int64_t>(), e[3].get<double>()});
  }
  if (progress.contains("loss_scale")) {
    const json& scale = progress["loss_scale"];
    const bool valid = scale.is_array() && scale.size() == 2 && scale[0].is_number() && scale[1].is_number_integer();
    LossScale& read = checkpoint.loss_scale.emplace();
    if (valid) read = {scale[0].get<double>(), scale[1].get<int64_t>()};
    if (!valid || !(read.value > 0 && read.value <= LossScale::kLargest) || read.updates < 0 ||
        read.updates >= LossScale::kInterval) {
      return Bad(path,
                 fmt::format("metadata \"progress\".loss_scale: expected a list [scale, updates], above 0 to {} and "
                             "0 to {}",
                             LossScale::kLargest, LossScale::kInterval - 1));
    }
  }
  const auto epochs = static_cast<int64_t>(checkpoint.epochs.size());
  if (epochs < checkpoint.epoch || epochs > checkpoint.epoch + 1) {
    return Bad(path, fmt::format("metadata \"progress\".epochs: {} entries for epoch {}", epochs, checkpoint.epoch));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SaveCheckpoint(const std::string& path, const Checkpoint& checkpoint) {
  json epochs = json::array();
  for (const EpochRecord& e : checkpoint.epochs) epochs.push_back({e.loss, e.accuracy, e.images, e.seconds});
  json progress = {{"epoch", checkpoint.epoch},
                   {"batch", checkpoint.batch},
                   {"generator", "philox4x32-10"},
                   {"seed", checkpoint.seed},
                   {"epochs", epochs}};
  if (checkpoint.loss_scale) progress["loss_scale"] = {checkpoint.loss_scale->value, checkpoint.loss_scale->updates};
  Metadata metadata = {{"format", std::string(kCheckpointFormat)},
                       {"space", checkpoint.space},
                       {"macro", checkpoint.macro},
                       {"recipe", checkpoint.recipe},
                       {"progress", JsonText(progress)}};
  if (checkpoint.subnet) metadata["subnet"] = *checkpoint.subnet;
  std::vector<NamedTensor> tensors;
  for (const TensorMap::Entry& e : checkpoint.weights.entries()) tensors.emplace_back(e.name, e.tensor.view());
  for (const TensorMap::Entry& e : checkpoint.optimizer.entries()) tensors.emplace_back(e.name, e.tensor.view());
  for (const TensorMap::Entry& e : checkpoint.average.entries()) {
    tensors.emplace_back(std::string(kAverage) + e.name, e.tensor.view());
  }
  return WriteSafetensors(path, tensors, metadata);
}

absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path) {
  auto file = SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  return LoadCheckpoint(*file);
}

absl::StatusOr<Checkpoint> LoadCheckpoint(const SafetensorsFile& file) {
  const std::string& path = file.path();
  const Metadata& metadata = file.metadata();
  const auto field = [&](const char* name) -> const std::string* {
    auto it = metadata.find(name);
    return it == metadata.end() ? nullptr : &it->second;
  };
  if (auto s = CheckFormat(metadata, kCheckpointFormat); !s.ok()) return kernels::Annotate(s, path);
  for (const char* name : {"space", "macro", "recipe", "progress"}) {
    if (field(name) == nullptr) return Bad(path, fmt::format("metadata \"{}\": missing", name));
  }
  Checkpoint checkpoint;
  checkpoint.space = *field("space");
  checkpoint.macro = *field("macro");
  checkpoint.recipe = *field("recipe");
  if (const std::string* subnet = field("subnet")) checkpoint.subnet = *subnet;
  if (auto s = ReadProgress(path, *field("progress"), checkpoint); !s.ok()) return s;
  for (const std::string& name : file.names()) {
    auto tensor = file.Load(name);
    if (!tensor.ok()) return tensor.status();
    if (name.starts_with(kAverage)) {
      checkpoint.average.Put(name.substr(kAverage.size()), *std::move(tensor));
    } else {
      kernels::TensorMap& owner = Optimizer::IsState(name) ? checkpoint.optimizer : checkpoint.weights;
      owner.Put(name, *std::move(tensor));
    }
  }
  auto space = SpaceOf(checkpoint.space, checkpoint.macro);
  if (!space.ok()) return kernels::Annotate(space.status(), path);
  std::optional<Choice> own;
  if (checkpoint.subnet) {
    auto choice = (*space)->ParseSubnet(*checkpoint.subnet);
    if (!choice.ok()) return kernels::Annotate(choice.status(), path);
    own = *std::move(choice);
  }
  if (auto s = CheckWeights(**space, own, checkpoint.weights); !s.ok()) return kernels::Annotate(s, path);
  if (auto s = Optimizer::CheckState(checkpoint.optimizer, checkpoint.weights); !s.ok()) {
    return kernels::Annotate(s, path);
  }
  for (const TensorMap::Entry& e : checkpoint.average.entries()) {
    const Tensor* weight = checkpoint.weights.Find(e.name);
    if (weight == nullptr || weight->desc() != e.tensor.desc()) {
      return Bad(path, fmt::format("tensor \"{}{}\" is {} {}, expected the type and shape of \"{}\"", kAverage, e.name,
                                   Name(e.tensor.desc().dtype), kernels::ToString(e.tensor.shape()), e.name));
    }
  }
  return checkpoint;
}

void TakeTrained(Checkpoint& checkpoint) {
  checkpoint.optimizer = TensorMap();
  checkpoint.loss_scale.reset();
  TensorMap average = std::exchange(checkpoint.average, {});
  for (const TensorMap::Entry& e : average.entries()) checkpoint.weights.Put(e.name, e.tensor.Clone());
}

absl::StatusOr<Checkpoint> LoadTrained(const std::string& path) {
  auto checkpoint = LoadCheckpoint(path);
  if (checkpoint.ok()) TakeTrained(*checkpoint);
  return checkpoint;
}

absl::StatusOr<std::optional<Checkpoint>> LoadToResume(const std::string& path, const Checkpoint& run) {
  if (!std::filesystem::exists(path)) return std::optional<Checkpoint>();
  auto loaded = LoadCheckpoint(path);
  if (!loaded.ok()) return loaded.status();
  const std::tuple<const char*, std::string, std::string> fields[] = {
      {"space", loaded->space, run.space},
      {"macro parameters", loaded->macro, run.macro},
      {"subnet", loaded->subnet.value_or("the supernet"), run.subnet.value_or("the supernet")},
      {"recipe", loaded->recipe, run.recipe}};
  for (const auto& [what, found, expected] : fields) {
    if (found != expected) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: cannot resume with another {}: the checkpoint has {}, this run {}", path, what, found, expected));
    }
  }
  return *std::move(loaded);
}

absl::StatusOr<std::shared_ptr<const SearchSpace>> SpaceOf(const std::string& space, const std::string& macro) {
  if (space == "nasbench201") {
    auto parsed = ParseNasBench201Macro(macro);
    if (!parsed.ok()) return parsed.status();
    return NasBench201(*parsed);
  }
  if (space == "mobilenetv3") {
    auto parsed = ParseMobileNetV3Macro(macro);
    if (!parsed.ok()) return parsed.status();
    return MobileNetV3(*parsed);
  }
  if (space == "supervit") {
    auto parsed = ParseSuperVitMacro(macro);
    if (!parsed.ok()) return parsed.status();
    return SuperVit(*parsed);
  }
  if (space == "supertransformer") {
    auto parsed = ParseSuperTransformerMacro(macro);
    if (!parsed.ok()) return parsed.status();
    return SuperTransformer(*parsed);
  }
  return absl::InvalidArgumentError(
      fmt::format("space \"{:.100}\": expected nasbench201, mobilenetv3, supertransformer or supervit", space));
}

absl::Status CheckWeights(const SearchSpace& space, const std::optional<Choice>& own, const TensorMap& weights) {
  constexpr std::string_view kMean = "running_mean", kCounter = "num_batches_tracked";
  constexpr size_t kListed = 20;
  const GraphRequest request = {.mode = Mode::kTraining};
  const NetworkGraph network = own ? space.Network(*own, request) : space.Supernet(request);
  if (!network.graph.status().ok()) return network.graph.status();
  std::vector<std::string> wrong;
  std::set<std::string> known;
  // Null and optional: a counter, which training keeps where it is.
  const auto check = [&](const std::string& name, const kernels::TensorDesc& expected, bool optional) {
    known.insert(name);
    const Tensor* tensor = weights.Find(name);
    if (tensor == nullptr) {
      if (!optional) wrong.push_back(fmt::format("tensor \"{}\": missing", name));
    } else if (tensor->desc() != expected) {
      wrong.push_back(fmt::format("tensor \"{}\" is {} {}, expected {} {}", name, Name(tensor->desc().dtype),
                                  kernels::ToString(tensor->shape()), Name(expected.dtype),
                                  kernels::ToString(expected.shape)));
    }
  };
  for (kernels::ValueKind kind : {kernels::ValueKind::kParameter, kernels::ValueKind::kState}) {
    for (kernels::Value v : network.graph.Leaves(kind)) {
      const kernels::Graph::ValueInfo& leaf = network.graph.info(v);
      check(leaf.name, leaf.desc, false);
      if (!leaf.name.ends_with(kMean)) continue;
      const std::string module = leaf.name.substr(0, leaf.name.size() - kMean.size());
      check(module + std::string(kCounter), {kernels::DType::kI64, {}}, true);
    }
  }
  for (const TensorMap::Entry& e : weights.entries()) {
    if (!known.contains(e.name)) wrong.push_back(fmt::format("tensor \"{}\": not one of this network", e.name));
  }
  if (wrong.empty()) return absl::OkStatus();
  const size_t listed = std::min(wrong.size(), kListed);
  std::string message =
      fmt::format("{}", fmt::join(wrong.begin(), wrong.begin() + static_cast<std::ptrdiff_t>(listed), "; "));
  if (wrong.size() > listed) message += fmt::format("; and {} more", wrong.size() - listed);
  return absl::InvalidArgumentError(message);
}

}  // namespace mathnas::supernet
