#include "kernels/cuda/conv_choice.h"

#include "fmt/format.h"
#include "kernels/status.h"

namespace mathnas::kernels::cuda {
namespace {

using cudnn::Graph;
using Direction = Graph::Direction;

ConvShape ShapeOf(const Shape& src, const Shape& weights, const Shape& dst, int stride, int padding, int groups) {
  const auto narrow = [](int64_t extent) { return static_cast<int>(extent); };
  return {.batch = src[0],
          .height = narrow(src[1]),
          .width = narrow(src[2]),
          .in = narrow(src[3]),
          .out_height = narrow(dst[1]),
          .out_width = narrow(dst[2]),
          .out = narrow(dst[3]),
          .kernel_h = narrow(weights[2]),
          .kernel_w = narrow(weights[3]),
          .stride = stride,
          .padding = padding,
          .group_in = narrow(weights[1]),
          .group_out = narrow(weights[0]) / groups};
}

// {N, C, H, W} in the order NHWC; {K, C, kh, kw} of a filter in the order KRSC is the same.
Graph::Tensor ChannelsLast(DType type, std::array<int64_t, 4> dims) {
  return {type, dims, {dims[1] * dims[2] * dims[3], 1, dims[3] * dims[1], dims[1]}};
}

Graph GraphOf(const ConvProblem& p, DType type, bool fused) {
  const ConvShape& s = p.shape;
  Graph g;
  const int x = g.Add(ChannelsLast(type, {s.batch, s.in, s.height, s.width}));
  const int w = g.Add(ChannelsLast(type, {s.out, s.group_in, s.kernel_h, s.kernel_w}));
  Graph::Tensor result = ChannelsLast(type, {s.batch, s.out, s.out_height, s.out_width});
  // The same on both sides: what the last windows leave of the padding does not matter, and less than nothing, where
  // they leave pixels of the image too, is an error.
  Graph::Convolution convolution = {p.direction, x, w, 0, {s.stride, s.stride}, {s.padding, s.padding}, {}};
  convolution.after = convolution.before;
  if (!fused) {
    convolution.y = g.Add(result);
    g.operations.push_back(convolution);
    return g;
  }
  Graph::Tensor inside = result;
  inside.is_virtual = true;
  convolution.y = g.Add(inside);
  g.operations.push_back(convolution);
  const int bias = g.Add({type, {1, s.out, 1, 1}, {s.out, 1, s.out, s.out}});
  const bool relu = p.activation == Activation::kRelu;
  const int sum = g.Add(relu ? inside : result);
  g.operations.push_back(Graph::Pointwise{Graph::Pointwise::Mode::kAdd, convolution.y, bias, sum});
  if (relu) {
    const int y = g.Add(result);
    g.operations.push_back(Graph::Pointwise{Graph::Pointwise::Mode::kRelu, sum, -1, y});
  }
  return g;
}

}  // namespace

ConvProblem ProblemOf(const Conv2d& op, DescSpan inputs, DescSpan outputs) {
  return {.direction = Direction::kForward,
          .shape = ShapeOf(inputs[0].shape, inputs[1].shape, outputs[0].shape, op.stride, op.padding, op.groups),
          .type = inputs[0].dtype,
          .has_bias = op.has_bias,
          .has_addend = op.has_addend,
          .activation = op.activation};
}

ConvProblem ProblemOf(const Conv2dBackwardData& op, DescSpan inputs, DescSpan outputs) {
  return {.direction = Direction::kBackwardData,
          .shape = ShapeOf(outputs[0].shape, inputs[1].shape, inputs[0].shape, op.stride, op.padding, op.groups),
          .type = inputs[0].dtype};
}

ConvProblem ProblemOf(const Conv2dBackwardWeights& op, DescSpan inputs, DescSpan outputs) {
  return {.direction = Direction::kBackwardWeights,
          .shape = ShapeOf(inputs[0].shape, outputs[0].shape, inputs[1].shape, op.stride, op.padding, op.groups),
          .type = inputs[0].dtype};
}

std::string ConvChoice::name() const {
  if (path == Path::kDirect) return "direct";
  return fmt::format("{}:{}", path == Path::kWidened ? "widened" : "cudnn", engine.name());
}

ConvChoice Choose(const Cudnn& cudnn, const cudnn::Target& target, const ConvProblem& p, bool tf32) {
  ConvChoice choice;
  const auto takes = [&](ConvChoice::Path path, bool fused) {
    const bool widened = path == ConvChoice::Path::kWidened;
    Graph graph = GraphOf(p, widened ? DType::kF32 : p.type, fused);
    auto engine = cudnn::ChooseEngine(cudnn, target, graph, {.tf32 = tf32 || widened});
    if (!engine.ok()) {
      choice.refusals += fmt::format("{}\n", Message(engine.status()));
      return false;
    }
    choice.path = path;
    choice.fused = fused;
    choice.graph = std::move(graph);
    choice.engine = *std::move(engine);
    return true;
  };
  using Path = ConvChoice::Path;
  const bool low = IsLow(p.type);
  // Sums of 16 bits are rounded when everything is in them.
  const bool wants_wide = low && (p.direction == Direction::kBackwardWeights || p.has_epilogue());
  if (wants_wide) {
    const bool depthwise = p.shape.group_in == 1 && p.shape.in > 1;
    if (depthwise && p.direction == Direction::kForward) return choice;
    takes(Path::kWidened, false);
    return choice;
  }
  // cuDNN has compiled engines for a bias alone or with ReLU.
  const bool fuses =
      p.has_bias && !p.has_addend && (p.activation == Activation::kNone || p.activation == Activation::kRelu);
  if (fuses && takes(Path::kCudnn, true)) return choice;
  takes(Path::kCudnn, false);
  return choice;
}

}  // namespace mathnas::kernels::cuda
