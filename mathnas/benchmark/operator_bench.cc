#include "mathnas/benchmark/operator_bench.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "fmt/format.h"
#include "kernels/graph.h"
#include "kernels/status.h"

namespace mathnas::benchmark {
namespace {

using kernels::Descs;
using kernels::DType;
using kernels::Tensor;
using kernels::testing::InputSpec;
using kernels::testing::Problem;

// The operators that the gradient rule adds for the first output; everything that may have a gradient needs one.
absl::StatusOr<std::vector<Problem>> GradientsOf(const Problem& problem, double most_bytes) {
  const kernels::testing::OperatorCase* entry = kernels::testing::FindOperatorCase(NameOf(problem.op));
  if (entry == nullptr || entry->gradient_step == 0 ||
      (entry->has_gradient != nullptr && !entry->has_gradient(problem.op))) {
    return absl::InvalidArgumentError(
        fmt::format("{}: has no gradient in this form, so no backward pass", NameOf(problem.op)));
  }
  kernels::Graph g;
  kernels::Values inputs;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const InputSpec& spec = problem.inputs[i];
    const std::string name = fmt::format("x{}", i);
    inputs.push_back(spec.role == InputSpec::kLabels  ? g.Integers(name, spec.shape)
                     : spec.role == InputSpec::kState ? g.State(name, spec.shape)
                                                      : g.Parameter(name, spec.shape));
  }
  const kernels::Values outputs = g.Apply(problem.op, inputs);
  if (!g.status().ok()) return g.status();
  const size_t forward = g.nodes().size();
  kernels::Values flowing(outputs.size());
  if (!outputs.empty()) flowing[0] = g.Input("gradient", g.desc(outputs[0]).shape);
  std::visit(
      [&](const auto& op) {
        if constexpr (requires(const kernels::GradientRequest& r) { Gradient(op, r); }) {
          Gradient(op, kernels::GradientRequest{g, inputs, outputs, flowing, {}});
        }
      },
      problem.op);
  if (!g.status().ok()) return g.status();
  std::vector<Problem> gradients;
  for (size_t n = forward; n < g.nodes().size(); ++n) {
    const auto line = kernels::testing::LineOf(g.nodes()[n].op, g.DescsOf(g.nodes()[n].inputs));
    if (!line.ok()) return line.status();
    auto gradient = kernels::testing::ParseProblem(*line, most_bytes);
    if (!gradient.ok()) return kernels::Annotate(gradient.status(), *line);
    gradients.push_back(*std::move(gradient));
  }
  return gradients;
}

// Operands of its own, with random contents, and a kernel bound to them.
struct Prepared {
  kernels::testing::Tensors operands;  // inputs, then outputs
  Tensor scratch;
  std::shared_ptr<const kernels::Kernel> kernel;
  std::unique_ptr<kernels::BoundKernel> bound;
  Work work;
};

// `stream`: of the device, or null.
absl::StatusOr<Prepared> Prepare(kernels::Device& device, kernels::Stream* stream, const Problem& problem,
                                 bool constant_weights, kernels::Random random) {
  Prepared p;
  p.operands = kernels::testing::RandomInputs(problem, random);
  const DType type = kernels::testing::LowTypeOf(problem);
  const bool low = type != DType::kF32;
  if (low) {
    if (auto s = device.CheckLow(type); !s.ok()) return s;
  }
  const Descs inputs = kernels::testing::InputDescs(problem, device.real(), low);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!kernels::IsLow(inputs[i].dtype)) continue;
    p.operands[i] = kernels::testing::Mapped(p.operands[i], inputs[i].dtype, [](double x) { return x; });
  }
  for (Tensor& operand : p.operands) {
    if (device.Reaches(operand.data())) continue;
    auto placed = device.NewTensor(operand.desc());
    if (!placed.ok()) return placed.status();
    std::memcpy(placed->data(), operand.data(), operand.desc().bytes());
    operand = *std::move(placed);
  }
  auto outputs = kernels::testing::OutputDescs(problem.op, inputs, device.real(), low);
  if (!outputs.ok()) return outputs.status();
  auto kernel = device.Prepare(problem.op, inputs, *outputs);
  if (!kernel.ok()) return kernel.status();
  p.kernel = *std::move(kernel);
  p.work = WorkOf(problem.op, inputs, *outputs);
  auto scratch = device.NewTensor({DType::kU8, {static_cast<int64_t>(p.kernel->scratch_bytes()) + 64}});
  if (!scratch.ok()) return scratch.status();
  p.scratch = *std::move(scratch);

  absl::InlinedVector<kernels::KernelBuffers::Operand, 6> from;
  for (size_t i = 0; i < problem.inputs.size(); ++i) {
    const InputSpec::Role role = problem.inputs[i].role;
    const bool weight = role == InputSpec::kParameter || role == InputSpec::kState;
    from.push_back({p.operands[i].data(), constant_weights && weight && !ChangesState(problem.op)});
  }
  const std::optional<size_t> in_place = kernels::testing::AlwaysInPlace(problem);
  absl::InlinedVector<void*, 4> to;
  for (size_t k = 0; k < outputs->size(); ++k) {
    if (k == 0 && in_place) {
      to.push_back(from[*in_place].data);
      continue;
    }
    auto output = device.NewTensor((*outputs)[k]);
    if (!output.ok()) return output.status();
    std::memset(output->data(), 0, output->desc().bytes());  // pages of its own
    to.push_back(output->data());
    p.operands.push_back(*std::move(output));
  }
  auto bound = p.kernel->Bind({from, to, p.scratch.data(), device.packed().get(), stream});
  if (!bound.ok()) return bound.status();
  p.bound = *std::move(bound);
  return p;
}

class TimedOperators : public Timed {
 public:
  TimedOperators(std::unique_ptr<kernels::Stream> stream, std::vector<Prepared> operators)
      : stream_(std::move(stream)), operators_(std::move(operators)) {}

  absl::Status Run() override {
    for (const Prepared& p : operators_) {
      if (auto s = p.bound->Run(); !s.ok()) return s;
    }
    return stream_ == nullptr ? absl::OkStatus() : stream_->Wait();
  }
  Work work() const override {
    Work work;
    for (const Prepared& p : operators_) work += p.work;
    return work;
  }
  std::string implementation() const override {
    std::vector<std::string> names;
    for (const Prepared& p : operators_) {
      std::string name = p.kernel->implementation();
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
    }
    std::string text;
    for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(name);
    return text;
  }

 private:
  std::unique_ptr<kernels::Stream> stream_;
  std::vector<Prepared> operators_;
};

}  // namespace

std::string_view Name(Pass pass) {
  switch (pass) {
    case Pass::kInference:
      return "inference";
    case Pass::kForward:
      return "forward";
    case Pass::kBackward:
      return "backward";
    default:
      return "step";
  }
}

absl::StatusOr<Pass> ParsePass(std::string_view name) {
  for (Pass pass : {Pass::kInference, Pass::kForward, Pass::kBackward, Pass::kStep}) {
    if (name == Name(pass)) return pass;
  }
  return absl::InvalidArgumentError(fmt::format("pass \"{}\": expected inference, forward, backward or step", name));
}

absl::StatusOr<std::vector<Problem>> ProblemsOf(std::string_view line, Pass pass, double most_bytes) {
  auto problem = kernels::testing::ParseProblem(line, most_bytes);
  if (!problem.ok()) return problem.status();
  std::vector<Problem> problems;
  if (pass != Pass::kBackward) problems.push_back(*problem);
  if (pass == Pass::kBackward || pass == Pass::kStep) {
    auto gradients = GradientsOf(*problem, most_bytes);
    if (!gradients.ok()) return gradients.status();
    problems.insert(problems.end(), gradients->begin(), gradients->end());
  }
  return problems;
}

absl::StatusOr<std::unique_ptr<Timed>> PrepareOperators(kernels::Device& device, const std::vector<Problem>& problems,
                                                        bool constant_weights, uint64_t seed) {
  auto stream = device.NewStream();
  if (!stream.ok()) return stream.status();
  std::vector<Prepared> prepared;
  for (size_t i = 0; i < problems.size(); ++i) {
    auto p = Prepare(device, stream->get(), problems[i], constant_weights, kernels::Random(seed, i));
    if (!p.ok()) return p.status();
    prepared.push_back(*std::move(p));
  }
  return std::make_unique<TimedOperators>(*std::move(stream), std::move(prepared));
}

absl::StatusOr<Correctness> CheckOperators(kernels::Device& device, const std::vector<Problem>& problems,
                                           bool constant_weights, uint64_t seed) {
  Correctness all = {.correct = true};
  const auto reference = kernels::ReferenceDevice(DType::kF64);
  for (size_t i = 0; i < problems.size(); ++i) {
    const Problem& problem = problems[i];
    const kernels::testing::OperatorCase* entry = kernels::testing::FindOperatorCase(NameOf(problem.op));
    const kernels::testing::Tensors inputs = kernels::testing::RandomInputs(problem, kernels::Random(seed, i));
    const kernels::testing::RunOptions options = {.in_place = kernels::testing::AlwaysInPlace(problem),
                                                  .constant_weights = constant_weights};
    auto exact = kernels::testing::RunOperator(*reference, problem, inputs);
    if (!exact.ok()) return exact.status();
    auto run = kernels::testing::RunOperator(device, problem, inputs, options);
    if (absl::IsInternal(run.status())) {  // it wrote where it must not
      all.correct = false;
      all.problem += fmt::format("{}: {}; ", NameOf(problem.op), kernels::Message(run.status()));
      continue;
    }
    if (!run.ok()) return run.status();
    const auto deviation =
        kernels::testing::DeviationOf(run->results, exact->results, BoundsOf(*entry, problem, inputs, exact->results));
    all.worst = std::max(all.worst, deviation.worst);
    if (deviation.text.empty()) continue;
    all.correct = false;
    all.problem += fmt::format("{}:{}; ", NameOf(problem.op), deviation.text);
  }
  std::replace(all.problem.begin(), all.problem.end(), '\n', ' ');
  return all;
}

double MostBytes() {
  const double pages = static_cast<double>(sysconf(_SC_PHYS_PAGES)), page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return pages > 0 && page > 0 ? pages * page / 2 : 0x1p33;
}

}  // namespace mathnas::benchmark
