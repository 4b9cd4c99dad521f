#include "mathnas/deploy/network.h"

#include <algorithm>
#include <new>
#include <utility>

#include "fmt/format.h"
#include "kernels/lower_precision.h"

namespace mathnas::deploy {
namespace {

using kernels::Graph;
using kernels::Shape;
using kernels::Value;
using kernels::ValueKind;

constexpr int64_t kMaxBatch = 65536;

absl::Status CheckBatch(int64_t batch) {
  if (batch >= 1 && batch <= kMaxBatch) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("batch {}: expected 1 to {}", batch, kMaxBatch));
}

// The batch size that all inputs agree on.
absl::StatusOr<int64_t> BatchOf(const Graph& graph) {
  int64_t batch = -1;
  for (Value v : graph.Leaves(ValueKind::kInput)) {
    const Shape& shape = graph.desc(v).shape;
    if (shape.empty() || (batch >= 0 && shape[0] != batch)) {
      return absl::InvalidArgumentError(fmt::format("input \"{}\" is {}, expected a batch of {} first",
                                                    graph.info(v).name, kernels::ToString(shape),
                                                    batch < 0 ? "any size" : fmt::format("{}", batch)));
    }
    batch = shape[0];
  }
  return batch;
}

Shape WithoutBatch(const Shape& shape) { return Shape(shape.begin() + 1, shape.end()); }

}  // namespace

absl::StatusOr<Graph> WithBatch(const Graph& graph, int64_t batch) {
  if (!graph.status().ok()) return graph.status();
  if (auto s = CheckBatch(batch); !s.ok()) return s;
  const absl::StatusOr<int64_t> old_batch = BatchOf(graph);
  if (!old_batch.ok()) return old_batch.status();

  Graph result(graph.real());
  std::vector<Value> built;
  for (const Graph::ValueInfo& info : graph.values()) {
    kernels::TensorDesc desc = info.desc;
    if (info.kind == ValueKind::kInput) desc.shape[0] = batch;
    built.push_back(info.kind == ValueKind::kParameter  ? result.TypedParameter(info.name, desc)
                    : info.kind == ValueKind::kState    ? result.State(info.name, desc.shape)
                    : info.kind == ValueKind::kComputed ? Value{}
                                                        : result.TypedInput(info.name, desc));
  }
  for (const std::string& block : graph.blocks()) result.SetBlock(block);
  for (const Graph::Node& node : graph.nodes()) {
    result.SetBlock(graph.blocks()[node.block]);
    kernels::Operator op = node.op;
    if (auto* fill = std::get_if<kernels::Fill>(&op)) {
      kernels::Shape extents = fill->shape.shape();
      if (!extents.empty() && extents[0] == *old_batch) extents[0] = batch;
      fill->shape = extents;
    }
    kernels::Values inputs;
    for (Value v : node.inputs) inputs.push_back(built[v.id]);
    const kernels::Values outputs = result.Apply(std::move(op), inputs);
    if (!result.status().ok()) return result.status();
    for (size_t i = 0; i < node.outputs.size(); ++i) built[node.outputs[i].id] = outputs[i];
  }
  result.SetBlock("");
  for (size_t i = 0; i < built.size(); ++i) {
    const Graph::ValueInfo& info = graph.values()[i];
    if (info.kind == ValueKind::kComputed && !info.name.empty()) result.SetName(built[i], info.name);
  }
  return result;
}

absl::StatusOr<std::shared_ptr<const kernels::DividedPlan>> PlanOf(const DeployedNetwork& network,
                                                                   kernels::Device& device, int64_t batch, int parts) {
  if (auto s = CheckBatch(batch); !s.ok()) return s;
  if (auto s = kernels::Check(device, kernels::PrecisionOf(network.graph)); !s.ok()) return s;
  const auto prepare = [&](int64_t rows) -> absl::StatusOr<std::shared_ptr<const kernels::Plan>> {
    const absl::StatusOr<Graph> graph = WithBatch(network.graph, rows);
    if (!graph.ok()) return graph.status();
    const Value output = graph->Find(network.output);
    Shape expected = network.graph.desc(network.graph.Find(network.output)).shape;
    expected[0] = rows;
    if (graph->desc(output).shape != expected) {
      return absl::InvalidArgumentError(fmt::format("output \"{}\" is {} for a batch of {}, expected {}",
                                                    network.output, kernels::ToString(graph->desc(output).shape), rows,
                                                    kernels::ToString(expected)));
    }
    return kernels::Plan::Create(*graph, {{network.output, output}}, device, {.constant_weights = true});
  };
  return kernels::DividedPlan::Create(batch, parts, prepare);
}

std::vector<float> PixelValues(const Normalisation& n) {
  std::vector<float> values;
  for (size_t c = 0; c < std::max<size_t>(n.mean.size(), 1); ++c) {
    const double mean = n.mean.empty() ? 0 : n.mean[c], stddev = n.stddev.empty() ? 1 : n.stddev[c];
    for (int pixel = 0; pixel < 256; ++pixel) values.push_back(static_cast<float>((pixel - mean) / stddev));
  }
  return values;
}

absl::StatusOr<Network> Network::Load(const std::string& path, std::shared_ptr<kernels::Device> device, int64_t batch,
                                      kernels::Division division) {
  absl::StatusOr<DeployedNetwork> network = deploy::Load(path);
  if (!network.ok()) return network.status();
  return Create(*std::move(network), std::move(device), batch, std::move(division));
}

absl::StatusOr<Network> Network::Create(DeployedNetwork deployed, std::shared_ptr<kernels::Device> device,
                                        int64_t batch, kernels::Division division) {
  if (auto s = Check(deployed); !s.ok()) return s;
  if (device == nullptr) return absl::InvalidArgumentError("no device");
  if (device->real() != deployed.graph.real()) {
    return absl::InvalidArgumentError(fmt::format("device {} computes in {}, expected {}", device->name(),
                                                  Name(device->real()), Name(deployed.graph.real())));
  }
  Network network;
  network.network_ = std::make_unique<DeployedNetwork>(std::move(deployed));
  network.device_ = std::move(device);
  network.pixel_values_ = PixelValues(network.network_->normalisation);
  try {
    auto plan = PlanOf(*network.network_, *network.device_, batch, division.parts);
    if (!plan.ok()) return plan.status();
    network.input_shape_ = WithoutBatch((*plan)->input().shape);
    network.output_shape_ = WithoutBatch((*plan)->output().shape);
    auto context = kernels::DividedContext::Create(*std::move(plan), {&network.network_->weights},
                                                   std::move(division.parallel_for));
    if (!context.ok()) return context.status();
    network.context_ = *std::move(context);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(fmt::format("not enough memory for a batch of {}", batch));
  }
  return network;
}

template <typename Element, typename Convert>
absl::Status Network::RunBatches(std::span<const Element> input, std::span<float> output, Convert convert) {
  const auto in = static_cast<size_t>(input_elements()), out = static_cast<size_t>(output_elements());
  const size_t count = input.size() / in;
  if (input.size() != count * in || output.size() != count * out) {
    return absl::InvalidArgumentError(fmt::format("{} values in and {} out, expected {} and {} for each image",
                                                  input.size(), output.size(), in, out));
  }
  const auto batch = static_cast<size_t>(this->batch());
  for (size_t i = 0; i < count; i += batch) {
    const auto fill = [&](const kernels::DividedContext::Rows& rows) {
      convert(input.subspan((i + static_cast<size_t>(rows.begin)) * in, rows.values.size()), rows.values.data());
      return absl::OkStatus();
    };
    const auto rows = static_cast<int64_t>(std::min(count - i, batch));
    if (auto s = context_->Run(rows, fill, output.data() + i * out); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status Network::Run(std::span<const uint8_t> pixels, std::span<float> output) {
  const size_t channels = pixel_values_.size() / 256;
  return RunBatches(pixels, output, [&](std::span<const uint8_t> from, float* to) {
    for (size_t i = 0; i < from.size(); i += channels) {
      for (size_t c = 0; c < channels; ++c) to[i + c] = pixel_values_[c * 256 + from[i + c]];
    }
  });
}

absl::Status Network::Run(std::span<const float> values, std::span<float> output) {
  return RunBatches(values, output,
                    [](std::span<const float> from, float* to) { std::copy(from.begin(), from.end(), to); });
}

}  // namespace mathnas::deploy
