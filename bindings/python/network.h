// Networks of images that run.
#ifndef MATHNAS_BINDINGS_PYTHON_NETWORK_H_
#define MATHNAS_BINDINGS_PYTHON_NETWORK_H_

#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "bindings/python/arrays.h"
#include "kernels/device.h"
#include "mathnas/deploy/image_network.h"
#include "mathnas/deploy/network.h"

namespace mathnas::python {

// "cpu" with that many threads, or "reference".
absl::StatusOr<std::shared_ptr<kernels::Device>> OpenDevice(const std::string& device, int threads);

// A prepared network. Threads may share one: they wait for each other.
class Network {
 public:
  explicit Network(deploy::Network network)
      : network_(std::move(network)), takes_pixels_(deploy::TakesPixels(network_.description())) {}

  // Logits {images, classes} of float32 values as the network computes with them, or of uint8 pixels.
  // In `out`, an array of that shape, unless it is None.
  nanobind::object Run(const Array& images, nanobind::object out);
  // The class with the largest logit, int64 {images}.
  nanobind::object Predict(const Array& images);
  // The softmax of the logits.
  nanobind::object PredictProbabilities(const Array& images);
  // The share of images whose largest logit is that of their label.
  double Score(const Array& images, const Array& labels);

  const deploy::Network& network() const { return network_; }
  bool takes_pixels() const { return takes_pixels_; }

 private:
  // How many images that are. ValueError says what was expected.
  size_t CheckImages(const Array& images) const;
  // Writes {count, classes}; releases the GIL.
  void RunInto(const Array& images, size_t count, float* logits);
  size_t classes() const { return static_cast<size_t>(network_.output_elements()); }

  deploy::Network network_;
  const bool takes_pixels_;
  std::mutex mutex_;
};

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_NETWORK_H_
