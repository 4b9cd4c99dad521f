// Operators on elements, and tensors put together or cut.
#include <utility>

#include "bindings/onnx/internal/operators.h"
#include "fmt/format.h"

namespace mathnas::onnx::internal {
namespace {

using kernels::Value;

absl::Status OnElements(const Step& step, Emitter& e, kernels::Activation activation) {
  const Layout layout = e.LayoutOf(step.inputs[0]);
  e.Set(step.outputs[0], layout, Activated(e, e.Read(step.inputs[0], layout), activation));
  return absl::OkStatus();
}

// Where axis `axis` of the graph is in ONNX.
int64_t AxisIn(Layout layout, int64_t axis) {
  constexpr int64_t kChannelsFirstAxes[] = {0, 2, 3, 1};
  return layout == Layout::kChannelsFirst ? kChannelsFirstAxes[axis] : axis;
}

}  // namespace

std::string Activated(Emitter& e, std::string x, kernels::Activation activation) {
  switch (activation) {
    case kernels::Activation::kNone:
      return x;
    case kernels::Activation::kRelu:
      return e.Add("Relu", {std::move(x)});
    case kernels::Activation::kHardSwish:
      return e.Add("HardSwish", {std::move(x)});
    case kernels::Activation::kSwish: {
      const std::string sigmoid = e.Add("Sigmoid", {x});
      return e.Add("Mul", {std::move(x), sigmoid});
    }
  }
  return x;
}

absl::Status Emit(const kernels::Relu&, const Step& step, Emitter& e) {
  return OnElements(step, e, kernels::Activation::kRelu);
}

absl::Status Emit(const kernels::HardSwish&, const Step& step, Emitter& e) {
  return OnElements(step, e, kernels::Activation::kHardSwish);
}

absl::Status Emit(const kernels::Swish&, const Step& step, Emitter& e) {
  return OnElements(step, e, kernels::Activation::kSwish);
}

absl::Status Emit(const kernels::HardSigmoid&, const Step& step, Emitter& e) {
  const Layout layout = e.LayoutOf(step.inputs[0]);
  e.Set(step.outputs[0], layout,
        e.Add("HardSigmoid", {e.Read(step.inputs[0], layout)}, {{"alpha", 1.0F / 6}, {"beta", 0.5F}}));
  return absl::OkStatus();
}

absl::Status Emit(const kernels::Add&, const Step& step, Emitter& e) {
  const Layout layout = e.LayoutOf(step.inputs[0]);
  std::string sum = e.Read(step.inputs[0], layout);
  for (size_t i = 1; i < step.inputs.size(); ++i) sum = e.Add("Add", {sum, e.Read(step.inputs[i], layout)});
  if (step.inputs.size() == 1) sum = e.Add("Identity", {sum});  // of a state that may change
  e.Set(step.outputs[0], layout, sum);
  return absl::OkStatus();
}

absl::Status Emit(const kernels::Scale& op, const Step& step, Emitter& e) {
  const Layout layout = e.LayoutOf(step.inputs[0]);
  e.Set(step.outputs[0], layout, e.Add("Mul", {e.Read(step.inputs[0], layout), e.Float(op.factor)}));
  return absl::OkStatus();
}

absl::Status Emit(const kernels::Fill& op, const Step& step, Emitter& e) {
  const Layout layout = e.NaturalLayout(step.outputs[0]);
  e.Set(step.outputs[0], layout,
        e.Add("Expand", {e.Float(op.value), e.ShapeWithBatch(e.shape(step.outputs[0]), layout)}));
  return absl::OkStatus();
}

absl::Status Emit(const kernels::Concat& op, const Step& step, Emitter& e) {
  const Layout layout = e.NaturalLayout(step.outputs[0]);
  std::vector<std::string> inputs;
  for (Value v : step.inputs) inputs.push_back(e.Read(v, layout));
  e.Set(step.outputs[0], layout, e.Add("Concat", std::move(inputs), {{"axis", AxisIn(layout, op.axis)}}));
  return absl::OkStatus();
}

absl::Status Emit(const kernels::Part& op, const Step& step, Emitter& e) {
  const Layout layout = e.NaturalLayout(step.outputs[0]);
  e.Set(step.outputs[0], layout,
        e.Add("Slice", {e.Read(step.inputs[0], layout), e.Integers({op.begin}), e.Integers({op.begin + op.count}),
                        e.Integers({AxisIn(layout, op.axis)})}));
  return absl::OkStatus();
}

}  // namespace mathnas::onnx::internal
