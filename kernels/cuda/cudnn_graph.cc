#include "kernels/cuda/cudnn_graph.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"
#include "kernels/status.h"

namespace mathnas::kernels::cuda::cudnn {
namespace {

constexpr int64_t kMostEngines = 64;  // of one heuristic, and knobs of an engine

cudnnDataType_t TypeOf(DType type) {
  return type == DType::kBf16 ? CUDNN_DATA_BFLOAT16 : type == DType::kF16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
}
int64_t IdOf(size_t tensor) { return static_cast<int64_t>(tensor) + 1; }

// The descriptors of a graph; those of operations keep what they are made of.
class Described {
 public:
  static absl::StatusOr<Described> Create(const Cudnn& cudnn, const Target& target, const Graph& graph) {
    Described d(cudnn);
    for (size_t i = 0; i < graph.tensors.size(); ++i) {
      if (auto s = d.Add(graph.tensors[i], IdOf(i)); !s.ok()) return s;
    }
    for (const auto& operation : graph.operations) {
      auto s = std::visit([&](const auto& o) { return d.Add(o); }, operation);
      if (!s.ok()) return s;
    }
    auto all = Descriptor::Create(cudnn, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    if (!all.ok()) return all.status();
    all->Set(CUDNN_ATTR_OPERATIONGRAPH_OPS, absl::Span<const Descriptor>(d.operations_));
    if (target.handle() != nullptr) {
      all->Set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle());
    }
    if (auto s = all->Finalize(); !s.ok()) return s;
    d.graph_ = *std::move(all);
    return d;
  }
  const Descriptor& graph() const { return graph_; }
  // All of them, for something that outlives this.
  std::vector<Descriptor> Release() && {
    std::vector<Descriptor> all;
    for (std::vector<Descriptor>* some : {&tensors_, &parts_, &operations_}) {
      for (Descriptor& d : *some) all.push_back(std::move(d));
    }
    all.push_back(std::move(graph_));
    return all;
  }

 private:
  explicit Described(const Cudnn& cudnn) : cudnn_(&cudnn) {}

  absl::Status Keep(std::vector<Descriptor>& in, absl::StatusOr<Descriptor> made) {
    if (auto s = made->Finalize(); !s.ok()) return s;
    in.push_back(*std::move(made));
    return absl::OkStatus();
  }

  absl::Status Add(const Graph::Tensor& t, int64_t id) {
    auto made = Descriptor::Create(*cudnn_, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    if (!made.ok()) return made.status();
    made->Set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, TypeOf(t.type))
        .Set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, absl::Span<const int64_t>(t.dims))
        .Set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, absl::Span<const int64_t>(t.strides))
        .Set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id)
        .Set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, kAlignment)
        .Set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, t.is_virtual);
    return Keep(tensors_, std::move(made));
  }

  absl::Status Add(const Graph::Convolution& c) {
    auto geometry = Descriptor::Create(*cudnn_, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    if (!geometry.ok()) return geometry.status();
    constexpr int64_t kDilations[] = {1, 1};
    geometry->Set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, int64_t{2})
        .Set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
        .Set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
        .Set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, absl::Span<const int64_t>(c.strides))
        .Set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, absl::Span<const int64_t>(c.before))
        .Set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, absl::Span<const int64_t>(c.after))
        .Set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, absl::Span<const int64_t>(kDilations));
    if (auto s = Keep(parts_, std::move(geometry)); !s.ok()) return s;

    // By direction, in the order of the enumeration.
    struct Names {
      cudnnBackendDescriptorType_t type;
      cudnnBackendAttributeName_t geometry, x, w, y, alpha, beta;
    };
    static constexpr Names kNames[] = {
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
        {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};
    const Names& n = kNames[static_cast<size_t>(c.direction)];
    auto made = Descriptor::Create(*cudnn_, n.type);
    if (!made.ok()) return made.status();
    made->Set(n.geometry, parts_.back())
        .Set(n.x, tensors_[static_cast<size_t>(c.x)])
        .Set(n.w, tensors_[static_cast<size_t>(c.w)])
        .Set(n.y, tensors_[static_cast<size_t>(c.y)])
        .Set(n.alpha, CUDNN_TYPE_FLOAT, 1.0F)
        .Set(n.beta, CUDNN_TYPE_FLOAT, 0.0F);
    return Keep(operations_, std::move(made));
  }

  absl::Status Add(const Graph::Pointwise& p) {
    auto mode = Descriptor::Create(*cudnn_, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    if (!mode.ok()) return mode.status();
    const bool adds = p.mode == Graph::Pointwise::Mode::kAdd;
    mode->Set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE,
              adds ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD)
        .Set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    // A network that has diverged must not look healthy.
    if (!adds) mode->Set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, CUDNN_PROPAGATE_NAN);
    if (auto s = Keep(parts_, std::move(mode)); !s.ok()) return s;
    auto made = Descriptor::Create(*cudnn_, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    if (!made.ok()) return made.status();
    made->Set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, parts_.back())
        .Set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, tensors_[static_cast<size_t>(p.x)]);
    if (adds) made->Set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, tensors_[static_cast<size_t>(p.b)]);
    made->Set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, tensors_[static_cast<size_t>(p.y)]);
    return Keep(operations_, std::move(made));
  }

  const Cudnn* cudnn_;
  std::vector<Descriptor> tensors_, parts_, operations_;
  Descriptor graph_;
};

// A plan of an engine configuration. `configuration` has to live as long.
absl::StatusOr<Descriptor> Finalized(const Cudnn& cudnn, const Target& target, const Descriptor& configuration) {
  auto plan = Descriptor::Create(cudnn, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  if (!plan.ok()) return plan.status();
  plan->Set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
  if (target.handle() != nullptr) {
    plan->Set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target.handle());
  } else {
    plan->Set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, target.properties());
  }
  if (auto s = plan->Finalize(); !s.ok()) return s;
  return plan;
}

absl::StatusOr<size_t> WorkspaceOf(const Descriptor& plan) {
  auto bytes = plan.Get<int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64);
  if (!bytes.ok()) return bytes.status();
  return static_cast<size_t>(std::max<int64_t>(*bytes, 0));
}

// Why an engine is not to be used, or nothing.
std::optional<std::string_view> Refusal(absl::Span<const cudnnBackendNumericalNote_t> numerical,
                                        absl::Span<const cudnnBackendBehaviorNote_t> behavior, bool exact_products) {
  for (cudnnBackendNumericalNote_t note : numerical) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        return "not deterministic";
      case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return "Winograd";
      case CUDNN_NUMERICAL_NOTE_FFT:
        return "Fourier transform";
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        return "sums in lower precision";
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
        if (exact_products) return "products in lower precision";
        break;
      default:
        break;
    }
  }
  for (cudnnBackendBehaviorNote_t note : behavior) {
    if (note == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) return "compiles at run time";
  }
  return std::nullopt;
}

// Whether an operand of the convolution is float32.
bool MultipliesFloats(const Graph& graph) {
  for (const auto& operation : graph.operations) {
    const auto* c = std::get_if<Graph::Convolution>(&operation);
    if (c == nullptr) continue;
    const int operands[] = {c->direction == Graph::Direction::kBackwardData ? c->y : c->x,
                            c->direction == Graph::Direction::kBackwardWeights ? c->y : c->w};
    for (int operand : operands) {
      if (graph.tensors[static_cast<size_t>(operand)].type == DType::kF32) return true;
    }
  }
  return false;
}

// The engine of a configuration that heuristics gave, if it is to be used.
absl::StatusOr<Engine> Accepted(const Cudnn& cudnn, const Target& target, const Descriptor& configuration,
                                bool exact_products, size_t most_workspace) {
  auto engines = configuration.GetAll(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
  if (!engines.ok()) return engines.status();
  if (engines->empty()) return absl::UnimplementedError("a configuration without an engine");
  const Descriptor& engine = engines->front();
  auto index = engine.Get<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64);
  if (!index.ok()) return index.status();
  auto numerical = engine.GetAll<cudnnBackendNumericalNote_t>(
      CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  if (!numerical.ok()) return numerical.status();
  auto behavior = engine.GetAll<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                                            CUDNN_BEHAVIOR_NOTE_TYPE_COUNT);
  if (!behavior.ok()) return behavior.status();
  if (auto refusal = Refusal(*numerical, *behavior, exact_products)) {
    return absl::UnimplementedError(fmt::format("engine {}: {}", *index, *refusal));
  }
  auto plan = Finalized(cudnn, target, configuration);
  if (!plan.ok()) return Annotate(plan.status(), fmt::format("engine {}", *index));
  auto bytes = WorkspaceOf(*plan);
  if (!bytes.ok()) return bytes.status();
  if (*bytes > most_workspace) {
    return absl::UnimplementedError(fmt::format("engine {}: workspace of {} bytes", *index, *bytes));
  }

  Engine accepted = {.index = *index, .knobs = {}, .workspace_bytes = *bytes};
  auto knobs = configuration.GetAll(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR,
                                    CUDNN_KNOB_TYPE_COUNTS);
  if (!knobs.ok()) return knobs.status();
  for (const Descriptor& knob : *knobs) {
    auto type = knob.Get<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE);
    if (!type.ok()) return type.status();
    auto value = knob.Get<int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64);
    if (!value.ok()) return value.status();
    accepted.knobs.emplace_back(*type, *value);
  }
  return accepted;
}

}  // namespace

std::string Engine::name() const {
  std::string text = fmt::format("eng{}", index);
  for (const auto& [type, value] : knobs) text += fmt::format("_k{}={}", static_cast<int>(type), value);
  return text;
}

absl::StatusOr<Engine> ChooseEngine(const Cudnn& cudnn, const Target& target, const Graph& graph,
                                    const Requirements& requirements) {
  auto described = Described::Create(cudnn, target, graph);
  if (!described.ok()) return described.status();
  const bool exact_products = !requirements.tf32 && MultipliesFloats(graph);
  std::string refusals;
  for (cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    auto heuristics = Descriptor::Create(cudnn, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    if (!heuristics.ok()) return heuristics.status();
    heuristics->Set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, described->graph())
        .Set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (target.handle() == nullptr) heuristics->Set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, target.properties());
    if (auto s = heuristics->Finalize(); !s.ok()) {
      refusals += fmt::format("; {}", Message(s));
      continue;
    }
    auto configurations =
        heuristics->GetAll(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, kMostEngines);
    if (!configurations.ok()) {
      refusals += fmt::format("; {}", Message(configurations.status()));
      continue;
    }
    for (const Descriptor& configuration : *configurations) {
      auto engine = Accepted(cudnn, target, configuration, exact_products, requirements.most_workspace);
      if (engine.ok()) return engine;
      refusals += fmt::format("; {}", Message(engine.status()));
    }
  }
  return absl::UnimplementedError("cuDNN has no engine" + refusals);
}

absl::StatusOr<ExecutionPlan> ExecutionPlan::Build(const Cudnn& cudnn, const Target& target, const Graph& graph,
                                                   const Engine& engine) {
  auto described = Described::Create(cudnn, target, graph);
  if (!described.ok()) return described.status();
  auto made = Descriptor::Create(cudnn, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  if (!made.ok()) return made.status();
  made->Set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, described->graph())
      .Set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, engine.index);
  if (target.handle() == nullptr) made->Set(CUDNN_ATTR_ENGINE_DEVICEPROP, target.properties());
  if (auto s = made->Finalize(); !s.ok()) return s;
  std::vector<Descriptor> knobs;
  for (const auto& [type, value] : engine.knobs) {
    auto knob = Descriptor::Create(cudnn, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    if (!knob.ok()) return knob.status();
    knob->Set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, type)
        .Set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, value);
    if (auto s = knob->Finalize(); !s.ok()) return s;
    knobs.push_back(*std::move(knob));
  }
  auto configuration = Descriptor::Create(cudnn, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  if (!configuration.ok()) return configuration.status();
  configuration->Set(CUDNN_ATTR_ENGINECFG_ENGINE, *made);
  if (!knobs.empty()) configuration->Set(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, absl::Span<const Descriptor>(knobs));
  if (auto s = configuration->Finalize(); !s.ok()) return s;
  auto plan = Finalized(cudnn, target, *configuration);
  if (!plan.ok()) return plan.status();
  auto bytes = WorkspaceOf(*plan);
  if (!bytes.ok()) return bytes.status();
  ExecutionPlan built(cudnn);
  built.plan_ = *std::move(plan);
  built.workspace_bytes_ = *bytes;
  built.made_of_ = (*std::move(described)).Release();
  for (Descriptor& knob : knobs) built.made_of_.push_back(std::move(knob));
  built.made_of_.push_back(*std::move(made));
  built.made_of_.push_back(*std::move(configuration));
  for (size_t i = 0; i < graph.tensors.size(); ++i) {
    if (!graph.tensors[i].is_virtual) built.ids_.push_back(IdOf(i));
  }
  return built;
}

absl::Status ExecutionPlan::Bind(absl::Span<void* const> tensors, void* workspace) {
  for (void* tensor : tensors) {
    if (!IsAligned(tensor)) {
      return absl::InternalError(fmt::format("{} of a cuDNN plan: expected a multiple of {}", tensor, kAlignment));
    }
  }
  auto pack = Descriptor::Create(*cudnn_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  if (!pack.ok()) return pack.status();
  pack->Set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, absl::Span<const int64_t>(ids_))
      .Set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, tensors)
      .Set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  if (auto s = pack->Finalize(); !s.ok()) return s;
  pack_ = *std::move(pack);
  return absl::OkStatus();
}

absl::Status ExecutionPlan::Execute(cudnnHandle_t handle) const {
  const cudnnStatus_t status = cudnn_->BackendExecute(handle, plan_.get(), pack_.get());
  return status == CUDNN_STATUS_SUCCESS ? absl::OkStatus() : ToStatus(*cudnn_, status, "cudnnBackendExecute");
}

}  // namespace mathnas::kernels::cuda::cudnn
