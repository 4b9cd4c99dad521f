// mathnas.Network: deployed networks of images.
#include "bindings/python/network.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "bindings/onnx/networks.h"
#include "bindings/python/interrupt.h"
#include "bindings/python/json.h"
#include "bindings/python/module.h"
#include "bindings/python/status.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "kernels/lower_precision.h"
#include "mathnas/deploy/image_network.h"

namespace mathnas::python {
namespace {

Network* LoadNetwork(std::filesystem::path path, int64_t batch, int threads, const std::string& device,
                     const std::optional<std::string>& precision) {
  if (std::filesystem::is_directory(path)) path /= "network.mathnas";
  const std::string file = ExistingFile(path);
  auto opened = Take(OpenDevice(device, threads));
  auto description = Take(deploy::Load(file));
  if (precision)
    description = Take(deploy::WithPrecision(std::move(description), Take(kernels::ParsePrecision(*precision))));
  // Packing takes a while, and needs nothing of Python.
  return new Network(
      Take(WithoutGil([&] { return deploy::Network::Create(std::move(description), std::move(opened), batch); })));
}

nb::tuple TupleOf(const kernels::Shape& shape) {
  return nb::tuple(nb::cast(std::vector<int64_t>(shape.begin(), shape.end())));
}

std::string ExpectedImages(const Network& n) {
  const kernels::Shape& shape = n.network().input_shape();
  return fmt::format("{} {{images,{}}}, or one without the first axis",
                     n.takes_pixels() ? "float32 (normalised) or uint8 (pixels)" : "float32 (normalised)",
                     fmt::join(shape, ","));
}

}  // namespace

absl::StatusOr<std::shared_ptr<kernels::Device>> OpenDevice(const std::string& device, int threads) {
  if (device == "cpu") return kernels::CpuDevice(threads);
  if (device == "cuda") return kernels::CudaDevice();
  if (device == "reference") return kernels::ReferenceDevice(kernels::DType::kF32);
  return absl::InvalidArgumentError(
      fmt::format("device: expected 'cpu', 'cuda' or 'reference', found '{:.100}'", device));
}

size_t Network::CheckImages(const Array& images) const {
  const kernels::Shape& shape = network_.input_shape();
  const size_t rank = shape.size();
  const bool pixels = IsOf<uint8_t>(images) && takes_pixels_;
  const bool fits = (images.ndim() == rank || images.ndim() == rank + 1) &&
                    std::equal(shape.begin(), shape.end(), images.shape_ptr() + (images.ndim() - rank));
  if (!fits || (!pixels && !IsOf<float>(images))) RaiseUnexpected("images", images, ExpectedImages(*this));
  RequireDense("images", images);
  return images.ndim() == rank ? 1 : images.shape(0);
}

void Network::RunInto(const Array& images, size_t count, float* logits) {
  const std::span<float> output(logits, count * classes());
  const size_t elements = count * static_cast<size_t>(network_.input_elements());
  const bool pixels = IsOf<uint8_t>(images);
  const absl::Status status = WithoutGil([&] {
    const std::lock_guard lock(mutex_);
    if (pixels) return network_.Run(std::span(static_cast<const uint8_t*>(images.data()), elements), output);
    return network_.Run(std::span(static_cast<const float*>(images.data()), elements), output);
  });
  RaiseUnless(status);
}

nb::object Network::Run(const Array& images, nb::object out) {
  const size_t count = CheckImages(images);
  if (out.is_none()) {
    Result<float> logits(count * classes());
    RunInto(images, count, logits.data());
    return logits.ToArray({count, classes()});
  }
  RunInto(images, count, FloatsIn("out", out, count, classes()));
  return out;
}

nb::object Network::Predict(const Array& images) {
  const size_t count = CheckImages(images);
  std::vector<float> logits(count * classes());
  RunInto(images, count, logits.data());
  return LargestOf(logits, count, classes());
}

nb::object Network::PredictProbabilities(const Array& images) {
  const size_t count = CheckImages(images);
  Result<float> probabilities(count * classes());
  RunInto(images, count, probabilities.data());
  for (size_t i = 0; i < count; ++i) {
    const std::span<float> row(probabilities.data() + i * classes(), classes());
    const float largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (float& v : row) sum += v = std::exp(v - largest);
    for (float& v : row) v = static_cast<float>(v / sum);
  }
  return probabilities.ToArray({count, classes()});
}

double Network::Score(const Array& images, const Array& labels) {
  const std::span<const int64_t> expected = Elements<int64_t>("labels", labels);
  const size_t count = CheckImages(images);
  if (labels.ndim() != 1 || expected.size() != count || count == 0) {
    RaiseUnexpected("labels", labels, fmt::format("int64 {{{}}}, one for each image", count));
  }
  std::vector<float> logits(count * classes());
  RunInto(images, count, logits.data());
  size_t correct = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(i * classes());
    correct += std::max_element(row, row + static_cast<std::ptrdiff_t>(classes())) - row == expected[i];
  }
  return static_cast<double>(correct) / static_cast<double>(count);
}

void AddNetwork(nb::module_& m) {
  nb::class_<Network>(
      m, "Network",
      "A deployed network of images (network.mathnas), ready to run: batch norm folded, weights packed.\n\n"
      "Images are {images, height, width, channels}, or one without the first axis, contiguous: float32 as the network "
      "computes with them, or uint8 pixels, which it normalises as in its training where the file says how. They are "
      "not copied by the binding. Threads may share a network, and then wait for each other; each with a network of "
      "its "
      "own, they run side by side.")
      .def_static("load", &LoadNetwork, "path"_a, nb::kw_only(), "batch"_a = 1, "threads"_a = 1, "device"_a = "cpu",
                  "precision"_a = nb::none(), nb::rv_policy::take_ownership,
                  "A file of search-network or deploy, or the folder of search-network.\n"
                  "batch: images that are run at once; any number may be given to run, which go in such parts.\n"
                  "threads: of a run; 1 stays on the thread that calls.\n"
                  "device: 'cpu', or 'reference' (naive loops in double, to check with).\n"
                  "precision: 'float32', 'bfloat16' or 'float16' (default: the file's).")
      .def("run", &Network::Run, "images"_a, nb::kw_only(), "out"_a = nb::none(),
           nb::sig("def run(self, images: numpy.typing.ArrayLike, *, out: numpy.typing.NDArray[numpy.float32] | None = "
                   "None) -> numpy.typing.NDArray[numpy.float32]"),
           "Logits, float32 {images, classes}, in `out` if given. Releases the GIL.")
      .def("predict", &Network::Predict, "images"_a,
           nb::sig("def predict(self, images: numpy.typing.ArrayLike) -> numpy.typing.NDArray[numpy.int64]"),
           "The number of the most probable class of each image. Releases the GIL.")
      .def("predict_proba", &Network::PredictProbabilities, "images"_a,
           nb::sig("def predict_proba(self, images: numpy.typing.ArrayLike) -> numpy.typing.NDArray[numpy.float32]"),
           "The softmax of the logits, {images, classes}. Releases the GIL.")
      .def("score", &Network::Score, "images"_a, "labels"_a,
           nb::sig("def score(self, images: numpy.typing.ArrayLike, labels: numpy.typing.ArrayLike) -> float"),
           "The share of images that are classified as their label, int64 {images}. Releases the GIL.")
      .def_prop_ro(
          "classes_", [](const Network& n) { return n.network().description().class_names; },
          "Names of the classes, or [] if the file has none.")
      .def_prop_ro(
          "input_shape", [](const Network& n) { return TupleOf(n.network().input_shape()); },
          nb::sig("def input_shape(self) -> tuple[int, ...]"), "Of one image.")
      .def_prop_ro(
          "output_shape", [](const Network& n) { return TupleOf(n.network().output_shape()); },
          nb::sig("def output_shape(self) -> tuple[int, ...]"), "Of the logits of one image.")
      .def_prop_ro("batch", [](const Network& n) { return n.network().batch(); })
      .def_prop_ro("takes_pixels", &Network::takes_pixels)
      .def_prop_ro(
          "mean", [](const Network& n) { return n.network().description().normalisation.mean; },
          "A pixel p of channel c becomes (p - mean[c]) / std[c]; [] if the file does not say.")
      .def_prop_ro("std", [](const Network& n) { return n.network().description().normalisation.stddev; })
      .def_prop_ro(
          "information", [](const Network& n) { return FromJson(n.network().description().information); },
          nb::sig("def information(self) -> dict[str, typing.Any]"), "What its maker wrote: space, subnet, metrics, ..")
      .def_prop_ro(
          "plan", [](const Network& n) { return n.network().plan().ToString(); },
          "A line per step: block, operator, shapes, which kernel was chosen, its scratch memory.")
      .def(
          "save",
          [](const Network& n, const std::filesystem::path& path) {
            RaiseUnless(deploy::Save(path.string(), n.network().description()));
          },
          "path"_a, "Writes network.mathnas, complete or not at all.")
      .def(
          "export_onnx",
          [](const Network& n, const std::filesystem::path& path, int64_t batch) {
            Take(onnx::ExportDeployedNetwork(path.string(), n.network().description(), batch));
          },
          "path"_a, nb::kw_only(), "batch"_a = 0, "Writes an ONNX file. batch: images at once; 0: any number.")
      .def("__repr__", [](const Network& n) {
        return fmt::format("<mathnas.Network {{{}}} -> {{{}}}, batch {}>", fmt::join(n.network().input_shape(), ","),
                           fmt::join(n.network().output_shape(), ","), n.network().batch());
      });
}

}  // namespace mathnas::python
