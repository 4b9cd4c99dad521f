#include "kernels/ops/concat.h"

#include "fmt/format.h"
#include "kernels/graph.h"

namespace mathnas::kernels {
namespace {

absl::Status CheckAxis(std::string_view op, int32_t axis, const Shape& shape) {
  if (axis >= 0 && static_cast<size_t>(axis) < shape.size()) return absl::OkStatus();
  return OperatorError(op, fmt::format("axis {} of {}, expected 0 to {}", axis, ToString(shape),
                                       static_cast<int64_t>(shape.size()) - 1));
}

// Bytes of a tensor from one index of the axes before `axis` to the next.
int64_t BytesFrom(const TensorDesc& desc, int32_t axis) {
  auto bytes = static_cast<int64_t>(SizeOf(desc.dtype));
  for (size_t i = static_cast<size_t>(axis); i < desc.shape.size(); ++i) bytes *= desc.shape[i];
  return bytes;
}

int64_t EntriesBefore(const Shape& shape, int32_t axis) {
  int64_t entries = 1;
  for (size_t i = 0; i < static_cast<size_t>(axis); ++i) entries *= shape[i];
  return entries;
}

}  // namespace

std::vector<StridedCopy> CopiesOf(const Concat& op, DescSpan inputs, const TensorDesc& output) {
  std::vector<StridedCopy> copies;
  const int64_t pieces = EntriesBefore(output.shape, op.axis), stride = BytesFrom(output, op.axis);
  int64_t to = 0;
  for (const TensorDesc& input : inputs) {
    const int64_t bytes = BytesFrom(input, op.axis);
    copies.push_back(
        {.from = 0, .from_stride = bytes, .to = to, .to_stride = stride, .pieces = pieces, .bytes = bytes});
    to += bytes;
  }
  return copies;
}

StridedCopy CopyOf(const Part& op, const TensorDesc& input) {
  const int64_t entry = BytesFrom(input, op.axis + 1), bytes = op.count * entry;
  return {.from = op.begin * entry,
          .from_stride = BytesFrom(input, op.axis),
          .to = 0,
          .to_stride = bytes,
          .pieces = EntriesBefore(input.shape, op.axis),
          .bytes = bytes};
}

absl::StatusOr<Descs> InferOutputs(const Concat& op, DescSpan inputs) {
  if (inputs.empty()) return OperatorError(op.kName, "no inputs, expected at least one");
  if (auto s = CheckFloating(op.kName, inputs); !s.ok()) return s;
  if (auto s = CheckAxis(op.kName, op.axis, inputs[0].shape); !s.ok()) return s;
  const auto axis = static_cast<size_t>(op.axis);
  Shape shape = inputs[0].shape;
  for (size_t i = 1; i < inputs.size(); ++i) {
    Shape expected = inputs[0].shape;
    if (inputs[i].shape.size() == expected.size()) expected[axis] = inputs[i].shape[axis];
    if (auto s = CheckSame(op.kName, fmt::format("input {}", i), inputs[i].shape, expected); !s.ok()) return s;
    shape[axis] += inputs[i].shape[axis];
  }
  return Descs{{inputs[0].dtype, shape}};
}

absl::StatusOr<Descs> InferOutputs(const Part& op, DescSpan inputs) {
  if (auto s = CheckInputs(op.kName, inputs, {kAnyRank}); !s.ok()) return s;
  Shape shape = inputs[0].shape;
  if (auto s = CheckAxis(op.kName, op.axis, shape); !s.ok()) return s;
  int64_t& extent = shape[static_cast<size_t>(op.axis)];
  if (op.begin < 0 || op.count < 0 || op.begin > extent || op.count > extent - op.begin) {
    return OperatorError(
        op.kName, fmt::format("{} from {} on along axis {} of {}", op.count, op.begin, op.axis, ToString(shape)));
  }
  extent = op.count;
  return Descs{{inputs[0].dtype, shape}};
}

Gradients Gradient(const Concat& op, const GradientRequest& r) {
  Gradients gradients(r.inputs.size());
  int32_t begin = 0;
  for (size_t i = 0; i < r.inputs.size(); ++i) {
    const auto count = static_cast<int32_t>(r.graph.desc(r.inputs[i]).shape[static_cast<size_t>(op.axis)]);
    if (r.graph.NeedsGradient(r.inputs[i])) {
      gradients[i] = r.graph.Apply(Part{op.axis, begin, count}, {r.output_gradients[0]})[0];
    }
    begin += count;
  }
  return gradients;
}

}  // namespace mathnas::kernels
