// Labelled images, as what trains, measures and evaluates takes them.
#ifndef MATHNAS_BINDINGS_PYTHON_DATA_H_
#define MATHNAS_BINDINGS_PYTHON_DATA_H_

#include <nanobind/nanobind.h>

#include <memory>

#include "supernet/data/dataset.h"
#include "supernet/data/image_source.h"

namespace mathnas::python {

// In memory. Immutable.
struct Dataset {
  std::shared_ptr<const supernet::ImageDataset> train, test;
};

// A Dataset, without a copy, or what the command line takes as --data, folders of files too. TypeError: neither. Needs
// the GIL, which it releases while it reads.
supernet::ImageSources ImagesOf(nanobind::handle data);

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_DATA_H_
