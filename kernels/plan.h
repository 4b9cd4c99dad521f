// A graph prepared for a device: kernels in order, memory laid out. Immutable; each thread runs it in a context of its
// own.
#ifndef MATHNAS_KERNELS_PLAN_H_
#define MATHNAS_KERNELS_PLAN_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/device.h"
#include "kernels/graph.h"
#include "kernels/packed_weights.h"

namespace mathnas::kernels {

// A value to be read after a run.
struct PlanOutput {
  std::string name;
  Value value;
};

struct PlanOptions {
  // Parameters and states do not change while a context lives: they are packed once. For inference.
  bool constant_weights = false;
};

class Plan {
 public:
  // Where an operand lives.
  struct Place {
    enum Kind : uint8_t { kArena, kBound } kind = kArena;
    size_t index = 0;   // kArena: offset in bytes; kBound: index into bound()
    size_t offset = 0;  // kBound: of a slice, in bytes
    bool operator==(const Place&) const = default;
  };
  struct Step {
    Operator op;
    Descs input_descs;
    Descs output_descs;
    absl::InlinedVector<Place, 4> inputs;
    absl::InlinedVector<Place, 4> outputs;
    std::shared_ptr<const Kernel> kernel;
    int32_t block;
    size_t live_bytes;  // activations that must be held while it runs, inputs and outputs of the plan included
  };
  // A tensor that the context finds by name: a parameter or a state.
  struct Bound {
    std::string name;
    TensorDesc desc;
  };
  // A tensor of the arena that the user writes before a run or reads after it.
  struct Port {
    std::string name;
    TensorDesc desc;
    Place place;
  };

  // Runs what the outputs and the changes of state need, and nothing else; sums skip terms that are known to be zero.
  // Errors: the graph's own, an output that is not of this graph, an operator without a kernel (all of them are named).
  static absl::StatusOr<std::shared_ptr<const Plan>> Create(const Graph& graph, absl::Span<const PlanOutput> outputs,
                                                            Device& device, PlanOptions options = {});

  size_t arena_bytes() const { return arena_bytes_; }  // activations and scratch of one context
  size_t activation_bytes() const { return activation_bytes_; }
  size_t scratch_bytes() const { return scratch_bytes_; }
  const std::vector<Step>& steps() const { return steps_; }
  const std::vector<std::string>& blocks() const { return blocks_; }
  const std::vector<Bound>& bound() const { return bound_; }
  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }
  const PlanOptions& options() const { return options_; }
  // One line per step: block, operator, shapes, implementation, scratch.
  std::string ToString() const;

 private:
  friend class PlanBuilder;
  friend class ContextBuilder;

  PlanOptions options_;
  std::vector<Step> steps_;
  std::vector<std::string> blocks_;
  std::vector<Bound> bound_;
  std::vector<Port> inputs_;
  std::vector<Port> outputs_;
  size_t activation_bytes_ = 0;
  size_t scratch_bytes_ = 0;
  size_t arena_bytes_ = 0;
  std::shared_ptr<Device> device_;
};

// Memory for contexts that run one after the other: grows to the largest, is never given back in between. A supernet
// that draws a new network at every step touches no new pages. On a device with memory of its own it is there, and the
// contexts share a stream.
class Workspace {
 public:
  static constexpr size_t kAlignment = 64;

  Workspace() = default;
  // Somebody else's memory, aligned to kAlignment and alive as long as the contexts in it: it cannot grow.
  explicit Workspace(std::span<std::byte> memory) : borrowed_(memory.data()), bytes_(memory.size()) {}
  // At least this many bytes, aligned to kAlignment. Moves the memory when it has to grow: contexts made before are
  // invalid then. Throws std::bad_alloc when there is not so much.
  void* Reserve(size_t bytes);
  size_t bytes() const { return stream_ != nullptr ? stream_->bytes() : bytes_; }
  // The stream of the device that its contexts share; null where the device has none.
  absl::StatusOr<Stream*> StreamOf(Device& device);
  // That stream, if a context has asked for it.
  const Stream* stream() const { return stream_.get(); }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  std::unique_ptr<void, Free> memory_;
  void* borrowed_ = nullptr;
  size_t bytes_ = 0;
  std::shared_ptr<Device> device_;  // of the stream, which it outlives
  std::unique_ptr<Stream> stream_;
};

// What one thread needs to run a plan. Not thread-safe; any number of contexts may share a plan.
class Context {
 public:
  // Binds parameters and states by name, looking through `tensors` in order; these must outlive the context. Without a
  // workspace the context owns its arena; with one it uses that, and no other context of it may run in between.
  // NotFound or InvalidArgument name the tensor that is missing or of another shape or type.
  static absl::StatusOr<std::unique_ptr<Context>> Create(std::shared_ptr<const Plan> plan,
                                                         absl::Span<const TensorMap* const> tensors,
                                                         Workspace* workspace = nullptr);

  // Views into memory of the host, valid as long as the context is. NotFound lists what there is.
  absl::StatusOr<TensorView> Input(std::string_view name) const;
  absl::StatusOr<TensorView> Output(std::string_view name) const;

  // Allocates nothing. Inputs keep their contents, outputs are valid until the next run.
  absl::Status Run();
  // The same in two halves: a device with memory of its own computes while the host goes on. Until Wait, inputs and
  // outputs of this context, and of those that share its workspace, belong to the device; what is started after it on
  // the device (Device::SgdStep .., other contexts of the workspace) comes after it there too. Elsewhere Start runs.
  absl::Status Start();
  absl::Status Wait();
  // Seconds of the last run by the clock of the device, where it has one of its own: without what the host adds.
  std::optional<double> last_seconds() const {
    return execution_ == nullptr ? std::nullopt : std::optional(execution_->last_seconds());
  }
  // The same, adding each step's time in seconds to seconds[step].
  absl::Status RunTimed(absl::Span<double> seconds);

  const Plan& plan() const { return *plan_; }
  const std::shared_ptr<const Plan>& shared_plan() const { return plan_; }

 private:
  friend class ContextBuilder;

  Context() = default;
  absl::StatusOr<TensorView> Find(const std::vector<Plan::Port>& ports, absl::Span<void* const> places,
                                  std::string_view kind, std::string_view name) const;

  std::shared_ptr<const Plan> plan_;
  Workspace own_workspace_;
  std::vector<void*> inputs_;  // where the host finds the ports of the plan
  std::vector<void*> outputs_;
  std::vector<std::shared_ptr<const Tensor>> uploaded_;  // constants in the device's memory
  std::vector<std::unique_ptr<BoundKernel>> kernels_;
  std::unique_ptr<Execution> execution_;  // null where kernels run on the host
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_PLAN_H_
