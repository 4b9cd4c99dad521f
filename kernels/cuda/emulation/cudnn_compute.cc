#include "kernels/cuda/emulation/cudnn_compute.h"

#include <algorithm>
#include <array>

#include "kernels/bfloat16.h"
#include "kernels/float16.h"

namespace mathnas::kernels::cuda::emulation {
namespace {

// A tensor as floats {N, H, W, C}, whatever its type and order in memory.
struct Floats {
  std::array<int64_t, 4> dims;  // N, C, H, W
  std::vector<float> values;

  int64_t channels() const { return dims[1]; }
  int64_t pixels() const { return dims[0] * dims[2] * dims[3]; }
};

// Calls f(offset in memory, offset in floats) for every element.
template <typename F>
void ForEach(const Content& tensor, const F& f) {
  const auto d = tensor.All<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS), s = tensor.All<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
  int64_t i = 0;
  for (int64_t n = 0; n < d[0]; ++n) {
    for (int64_t h = 0; h < d[2]; ++h) {
      for (int64_t w = 0; w < d[3]; ++w) {
        const int64_t pixel = n * s[0] + h * s[2] + w * s[3];
        for (int64_t c = 0; c < d[1]; ++c) f(pixel + c * s[1], i++);
      }
    }
  }
}

Floats Empty(const Content& tensor) {
  const auto d = tensor.All<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  return {{d[0], d[1], d[2], d[3]}, std::vector<float>(static_cast<size_t>(d[0] * d[1] * d[2] * d[3]))};
}

// float as an element of a tensor, beside those of 16 bits.
struct Float32 {
  float value;
  static Float32 Rounded(float x) { return {x}; }
  float ToFloat() const { return value; }
};

// f with a value of the type of a tensor's elements.
template <typename F>
void OfItsType(const Content& tensor, F f) {
  switch (tensor.One<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)) {
    case CUDNN_DATA_BFLOAT16:
      return f(Bfloat16{});
    case CUDNN_DATA_HALF:
      return f(Float16{});
    default:
      return f(Float32{});
  }
}

Floats Read(const Content& tensor, const void* memory) {
  Floats floats = Empty(tensor);
  float* to = floats.values.data();
  OfItsType(tensor, [&](auto element) {
    const auto* from = static_cast<const decltype(element)*>(memory);
    ForEach(tensor, [&](int64_t at, int64_t i) { to[i] = from[at].ToFloat(); });
  });
  return floats;
}

void Write(const Content& tensor, const Floats& floats, void* memory) {
  const float* from = floats.values.data();
  OfItsType(tensor, [&](auto element) {
    using Element = decltype(element);
    auto* to = static_cast<Element*>(memory);
    ForEach(tensor, [&](int64_t at, int64_t i) { to[at] = Element::Rounded(from[i]); });
  });
}

// The pairs of pixels that a convolution multiplies, tap by tap.
struct Convolution {
  std::vector<int64_t> strides, before;

  // Calls f(pixel of y, pixel of x, tap).
  template <typename F>
  void ForEach(const Floats& x, const Floats& w, const Floats& y, const F& f) const {
    int64_t to = 0;
    for (int64_t n = 0; n < y.dims[0]; ++n) {
      for (int64_t oh = 0; oh < y.dims[2]; ++oh) {
        for (int64_t ow = 0; ow < y.dims[3]; ++ow, ++to) {
          for (int64_t kh = 0; kh < w.dims[2]; ++kh) {
            const int64_t h = oh * strides[0] + kh - before[0];
            if (h < 0 || h >= x.dims[2]) continue;
            for (int64_t kw = 0; kw < w.dims[3]; ++kw) {
              const int64_t column = ow * strides[1] + kw - before[1];
              if (column < 0 || column >= x.dims[3]) continue;
              f(to, (n * x.dims[2] + h) * x.dims[3] + column, kh * w.dims[3] + kw);
            }
          }
        }
      }
    }
  }
};

// Weights {tap, in, out} of {out, tap, in}: the inner loops run over channels of the result.
std::vector<float> OutInnermost(const Floats& w) {
  const int64_t out = w.dims[0], in = w.channels(), taps = w.dims[2] * w.dims[3];
  std::vector<float> turned(w.values.size());
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < taps * in; ++i) {
      turned[static_cast<size_t>(i * out + o)] = w.values[static_cast<size_t>(o * taps * in + i)];
    }
  }
  return turned;
}

void AddMultiple(float* to, float factor, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += factor * from[i];
}

// sums[group, out of it] += x[group, in of it] * w[in, all out], of one tap.
void Multiply(const float* x, const float* w, float* sums, int64_t groups, int64_t in, int64_t out) {
  if (in == 1 && out == 1) {
    for (int64_t c = 0; c < groups; ++c) sums[c] += x[c] * w[c];
    return;
  }
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t i = 0; i < in; ++i) AddMultiple(sums + g * out, x[g * in + i], w + i * groups * out + g * out, out);
  }
}

void Forward(const Convolution& c, const Floats& x, const Floats& w, Floats& y) {
  const int64_t in = w.channels(), groups = x.channels() / in, out = w.dims[0] / groups;
  const std::vector<float> turned = OutInnermost(w);
  c.ForEach(x, w, y, [&](int64_t to, int64_t from, int64_t tap) {
    Multiply(x.values.data() + from * x.channels(), turned.data() + tap * in * w.dims[0],
             y.values.data() + to * y.channels(), groups, in, out);
  });
}

void BackwardData(const Convolution& c, Floats& x, const Floats& w, const Floats& y) {
  const int64_t in = w.channels(), groups = x.channels() / in, out = w.dims[0] / groups;
  const int64_t taps = w.dims[2] * w.dims[3];
  const std::vector<float> turned = in == 1 && out == 1 ? OutInnermost(w) : std::vector<float>();
  c.ForEach(x, w, y, [&](int64_t from, int64_t to, int64_t tap) {
    const float* diff = y.values.data() + from * y.channels();
    float* sums = x.values.data() + to * x.channels();
    if (!turned.empty()) {
      Multiply(diff, turned.data() + tap * groups, sums, groups, 1, 1);
      return;
    }
    for (int64_t o = 0; o < w.dims[0]; ++o) {
      AddMultiple(sums + o / out * in, diff[o], w.values.data() + (o * taps + tap) * in, in);
    }
  });
}

void BackwardFilter(const Convolution& c, const Floats& x, Floats& w, const Floats& y) {
  const int64_t in = w.channels(), groups = x.channels() / in, out = w.dims[0] / groups;
  const int64_t taps = w.dims[2] * w.dims[3];
  std::vector<float> turned(w.values.size());  // {tap, in, out}
  c.ForEach(x, w, y, [&](int64_t from, int64_t of, int64_t tap) {
    const float *diff = y.values.data() + from * y.channels(), *source = x.values.data() + of * x.channels();
    float* sums = turned.data() + tap * in * w.dims[0];
    if (in == 1 && out == 1) {
      for (int64_t g = 0; g < groups; ++g) sums[g] += source[g] * diff[g];
      return;
    }
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t i = 0; i < in; ++i) {
        AddMultiple(sums + i * w.dims[0] + g * out, source[g * in + i], diff + g * out, out);
      }
    }
  });
  for (int64_t o = 0; o < w.dims[0]; ++o) {
    for (int64_t i = 0; i < taps * in; ++i) {
      w.values[static_cast<size_t>(o * taps * in + i)] = turned[static_cast<size_t>(i * w.dims[0] + o)];
    }
  }
}

// b is broadcast along channels alone, or not at all.
void AddTo(Floats& x, const Floats& b) {
  const auto n = static_cast<size_t>(b.values.size());
  for (size_t i = 0; i < x.values.size(); ++i) x.values[i] += b.values[i % n];
}

// NaN stays.
void Relu(Floats& x) {
  for (float& value : x.values) value = value < 0 ? 0 : value;
}

}  // namespace

void Compute(const Content& graph, const std::map<int64_t, void*>& memory) {
  std::map<int64_t, Floats> known;  // read, or made by an operation
  const auto id = [](const Content& tensor) { return tensor.One<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID); };
  const auto read = [&](const Content& tensor) -> Floats& {
    const auto found = known.find(id(tensor));
    if (found != known.end()) return found->second;
    return known.emplace(id(tensor), Read(tensor, memory.at(id(tensor)))).first->second;
  };
  const auto made = [&](const Content& tensor, Floats floats) {
    if (!tensor.One<bool>(CUDNN_ATTR_TENSOR_IS_VIRTUAL)) Write(tensor, floats, memory.at(id(tensor)));
    known[id(tensor)] = std::move(floats);
  };
  for (const auto& op : graph.attributes.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors) {
    if (const ConvolutionNames* names = NamesOf(op->type)) {
      const auto x = op->Descriptor(names->x), w = op->Descriptor(names->w), y = op->Descriptor(names->y);
      const auto geometry = op->Descriptor(names->geometry);
      const Convolution convolution = {geometry->All<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
                                       geometry->All<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS)};
      if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) {
        Floats result = Empty(*y);
        Forward(convolution, read(*x), read(*w), result);
        made(*y, std::move(result));
      } else if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR) {
        Floats result = Empty(*x);
        BackwardData(convolution, result, read(*w), read(*y));
        made(*x, std::move(result));
      } else {
        Floats result = Empty(*w);
        BackwardFilter(convolution, read(*x), result, read(*y));
        made(*w, std::move(result));
      }
      continue;
    }
    const auto b = op->Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
    Floats result = read(*op->Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_XDESC));
    if (b != nullptr) {
      AddTo(result, read(*b));
    } else {
      Relu(result);
    }
    made(*op->Descriptor(CUDNN_ATTR_OPERATION_POINTWISE_YDESC), std::move(result));
  }
}

}  // namespace mathnas::kernels::cuda::emulation
