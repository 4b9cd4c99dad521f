// mathnas.load_dataset: the data sets of the command line as arrays.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <utility>

#include "bindings/python/arrays.h"
#include "bindings/python/interrupt.h"
#include "bindings/python/module.h"
#include "bindings/python/status.h"
#include "fmt/format.h"
#include "supernet/data/dataset.h"

namespace mathnas::python {
namespace {

using supernet::ImageDataset;
using DatasetPtr = std::shared_ptr<const ImageDataset>;

struct Dataset {
  DatasetPtr train, test;
};

Dataset LoadDataset(const std::string& spec, uint64_t seed) {
  supernet::DatasetPair pair = Take(WithoutGil([&] { return supernet::LoadDataset(spec, {.seed = seed}); }));
  return {std::make_shared<const ImageDataset>(std::move(pair.train)),
          std::make_shared<const ImageDataset>(std::move(pair.test))};
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

}  // namespace

void AddData(nb::module_& m) {
  nb::class_<Dataset>(m, "Dataset", "Labelled images of one size.")
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
