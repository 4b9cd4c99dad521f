// Operators as lines: the inverse of what operator_cases.cc builds of a line.
#include "absl/status/status.h"
#include "fmt/format.h"
#include "kernels/status.h"
#include "kernels/testing/operator_cases.h"

namespace mathnas::kernels::testing {
namespace {

// A tensor of any rank as images: {N,T,E} is {N,1,T,E}, {N,E} is {N,1,1,E}; axes that are too many are images.
Shape AsImage(const Shape& shape) {
  const size_t rank = shape.size();
  Shape image = {1, 1, 1, rank > 0 ? shape[rank - 1] : 1};
  if (rank > 1) image[0] = shape[0];
  if (rank == 3) image[2] = shape[1];
  if (rank > 3) {
    image[2] = shape[rank - 2];
    image[1] = shape[rank - 3];
    for (size_t i = 1; i + 3 < rank; ++i) image[0] *= shape[i];
  }
  return image;
}

// Which axis of AsImage an axis of a tensor of this rank is.
int32_t ImageAxis(int32_t axis, size_t rank) { return axis == 0 ? 0 : axis + 4 - static_cast<int32_t>(rank); }

// By operator: writes its words. `inputs` are its inputs' shapes.
struct Writer {
  DescSpan inputs;
  ShapeLineWriter& line;
  absl::Status status = absl::OkStatus();

  const Shape& shape(size_t i) const { return inputs[i].shape; }
  static double Of(int64_t extent) { return static_cast<double>(extent); }
  void Size(std::string_view key, int64_t value, int64_t otherwise = 1) { line.Add(key, Of(value), Of(otherwise)); }
  void Image(const Shape& any) {
    const Shape x = AsImage(any);
    Size("n", x[0]), Size("h", x[1]), Size("w", x[2]), Size("c", x[3]);
  }

  void Convolution(const Shape& src, const Shape& weights, int32_t stride, int32_t padding, int32_t groups) {
    Image(src);
    Size("o", weights[0]);
    if (weights[2] == weights[3]) {
      Size("k", weights[2]);
    } else {
      Size("kh", weights[2], 0), Size("kw", weights[3], 0);
    }
    Size("s", stride), Size("p", padding, 0), Size("g", groups);
  }
  void operator()(const Conv2d& op) {
    Convolution(shape(0), shape(1), op.stride, op.padding, op.groups);
    line.AddFlag("bias", op.has_bias).AddFlag("addend", op.has_addend);
    if (op.activation != Activation::kNone) line.AddFlag(Name(op.activation), true);
  }
  void operator()(const Conv2dBackwardData& op) {
    const Shape src = {shape(0)[0], op.height, op.width, shape(1)[1] * op.groups};
    Convolution(src, shape(1), op.stride, op.padding, op.groups);
  }
  void operator()(const Conv2dBackwardWeights& op) {
    const Shape weights = {shape(1)[3], shape(0)[3] / op.groups, op.kernel_h, op.kernel_w};
    Convolution(shape(0), weights, op.stride, op.padding, op.groups);
    line.AddFlag("bias", op.has_bias);
  }

  void operator()(const ExpandDepthwise& op) {
    Image(shape(0));
    Size("m", shape(1)[0]), Size("k", shape(3)[2], 3), Size("s", op.stride), Size("p", op.padding, 0);
    if (op.expand_activation != Activation::kNone) line.AddFlag(Name(op.expand_activation), true);
    if (op.activation == op.expand_activation) return;
    line.AddFlag("linear", true);
    if (op.activation != Activation::kNone) status = absl::UnimplementedError("two activations have no line");
  }

  template <typename Op>
  void Terms(const Op& op) {
    Image(shape(0));
    line.AddFlag("affine", op.affine, true);
    Size("terms", op.terms);
    if (op.activation != Activation::kNone) line.AddFlag(Name(op.activation), true);
  }
  void operator()(const NormalizedSum& op) {
    Terms(op);
    Size("addends", std::ssize(inputs) - static_cast<int64_t>(op.term_inputs()), 0);
  }
  void operator()(const NormalizedSumBackward& op) {
    Terms(op);
    Size("flows", std::ssize(inputs) - static_cast<int64_t>(op.first_flow()));
    line.AddFlag("total", op.has_total);
  }
  void operator()(const BatchNormMoments& op) {
    Image(shape(0));
    line.AddFlag("track", op.track, true);
  }
  void operator()(const BatchNormTraining& op) {
    Image(shape(0));
    line.AddFlag("affine", op.affine, true).AddFlag("track", op.track, true);
  }
  void operator()(const BatchNormBackward& op) {
    Image(shape(0));
    line.AddFlag("affine", op.affine, true);
  }
  void operator()(const BatchNormInference& op) {
    Image(shape(0));
    line.AddFlag("affine", op.affine, true).AddFlag("relu", op.relu);
  }

  void operator()(const Add&) {
    Image(shape(0));
    Size("terms", std::ssize(inputs), 2);
  }
  void operator()(const Scale& op) {
    Image(shape(0));
    line.Add("factor", op.factor, 0.1);
  }
  void operator()(const Fill& op) {
    Image(op.shape.shape());
    line.Add("factor", op.value, 0.1);
  }

  void operator()(const LayerNorm& op) {
    Image(shape(0));
    Size("axes", op.axes);
  }
  void operator()(const LayerNormBackward& op) {
    Image(shape(0));
    Size("axes", op.axes);
  }
  void Table(const Shape& x, const Shape& table, int32_t row, double factor) {
    Image(x);
    Size("rows", RowsOf(table)), Size("d", table.back()), Size("row", row, 0);
    line.Add("factor", factor, 1);
  }
  void operator()(const LayerScale& op) { Table(shape(0), shape(1), op.row, op.factor); }
  void operator()(const LayerScaleBackwardTable& op) { Table(shape(0), op.shape.shape(), op.row, op.factor); }

  template <typename Op>
  void AnyAttention(const Op& op) {
    const int64_t b = shape(1)[0];
    Size("b", b), Size("n", b > 0 ? shape(0)[0] / b : 1), Size("t", shape(0)[1]), Size("s", shape(1)[1]);
    Size("heads", op.heads), Size("e", shape(0)[2]), Size("f", shape(2)[2]);
    line.AddFlag("causal", op.causal);
    if (op.masked) Size("r", shape(3)[1], 0);
    line.Add("rate", op.rate, 0);
    Size("stream", op.stream, 0);
  }
  void operator()(const Attention& op) { AnyAttention(op); }
  void operator()(const AttentionBackward& op) { AnyAttention(op); }
  void AnyTalkingHeads(int32_t window) {
    Size("n", shape(0)[0]), Size("h", shape(0)[1]), Size("w", shape(0)[2]), Size("heads", shape(3)[1]);
    Size("e", shape(0)[3]), Size("f", shape(2)[3]), Size("window", window);
  }
  void operator()(const TalkingHeads& op) { AnyTalkingHeads(op.window); }
  void operator()(const TalkingHeadsBackward& op) { AnyTalkingHeads(op.window); }

  // Ids of any rank as {n,t}.
  void Ids(const Shape& ids) {
    const int64_t t = ids.empty() ? 1 : ids.back();
    Size("n", RowsOf(ids)), Size("t", t);
  }
  void operator()(const Embedding& op) {
    Ids(shape(0));
    Size("rows", shape(1)[0]), Size("d", shape(1)[1]);
    line.Add("scale", op.scale, 1);
  }
  void operator()(const EmbeddingBackward& op) {
    Ids(shape(0));
    Size("rows", op.rows), Size("d", shape(1).back()), Size("padding", op.padding, -1);
    line.Add("scale", op.scale, 1);
  }
  void operator()(const AccumulateRows& op) {
    Ids(shape(1));
    Size("rows", shape(0)[0]), Size("d", shape(0)[1]), Size("padding", op.padding, -1);
    line.Add("scale", op.scale, 1);
  }
  void operator()(const SinusoidalPositions& op) {
    Ids(shape(0));
    Size("columns", op.columns, 4), Size("width", op.width, 4), Size("rows", op.rows), Size("padding", op.padding, 0);
    if (op.from_tokens) Size("tokens", std::max(op.padding + 2, 5), 0);  // how many are padding takes no other time
  }

  void operator()(const Concat& op) {
    const auto axis = static_cast<size_t>(op.axis);
    const int64_t first = shape(0)[axis], growth = inputs.size() > 1 ? shape(1)[axis] - first : 1;
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (shape(i)[axis] != first + static_cast<int64_t>(i) * growth || growth < 0) {
        status = absl::UnimplementedError("extents that do not grow evenly have no line");
      }
    }
    Image(shape(0));
    Size("axis", ImageAxis(op.axis, shape(0).size()), 0), Size("terms", std::ssize(inputs), 2), Size("growth", growth);
  }
  void operator()(const Part& op) {
    Image(shape(0));
    Size("axis", ImageAxis(op.axis, shape(0).size()), 0), Size("begin", op.begin, 0), Size("count", op.count);
  }
  void operator()(const Resize& op) {
    Image(shape(0));
    Size("to_h", op.height), Size("to_w", op.width);
  }
  void operator()(const Dropout& op) {
    Image(shape(0));
    line.Add("rate", op.rate, 0);
    Size("stream", op.stream, 0);
    line.AddFlag("path", op.group > 1);
  }
  void operator()(const Store&) {
    const Shape& state = shape(0);
    Size("b", state[0]), Size("l", state[1]), Size("t", shape(1)[1]), Size("e", state[2]);
  }

  void Transform(const Shape& weights, int64_t source, int64_t kernel, bool has_matrix) {
    Size("c", weights[0]), Size("k", kernel), Size("source", source);
    line.AddFlag("matrix", has_matrix, true);
  }
  void operator()(const KernelTransform& op) { Transform(shape(0), shape(0)[2], op.kernel, op.has_matrix); }
  void operator()(const KernelTransformBackwardWeights& op) {
    Transform(shape(0), op.source_kernel, shape(0)[2], op.has_matrix);
  }
  void operator()(const KernelTransformBackwardMatrix&) { Transform(shape(0), shape(0)[2], shape(1)[2], true); }

  template <typename Op>
  void Pool(const Op& op, const Shape& src) {
    Image(src);
    Size("k", op.kernel), Size("s", op.stride), Size("p", op.padding, 0);
    line.AddFlag("include_padding", op.include_padding);
  }
  void operator()(const AvgPool2d& op) { Pool(op, shape(0)); }
  void operator()(const AvgPool2dBackward& op) { Pool(op, {shape(0)[0], op.height, op.width, shape(0)[3]}); }
  void operator()(const GlobalAvgPoolBackward& op) { Image({shape(0)[0], op.height, op.width, shape(0)[1]}); }

  // {n,features}, {n,t,features}; of higher ranks all but the first axis are tokens.
  void Rows(const Shape& x) {
    Size("n", x[0]);
    if (x.size() > 2) Size("t", x[0] > 0 ? RowsOf(x) / x[0] : 1, 0);
  }
  void Features(int64_t i, int64_t o) { Size("i", i), Size("o", o); }
  void operator()(const Linear& op) {
    Rows(shape(0)), Features(shape(0).back(), shape(1)[0]);
    line.AddFlag("bias", op.has_bias).AddFlag("wide", op.wide_dst);
  }
  void operator()(const LinearBackwardData&) { Rows(shape(0)), Features(shape(1)[1], shape(0).back()); }
  void operator()(const LinearBackwardWeights& op) {
    Rows(shape(0)), Features(shape(0).back(), shape(1).back());
    line.AddFlag("bias", op.has_bias);
  }

  void Loss(const Shape& logits) {
    Rows(logits);
    Size("k", logits.back(), 2);
  }
  template <typename Op>
  void LabelLoss(const Op& op) {
    Loss(shape(0));
    line.Add("smoothing", op.label_smoothing, 0);
    Size("ignored", op.ignored_label, -1);
    line.AddFlag("sum", op.sum);
  }
  void operator()(const SoftmaxCrossEntropy& op) { LabelLoss(op); }
  void operator()(const SoftmaxCrossEntropyBackward& op) { LabelLoss(op); }
  void operator()(const SoftTargetCrossEntropy&) { Loss(shape(0)); }
  void operator()(const SoftTargetCrossEntropyBackward&) { Loss(shape(0)); }
  void operator()(const AdaptiveTargets&) { Loss(shape(0)); }

  void operator()(const Convert& op) {
    Image(shape(0));
    if (op.to == DType::kF16) line.Add("to_float", 16, 0);
  }

  void operator()(const Slice&) { status = absl::UnimplementedError("a view has no line"); }

  // Those that are about one shape alone.
  template <typename Elementwise>
  void operator()(const Elementwise&) {
    Image(shape(0));
  }
};

}  // namespace

absl::StatusOr<std::string> LineOf(const Operator& op, DescSpan inputs) {
  ShapeLineWriter line(NameOf(op));
  Writer writer = {inputs, line};
  std::visit([&writer](const auto& o) { writer(o); }, op);
  if (!inputs.empty() && IsLow(inputs[0].dtype)) line.Add(inputs[0].dtype == DType::kF16 ? "float" : "bfloat", 16, 0);
  if (!writer.status.ok()) return Annotate(writer.status, NameOf(op));
  return line.text();
}

}  // namespace mathnas::kernels::testing
