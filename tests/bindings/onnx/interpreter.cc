#include "tests/bindings/onnx/interpreter.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace mathnas::onnx::testing {
namespace {

using Shape = std::vector<int64_t>;
using Arguments = std::vector<const Array*>;  // null where left out

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what); }

void Require(bool condition, const std::string& what) {
  if (!condition) Fail(what);
}

int64_t Elements(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

Shape Strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

bool IsReal(const Array& a) { return a.type == kFloat; }

Array Make(int64_t type, Shape shape) {
  Array array = {type, std::move(shape)};
  const auto elements = static_cast<size_t>(Elements(array.shape));
  IsReal(array) ? array.real.resize(elements) : array.integer.resize(elements);
  return array;
}

Array MakeReal(Shape shape) { return Make(kFloat, std::move(shape)); }

int64_t Axis(int64_t axis, size_t rank) {
  const auto r = static_cast<int64_t>(rank);
  Require(axis >= -r && axis < r, "axis " + std::to_string(axis));
  return axis < 0 ? axis + r : axis;
}

class Attributes {
 public:
  explicit Attributes(const Node& node) : node_(node), unread_(node.attributes) {}

  int64_t Integer(const std::string& name, int64_t otherwise) {
    const Attribute* a = Take(name, 2);
    return a ? a->integer : otherwise;
  }
  double Number(const std::string& name, double otherwise) {
    const Attribute* a = Take(name, 1);
    return a ? static_cast<double>(a->number) : otherwise;
  }
  std::string Text(const std::string& name, const std::string& otherwise) {
    const Attribute* a = Take(name, 3);
    return a ? a->text : otherwise;
  }
  Shape Integers(const std::string& name, Shape otherwise) {
    const Attribute* a = Take(name, 7);
    return a ? a->integers : otherwise;
  }
  // An attribute that nobody has read is none of the operator.
  void CheckAllRead() const {
    Require(unread_.empty(), node_.type + " has no attribute " + (unread_.empty() ? "" : unread_.begin()->first));
  }

 private:
  const Attribute* Take(const std::string& name, int64_t type) {
    const auto found = node_.attributes.find(name);
    if (found == node_.attributes.end()) return nullptr;
    Require(found->second.type == type, node_.type + "." + name + ": another type");
    unread_.erase(name);
    return &found->second;
  }

  const Node& node_;
  std::map<std::string, Attribute> unread_;
};

// Calls with every index of `shape`, in row-major order.
template <typename Call>
void ForEach(const Shape& shape, const Call& call) {
  Shape index(shape.size(), 0);
  const int64_t elements = Elements(shape);
  for (int64_t i = 0; i < elements; ++i) {
    call(index, i);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}

Shape Broadcast(const Shape& a, const Shape& b) {
  Shape shape(std::max(a.size(), b.size()));
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    Require(x == y || x == 1 || y == 1, "extents that cannot be broadcast");
    shape[shape.size() - 1 - i] = x == 1 ? y : x;
  }
  return shape;
}

// Strides of `shape` as it is read at indices of `whole`.
Shape BroadcastStrides(const Shape& shape, const Shape& whole) {
  const Shape own = Strides(shape);
  Shape strides(whole.size(), 0);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1) strides[whole.size() - shape.size() + i] = own[i];
  }
  return strides;
}

int64_t Offset(const Shape& index, const Shape& strides) {
  return std::inner_product(index.begin(), index.end(), strides.begin(), int64_t{0});
}

// One array of this shape.
Array Expanded(const Array& a, const Shape& shape) {
  const Shape whole = Broadcast(a.shape, shape);
  const Shape strides = BroadcastStrides(a.shape, whole);
  Array y = Make(a.type, whole);
  ForEach(whole, [&](const Shape& index, int64_t i) {
    const auto from = static_cast<size_t>(Offset(index, strides)), to = static_cast<size_t>(i);
    IsReal(a) ? void(y.real[to] = a.real[from]) : void(y.integer[to] = a.integer[from]);
  });
  return y;
}

template <typename Real, typename Integers>
Array Binary(const Array& a, const Array& b, const Real& real, const Integers& integers) {
  Require(a.type == b.type, "operands of two types");
  const Shape whole = Broadcast(a.shape, b.shape);
  const Array x = Expanded(a, whole), y = Expanded(b, whole);
  Array z = Make(a.type, whole);
  for (size_t i = 0; i < z.real.size(); ++i) z.real[i] = real(x.real[i], y.real[i]);
  for (size_t i = 0; i < z.integer.size(); ++i) z.integer[i] = integers(x.integer[i], y.integer[i]);
  return z;
}

Array Map(const Array& a, const std::function<double(double)>& f) {
  Require(IsReal(a), "expected reals");
  Array y = a;
  for (double& v : y.real) v = f(v);
  return y;
}

// x{N,C,H,W} by channel c.
Array ByChannel(const Array& x, const std::function<double(double, size_t)>& f) {
  Require(x.shape.size() >= 2, "expected channels");
  const int64_t channels = x.shape[1], inner = Elements({x.shape.begin() + 2, x.shape.end()});
  Array y = x;
  for (size_t i = 0; i < y.real.size(); ++i) {
    y.real[i] = f(x.real[i], i / static_cast<size_t>(inner) % static_cast<size_t>(channels));
  }
  return y;
}

Array Conv(const Arguments& in, Attributes& a) {
  const Array &x = *in[0], &w = *in[1];
  Require(x.shape.size() == 4 && w.shape.size() == 4, "Conv: expected images");
  const int64_t group = a.Integer("group", 1);
  const Shape kernel = a.Integers("kernel_shape", {w.shape[2], w.shape[3]});
  const Shape strides = a.Integers("strides", {1, 1}), pads = a.Integers("pads", {0, 0, 0, 0});
  Require(kernel == Shape({w.shape[2], w.shape[3]}), "Conv: kernel_shape");
  Require(x.shape[1] == w.shape[1] * group && w.shape[0] % group == 0, "Conv: channels");
  int64_t height = x.shape[2], width = x.shape[3];
  if (kernel == Shape({1, 1}) && strides == Shape({1, 1}) && pads == Shape(4, 0)) width *= height, height = 1;
  const int64_t oh = (height + pads[0] + pads[2] - kernel[0]) / strides[0] + 1;
  const int64_t ow = (width + pads[1] + pads[3] - kernel[1]) / strides[1] + 1;
  Array y = MakeReal({x.shape[0], w.shape[0], oh, ow});
  const int64_t in_group = w.shape[1], out_group = w.shape[0] / group;
  if (in.size() > 2) Require(in[2]->shape == Shape({w.shape[0]}), "Conv: bias");
  for (int64_t n = 0; n < x.shape[0]; ++n) {
    for (int64_t o = 0; o < w.shape[0]; ++o) {
      double* to = y.real.data() + (n * w.shape[0] + o) * oh * ow;
      if (in.size() > 2) std::fill_n(to, oh * ow, in[2]->real[static_cast<size_t>(o)]);
      for (int64_t i = 0; i < in_group; ++i) {
        const double* from = x.real.data() + (n * x.shape[1] + o / out_group * in_group + i) * height * width;
        for (int64_t ky = 0; ky < kernel[0]; ++ky) {
          for (int64_t kx = 0; kx < kernel[1]; ++kx) {
            const double weight = w.real[static_cast<size_t>(((o * in_group + i) * kernel[0] + ky) * kernel[1] + kx)];
            for (int64_t r = 0; r < oh; ++r) {
              const int64_t row = r * strides[0] + ky - pads[0];
              if (row < 0 || row >= height) continue;
              // The columns whose pixels are inside.
              int64_t begin = 0, end = ow;
              while (begin < end && begin * strides[1] + kx - pads[1] < 0) ++begin;
              while (end > begin && (end - 1) * strides[1] + kx - pads[1] >= width) --end;
              const double* line = from + row * width + kx - pads[1];
              double* out = to + r * ow;
              if (strides[1] == 1) {  // apart, so that it becomes vector code
                for (int64_t c = begin; c < end; ++c) out[c] += weight * line[c];
              } else {
                for (int64_t c = begin; c < end; ++c) out[c] += weight * line[c * strides[1]];
              }
            }
          }
        }
      }
    }
  }
  if (height != x.shape[2]) y.shape = {x.shape[0], w.shape[0], x.shape[2], x.shape[3]};
  return y;
}

Array AveragePool(const Arguments& in, Attributes& a) {
  const Array& x = *in[0];
  const Shape kernel = a.Integers("kernel_shape", {});
  const Shape strides = a.Integers("strides", {1, 1}), pads = a.Integers("pads", {0, 0, 0, 0});
  const bool include = a.Integer("count_include_pad", 0) != 0;
  Require(x.shape.size() == 4 && kernel.size() == 2, "AveragePool: expected images and a kernel");
  Shape shape = x.shape;
  for (size_t d = 0; d < 2; ++d) shape[d + 2] = (x.shape[d + 2] + pads[d] + pads[d + 2] - kernel[d]) / strides[d] + 1;
  Array y = MakeReal(shape);
  ForEach(shape, [&](const Shape& at, int64_t i) {
    double sum = 0;
    int64_t count = 0;
    for (int64_t r = at[2] * strides[0] - pads[0], r_end = r + kernel[0]; r < r_end; ++r) {
      for (int64_t c = at[3] * strides[1] - pads[1], c_end = c + kernel[1]; c < c_end; ++c) {
        if (r < 0 || c < 0 || r >= x.shape[2] || c >= x.shape[3]) continue;
        sum += x.real[static_cast<size_t>(((at[0] * x.shape[1] + at[1]) * x.shape[2] + r) * x.shape[3] + c)];
        ++count;
      }
    }
    y.real[static_cast<size_t>(i)] = sum / static_cast<double>(include ? kernel[0] * kernel[1] : count);
  });
  return y;
}

Array GlobalAveragePool(const Arguments& in, Attributes&) {
  const Array& x = *in[0];
  Require(x.shape.size() == 4, "GlobalAveragePool: expected images");
  Array y = MakeReal({x.shape[0], x.shape[1], 1, 1});
  const auto inner = static_cast<size_t>(x.shape[2] * x.shape[3]);
  for (size_t i = 0; i < x.real.size(); ++i) y.real[i / inner] += x.real[i] / static_cast<double>(inner);
  return y;
}

Array BatchNormalization(const Arguments& in, Attributes& a) {
  const double epsilon = a.Number("epsilon", 1e-5);
  for (size_t i = 1; i < 5; ++i) Require(in[i]->shape == Shape({in[0]->shape[1]}), "BatchNormalization: channels");
  return ByChannel(*in[0], [&](double v, size_t c) {
    return (v - in[3]->real[c]) / std::sqrt(in[4]->real[c] + epsilon) * in[1]->real[c] + in[2]->real[c];
  });
}

// Mean 0 and variance 1 for every `size` elements.
Array Normalized(const Array& x, size_t size, double epsilon) {
  Array y = x;
  for (size_t i = 0; i < x.real.size(); i += size) {
    double mean = 0, variance = 0;
    for (size_t k = 0; k < size; ++k) mean += x.real[i + k] / static_cast<double>(size);
    for (size_t k = 0; k < size; ++k) variance += std::pow(x.real[i + k] - mean, 2) / static_cast<double>(size);
    for (size_t k = 0; k < size; ++k) y.real[i + k] = (x.real[i + k] - mean) / std::sqrt(variance + epsilon);
  }
  return y;
}

Array InstanceNormalization(const Arguments& in, Attributes& a) {
  const Array& x = *in[0];
  Require(x.shape.size() >= 3 && in[1]->shape == Shape({x.shape[1]}) && in[2]->shape == in[1]->shape,
          "InstanceNormalization: channels");
  const auto size = static_cast<size_t>(Elements({x.shape.begin() + 2, x.shape.end()}));
  return ByChannel(Normalized(x, size, a.Number("epsilon", 1e-5)),
                   [&](double v, size_t c) { return v * in[1]->real[c] + in[2]->real[c]; });
}

Array LayerNormalization(const Arguments& in, Attributes& a) {
  const Array& x = *in[0];
  const int64_t axis = Axis(a.Integer("axis", -1), x.shape.size());
  const auto size = static_cast<size_t>(Elements({x.shape.begin() + axis, x.shape.end()}));
  Array y = Normalized(x, size, a.Number("epsilon", 1e-5));
  Require(in[1]->real.size() == size && in[2]->real.size() == size, "LayerNormalization: scale and bias");
  for (size_t i = 0; i < y.real.size(); ++i) y.real[i] = y.real[i] * in[1]->real[i % size] + in[2]->real[i % size];
  return y;
}

Array MatMul(const Arguments& in, Attributes&) {
  const Array &a = *in[0], &b = *in[1];
  const size_t ra = a.shape.size(), rb = b.shape.size();
  Require(ra >= 2 && rb >= 2 && a.shape[ra - 1] == b.shape[rb - 2], "MatMul: extents");
  const int64_t m = a.shape[ra - 2], k = a.shape[ra - 1], n = b.shape[rb - 1];
  const Shape outer_a(a.shape.begin(), a.shape.end() - 2), outer_b(b.shape.begin(), b.shape.end() - 2);
  const Shape outer = Broadcast(outer_a, outer_b);
  const Shape stride_a = BroadcastStrides(outer_a, outer), stride_b = BroadcastStrides(outer_b, outer);
  Shape shape = outer;
  shape.push_back(m), shape.push_back(n);
  Array y = MakeReal(shape);
  ForEach(outer, [&](const Shape& index, int64_t i) {
    const double* x = a.real.data() + Offset(index, stride_a) * m * k;
    const double* w = b.real.data() + Offset(index, stride_b) * k * n;
    double* to = y.real.data() + i * m * n;
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t t = 0; t < k; ++t) {
        for (int64_t c = 0; c < n; ++c) to[r * n + c] += x[r * k + t] * w[t * n + c];
      }
    }
  });
  return y;
}

Array Transpose(const Arguments& in, Attributes& a) {
  const Array& x = *in[0];
  const Shape perm = a.Integers("perm", {});
  Require(perm.size() == x.shape.size(), "Transpose: perm");
  const Shape from = Strides(x.shape);
  Shape shape, strides;
  for (int64_t p : perm)
    shape.push_back(x.shape[static_cast<size_t>(p)]), strides.push_back(from[static_cast<size_t>(p)]);
  Array y = Make(x.type, shape);
  ForEach(shape, [&](const Shape& index, int64_t i) {
    const auto at = static_cast<size_t>(Offset(index, strides)), to = static_cast<size_t>(i);
    IsReal(x) ? void(y.real[to] = x.real[at]) : void(y.integer[to] = x.integer[at]);
  });
  return y;
}

Array Gemm(const Arguments& in, Attributes& a) {
  Require(in[0]->shape.size() == 2 && in[1]->shape.size() == 2, "Gemm: expected matrices");
  Array w = *in[1];
  if (a.Integer("transB", 0) != 0) {
    Node node;
    node.attributes["perm"] = {.type = 7, .integer = 0, .number = 0, .text = {}, .integers = {1, 0}};
    Attributes perm(node);
    w = Transpose({in[1]}, perm);
  }
  Array y = MatMul({in[0], &w}, a);
  if (in.size() > 2) y = Binary(y, *in[2], std::plus<>(), std::plus<>());
  return y;
}

Array Reshape(const Arguments& in, Attributes&) {
  Array y = *in[0];
  Shape shape = in[1]->integer;
  int64_t known = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) shape[i] = y.shape.at(i);
    if (shape[i] > 0) known *= shape[i];
  }
  Require(std::count(shape.begin(), shape.end(), -1) <= 1, "Reshape: two unknown extents");
  for (int64_t& extent : shape) {
    if (extent == -1) extent = Elements(y.shape) / known;
  }
  Require(Elements(shape) == Elements(y.shape), "Reshape: another number of elements");
  y.shape = shape;
  return y;
}

Array Slice(const Arguments& in, Attributes&) {
  const Array& x = *in[0];
  Require(in.size() <= 4, "Slice: steps");
  Shape shape = x.shape, begins(x.shape.size(), 0);
  for (size_t i = 0; i < in[1]->integer.size(); ++i) {
    const auto axis = in.size() > 3 ? static_cast<size_t>(Axis(in[3]->integer[i], x.shape.size())) : i;
    const int64_t extent = x.shape[axis];
    const auto clamp = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + extent : v, 0, extent); };
    begins[axis] = clamp(in[1]->integer[i]);
    shape[axis] = std::max<int64_t>(0, clamp(in[2]->integer[i]) - begins[axis]);
  }
  const Shape strides = Strides(x.shape);
  const int64_t first = Offset(begins, strides);
  Array y = Make(x.type, shape);
  ForEach(shape, [&](const Shape& index, int64_t i) {
    const auto at = static_cast<size_t>(first + Offset(index, strides)), to = static_cast<size_t>(i);
    IsReal(x) ? void(y.real[to] = x.real[at]) : void(y.integer[to] = x.integer[at]);
  });
  return y;
}

Array Concat(const Arguments& in, Attributes& a) {
  const auto axis = static_cast<size_t>(Axis(a.Integer("axis", 0), in[0]->shape.size()));
  Shape shape = in[0]->shape;
  shape[axis] = 0;
  for (const Array* x : in) shape[axis] += x->shape[axis];
  Array y = Make(in[0]->type, shape);
  const int64_t outer = Elements({shape.begin(), shape.begin() + static_cast<int64_t>(axis)});
  const int64_t inner = Elements({shape.begin() + static_cast<int64_t>(axis) + 1, shape.end()});
  int64_t before = 0;
  for (const Array* x : in) {
    Require(x->type == y.type, "Concat: types");
    const int64_t count = x->shape[axis] * inner;
    Require(Elements(x->shape) == outer * count, "Concat: extents");
    for (int64_t o = 0; o < outer; ++o) {
      const int64_t to = o * shape[axis] * inner + before;
      if (IsReal(y)) std::copy_n(x->real.begin() + o * count, count, y.real.begin() + to);
      if (!IsReal(y)) std::copy_n(x->integer.begin() + o * count, count, y.integer.begin() + to);
    }
    before += count;
  }
  return y;
}

Array Gather(const Arguments& in, Attributes& a) {
  const Array &x = *in[0], &ids = *in[1];
  const auto axis = static_cast<size_t>(Axis(a.Integer("axis", 0), x.shape.size()));
  Shape shape(x.shape.begin(), x.shape.begin() + static_cast<int64_t>(axis));
  shape.insert(shape.end(), ids.shape.begin(), ids.shape.end());
  shape.insert(shape.end(), x.shape.begin() + static_cast<int64_t>(axis) + 1, x.shape.end());
  const int64_t outer = Elements({x.shape.begin(), x.shape.begin() + static_cast<int64_t>(axis)});
  const int64_t inner = Elements({x.shape.begin() + static_cast<int64_t>(axis) + 1, x.shape.end()});
  Array y = Make(x.type, shape);
  int64_t to = 0;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t id : ids.integer) {
      Require(id >= 0 && id < x.shape[axis], "Gather: an index outside");
      for (int64_t i = 0; i < inner; ++i, ++to) {
        y.real[static_cast<size_t>(to)] = x.real[static_cast<size_t>((o * x.shape[axis] + id) * inner + i)];
      }
    }
  }
  return y;
}

Array Softmax(const Arguments& in, Attributes& a) {
  Array y = *in[0];
  Require(Axis(a.Integer("axis", -1), y.shape.size()) == static_cast<int64_t>(y.shape.size()) - 1, "Softmax: axis");
  const auto size = static_cast<size_t>(y.shape.back());
  for (size_t i = 0; i < y.real.size(); i += size) {
    double largest = y.real[i], sum = 0;
    for (size_t k = 0; k < size; ++k) largest = std::max(largest, y.real[i + k]);
    for (size_t k = 0; k < size; ++k) sum += y.real[i + k] = std::exp(y.real[i + k] - largest);
    for (size_t k = 0; k < size; ++k) y.real[i + k] /= sum;
  }
  return y;
}

Array CumSum(const Arguments& in, Attributes&) {
  Array y = *in[0];
  Require(!IsReal(y), "CumSum: expected integers");
  Require(Axis(in[1]->integer.at(0), y.shape.size()) == static_cast<int64_t>(y.shape.size()) - 1, "CumSum: axis");
  for (size_t i = 0; i < y.integer.size(); ++i) {
    if (i % static_cast<size_t>(y.shape.back()) != 0) y.integer[i] += y.integer[i - 1];
  }
  return y;
}

Array ShapeOf(const Arguments& in, Attributes& a) {
  const Shape& s = in[0]->shape;
  const auto rank = static_cast<int64_t>(s.size());
  const int64_t start = a.Integer("start", 0), end = std::min(a.Integer("end", rank), rank);
  Array y = Make(kInt64, {end - start});
  std::copy(s.begin() + start, s.begin() + end, y.integer.begin());
  return y;
}

Array Trilu(const Arguments& in, Attributes& a) {
  Array y = *in[0];
  Require(a.Integer("upper", 1) == 1 && IsReal(y), "Trilu: expected the upper part of reals");
  const int64_t k = in[1]->integer.at(0), rows = y.shape[y.shape.size() - 2], columns = y.shape.back();
  for (size_t i = 0; i < y.real.size(); ++i) {
    const int64_t at = static_cast<int64_t>(i) % (rows * columns);
    if (at % columns < at / columns + k) y.real[i] = 0;
  }
  return y;
}

Array ReduceMax(const Arguments& in, Attributes& a) {
  const Array& x = *in[0];
  const Shape axes = a.Integers("axes", {});
  Require(axes == Shape({-1}) && a.Integer("keepdims", 1) == 1, "ReduceMax: axes");
  Shape shape = x.shape;
  shape.back() = 1;
  Array y = MakeReal(shape);
  std::fill(y.real.begin(), y.real.end(), -INFINITY);
  const auto size = static_cast<size_t>(x.shape.back());
  for (size_t i = 0; i < x.real.size(); ++i) y.real[i / size] = std::max(y.real[i / size], x.real[i]);
  return y;
}

Array Cast(const Arguments& in, Attributes& a) {
  const Array& x = *in[0];
  Array y = Make(a.Integer("to", 0), x.shape);
  for (size_t i = 0; i < static_cast<size_t>(Elements(x.shape)); ++i) {
    const double v = IsReal(x) ? x.real[i] : static_cast<double>(x.integer[i]);
    if (IsReal(y)) y.real[i] = v;
    if (!IsReal(y)) y.integer[i] = y.type == kBool ? int64_t{v != 0} : static_cast<int64_t>(v);
  }
  return y;
}

Array Where(const Arguments& in, Attributes&) {
  const Shape whole = Broadcast(in[0]->shape, Broadcast(in[1]->shape, in[2]->shape));
  const Array condition = Expanded(*in[0], whole), x = Expanded(*in[1], whole);
  Array y = Expanded(*in[2], whole);
  Require(condition.type == kBool, "Where: expected a condition");
  for (size_t i = 0; i < y.real.size(); ++i) {
    if (condition.integer[i] != 0) y.real[i] = x.real[i];
  }
  return y;
}

Array Logical(Array y) {
  y.type = kBool;
  return y;
}

Array Unsqueeze(const Arguments& in, Attributes&) {
  Array y = *in[0];
  Shape axes = in[1]->integer;
  std::sort(axes.begin(), axes.end());
  for (int64_t axis : axes) y.shape.insert(y.shape.begin() + axis, 1);
  return y;
}

Array Flatten(const Arguments& in, Attributes& a) {
  Array y = *in[0];
  const int64_t axis = a.Integer("axis", 1);
  y.shape = {Elements({y.shape.begin(), y.shape.begin() + axis}), Elements({y.shape.begin() + axis, y.shape.end()})};
  return y;
}

// Keys (1981) with a = -0.75, centres of pixels at 0.5, the nearest pixel for those outside.
Array Resize(const Arguments& in, Attributes& a) {
  const Array& x = *in[0];
  const double cubic = a.Number("cubic_coeff_a", -0.75);
  Require(
      a.Text("mode", "nearest") == "cubic" && a.Text("coordinate_transformation_mode", "half_pixel") == "half_pixel",
      "Resize: mode");
  Require(in.size() == 4 && in[1] == nullptr && in[2] == nullptr, "Resize: expected sizes");
  const Shape shape = in[3]->integer;
  Require(shape.size() == 4 && shape[0] == x.shape[0] && shape[1] == x.shape[1], "Resize: sizes");
  const auto weight = [&](double d) {
    d = std::abs(d);
    if (d <= 1) return (cubic + 2) * d * d * d - (cubic + 3) * d * d + 1;
    return d < 2 ? cubic * d * d * d - 5 * cubic * d * d + 8 * cubic * d - 4 * cubic : 0;
  };
  Array y = MakeReal(shape);
  ForEach(shape, [&](const Shape& at, int64_t i) {
    double centre[2];
    for (size_t d = 0; d < 2; ++d) {
      centre[d] = (static_cast<double>(at[d + 2]) + 0.5) * static_cast<double>(x.shape[d + 2]) /
                      static_cast<double>(shape[d + 2]) -
                  0.5;
    }
    const auto r0 = static_cast<int64_t>(std::floor(centre[0])), c0 = static_cast<int64_t>(std::floor(centre[1]));
    double sum = 0;
    for (int64_t r = r0 - 1; r <= r0 + 2; ++r) {
      for (int64_t c = c0 - 1; c <= c0 + 2; ++c) {
        const int64_t row = std::clamp<int64_t>(r, 0, x.shape[2] - 1),
                      column = std::clamp<int64_t>(c, 0, x.shape[3] - 1);
        sum += weight(centre[0] - static_cast<double>(r)) * weight(centre[1] - static_cast<double>(c)) *
               x.real[static_cast<size_t>(((at[0] * x.shape[1] + at[1]) * x.shape[2] + row) * x.shape[3] + column)];
      }
    }
    y.real[static_cast<size_t>(i)] = sum;
  });
  return y;
}

double Sigmoid(double v) { return 1 / (1 + std::exp(-v)); }
double HardSigmoid(double v, double alpha, double beta) { return std::clamp(alpha * v + beta, 0.0, 1.0); }

using Function = std::function<Array(const Arguments&, Attributes&)>;

const std::map<std::string, Function>& Operators() {
  static const std::map<std::string, Function> operators = {
      {"Conv", Conv},
      {"AveragePool", AveragePool},
      {"GlobalAveragePool", GlobalAveragePool},
      {"BatchNormalization", BatchNormalization},
      {"InstanceNormalization", InstanceNormalization},
      {"LayerNormalization", LayerNormalization},
      {"MatMul", MatMul},
      {"Gemm", Gemm},
      {"Transpose", Transpose},
      {"Reshape", Reshape},
      {"Slice", Slice},
      {"Concat", Concat},
      {"Gather", Gather},
      {"Softmax", Softmax},
      {"CumSum", CumSum},
      {"Shape", ShapeOf},
      {"Trilu", Trilu},
      {"ReduceMax", ReduceMax},
      {"Cast", Cast},
      {"Where", Where},
      {"Unsqueeze", Unsqueeze},
      {"Flatten", Flatten},
      {"Resize", Resize},
      {"Identity", [](const Arguments& in, Attributes&) { return *in[0]; }},
      {"Expand", [](const Arguments& in, Attributes&) { return Expanded(*in[0], in[1]->integer); }},
      {"Add", [](const Arguments& in, Attributes&) { return Binary(*in[0], *in[1], std::plus<>(), std::plus<>()); }},
      {"Mul", [](const Arguments& in,
                 Attributes&) { return Binary(*in[0], *in[1], std::multiplies<>(), std::multiplies<>()); }},
      {"Equal",
       [](const Arguments& in, Attributes&) {
         Require(!IsReal(*in[0]), "Equal: expected integers");
         return Logical(Binary(*in[0], *in[1], std::equal_to<>(), std::equal_to<>()));
       }},
      {"Or",
       [](const Arguments& in, Attributes&) {
         Require(in[0]->type == kBool, "Or: expected conditions");
         return Binary(*in[0], *in[1], std::logical_or<>(), std::logical_or<>());
       }},
      {"Not",
       [](const Arguments& in, Attributes&) {
         Require(in[0]->type == kBool, "Not: expected a condition");
         Array y = *in[0];
         for (int64_t& v : y.integer) v = int64_t{v == 0};
         return y;
       }},
      {"Relu", [](const Arguments& in, Attributes&) { return Map(*in[0], [](double v) { return std::max(v, 0.0); }); }},
      {"Sigmoid", [](const Arguments& in, Attributes&) { return Map(*in[0], Sigmoid); }},
      {"HardSigmoid",
       [](const Arguments& in, Attributes& a) {
         const double alpha = a.Number("alpha", 0.2), beta = a.Number("beta", 0.5);
         return Map(*in[0], [&](double v) { return HardSigmoid(v, alpha, beta); });
       }},
      {"HardSwish", [](const Arguments& in,
                       Attributes&) { return Map(*in[0], [](double v) { return v * HardSigmoid(v, 1.0 / 6, 0.5); }); }},
  };
  return operators;
}

// Checks a value against a port, and that an axis has one extent wherever its name is.
void Match(const Port& port, const Array& value, std::map<std::string, int64_t>& axes) {
  Require(port.type == value.type, port.name + ": another type");
  Require(port.shape.size() == value.shape.size(), port.name + ": another rank");
  for (size_t i = 0; i < port.shape.size(); ++i) {
    const bool fixed = !port.shape[i].empty() && std::isdigit(static_cast<unsigned char>(port.shape[i][0])) != 0;
    const int64_t expected =
        fixed ? std::stoll(port.shape[i]) : axes.try_emplace(port.shape[i], value.shape[i]).first->second;
    Require(expected == value.shape[i], port.name + ": axis " + std::to_string(i) + " is " +
                                            std::to_string(value.shape[i]) + ", expected " + port.shape[i]);
  }
}

using Known = std::map<std::string, const Array*>;

Array Evaluate(const Node& node, const Known& known) {
  const auto op = Operators().find(node.type);
  Require(op != Operators().end(), node.type + ": not known");
  Require(node.outputs.size() == 1, node.name + ": outputs");
  Arguments arguments;
  for (const std::string& input : node.inputs) {
    const auto found = known.find(input);
    Require(input.empty() || found != known.end(), node.name + " reads " + input + ", which is not there");
    arguments.push_back(input.empty() ? nullptr : found->second);
  }
  Attributes attributes(node);
  Array value = op->second(arguments, attributes);
  attributes.CheckAllRead();
  return value;
}

}  // namespace

Session::Session(const File& file) : file_(file) {
  Known known;
  for (const auto& [name, array] : file.initializers) known[name] = &array;
  for (const Node& node : file.nodes) {
    const auto is_known = [&](const std::string& input) { return input.empty() || known.contains(input); };
    if (!std::all_of(node.inputs.begin(), node.inputs.end(), is_known)) continue;
    const Array& value = constants_[node.outputs.at(0)] = Evaluate(node, known);
    Require(known.emplace(node.outputs[0], &value).second, node.outputs[0] + ": twice");
  }
}

std::map<std::string, Array> Session::Run(const std::map<std::string, Array>& inputs) const {
  std::map<std::string, Array> values;
  Known known;
  std::map<std::string, int64_t> axes;
  for (const auto& [name, array] : file_.initializers) known[name] = &array;
  for (const Port& port : file_.inputs) {
    const auto given = inputs.find(port.name);
    Require(given != inputs.end(), port.name + ": not given");
    Match(port, given->second, axes);
    Require(known.emplace(port.name, &given->second).second, port.name + ": twice");
  }
  for (const Node& node : file_.nodes) {
    const auto constant = constants_.find(node.outputs.at(0));
    if (constant == constants_.end()) values[node.outputs[0]] = Evaluate(node, known);
    const Array& value = constant != constants_.end() ? constant->second : values.at(node.outputs[0]);
    Require(known.emplace(node.outputs[0], &value).second, node.outputs[0] + ": twice");
  }
  std::map<std::string, Array> outputs;
  for (const Port& port : file_.outputs) {
    Require(known.contains(port.name), port.name + ": not computed");
    Match(port, *known[port.name], axes);
    outputs[port.name] = *known[port.name];
  }
  return outputs;
}

}  // namespace mathnas::onnx::testing
