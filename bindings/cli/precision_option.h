// What a network computes in, from the command line.
#ifndef MATHNAS_BINDINGS_CLI_PRECISION_OPTION_H_
#define MATHNAS_BINDINGS_CLI_PRECISION_OPTION_H_

#include <string>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/lower_precision.h"
#include "kernels/status.h"

namespace mathnas::cli {

struct PrecisionOption {
  std::string name;  // empty: not given
  std::string option = "--precision";
  void AddTo(CLI::App* command, const std::string& what = "What the network computes in") {
    command->add_option(option, name,
                        what +
                            ": float32, bfloat16 or float16 (activations and weights of the two; sums and "
                            "normalisations float32; float16 on a GPU)");
  }
  bool given() const { return !name.empty(); }

  // float32 when it is not given. InvalidArgument lists what there is.
  absl::StatusOr<kernels::Precision> Get() const {
    if (!given()) return kernels::Precision::kFloat32;
    auto precision = kernels::ParsePrecision(name);
    if (!precision.ok()) return kernels::Annotate(precision.status(), option);
    return precision;
  }
  // The same, and Unimplemented where the device does not compute in it.
  absl::StatusOr<kernels::Precision> GetFor(const kernels::Device& device) const {
    auto precision = Get();
    if (!precision.ok()) return precision;
    if (auto s = kernels::Check(device, *precision); !s.ok()) return kernels::Annotate(s, option);
    return precision;
  }
};

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_PRECISION_OPTION_H_
