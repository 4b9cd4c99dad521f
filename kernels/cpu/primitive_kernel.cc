#include "kernels/cpu/primitive_kernel.h"

#include <list>
#include <mutex>

#include "kernels/packed_weights.h"

namespace mathnas::kernels::cpu {
namespace {

constexpr size_t kAlignment = 64;

// Primitives with their memory objects, ready to be executed. Through the C interface, whose arguments can be prepared:
// the C++ one builds a list at each call.
class BoundPrimitives : public BoundKernel {
 public:
  explicit BoundPrimitives(int threads) : threads_(threads) {}

  // A primitive with as many arguments, which are then added to it.
  void Add(const dnnl::primitive& primitive, size_t arguments) {
    Call& call = calls_.emplace_back(Call{primitive, {}, {}});
    call.arguments.reserve(arguments);
    call.memories.reserve(arguments);
  }
  void AddArgument(int id, dnnl::memory memory) {
    calls_.back().arguments.push_back({id, memory.get()});
    calls_.back().memories.push_back(std::move(memory));
  }
  void Keep(std::shared_ptr<const Tensor> packed) { packed_.push_back(std::move(packed)); }

  absl::Status Run() override {
    onednn::ThreadScope scope(threads_);
    const dnnl_stream_t stream = onednn::Stream().get();
    for (const Call& call : calls_) {
      const dnnl_status_t status = dnnl_primitive_execute(
          call.primitive.get(), stream, static_cast<int>(call.arguments.size()), call.arguments.data());
      if (status != dnnl_success) {
        return absl::InternalError(fmt::format("oneDNN: execution failed (status {})", static_cast<int>(status)));
      }
    }
    // Builds of version 3 with a runtime of their own execute asynchronously.
    if (dnnl_stream_wait(stream) != dnnl_success) return absl::InternalError("oneDNN: waiting for the stream failed");
    return absl::OkStatus();
  }

 private:
  struct Call {
    dnnl::primitive primitive;
    std::vector<dnnl_exec_arg_t> arguments;
    std::vector<dnnl::memory> memories;
  };

  int threads_;
  absl::InlinedVector<Call, 1> calls_;
  std::vector<std::shared_ptr<const Tensor>> packed_;
};

// One address for each pair of layouts that has been seen: kernels for different batches that want their weights alike
// share the packed ones. There are as many as shapes of weights.
const void* LayoutsId(const onednn::Md& from, const onednn::Md& to) {
  static std::mutex mutex;
  static std::list<std::pair<onednn::Md, onednn::Md>> seen;
  std::lock_guard lock(mutex);
  for (const auto& pair : seen) {
    if (pair.first == from && pair.second == to) return &pair;
  }
  return &seen.emplace_back(from, to);
}

}  // namespace

PrimitiveKernel::Slot PrimitiveKernel::Scratch(const onednn::Md& md) {
  const Slot slot = {Slot::kScratch, scratch_bytes_, md};
  scratch_bytes_ += (md.get_size() + kAlignment - 1) / kAlignment * kAlignment;
  return slot;
}

PrimitiveKernel::Slot PrimitiveKernel::Packed(size_t i, const onednn::Md& plain, const onednn::Md& wanted,
                                              Changes changes) {
  if (plain == wanted) return Input(i, plain);
  const Slot slot = {Slot::kPacked, packings_.size(), wanted};
  const size_t offset = changes == Changes::kConstant ? 0 : Scratch(wanted).index;
  packings_.push_back({i, offset, wanted, LayoutsId(plain, wanted)});
  const auto pd = onednn::Reorder(plain, wanted);
  Arguments arguments = {{DNNL_ARG_FROM, Input(i, plain)}, {DNNL_ARG_TO, slot}};
  if (pd.scratchpad_desc().get_size() > 0) arguments.emplace_back(DNNL_ARG_SCRATCHPAD, Scratch(pd.scratchpad_desc()));
  Name(pd.impl_info_str());
  steps_.push_back({dnnl::reorder(pd), std::move(arguments), static_cast<int>(slot.index)});
  return slot;
}

void PrimitiveKernel::Unpack(const Slot& from, size_t i, const onednn::Md& plain) {
  const auto pd = onednn::Reorder(from.md, plain);
  Arguments arguments = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, Output(i, plain)}};
  if (pd.scratchpad_desc().get_size() > 0) arguments.emplace_back(DNNL_ARG_SCRATCHPAD, Scratch(pd.scratchpad_desc()));
  Name(pd.impl_info_str());
  steps_.push_back({dnnl::reorder(pd), std::move(arguments), -1});
}

void PrimitiveKernel::Name(std::string_view implementation) {
  implementation_ += fmt::format("{}{}", implementation_.empty() ? "" : " + ", implementation);
}

void PrimitiveKernel::AddPrimitive(dnnl::primitive primitive, std::string_view implementation,
                                   const onednn::Md& scratchpad, Arguments arguments) {
  Name(implementation);
  if (scratchpad.get_size() > 0) arguments.emplace_back(DNNL_ARG_SCRATCHPAD, Scratch(scratchpad));
  steps_.push_back({std::move(primitive), std::move(arguments), -1});
}

absl::StatusOr<std::unique_ptr<BoundKernel>> PrimitiveKernel::Bind(const KernelBuffers& buffers) const {
  using Result = absl::StatusOr<std::unique_ptr<BoundKernel>>;
  return onednn::Guard(threads_, [&]() -> Result {
    std::vector<void*> packed(packings_.size());
    auto bound = std::make_unique<BoundPrimitives>(threads_);
    // Making memory objects takes most of the time here: what one primitive writes and another reads is one.
    absl::InlinedVector<std::pair<const Slot*, dnnl::memory>, 8> made;
    const auto memory = [&](const Slot& slot) {
      for (const auto& [known, object] : made) {
        if (known->kind == slot.kind && known->index == slot.index && known->md == slot.md) return object;
      }
      void* data = nullptr;
      switch (slot.kind) {
        case Slot::kInput:
          data = buffers.inputs[slot.index].data;
          break;
        case Slot::kOutput:
          data = buffers.outputs[slot.index];
          break;
        case Slot::kScratch:
          data = static_cast<std::byte*>(buffers.scratch) + slot.index;
          break;
        case Slot::kPacked:
          data = packed[slot.index];
          break;
      }
      return made.emplace_back(&slot, dnnl::memory(slot.md, onednn::Engine(), data)).second;
    };
    const auto add = [&](BoundPrimitives& to, const Step& step) {
      to.Add(step.primitive, step.arguments.size());
      for (const auto& [id, slot] : step.arguments) to.AddArgument(id, memory(slot));
    };
    for (const Step& step : steps_) {
      const bool once = step.packs >= 0 && buffers.inputs[packings_[step.packs].input].constant;
      if (step.packs >= 0 && !once) {
        packed[step.packs] = static_cast<std::byte*>(buffers.scratch) + packings_[step.packs].scratch_offset;
      }
      if (once) {
        const Packing& packing = packings_[step.packs];
        const void* source = buffers.inputs[packing.input].data;
        const TensorDesc desc = {DType::kU8, {static_cast<int64_t>(packing.wanted.get_size())}};
        auto tensor = buffers.packed->Get(packing.layouts, source, desc, [&](const TensorView& to) {
          packed[step.packs] = to.data;
          BoundPrimitives pack(threads_);
          add(pack, step);
          return pack.Run();
        });
        if (!tensor.ok()) return tensor.status();
        packed[step.packs] = (*tensor)->data();
        bound->Keep(*std::move(tensor));
        continue;
      }
      add(*bound, step);
    }
    return bound;
  });
}

}  // namespace mathnas::kernels::cpu
