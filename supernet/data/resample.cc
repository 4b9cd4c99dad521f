#include "supernet/data/resample.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace mathnas::supernet {
namespace {

// Floats behind a row, so that three channels can be read as four.
constexpr int64_t kSpare = 4;

// out[x] = sum of weighted pixels of `row`. With three channels a fourth value is computed and not stored: that is one
// vector a pixel.
template <int kChannels, typename Taps>
void MakeRow(const float* row, std::span<const Taps> all_taps, const float* all_weights, int64_t channels, float* out,
             int64_t step) {
  constexpr int kLanes = kChannels == 3 ? 4 : 1;
  for (const Taps& taps : all_taps) {
    const float* weights = all_weights + taps.weights;
    if constexpr (kChannels == 3) {
      std::array<float, kLanes> sum{};
      const float* in = row + taps.first * 3;
      for (int64_t t = 0; t < taps.count; ++t, in += 3) {
        for (int c = 0; c < kLanes; ++c) sum[static_cast<size_t>(c)] += weights[t] * in[c];
      }
      std::copy_n(sum.begin(), 3, out);
    } else {
      for (int64_t c = 0; c < channels; ++c) {
        float sum = 0;
        const float* in = row + taps.first * channels + c;
        for (int64_t t = 0; t < taps.count; ++t, in += channels) sum += weights[t] * *in;
        out[c] = sum;
      }
    }
    out += step;
  }
}

}  // namespace

void Resampler::Axis::Set(int64_t in, int64_t out, int64_t begin, int64_t count) {
  taps.clear();
  weights.clear();
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double reach = std::max(scale, 1.0);
  for (int64_t i = begin; i < begin + count; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(std::floor(centre - reach + 0.5)));
    const int64_t end = std::min(in, static_cast<int64_t>(std::floor(centre + reach + 0.5)));
    auto weight = [&](int64_t x) { return std::max(0.0, 1 - std::abs(static_cast<double>(x) + 0.5 - centre) / reach); };
    double sum = 0;
    for (int64_t x = first; x < end; ++x) sum += weight(x);
    taps.push_back({first, end - first, weights.size()});
    for (int64_t x = first; x < end; ++x) weights.push_back(static_cast<float>(weight(x) / sum));
  }
}

void Resampler::Run(const ImageView& image, const ResampleShape& shape, std::span<float> out) {
  rows_.Set(shape.source.height, shape.height, shape.window.top, shape.window.height);
  columns_.Set(shape.source.width, shape.width, shape.window.left, shape.window.width);
  const int64_t channels = image.channels;
  // Rows first: that is the loop over neighbours in memory, and it leaves fewer rows for the other one.
  const int64_t first = columns_.taps.front().first;
  const int64_t values = (columns_.taps.back().first + columns_.taps.back().count - first) * channels;
  for (Axis::Taps& taps : columns_.taps) taps.first -= first;
  row_.assign(static_cast<size_t>(values + kSpare), 0);
  float* row = row_.data();
  const int64_t stride = image.width * channels;
  const uint8_t* source = image.pixels + shape.source.top * stride + (shape.source.left + first) * channels;

  const std::span<const Axis::Taps> columns = columns_.taps;
  const int64_t out_stride = shape.window.width * channels;
  const int64_t step = shape.mirrored ? -channels : channels;
  float* to = out.data() + (shape.mirrored ? out_stride - channels : 0);
  for (const Axis::Taps& taps : rows_.taps) {
    for (int64_t t = 0; t < taps.count; ++t) {
      const uint8_t* in = source + (taps.first + t) * stride;
      const float weight = rows_.weights[taps.weights + static_cast<size_t>(t)];
      if (t == 0) {
        for (int64_t i = 0; i < values; ++i) row[i] = weight * in[i];
      } else {
        for (int64_t i = 0; i < values; ++i) row[i] += weight * in[i];
      }
    }
    switch (channels) {
      case 1:
        MakeRow<1, Axis::Taps>(row, columns, columns_.weights.data(), 1, to, step);
        break;
      case 3:
        MakeRow<3, Axis::Taps>(row, columns, columns_.weights.data(), 3, to, step);
        break;
      default:
        MakeRow<0, Axis::Taps>(row, columns, columns_.weights.data(), channels, to, step);
    }
    to += out_stride;
  }
}

}  // namespace mathnas::supernet
