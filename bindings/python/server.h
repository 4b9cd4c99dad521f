// Supernets that serve.
#ifndef MATHNAS_BINDINGS_PYTHON_SERVER_H_
#define MATHNAS_BINDINGS_PYTHON_SERVER_H_

#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bindings/python/arrays.h"
#include "bindings/python/space.h"
#include "bindings/python/table.h"
#include "mathnas/runtime/dynamic_network.h"

namespace mathnas::python {

// An answer; its logits {images, classes} are an array of NumPy.
struct Served {
  supernet::Choice choice;
  double milliseconds = 0;
  nanobind::object logits;
};

// What a change of the budget came to; `none` where it was no table that chose.
struct Decision {
  runtime::Decision decided;
  bool by_table = true;
};

// Threads may share one: as many requests run at the same time as it has lanes.
class Server {
 public:
  using Network = std::shared_ptr<runtime::DynamicNetwork>;

  // `pixels`: what a pixel of each channel becomes, {channels, 256}; empty: requests bring normalised values alone.
  Server(Space space, Table table, Network network, int lanes, int64_t side, std::vector<float> pixels);
  ~Server();

  // Runs images {n, side, side, channels}, or one without the first axis: float32, or uint8 where pixels are known.
  Served Run(const Array& images, nanobind::object out);
  nanobind::object Predict(const Array& images);
  // The same as Run in a thread of its own, of which there are as many as lanes: a concurrent.futures.Future.
  nanobind::object Submit(nanobind::handle self, nanobind::object images);

  Decision SetLimits(nanobind::handle limits);
  Decision SetBudget(const std::string& metric, double limit);
  Decision SetSubnet(nanobind::handle subnet);
  void Prepare(nanobind::handle subnet);
  void Wait();
  bool Work();
  void SaveStatistics(const std::string& path);
  // Requests that run are answered; others are refused from now on.
  void Close();

  // ValueError after Close.
  Network network() const;
  const Space& space() const { return space_; }
  const kernels::Shape& image() const { return image_; }

 private:
  // How many images that are. ValueError says what was expected.
  size_t CheckImages(const Array& images) const;
  // Writes {count, classes}; releases the GIL.
  runtime::Served RunInto(const Array& images, size_t count, float* logits);

  const Space space_;
  const Table table_;
  kernels::Shape image_;
  const int lanes_;
  const std::vector<float> pixels_;
  mutable std::mutex mutex_;
  Network network_;  // null once closed
  nanobind::object pool_;
};

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_SERVER_H_
