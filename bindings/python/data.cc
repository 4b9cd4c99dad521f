// mathnas.Dataset, mathnas.load_dataset: labelled images, one's own or those of the command line.
#include "bindings/python/data.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/arrays.h"
#include "bindings/python/interrupt.h"
#include "bindings/python/module.h"
#include "bindings/python/status.h"
#include "fmt/format.h"

namespace mathnas::python {
namespace {

using supernet::ImageDataset;
using supernet::ImageSourcePtr;
using DatasetPtr = std::shared_ptr<const ImageDataset>;

Dataset LoadDataset(const std::string& spec, uint64_t seed) {
  supernet::DatasetPair pair = Take(WithoutGil([&] { return supernet::LoadDataset(spec, {.seed = seed}); }));
  return {std::make_shared<const ImageDataset>(std::move(pair.train)),
          std::make_shared<const ImageDataset>(std::move(pair.test))};
}

// Copies. Labels are 0 .. classes-1.
ImageDataset PartOf(const std::string& name, const std::pair<Array, Array>& arrays) {
  const auto& [images, labels] = arrays;
  const std::string images_name = name + " images", labels_name = name + " labels";
  const std::span<const uint8_t> pixels = Elements<uint8_t>(images_name.c_str(), images);
  if (images.ndim() != 4 || pixels.empty()) {
    RaiseUnexpected(images_name.c_str(), images, "uint8 {images,height,width,channels}");
  }
  const std::span<const int64_t> classes = Elements<int64_t>(labels_name.c_str(), labels);
  if (labels.ndim() != 1 || labels.shape(0) != images.shape(0)) {
    RaiseUnexpected(labels_name.c_str(), labels, fmt::format("int64 {{{}}}, one for each image", images.shape(0)));
  }
  ImageDataset part;
  part.name = name;
  part.count = static_cast<int64_t>(images.shape(0));
  part.height = static_cast<int64_t>(images.shape(1));
  part.width = static_cast<int64_t>(images.shape(2));
  part.channels = static_cast<int64_t>(images.shape(3));
  part.images.assign(pixels.begin(), pixels.end());
  constexpr int64_t kMostClasses = 1'000'000;
  for (size_t i = 0; i < classes.size(); ++i) {
    if (classes[i] < 0 || classes[i] >= kMostClasses) {
      RaiseValueError(
          fmt::format("{}: {} of image {}, expected 0 to {}", labels_name, classes[i], i, kMostClasses - 1));
    }
    part.labels.push_back(static_cast<int32_t>(classes[i]));
  }
  part.classes = 1 + *std::max_element(part.labels.begin(), part.labels.end());
  return part;
}

Dataset Make(const std::pair<Array, Array>& train_arrays, const std::pair<Array, Array>& test_arrays,
             std::optional<int> classes, std::optional<std::vector<double>> mean,
             std::optional<std::vector<double>> deviation, const std::string& name) {
  supernet::DatasetPair pair = {PartOf("train", train_arrays), PartOf("test", test_arrays)};
  ImageDataset &train = pair.train, &test = pair.test;
  if (test.height != train.height || test.width != train.width || test.channels != train.channels) {
    RaiseUnexpected(
        "test images", test_arrays.first,
        fmt::format("uint8 {{images,{},{},{}}}, as the training part", train.height, train.width, train.channels));
  }
  const int seen = std::max(train.classes, test.classes);
  if (classes && *classes < seen) {
    RaiseValueError(fmt::format("classes: {}, but there is a label {}", *classes, seen - 1));
  }
  if (mean.has_value() != deviation.has_value()) {
    RaiseValueError(fmt::format("{}: missing, expected mean and std together", mean ? "std" : "mean"));
  }
  if (mean) {
    RaiseUnless(supernet::CheckNormalisation("mean, std", train.channels, *mean, *deviation));
    train.mean = test.mean = *std::move(mean);
    train.stddev = test.stddev = *std::move(deviation);
  } else {
    SetStatistics(pair);
  }
  train.classes = test.classes = classes.value_or(seen);
  train.name = name + "/train";
  test.name = name + "/test";
  return {std::make_shared<const ImageDataset>(std::move(train)),
          std::make_shared<const ImageDataset>(std::move(test))};
}

nb::tuple Arrays(const DatasetPtr& set) {
  const nb::capsule owner = Holding(set);
  const auto n = static_cast<size_t>(set->count);
  const size_t shape[] = {n, static_cast<size_t>(set->height), static_cast<size_t>(set->width),
                          static_cast<size_t>(set->channels)};
  nb::object images = nb::ndarray<nb::numpy, const uint8_t>(set->images.data(), 4, shape, owner).cast();
  Result<int64_t> labels(n);
  std::copy(set->labels.begin(), set->labels.end(), labels.data());
  return nb::make_tuple(images, labels.ToArray({n}));
}

// Refers to the set, and keeps it.
ImageSourcePtr SourceOf(const DatasetPtr& set) {
  struct Held {
    DatasetPtr set;
    ImageSourcePtr source;
  };
  const auto held = std::make_shared<const Held>(Held{set, supernet::Referring(*set)});
  return {held, held->source.get()};
}

}  // namespace

supernet::ImageSources ImagesOf(nb::handle data) {
  if (nb::isinstance<Dataset>(data)) {
    const auto& set = nb::cast<const Dataset&>(data);
    return {SourceOf(set.train), SourceOf(set.test), nullptr};
  }
  if (!nb::isinstance<nb::str>(data)) {
    throw nb::type_error("data: expected a Dataset, or a text as the command line takes it ('fashion-mnist', ..)");
  }
  const auto spec = nb::cast<std::string>(data);
  return Take(WithoutGil([&] { return supernet::LoadImages(spec); }));
}

void AddData(nb::module_& m) {
  nb::class_<Dataset>(m, "Dataset", "Labelled images of one size, in memory. Immutable.")
      .def(
          "__init__",
          [](Dataset* d, const std::pair<Array, Array>& train, const std::pair<Array, Array>& test,
             std::optional<int> classes, std::optional<std::vector<double>> mean,
             std::optional<std::vector<double>> std, const std::string& name) {
            new (d) Dataset(Make(train, test, classes, std::move(mean), std::move(std), name));
          },
          "train"_a, "test"_a, nb::kw_only(), "classes"_a = nb::none(), "mean"_a = nb::none(), "std"_a = nb::none(),
          "name"_a = "arrays",
          nb::sig("def __init__(self, train: tuple[numpy.typing.ArrayLike, numpy.typing.ArrayLike], test: "
                  "tuple[numpy.typing.ArrayLike, numpy.typing.ArrayLike], *, classes: int | None = None, mean: "
                  "collections.abc.Sequence[float] | None = None, std: collections.abc.Sequence[float] | None = None, "
                  "name: str = 'arrays') -> None"),
          "train, test: pixels, uint8 {images, height, width, channels}, and labels, int64 {images}; copied.\n"
          "classes: their number (default: the largest label plus one).\n"
          "mean, std: of each channel, what pixels 0 to 255 are normalised by (default: those of the training part).")
      .def_prop_ro(
          "train", [](const Dataset& d) { return Arrays(d.train); },
          nb::sig("def train(self) -> tuple[numpy.typing.NDArray[numpy.uint8], numpy.typing.NDArray[numpy.int64]]"),
          "Pixels {images, height, width, channels}, and labels {images}.")
      .def_prop_ro(
          "test", [](const Dataset& d) { return Arrays(d.test); },
          nb::sig("def test(self) -> tuple[numpy.typing.NDArray[numpy.uint8], numpy.typing.NDArray[numpy.int64]]"))
      .def_prop_ro("classes", [](const Dataset& d) { return d.train->classes; })
      .def_prop_ro(
          "mean", [](const Dataset& d) { return d.train->mean; },
          "Of each channel of the training part, on the scale 0 to 255: (pixels - mean) / std is normalised.")
      .def_prop_ro("std", [](const Dataset& d) { return d.train->stddev; })
      .def("__repr__", [](const Dataset& d) {
        return fmt::format("<mathnas.Dataset {}: {} and {} images {{{},{},{}}}>", d.train->name, d.train->count,
                           d.test->count, d.train->height, d.train->width, d.train->channels);
      });
  m.def("load_dataset", &LoadDataset, "spec"_a, nb::kw_only(), "seed"_a = 0,
        "A data set as the command line takes it: 'fashion-mnist', a folder of IDX files, 'cifar10:FOLDER', "
        "'arrays:FILE.safetensors' or 'synthetic'. ValueError names file, field and what was expected.");
}

}  // namespace mathnas::python
