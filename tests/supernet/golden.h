// Golden cases: JSON files named by environment variables, deterministic weights and inputs
// (spec/search-spaces.md 1.2).
#ifndef MATHNAS_TESTS_SUPERNET_GOLDEN_H_
#define MATHNAS_TESTS_SUPERNET_GOLDEN_H_

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "kernels/tensor.h"
#include "nlohmann/json.hpp"
#include "supernet/weights.h"

namespace mathnas::supernet {

// The file named by the environment variable, else the copy in tests/golden.
inline nlohmann::json LoadGolden(const char* variable, const char* copy) {
  const char* path = std::getenv(variable);
  std::ifstream file(path != nullptr ? std::string(path) : std::string(MATHNAS_TESTS_FOLDER) + "/golden/" + copy);
  return nlohmann::json::parse(file);
}

// The generator's values in the order NCHW, stored NHWC.
inline kernels::Tensor SyntheticImages(const std::string& name, const std::vector<int64_t>& nchw,
                                       kernels::DType dtype) {
  const int64_t channels = nchw[1], height = nchw[2], width = nchw[3];
  kernels::Tensor images(dtype, {nchw[0], height, width, channels});
  for (int64_t n = 0; n < nchw[0]; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          const int64_t from = ((n * channels + c) * height + y) * width + x;
          const int64_t to = ((n * height + y) * width + x) * channels + c;
          const auto value = static_cast<float>(SyntheticValue(name, from));
          if (dtype == kernels::DType::kF64) {
            images.as<double>()[to] = value;
          } else {
            images.as<float>()[to] = value;
          }
        }
      }
    }
  }
  return images;
}

inline std::vector<double> ToDoubles(const kernels::TensorView& t) {
  std::vector<double> values;
  if (t.desc.dtype == kernels::DType::kF64) {
    values.assign(t.as<double>().begin(), t.as<double>().end());
  } else {
    values.assign(t.as<float>().begin(), t.as<float>().end());
  }
  return values;
}

// NHWC activations in the order NCHW; other ranks as they are.
inline std::vector<double> ToNchw(const kernels::TensorView& t) {
  std::vector<double> values = ToDoubles(t);
  if (t.desc.shape.size() != 4) return values;
  const auto& s = t.desc.shape;
  std::vector<double> out(values.size());
  for (int64_t n = 0; n < s[0]; ++n) {
    for (int64_t p = 0; p < s[1] * s[2]; ++p) {
      for (int64_t c = 0; c < s[3]; ++c)
        out[(n * s[3] + c) * s[1] * s[2] + p] = values[(n * s[1] * s[2] + p) * s[3] + c];
    }
  }
  return out;
}

inline double Sum(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return sum;
}

inline double L2(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v * v;
  return std::sqrt(sum);
}

// Product with the probe vector of a parameter (spec/training-golden.md 1): changes under permutation and
// transposition.
inline double Dot(const std::vector<double>& values, const std::string& parameter) {
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    sum += values[i] * SyntheticValue("probe." + parameter, static_cast<int64_t>(i));
  }
  return sum;
}

}  // namespace mathnas::supernet

#endif  // MATHNAS_TESTS_SUPERNET_GOLDEN_H_
