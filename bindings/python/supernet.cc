// mathnas.Supernet, mathnas.Subnet: weights, and what becomes of them.
#include "bindings/python/supernet.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bindings/onnx/networks.h"
#include "bindings/python/arrays.h"
#include "bindings/python/interrupt.h"
#include "bindings/python/json.h"
#include "bindings/python/module.h"
#include "bindings/python/network.h"
#include "bindings/python/status.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "mathnas/deploy/image_network.h"
#include "mathnas/deploy/network.h"
#include "supernet/candidates.h"
#include "supernet/recalibration.h"
#include "supernet/training/checkpoint.h"
#include "supernet/weights.h"

namespace mathnas::python {
namespace {

using kernels::TensorMap;
using supernet::Choice;
using supernet::Mode;

std::shared_ptr<TensorMap> Shared(TensorMap weights) { return std::make_shared<TensorMap>(std::move(weights)); }

std::shared_ptr<TensorMap> Initialised(const supernet::SearchSpace& space, const kernels::Graph& graph, uint64_t seed) {
  RaiseUnless(graph.status());
  TensorMap weights = supernet::AllocateWeights(graph);
  supernet::InitializeWeights(weights, seed, space.initialization());
  return Shared(std::move(weights));
}

supernet::Checkpoint LoadTrained(const std::filesystem::path& path) {
  const std::string file = ExistingFile(path);
  return Take(WithoutGil([&] { return supernet::LoadTrained(file); }));
}

Supernet LoadSupernet(const std::filesystem::path& path) {
  supernet::Checkpoint checkpoint = LoadTrained(path);
  if (checkpoint.subnet) {
    RaiseValueError(
        fmt::format("{}: a checkpoint of one network, expected a supernet; Subnet.load reads it", path.string()));
  }
  return {{Take(supernet::SpaceOf(checkpoint.space, checkpoint.macro))}, Shared(std::move(checkpoint.weights))};
}

Subnet LoadSubnet(const std::filesystem::path& path) {
  supernet::Checkpoint checkpoint = LoadTrained(path);
  if (!checkpoint.subnet) {
    RaiseValueError(
        fmt::format("{}: a checkpoint of a supernet, expected one network; Supernet.load reads it", path.string()));
  }
  Space space = {Take(supernet::SpaceOf(checkpoint.space, checkpoint.macro))};
  Choice choice = Take(space->ParseSubnet(*checkpoint.subnet));
  return {std::move(space), std::move(choice), Shared(std::move(checkpoint.weights))};
}

void Save(const std::filesystem::path& path, const Space& space, const std::optional<Choice>& own,
          const TensorMap& weights) {
  const supernet::Checkpoint checkpoint = CheckpointOf(space, own, weights);
  RaiseUnless(WithoutGil([&] { return supernet::SaveCheckpoint(path.string(), checkpoint); }));
}

nb::dict Views(const std::shared_ptr<TensorMap>& weights) {
  const nb::capsule owner = Holding(weights);
  nb::dict views;
  for (const auto& [name, tensor] : weights->entries()) views[name.c_str()] = ArrayIn(tensor.view(), owner);
  return views;
}

Subnet Extract(const Supernet& s, nb::handle subnet) {
  Choice choice = ChoiceOf(*s.space, subnet);
  TensorMap weights = Take(WithoutGil([&] { return supernet::ExtractWeights(*s.space, choice, *s.weights); }));
  return {s.space, std::move(choice), Shared(std::move(weights))};
}

// In batches, so that a whole set fits.
void Recalibrate(Subnet& s, const Array& images, int64_t batch, int threads) {
  if (s.space->translates()) RaiseValueError(fmt::format("{} has no running statistics", s.space->name()));
  const kernels::Shape shape = s.space->input_shape(s.choice);
  const bool fits = images.ndim() == shape.size() + 1 && images.shape(0) > 0 &&
                    std::equal(shape.begin(), shape.end(), images.shape_ptr() + 1);
  if (!fits || !IsOf<float>(images)) {
    RaiseUnexpected("images", images, fmt::format("float32 {{images,{}}}, normalised", fmt::join(shape, ",")));
  }
  const kernels::TensorView all = ViewOf("images", images);
  if (batch < 1) RaiseValueError(fmt::format("batch: {}, expected 1 or more", batch));
  auto device = Take(kernels::CpuDevice(threads));
  RaiseUnless(WithoutGil([&]() -> absl::Status {
    supernet::Recalibration recalibration(*s.space, s.choice, *s.weights, device);
    const int64_t count = all.desc.shape[0], elements = kernels::NumElements(shape);
    for (int64_t first = 0; first < count; first += batch) {
      kernels::TensorView part = {all.desc, static_cast<float*>(all.data) + first * elements};
      part.desc.shape[0] = std::min(batch, count - first);
      if (auto status = recalibration.Add(part); !status.ok()) return status;
    }
    return recalibration.Finish();
  }));
}

deploy::DeployedNetwork Deployed(const Subnet& s, const std::optional<std::vector<double>>& mean,
                                 const std::optional<std::vector<double>>& deviation,
                                 std::optional<std::vector<std::string>> classes, nb::handle information) {
  if (s.space->translates()) {
    RaiseValueError(fmt::format("{} translates: `mathnas deploy` makes a translator of a checkpoint", s.space->name()));
  }
  if (mean.has_value() != deviation.has_value()) {
    RaiseValueError(fmt::format("{}: missing, expected mean and std together", mean ? "std" : "mean"));
  }
  std::optional<deploy::ImageInput> input;
  if (mean) input = deploy::ImageInput{.normalisation = {*mean, *deviation}, .evaluation_crop = {}};
  nb::dict known;
  known["space"] = std::string(s.space->name());
  known["subnet"] = FromJson(s.space->SubnetJson(s.choice));
  known["macro"] = FromJson(s.space->MacroJson());
  if (!information.is_none()) known.update(nb::borrow<nb::dict>(information));
  const std::string text = ToJson(known);
  deploy::DeployedNetwork network =
      Take(WithoutGil([&] { return deploy::MakeImageNetwork(*s.space, s.choice, *s.weights, input, text); }));
  if (classes) network.class_names = *std::move(classes);
  return network;
}

Network* MakeNetwork(const Subnet& s, const std::optional<std::vector<double>>& mean,
                     const std::optional<std::vector<double>>& deviation,
                     std::optional<std::vector<std::string>> classes, nb::object information, int64_t batch,
                     int threads) {
  deploy::DeployedNetwork network = Deployed(s, mean, deviation, std::move(classes), information);
  auto device = Take(kernels::CpuDevice(threads));
  return new Network(
      Take(WithoutGil([&] { return deploy::Network::Create(std::move(network), std::move(device), batch); })));
}

void ExportOnnx(const Subnet& s, const std::filesystem::path& path, const std::string& batch_norm, int64_t batch) {
  if (batch_norm != "fold" && batch_norm != "keep") {
    RaiseValueError(fmt::format("batch_norm: '{:.100}', expected 'fold' or 'keep'", batch_norm));
  }
  const std::string file = path.string();
  if (s.space->translates()) {
    const auto macro = Take(supernet::ParseSuperTransformerMacro(s.space->MacroJson()));
    Take(WithoutGil([&] { return onnx::ExportTranslator(file, macro, s.choice, *s.weights); }));
    return;
  }
  const onnx::ImageOptions options = {
      .batch_norm = batch_norm == "keep" ? onnx::BatchNorm::kKept : onnx::BatchNorm::kFolded, .batch = batch};
  Take(WithoutGil([&] { return onnx::ExportImageNetwork(file, *s.space, s.choice, *s.weights, options); }));
}

void AddSubnet(nb::module_& m) {
  nb::class_<Subnet>(m, "Subnet",
                     "One network of a space with weights of its own: extracted from a supernet, loaded, or new.")
      .def(
          "__init__",
          [](Subnet* s, const Space& space, nb::handle subnet, uint64_t seed) {
            Choice choice = ChoiceOf(*space, subnet);
            auto weights = Initialised(*space, space->Network(choice, {.mode = Mode::kTraining}).graph, seed);
            new (s) Subnet{space, std::move(choice), std::move(weights)};
          },
          "space"_a, "subnet"_a, nb::kw_only(), "seed"_a = 0,
          nb::sig(
              "def __init__(self, space: SearchSpace, subnet: collections.abc.Sequence[int] | dict[str, typing.Any] "
              "| str, *, seed: int = 0) -> None"),
          "New weights, as the space's reference initialises them.")
      .def_static("load", &LoadSubnet, "path"_a, "A checkpoint of one network (safetensors).")
      .def(
          "save", [](const Subnet& s, const std::filesystem::path& path) { Save(path, s.space, s.choice, *s.weights); },
          "path"_a, "A checkpoint that the command line takes as --checkpoint.")
      .def_ro("space", &Subnet::space)
      .def_ro("choice", &Subnet::choice)
      .def_prop_ro(
          "subnet", [](const Subnet& s) { return FromJson(s.space->SubnetJson(s.choice)); },
          nb::sig("def subnet(self) -> dict[str, typing.Any]"), "What the command line takes as --subnet.")
      .def_prop_ro(
          "weights", [](const Subnet& s) { return Views(s.weights); },
          nb::sig("def weights(self) -> dict[str, numpy.typing.NDArray[typing.Any]]"),
          "Arrays in the memory of the weights, by their names in the reference's state dict.")
      .def("recalibrate", &Recalibrate, "images"_a, nb::kw_only(), "batch"_a = 128, "threads"_a = AllCores(),
           nb::sig("def recalibrate(self, images: numpy.typing.ArrayLike, *, batch: int = 128, threads: int = ...) -> "
                   "None"),
           "Takes the running statistics of batch norm anew, over normalised images, float32 {images, height, width, "
           "channels}: those of a supernet are mixed from all its networks, and worth nothing. Releases the GIL.")
      .def("network", &MakeNetwork, nb::kw_only(), "mean"_a = nb::none(), "std"_a = nb::none(),
           "classes"_a = nb::none(), "information"_a = nb::none(), "batch"_a = 1, "threads"_a = 1,
           nb::rv_policy::take_ownership,
           nb::sig("def network(self, *, mean: collections.abc.Sequence[float] | None = None, std: "
                   "collections.abc.Sequence[float] | None = None, classes: collections.abc.Sequence[str] | None = "
                   "None, information: dict[str, typing.Any] | None = None, batch: int = 1, threads: int = 1) -> "
                   "Network"),
           "The network as it is deployed, with a copy of the weights. mean, std: what pixels 0 to 255 are normalised "
           "by, for all channels or each; without them it takes values that are normalised already.")
      .def("export_onnx", &ExportOnnx, "path"_a, nb::kw_only(), "batch_norm"_a = "fold", "batch"_a = 0,
           "Writes an ONNX file, of a translator two. batch_norm: 'fold' it into weights, or 'keep' it. batch: images "
           "at once; 0: any number.")
      .def("__repr__", [](const Subnet& s) {
        return fmt::format("<mathnas.Subnet of {}: {}>", s.space->name(), s.space->SubnetJson(s.choice));
      });
}

// The same weights; only what is a candidate is another matter.
Supernet WithCandidates(const Supernet& s, const std::optional<std::string>& blocks,
                        const std::vector<int>& resolutions) {
  return {{Take(supernet::WithCandidates(s.space.space, blocks.value_or(""), resolutions))}, s.weights};
}

}  // namespace

supernet::Checkpoint CheckpointOf(const Space& space, const std::optional<Choice>& own, const TensorMap& weights) {
  supernet::Checkpoint checkpoint;
  checkpoint.space = space->name();
  checkpoint.macro = space->MacroJson();
  if (own) checkpoint.subnet = space->SubnetJson(*own);
  checkpoint.recipe = "{}";
  for (const auto& [name, tensor] : weights.entries()) {
    checkpoint.weights.Put(name, kernels::Tensor::Borrow(tensor.view(), nullptr));
  }
  return checkpoint;
}

int AllCores() { return static_cast<int>(std::max(std::thread::hardware_concurrency(), 1u)); }

void AddSupernet(nb::module_& m) {
  AddSubnet(m);
  nb::class_<Supernet>(m, "Supernet", "The weights that all networks of a space share.")
      .def(
          "__init__",
          [](Supernet* s, const Space& space, uint64_t seed) {
            new (s) Supernet{space, Initialised(*space, space->Supernet({.mode = Mode::kTraining}).graph, seed)};
          },
          "space"_a, nb::kw_only(), "seed"_a = 0, "New weights, as the space's reference initialises them.")
      .def_static(
          "load", &LoadSupernet, "path"_a,
          "A checkpoint of a supernet (safetensors), with averaged weights in the place of those that have them.")
      .def(
          "save",
          [](const Supernet& s, const std::filesystem::path& path) { Save(path, s.space, std::nullopt, *s.weights); },
          "path"_a, "A checkpoint that the command line takes as --checkpoint.")
      .def("with_candidates", &WithCandidates, nb::kw_only(), "blocks"_a = nb::none(),
           "resolutions"_a = std::vector<int>(),
           nb::sig("def with_candidates(self, *, blocks: str | None = None, resolutions: "
                   "collections.abc.Sequence[int] = ()) -> Supernet"),
           "The same weights with other candidates, to profile and to serve: blocks of mobilenetv3 ('cpu', 'gpu', the "
           "file of a block set, or 'layers'), resolutions of mobilenetv3 and supervit.")
      .def_ro("space", &Supernet::space)
      .def_prop_ro(
          "weights", [](const Supernet& s) { return Views(s.weights); },
          nb::sig("def weights(self) -> dict[str, numpy.typing.NDArray[typing.Any]]"),
          "Arrays in the memory of the weights, by their names in the reference's state dict: writing to one changes "
          "the supernet, training changes them. torch.from_dlpack and the like take them without a copy.")
      .def("extract", &Extract, "subnet"_a,
           nb::sig("def extract(self, subnet: collections.abc.Sequence[int] | dict[str, typing.Any] | str) -> Subnet"),
           "A network with copies of its parts of the weights. Its running statistics are the supernet's: "
           "Subnet.recalibrate takes them anew.")
      .def("__repr__", [](const Supernet& s) {
        return fmt::format("<mathnas.Supernet of {}: {} tensors>", s.space->name(), s.weights->size());
      });
}

}  // namespace mathnas::python
