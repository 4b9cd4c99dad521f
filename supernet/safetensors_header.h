// The JSON header of a safetensors file, read without trusting it. Private to safetensors.cc and its tests.
#ifndef MATHNAS_SUPERNET_SAFETENSORS_HEADER_H_
#define MATHNAS_SUPERNET_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/tensor.h"

namespace mathnas::supernet {

struct TensorEntry {
  std::string name;
  kernels::TensorDesc desc;
  uint64_t begin = 0, end = 0;  // bytes, counted from the end of the header
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> tensors;  // in the order of their bytes
};

// Parses and checks the header of a file whose tensors take `data_bytes`. Errors are InvalidArgument and begin with
// `path`. Builds no document tree: a header that nests deeply or repeats a name is left at the first offence.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(const std::string& path, std::string_view json,
                                                         uint64_t data_bytes);

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_SAFETENSORS_HEADER_H_
