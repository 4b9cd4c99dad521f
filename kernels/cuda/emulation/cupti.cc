// The entry points of CUPTI that kernels/cuda/cupti.cc looks for: records of what the emulated device does, by the
// clock of the host. A buffer is delivered as soon as it holds three records, as CUPTI may at any time, so that there
// are many.
#include <cupti.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

#include "kernels/cuda/emulation/emulation.h"

namespace {

using mathnas::kernels::cuda::emulation::Activity;
using Time = std::chrono::steady_clock::time_point;

constexpr size_t kRecordsOfBuffer = 3;

struct State {
  std::mutex mutex;
  std::set<CUpti_ActivityKind> enabled;
  CUpti_BuffersCallbackRequestFunc request = nullptr;
  CUpti_BuffersCallbackCompleteFunc complete = nullptr;
  uint8_t* buffer = nullptr;
  size_t bytes = 0, valid = 0, records = 0, dropped = 0;

  void Deliver() {
    if (buffer != nullptr) complete(nullptr, 0, buffer, bytes, valid);
    buffer = nullptr;
  }

  template <typename Record>
  void Add(CUpti_ActivityKind kind, Time start, Time end) {
    auto* settings = mathnas_cuda_emulation_settings();
    const std::lock_guard lock(mutex);
    if (enabled.count(kind) == 0) return;
    if (settings->cupti_room <= 0) {
      ++dropped;
      return;
    }
    --settings->cupti_room;
    Record record = {};
    record.kind = kind;
    if (settings->cupti_untimed > 0) {
      --settings->cupti_untimed;
    } else {
      record.start = static_cast<uint64_t>(std::chrono::nanoseconds(start.time_since_epoch()).count());
      record.end = static_cast<uint64_t>(std::chrono::nanoseconds(end.time_since_epoch()).count());
    }
    if (buffer == nullptr) {
      size_t most = 0;
      request(&buffer, &bytes, &most);
      valid = records = 0;
      if (buffer == nullptr || bytes < kRecordsOfBuffer * sizeof(record) || most != 0) std::abort();
    }
    std::memcpy(buffer + valid, &record, sizeof(record));
    valid += sizeof(record);
    if (++records == kRecordsOfBuffer) Deliver();
  }
};

State& Global() {
  static auto* state = new State;
  return *state;
}

size_t BytesOf(CUpti_ActivityKind kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
      return sizeof(CUpti_ActivityKernel10);
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      return sizeof(CUpti_ActivityMemcpy6);
    default:
      return sizeof(CUpti_ActivityMemset4);
  }
}

}  // namespace

namespace mathnas::kernels::cuda::emulation {

void AddActivity(Activity activity, Time start, Time end) {
  State& state = Global();
  if (activity == Activity::kKernel) {
    state.Add<CUpti_ActivityKernel10>(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, start, end);
  } else if (activity == Activity::kCopy) {
    state.Add<CUpti_ActivityMemcpy6>(CUPTI_ACTIVITY_KIND_MEMCPY, start, end);
  } else {
    state.Add<CUpti_ActivityMemset4>(CUPTI_ACTIVITY_KIND_MEMSET, start, end);
  }
}

}  // namespace mathnas::kernels::cuda::emulation

extern "C" {

CUptiResult cuptiGetResultString(CUptiResult result, const char** text) {
  *text = result == CUPTI_ERROR_INSUFFICIENT_PRIVILEGES ? "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES" : "CUPTI_ERROR";
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc request,
                                           CUpti_BuffersCallbackCompleteFunc complete) {
  State& state = Global();
  const std::lock_guard lock(state.mutex);
  state.request = request;
  state.complete = complete;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityEnable(CUpti_ActivityKind kind) {
  if (const int error = mathnas_cuda_emulation_settings()->cupti_error; error != 0) {
    return static_cast<CUptiResult>(error);
  }
  State& state = Global();
  const std::lock_guard lock(state.mutex);
  if (state.request == nullptr) return CUPTI_ERROR_INVALID_OPERATION;
  state.enabled.insert(kind);
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityDisable(CUpti_ActivityKind kind) {
  State& state = Global();
  const std::lock_guard lock(state.mutex);
  state.enabled.erase(kind);
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityFlushAll(uint32_t) {
  State& state = Global();
  const std::lock_guard lock(state.mutex);
  state.Deliver();
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityGetNextRecord(uint8_t* buffer, size_t valid_bytes, CUpti_Activity** record) {
  uint8_t* next = buffer;
  if (*record != nullptr) next = reinterpret_cast<uint8_t*>(*record) + BytesOf((*record)->kind);
  if (next >= buffer + valid_bytes) return CUPTI_ERROR_MAX_LIMIT_REACHED;
  *record = reinterpret_cast<CUpti_Activity*>(next);
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityGetNumDroppedRecords(CUcontext, uint32_t, size_t* dropped) {
  State& state = Global();
  const std::lock_guard lock(state.mutex);
  *dropped = state.dropped;
  state.dropped = 0;
  return CUPTI_SUCCESS;
}

}  // extern "C"
