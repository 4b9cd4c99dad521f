#include "bindings/c/handles.h"

#include <atomic>
#include <mutex>

#include "fmt/format.h"

namespace mathnas::c {
namespace {

static_assert(sizeof(void*) == 8, "a handle is a number of 64 bits");

// A slot's state: its generation (32 bits), whether its handle is alive (1), and how many calls are using it (31).
constexpr uint64_t kPin = 1, kPins = 0x7fffffff, kAlive = 0x80000000;
constexpr int kGenerationShift = 32;

struct Slot {
  std::atomic<uint64_t> state{0};
  Object* object = nullptr;  // written before the handle is given, and after its last pin
  uint32_t next_free = 0;
};

// Zero from the beginning: takes no memory until it is used, and nothing has to be done when the library is loaded or
// unloaded.
constinit Slot slots[kMaxHandles];

// Slots that are free, guarded by `mutex`: a list of those that were used, then those that never were.
constinit std::mutex mutex;
constexpr uint32_t kNone = kMaxHandles;
constinit uint32_t first_free = kNone, used = 0;
constinit std::atomic<uint32_t> live{0};

// A handle, from its highest bit on: 10 (no address of any process looks like this, so pointers are never taken for
// handles), where this library was loaded (10 bits: another copy of it in the process has others, most likely), the
// generation (32), the kind (4), the slot (16).
constexpr int kKindShift = 16, kHandleGenerationShift = 20, kPlaceShift = 52;

uint64_t Place() {
  const uint64_t page = reinterpret_cast<uintptr_t>(slots) >> 12;
  return (uint64_t{2} << 62) | ((page ^ (page >> 10) ^ (page >> 20)) & 0x3ff) << kPlaceShift;
}

uint32_t GenerationOf(uint64_t state) { return static_cast<uint32_t>(state >> kGenerationShift); }

Slot& SlotOf(uint64_t handle) { return slots[handle & (kMaxHandles - 1)]; }

// Whether the handle was given by this library, as far as the number alone says; its generation if so.
bool Parse(uint64_t handle, Kind kind, uint32_t& generation) {
  if ((handle >> kPlaceShift) != (Place() >> kPlaceShift)) return false;
  if (((handle >> kKindShift) & 15) != static_cast<uint64_t>(kind)) return false;
  generation = static_cast<uint32_t>(handle >> kHandleGenerationShift);
  return true;
}

// Of a slot without pins, whose handle is not alive: nobody else can come to it any more.
void Reclaim(Slot& slot) {
  delete std::exchange(slot.object, nullptr);
  const uint32_t generation = GenerationOf(slot.state.load(std::memory_order_relaxed));
  if (generation == UINT32_MAX) return;  // used up: a generation never comes twice
  const std::lock_guard lock(mutex);
  slot.next_free = first_free;
  first_free = static_cast<uint32_t>(&slot - slots);
}

void Unpin(Slot& slot) {
  const uint64_t before = slot.state.fetch_sub(kPin, std::memory_order_acq_rel);
  if ((before & (kAlive | kPins)) == kPin) Reclaim(slot);
}

}  // namespace

absl::StatusOr<uint64_t> AddHandle(std::unique_ptr<Object> object) {
  uint32_t index;
  {
    const std::lock_guard lock(mutex);
    index = first_free != kNone ? first_free : used;
    if (index == kMaxHandles) {
      return absl::ResourceExhaustedError(fmt::format("expected at most {} handles at a time", kMaxHandles));
    }
    if (index == first_free) {
      first_free = slots[index].next_free;
    } else {
      ++used;
    }
  }
  Slot& slot = slots[index];
  const uint64_t generation = GenerationOf(slot.state.load(std::memory_order_relaxed)) + uint64_t{1};
  const auto kind = static_cast<uint64_t>(object->kind());
  slot.object = object.release();
  live.fetch_add(1, std::memory_order_relaxed);
  slot.state.store(generation << kGenerationShift | kAlive, std::memory_order_release);
  return Place() | generation << kHandleGenerationShift | kind << kKindShift | index;
}

Object* Pin(uint64_t handle, Kind kind) {
  uint32_t generation;
  if (!Parse(handle, kind, generation)) return nullptr;
  Slot& slot = SlotOf(handle);
  uint64_t state = slot.state.load(std::memory_order_relaxed);
  do {
    if (GenerationOf(state) != generation || (state & kAlive) == 0 || (state & kPins) == kPins) return nullptr;
  } while (!slot.state.compare_exchange_weak(state, state + kPin, std::memory_order_acquire));
  if (slot.object->kind() == kind) return slot.object;
  Unpin(slot);  // a number that was made up, of a slot of another kind
  return nullptr;
}

void Unpin(uint64_t handle) { Unpin(SlotOf(handle)); }

bool RemoveHandle(uint64_t handle, Kind kind) {
  if (Pin(handle, kind) == nullptr) return false;
  Slot& slot = SlotOf(handle);
  const uint64_t before = slot.state.fetch_and(~kAlive, std::memory_order_acq_rel);
  const bool first = (before & kAlive) != 0;  // or another thread came before
  if (first) live.fetch_sub(1, std::memory_order_relaxed);
  Unpin(slot);
  return first;
}

uint32_t LiveHandles() { return live.load(std::memory_order_relaxed); }

absl::Status BadHandle(const char* name, const void* handle) {
  // Abseil has no such code; nothing else of the project uses this one (status.cc).
  return absl::UnauthenticatedError(
      handle == nullptr
          ? fmt::format("{}: null, expected a handle", name)
          : fmt::format("{}: {} is no handle of this library, of another type, or was destroyed", name, handle));
}

}  // namespace mathnas::c
