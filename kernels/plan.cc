#include "kernels/plan.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <new>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "kernels/internal/large_pages.h"
#include "kernels/memory_planner.h"
#include "kernels/status.h"
#include "kernels/zeros.h"

namespace mathnas::kernels {
namespace {

constexpr size_t kAlignment = Workspace::kAlignment;

// The input whose buffer an output may take over, if nobody reads it afterwards; nothing for most operators.
std::optional<size_t> InPlaceInput(const Operator& op, size_t inputs, size_t output) {
  if (const auto* sum = std::get_if<NormalizedSumBackward>(&op)) {
    if (sum->has_total && output == sum->total_output()) return sum->first_flow();
    if (output % sum->outputs_per_term() != 0) return std::nullopt;
    return output / sum->outputs_per_term() * sum->inputs_per_term();
  }
  if (output != 0) return std::nullopt;
  if (std::holds_alternative<Relu>(op) || std::holds_alternative<Add>(op) || std::holds_alternative<Scale>(op) ||
      std::holds_alternative<HardSwish>(op) || std::holds_alternative<HardSigmoid>(op) ||
      std::holds_alternative<Swish>(op) || std::holds_alternative<LayerNorm>(op) ||
      std::holds_alternative<LayerScale>(op) || std::holds_alternative<ScaleChannels>(op) ||
      std::holds_alternative<Dropout>(op) ||  //
      std::holds_alternative<BatchNormInference>(op)) {
    return 0;
  }
  if (std::holds_alternative<ReluBackward>(op) || std::holds_alternative<HardSwishBackward>(op) ||
      std::holds_alternative<SwishBackward>(op) || std::holds_alternative<LayerNormBackward>(op) ||
      std::holds_alternative<HardSigmoidBackward>(op) || std::holds_alternative<BatchNormBackward>(op)) {
    return 1;
  }
  if (const auto* conv = std::get_if<Conv2d>(&op); conv != nullptr && conv->has_addend) return inputs - 1;
  return std::nullopt;
}

// A device that no shared_ptr owns outlives its plans.
std::shared_ptr<Device> Shared(Device& device) {
  if (auto owned = device.weak_from_this().lock()) return owned;
  return {std::shared_ptr<void>(), &device};
}

// A convolution adds to what is in its output: the addend has to be there.
bool MustBeInPlace(const Operator& op) {
  const auto* conv = std::get_if<Conv2d>(&op);
  return conv != nullptr && conv->has_addend;
}

}  // namespace

// From a graph to a plan, in the order of the member functions.
class PlanBuilder {
 public:
  PlanBuilder(const Graph& graph, absl::Span<const PlanOutput> outputs, Device& device, PlanOptions options)
      : graph_(graph), outputs_(outputs), device_(device), plan_(std::make_shared<Plan>()) {
    plan_->options_ = options;
    plan_->device_ = Shared(device);
    plan_->blocks_ = graph.blocks();
  }

  absl::StatusOr<std::shared_ptr<const Plan>> Build() {
    if (!graph_.status().ok()) return graph_.status();
    if (graph_.real() != device_.real()) {
      return absl::InvalidArgumentError(fmt::format("the graph is in {}, device {} computes in {}", Name(graph_.real()),
                                                    device_.name(), Name(device_.real())));
    }
    for (const PlanOutput& o : outputs_) {
      if (!o.value.valid() || static_cast<size_t>(o.value.id) >= graph_.values().size()) {
        return absl::InvalidArgumentError(fmt::format("output \"{}\" is not a value of the graph", o.name));
      }
    }
    reduced_ = FollowZeros(graph_);
    FindLive();
    Schedule();
    MakePlacesOfLeaves();
    LayOut();
    if (auto s = Prepare(); !s.ok()) return s;
    return std::move(plan_);
  }

 private:
  void FindLive() {
    std::vector<bool> needed(graph_.values().size(), false);
    for (const PlanOutput& o : outputs_) needed[reduced_[o.value].id] = true;
    live_.assign(reduced_.nodes.size(), false);
    for (size_t n = reduced_.nodes.size(); n-- > 0;) {
      live_[n] = ChangesState(reduced_.nodes[n].op);
      // An output that stands for another value is never computed itself.
      for (Value v : reduced_.nodes[n].outputs) live_[n] = live_[n] || (needed[v.id] && reduced_[v] == v);
      if (!live_[n]) continue;
      for (Value v : reduced_.nodes[n].inputs) needed[v.id] = true;
    }
  }

  // Graph order, but an accumulation runs right after what it adds, so that gradients do not pile up.
  void Schedule() {
    std::vector<std::pair<size_t, size_t>> order;  // the node that it runs with or right after, and the node
    for (size_t n = 0; n < reduced_.nodes.size(); ++n) {
      if (!live_[n]) continue;
      const Operator& op = reduced_.nodes[n].op;
      const bool follows = std::holds_alternative<Accumulate>(op) || std::holds_alternative<AccumulateRows>(op);
      const int32_t producer = follows ? graph_.info(reduced_.nodes[n].inputs.back()).node : -1;
      order.emplace_back(producer < 0 ? n : static_cast<size_t>(producer), n);
    }
    std::sort(order.begin(), order.end());
    for (const auto& [at, n] : order) {
      const ReducedNode& item = reduced_.nodes[n];
      (std::holds_alternative<Slice>(item.op) ? views_ : schedule_).push_back(&item);
    }
  }

  void MakePlacesOfLeaves() {
    places_.resize(graph_.values().size());
    std::vector<bool> used(graph_.values().size(), false);
    for (const auto* items : {&schedule_, &views_}) {
      for (const ReducedNode* item : *items) {
        for (Value v : item->inputs) used[v.id] = true;
      }
    }
    for (const PlanOutput& o : outputs_) used[reduced_[o.value].id] = true;
    for (ValueKind kind : {ValueKind::kParameter, ValueKind::kState}) {
      for (Value v : graph_.Leaves(kind)) {
        if (!used[v.id]) continue;
        places_[v.id] = {Plan::Place::kBound, plan_->bound_.size()};
        plan_->bound_.push_back({graph_.info(v).name, graph_.desc(v)});
      }
    }
    for (const ReducedNode* view : views_) {
      const Value leaf = view->inputs[0], slice = view->outputs[0];
      const int64_t begin = std::get<Slice>(view->op).begin * graph_.desc(leaf).row_elements();
      places_[slice.id] = places_[leaf.id];
      places_[slice.id].offset = static_cast<size_t>(begin) * SizeOf(graph_.desc(leaf).dtype);
    }
  }

  // Lifetimes of buffers; values that take over a buffer share one.
  void LayOut() {
    const auto end = static_cast<int32_t>(schedule_.size());
    std::vector<int32_t> last(graph_.values().size(), -1);
    for (int32_t s = 0; s < end; ++s) {
      for (Value v : schedule_[s]->inputs) last[v.id] = s;
    }
    for (const PlanOutput& o : outputs_) last[reduced_[o.value].id] = end;

    std::vector<Lifetime> buffers;
    std::vector<int32_t> buffer_of(graph_.values().size(), -1);
    const auto new_buffer = [&](Value v, int32_t first, int32_t until) {
      buffer_of[v.id] = static_cast<int32_t>(buffers.size());
      buffers.push_back({first, until, graph_.desc(v).bytes()});
    };
    for (Value v : graph_.Leaves(ValueKind::kInput)) new_buffer(v, 0, end);
    for (int32_t s = 0; s < end; ++s) {
      const ReducedNode& item = *schedule_[s];
      for (size_t i = 0; i < item.outputs.size(); ++i) {
        const Value out = item.outputs[i];
        const int32_t until = std::max(last[out.id], s);
        const std::optional<size_t> in_place = InPlaceInput(item.op, item.inputs.size(), i);
        if (in_place && !item.inputs.empty()) {
          const Value in = item.inputs[*in_place];
          // A convolution that adds to its own source must not write over it while it reads.
          const bool read_elsewhere =
              MustBeInPlace(item.op) && std::count(item.inputs.begin(), item.inputs.end(), in) > 1;
          const bool in_arena = graph_.info(in).kind == ValueKind::kComputed && buffer_of[in.id] >= 0;
          if (!read_elsewhere && in_arena && last[in.id] == s && graph_.desc(in).bytes() == graph_.desc(out).bytes()) {
            buffer_of[out.id] = buffer_of[in.id];
            buffers[buffer_of[in.id]].last = until;
            continue;
          }
        }
        new_buffer(out, s, until);
      }
    }
    const MemoryPlan memory = PlanMemory(buffers);
    for (size_t v = 0; v < buffer_of.size(); ++v) {
      if (buffer_of[v] >= 0) places_[v] = {Plan::Place::kArena, memory.offsets[buffer_of[v]]};
    }
    plan_->activation_bytes_ = memory.bytes;
    CountLive(buffers);

    for (Value v : graph_.Leaves(ValueKind::kInput)) {
      plan_->inputs_.push_back({graph_.info(v).name, graph_.desc(v), places_[v.id]});
    }
    for (const PlanOutput& o : outputs_) {
      plan_->outputs_.push_back({o.name, graph_.desc(o.value), places_[reduced_[o.value].id]});
    }
  }

  void CountLive(absl::Span<const Lifetime> buffers) {
    std::vector<int64_t> change(schedule_.size() + 2, 0);
    for (const Lifetime& b : buffers) {
      change[b.first] += static_cast<int64_t>(b.bytes);
      change[b.last + 1] -= static_cast<int64_t>(b.bytes);
    }
    int64_t live = 0;
    for (size_t s = 0; s < schedule_.size(); ++s) {
      live += change[s];
      live_bytes_.push_back(static_cast<size_t>(live));
    }
  }

  absl::Status Prepare() {
    std::string missing;
    plan_->steps_.reserve(schedule_.size());
    for (size_t s = 0; s < schedule_.size(); ++s) {
      const ReducedNode& item = *schedule_[s];
      live_now_ = live_bytes_[s];
      if (MustBeInPlace(item.op) && places_[item.inputs.back().id] != places_[item.outputs[0].id]) {
        AddStep(Add{}, {item.inputs.back()}, {item.outputs[0]}, item.block, missing);
        ReducedNode moved = item;
        moved.inputs.back() = item.outputs[0];
        AddStep(moved.op, moved.inputs, moved.outputs, moved.block, missing);
      } else {
        AddStep(item.op, item.inputs, item.outputs, item.block, missing);
      }
    }
    if (!missing.empty()) {
      return absl::UnimplementedError(fmt::format("device {} cannot run this graph:{}", device_.name(), missing));
    }
    plan_->arena_bytes_ = plan_->activation_bytes_ + plan_->scratch_bytes_;
    return absl::OkStatus();
  }

  void AddStep(const Operator& op, const Values& inputs, const Values& outputs, int32_t block, std::string& missing) {
    Plan::Step& step = plan_->steps_.emplace_back();  // in place: it is large
    step.op = op;
    step.input_descs = graph_.DescsOf(inputs);
    step.output_descs = graph_.DescsOf(outputs);
    for (Value v : inputs) step.inputs.push_back(places_[v.id]);
    for (Value v : outputs) step.outputs.push_back(places_[v.id]);
    step.block = block;
    step.live_bytes = live_now_;
    auto kernel = device_.Prepare(op, step.input_descs, step.output_descs);
    if (!kernel.ok()) {
      missing += fmt::format("\n  {}{}{}", plan_->blocks_[block], plan_->blocks_[block].empty() ? "" : ": ",
                             Message(kernel.status()));
      return;
    }
    step.kernel = *std::move(kernel);
    plan_->scratch_bytes_ = std::max(plan_->scratch_bytes_, step.kernel->scratch_bytes());
  }

  const Graph& graph_;
  absl::Span<const PlanOutput> outputs_;
  Device& device_;
  std::shared_ptr<Plan> plan_;
  ReducedGraph reduced_;
  std::vector<bool> live_;
  std::vector<const ReducedNode*> schedule_;  // in reduced_
  std::vector<const ReducedNode*> views_;     // slices of leaves
  std::vector<Plan::Place> places_;           // by value
  std::vector<size_t> live_bytes_;            // by item of the schedule
  size_t live_now_ = 0;                       // of the item that becomes a step
};

absl::StatusOr<std::shared_ptr<const Plan>> Plan::Create(const Graph& graph, absl::Span<const PlanOutput> outputs,
                                                         Device& device, PlanOptions options) {
  return PlanBuilder(graph, outputs, device, options).Build();
}

std::string Plan::ToString() const {
  std::string text;
  for (const Step& s : steps_) {
    text += fmt::format("{:20} {:26}", blocks_[s.block], NameOf(s.op));
    const auto append = [&text](const Descs& descs) {
      for (const TensorDesc& d : descs) text.append(" ").append(mathnas::kernels::ToString(d.shape));
    };
    append(s.input_descs);
    text += " ->";
    append(s.output_descs);
    text += fmt::format("  [{}, scratch {}]\n", s.kernel->implementation(), s.kernel->scratch_bytes());
  }
  text += fmt::format("{} steps, {} bytes of activations, {} of scratch\n", steps_.size(), activation_bytes_,
                      scratch_bytes_);
  return text;
}

void* Workspace::Reserve(size_t bytes) {
  if (bytes > bytes_) {
    if (borrowed_ != nullptr) throw std::bad_alloc();
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    memory_.reset();  // first, so that both are never held
    memory_.reset(internal::AllocatePreferringLargePages(kAlignment, bytes));
    bytes_ = bytes;
  }
  return borrowed_ != nullptr ? borrowed_ : memory_.get();
}

void Workspace::Free::operator()(void* p) const { std::free(p); }

absl::StatusOr<Stream*> Workspace::StreamOf(Device& device) {
  if (device_.get() != &device) {
    stream_.reset();
    auto stream = device.NewStream();
    if (!stream.ok()) return stream.status();
    stream_ = *std::move(stream);
    device_ = Shared(device);
  }
  return stream_.get();
}

// From a plan and tensors to a context, in the order of the member functions. On a device with memory of its own, what
// it does not reach is uploaded, or mirrored behind the arena and copied for every run.
class ContextBuilder {
 public:
  ContextBuilder(const std::shared_ptr<const Plan>& plan, absl::Span<const TensorMap* const> tensors)
      : plan_(plan), tensors_(tensors), context_(new Context), device_(*plan->device_) {}

  absl::StatusOr<std::unique_ptr<Context>> Build(Workspace* workspace) {
    Workspace& memory = workspace != nullptr ? *workspace : context_->own_workspace_;
    auto stream = memory.StreamOf(device_);
    if (!stream.ok()) return stream.status();
    stream_ = *stream;
    if (auto s = FindTensors(); !s.ok()) return s;
    if (stream_ == nullptr) {
      arena_ = static_cast<std::byte*>(memory.Reserve(std::max(plan_->arena_bytes(), kAlignment)));
    } else {
      auto arena = stream_->Reserve(arena_bytes_);
      if (!arena.ok()) return Annotate(arena.status(), "memory of a plan");
      arena_ = *arena;
    }
    for (const Mirror& m : mirrors_) {
      bound_[m.index] = arena_ + m.offset;
      const Transfer transfer = {m.tensor->data(), bound_[m.index], m.tensor->desc().bytes()};
      before_.push_back(transfer);
      if (changed_[m.index]) after_.push_back(transfer);
    }
    if (auto s = MakePorts(); !s.ok()) return s;
    if (auto s = BindKernels(); !s.ok()) return s;
    if (stream_ != nullptr) {
      auto execution = stream_->Prepare(std::move(before_), context_->kernels_, std::move(after_));
      if (!execution.ok()) return execution.status();
      context_->execution_ = *std::move(execution);
    }
    context_->plan_ = plan_;
    return std::move(context_);
  }

 private:
  static constexpr size_t kDeviceAlignment = 256;
  static size_t Aligned(size_t bytes) { return (bytes + kDeviceAlignment - 1) / kDeviceAlignment * kDeviceAlignment; }
  struct Mirror {
    size_t index;
    const Tensor* tensor;
    size_t offset;  // in the arena
  };

  absl::Status FindTensors() {
    arena_bytes_ = Aligned(std::max(plan_->arena_bytes(), kAlignment));
    changed_.assign(plan_->bound().size(), false);
    for (const Plan::Step& step : plan_->steps()) {
      if (!ChangesState(step.op)) continue;
      for (const Plan::Place& p : step.inputs) {
        if (p.kind == Plan::Place::kBound) changed_[p.index] = true;
      }
    }
    for (const Plan::Bound& b : plan_->bound()) {
      const Tensor* tensor = nullptr;
      for (size_t m = 0; tensor == nullptr && m < tensors_.size(); ++m) tensor = tensors_[m]->Find(b.name);
      if (tensor == nullptr) return absl::NotFoundError(fmt::format("tensor \"{}\": missing", b.name));
      if (tensor->desc() != b.desc) {
        return absl::InvalidArgumentError(fmt::format(
            "tensor \"{}\" is {} {}, expected {} {}", b.name, Name(tensor->desc().dtype),
            mathnas::kernels::ToString(tensor->shape()), Name(b.desc.dtype), mathnas::kernels::ToString(b.desc.shape)));
      }
      const size_t index = bound_.size();
      bound_.push_back(tensor->data());
      if (stream_ == nullptr || device_.Reaches(tensor->data())) continue;
      if (plan_->options().constant_weights && !changed_[index]) {
        auto uploaded = device_.Upload(*tensor);
        if (!uploaded.ok()) return Annotate(uploaded.status(), fmt::format("tensor \"{}\"", b.name));
        bound_[index] = (*uploaded)->data();
        context_->uploaded_.push_back(*std::move(uploaded));
      } else {
        mirrors_.push_back({index, tensor, arena_bytes_});
        arena_bytes_ += Aligned(tensor->desc().bytes());
      }
    }
    return absl::OkStatus();
  }

  // Where the host writes inputs and reads outputs: in the arena, or in memory that is copied.
  absl::Status MakePorts() {
    if (stream_ == nullptr) {
      for (const Plan::Port& p : plan_->inputs()) context_->inputs_.push_back(AddressOf(p.place));
      for (const Plan::Port& p : plan_->outputs()) context_->outputs_.push_back(AddressOf(p.place));
      return absl::OkStatus();
    }
    size_t bytes = 0;
    for (const auto* ports : {&plan_->inputs(), &plan_->outputs()}) {
      for (const Plan::Port& p : *ports) bytes += Aligned(p.desc.bytes());
    }
    auto host = stream_->ReserveHost(std::max(bytes, kDeviceAlignment));
    if (!host.ok()) return host.status();
    std::byte* at = *host;
    for (const Plan::Port& p : plan_->inputs()) {
      context_->inputs_.push_back(at);
      before_.push_back({at, AddressOf(p.place), p.desc.bytes()});
      at += Aligned(p.desc.bytes());
    }
    for (const Plan::Port& p : plan_->outputs()) {
      context_->outputs_.push_back(at);
      after_.push_back({at, AddressOf(p.place), p.desc.bytes()});
      at += Aligned(p.desc.bytes());
    }
    return absl::OkStatus();
  }

  absl::Status BindKernels() {
    context_->kernels_.reserve(plan_->steps().size());
    for (const Plan::Step& step : plan_->steps()) {
      absl::InlinedVector<KernelBuffers::Operand, 6> inputs;
      absl::InlinedVector<void*, 4> outputs;
      for (const Plan::Place& p : step.inputs) {
        inputs.push_back({AddressOf(p), plan_->options().constant_weights && p.kind == Plan::Place::kBound});
      }
      for (const Plan::Place& p : step.outputs) outputs.push_back(AddressOf(p));
      auto kernel =
          step.kernel->Bind({inputs, outputs, arena_ + plan_->activation_bytes(), device_.packed().get(), stream_});
      if (!kernel.ok()) return Annotate(kernel.status(), NameOf(step.op));
      context_->kernels_.push_back(*std::move(kernel));
    }
    return absl::OkStatus();
  }

  void* AddressOf(const Plan::Place& place) const {
    return place.kind == Plan::Place::kBound ? static_cast<std::byte*>(bound_[place.index]) + place.offset
                                             : arena_ + place.index;
  }

  const std::shared_ptr<const Plan>& plan_;
  absl::Span<const TensorMap* const> tensors_;
  std::unique_ptr<Context> context_;
  Device& device_;
  Stream* stream_ = nullptr;
  std::byte* arena_ = nullptr;
  size_t arena_bytes_ = 0;
  std::vector<void*> bound_;   // where kernels find the tensors
  std::vector<bool> changed_;  // by the plan
  std::vector<Mirror> mirrors_;
  std::vector<Transfer> before_, after_;
};

absl::StatusOr<std::unique_ptr<Context>> Context::Create(std::shared_ptr<const Plan> plan,
                                                         absl::Span<const TensorMap* const> tensors,
                                                         Workspace* workspace) {
  return ContextBuilder(plan, tensors).Build(workspace);
}

absl::StatusOr<TensorView> Context::Find(const std::vector<Plan::Port>& ports, absl::Span<void* const> places,
                                         std::string_view kind, std::string_view name) const {
  std::string names;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].name == name) return TensorView{ports[i].desc, places[i]};
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", ports[i].name);
  }
  return absl::NotFoundError(fmt::format("{} \"{}\": expected one of {}", kind, name, names));
}

absl::StatusOr<TensorView> Context::Input(std::string_view name) const {
  return Find(plan_->inputs(), inputs_, "input", name);
}
absl::StatusOr<TensorView> Context::Output(std::string_view name) const {
  return Find(plan_->outputs(), outputs_, "output", name);
}

absl::Status Context::Run() {
  if (auto s = Start(); !s.ok()) return s;
  return Wait();
}

absl::Status Context::Wait() { return execution_ == nullptr ? absl::OkStatus() : execution_->Wait(); }

absl::Status Context::Start() {
  if (execution_ != nullptr) return execution_->Start();
  for (const std::unique_ptr<BoundKernel>& kernel : kernels_) {
    if (absl::Status s = kernel->Run(); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status Context::RunTimed(absl::Span<double> seconds) {
  if (execution_ != nullptr) return execution_->RunTimed(seconds);
  using Clock = std::chrono::steady_clock;
  Clock::time_point before = Clock::now();
  for (size_t i = 0; i < kernels_.size(); ++i) {
    if (absl::Status s = kernels_[i]->Run(); !s.ok()) return s;
    const Clock::time_point after = Clock::now();
    if (i < seconds.size()) seconds[i] += std::chrono::duration<double>(after - before).count();
    before = after;
  }
  return absl::OkStatus();
}

}  // namespace mathnas::kernels
