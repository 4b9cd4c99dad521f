// mathnas_context_...: what one thread needs to run a plan.
#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "bindings/c/busy.h"
#include "bindings/c/hooks.h"
#include "bindings/c/model.h"
#include "bindings/c/status.h"
#include "fmt/format.h"
#include "kernels/divided_batch.h"
#include "kernels/plan.h"

namespace mathnas::c {
namespace {

using kernels::Workspace;

// Memory of the model's allocator.
class HookedMemory {
 public:
  static absl::StatusOr<std::unique_ptr<HookedMemory>> Allocate(const mathnas_model_options& hooks, size_t bytes) {
    auto memory = std::make_unique<HookedMemory>(hooks, bytes);
    memory->data_ = hooks.allocate(hooks.allocator_user, bytes, Workspace::kAlignment);
    if (memory->data_ == nullptr) {
      return absl::ResourceExhaustedError(fmt::format("the allocator has no {} bytes for a context", bytes));
    }
    return memory;
  }
  HookedMemory(const mathnas_model_options& hooks, size_t bytes) : hooks_(hooks), bytes_(bytes) {}
  ~HookedMemory() {
    if (data_ != nullptr) hooks_.release(hooks_.allocator_user, data_, bytes_, Workspace::kAlignment);
  }
  HookedMemory(const HookedMemory&) = delete;
  HookedMemory& operator=(const HookedMemory&) = delete;
  void* data() const { return data_; }

 private:
  mathnas_model_options hooks_;
  size_t bytes_;
  void* data_ = nullptr;
};

bool IsAligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % Workspace::kAlignment == 0; }

struct ContextHandle : Object {
  static constexpr Kind kKind = Kind::kContext;
  static constexpr const char* kName = "context";
  ContextHandle() : Object(kKind) {}

  // In the order in which they need each other.
  PlanPtr plan;
  std::unique_ptr<HookedMemory> hooked;
  Workspace workspace;
  std::unique_ptr<kernels::DividedContext> context;

  std::span<float> own_input, own_output;
  size_t row_in = 0, row_out = 0;  // elements of a row
  // Where runs read and write, as set up; null: in its own.
  const void* input = nullptr;
  bool pixels = false;
  float* output = nullptr;
  size_t rows = 0;
  std::atomic<bool> busy{false};

  absl::Status Run() {
    const auto fill = [this](const kernels::DividedContext::Rows& part) {
      const size_t at = static_cast<size_t>(part.begin) * row_in;
      if (pixels) {
        Normalise(static_cast<const uint8_t*>(input) + at, part.values);
      } else {
        const float* const all = input == nullptr ? own_input.data() : static_cast<const float*>(input);
        std::memmove(part.values.data(), all + at, part.values.size_bytes());
      }
      return absl::OkStatus();
    };
    return context->Run(static_cast<int64_t>(rows), fill, output == nullptr ? own_output.data() : output);
  }

  void Normalise(const uint8_t* from, std::span<float> to) const {
    const float* table = plan->pixel_values.data();
    const size_t channels = plan->pixel_values.size() / 256;
    for (size_t i = 0; i < to.size(); i += channels) {
      for (size_t c = 0; c < channels; ++c) to[i + c] = table[c * 256 + from[i + c]];
    }
  }
};

absl::Status FindMemory(const mathnas_context_options& options, ContextHandle& context) {
  const size_t bytes = WorkspaceBytes(*context.plan);
  if (options.workspace != nullptr) {
    if (options.workspace_bytes < bytes || !IsAligned(options.workspace)) {
      return absl::InvalidArgumentError(fmt::format("workspace: {} bytes at {}, expected at least {}, aligned to {}",
                                                    options.workspace_bytes, options.workspace, bytes,
                                                    Workspace::kAlignment));
    }
    context.workspace = Workspace({static_cast<std::byte*>(options.workspace), bytes});
  } else if (context.plan->hooks.allocate != nullptr) {
    auto memory = HookedMemory::Allocate(context.plan->hooks, bytes);
    if (!memory.ok()) return memory.status();
    if (!IsAligned((*memory)->data())) {
      return absl::InvalidArgumentError(fmt::format("the allocator returned {}, expected an alignment of {}",
                                                    (*memory)->data(), Workspace::kAlignment));
    }
    context.hooked = *std::move(memory);
    context.workspace = Workspace({static_cast<std::byte*>(context.hooked->data()), bytes});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ContextHandle>> MakeContext(PlanPtr plan, const mathnas_context_options& options) {
  auto context = std::make_unique<ContextHandle>();
  context->plan = std::move(plan);
  if (auto s = FindMemory(options, *context); !s.ok()) return s;
  const Plan& p = *context->plan;
  const OwnMemory own = OwnMemoryOf(p);
  kernels::Workspace arena;
  if (own.input_bytes > 0) {
    auto* const memory = static_cast<std::byte*>(context->workspace.Reserve(WorkspaceBytes(p)));
    const auto elements = [](const kernels::TensorDesc& desc) { return static_cast<size_t>(desc.elements()); };
    context->own_input = {reinterpret_cast<float*>(memory), elements(p.plan->input())};
    context->own_output = {reinterpret_cast<float*>(memory + own.input_bytes), elements(p.plan->output())};
    arena = Workspace({memory + own.input_bytes + own.output_bytes, p.plan->arena_bytes()});
  }
  auto created = kernels::DividedContext::Create(p.plan, {&p.network->weights}, DivisionOf(p.hooks).parallel_for,
                                                 own.input_bytes > 0 ? &arena : &context->workspace);
  if (!created.ok()) return created.status();
  context->context = *std::move(created);
  if (own.input_bytes == 0) {
    context->own_input = context->context->input(0);
    context->own_output = context->context->output(0);
  }
  context->rows = static_cast<size_t>(p.batch());
  context->row_in = context->own_input.size() / context->rows;
  context->row_out = context->own_output.size() / context->rows;
  std::fill(context->own_input.begin(), context->own_input.end(), 0.0f);
  return context;
}

absl::Status CheckBytes(const char* name, const void* data, uint64_t bytes, uint64_t expected) {
  if (data == nullptr || bytes == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}: {} bytes, expected {}", name, bytes, expected));
}

absl::Status SetUp(const mathnas_bindings& bindings, ContextHandle& context) {
  const int64_t rows = bindings.rows == 0 ? context.plan->batch() : bindings.rows;
  if (rows < 1 || rows > context.plan->batch()) {
    return absl::InvalidArgumentError(
        fmt::format("rows: {}, expected 1 to {}, the batch of the plan", rows, context.plan->batch()));
  }
  const bool pixels = bindings.input_type == MATHNAS_U8;
  if (!pixels && bindings.input_type != MATHNAS_F32) {
    return absl::InvalidArgumentError(
        fmt::format("input_type: {}, expected MATHNAS_F32 or MATHNAS_U8", bindings.input_type));
  }
  if (pixels && bindings.input == nullptr) return Null("input", "pixels; the context's own memory is MATHNAS_F32");
  const auto count = static_cast<uint64_t>(rows);
  const uint64_t in = count * context.row_in * (pixels ? 1 : sizeof(float));
  if (auto s = CheckBytes("input_bytes", bindings.input, bindings.input_bytes, in); !s.ok()) return s;
  const uint64_t out = count * context.row_out * sizeof(float);
  if (auto s = CheckBytes("output_bytes", bindings.output, bindings.output_bytes, out); !s.ok()) return s;
  context.input = bindings.input;
  context.pixels = pixels;
  context.output = bindings.output;
  context.rows = static_cast<size_t>(rows);
  return absl::OkStatus();
}

}  // namespace
}  // namespace mathnas::c

using namespace mathnas::c;  // NOLINT: what follows is the interface, and nothing else

mathnas_status mathnas_context_create(mathnas_plan plan, const mathnas_context_options* options,
                                      mathnas_context* context) {
  return Call([&]() -> absl::Status {
    if (context == nullptr) return Null("context", "the address of a handle");
    *context = nullptr;
    const Pinned<PlanHandle> pinned(plan);
    if (!pinned.ok()) return pinned.status();
    const auto known = Read(options);
    if (!known.ok()) return known.status();
    auto made = MakeContext(pinned->plan, *known);
    if (!made.ok()) return made.status();
    return HandOut(*std::move(made), context);
  });
}

mathnas_status mathnas_context_destroy(mathnas_context context) {
  return Call([&] { return Destroy<ContextHandle>(context); });
}

mathnas_status mathnas_context_setup(mathnas_context context, const mathnas_bindings* bindings) {
  return Call([&]() -> absl::Status {
    const Pinned<ContextHandle> pinned(context);
    if (!pinned.ok()) return pinned.status();
    const auto known = Read(bindings);
    if (!known.ok()) return known.status();
    const Use use(pinned->busy);
    if (!use.ok()) return use.status("context");
    return SetUp(*known, *pinned);
  });
}

mathnas_status mathnas_context_memory(mathnas_context context, float** input, float** output) {
  return Call([&]() -> absl::Status {
    const Pinned<ContextHandle> pinned(context);
    if (!pinned.ok()) return pinned.status();
    if (input != nullptr) *input = pinned->own_input.data();
    if (output != nullptr) *output = pinned->own_output.data();
    return absl::OkStatus();
  });
}

mathnas_status mathnas_context_run(mathnas_context context) {
  return Call([&]() -> absl::Status {
    const Pinned<ContextHandle> pinned(context);
    if (!pinned.ok()) return pinned.status();
    const Use use(pinned->busy);
    if (!use.ok()) return use.status("context");
    return pinned->Run();
  });
}
