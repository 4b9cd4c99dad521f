#include "kernels/cuda/cupti.h"

#include <cupti.h>

#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "kernels/cuda/intervals.h"
#include "kernels/cuda/library.h"

namespace mathnas::kernels::cuda {
namespace {

// Kernels of graphs are recorded one by one as long as GRAPH_TRACE is not; unlike KERNEL, CONCURRENT_KERNEL lets them
// run side by side.
constexpr CUpti_ActivityKind kKinds[] = {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY,
                                         CUPTI_ACTIVITY_KIND_MEMSET};
constexpr size_t kBufferBytes = size_t{1} << 20;

// Each is named as the function without its prefix.
struct Cupti {
  decltype(&cuptiGetResultString) GetResultString;
  decltype(&cuptiActivityRegisterCallbacks) ActivityRegisterCallbacks;
  decltype(&cuptiActivityEnable) ActivityEnable;
  decltype(&cuptiActivityDisable) ActivityDisable;
  decltype(&cuptiActivityFlushAll) ActivityFlushAll;
  decltype(&cuptiActivityGetNextRecord) ActivityGetNextRecord;
  decltype(&cuptiActivityGetNumDroppedRecords) ActivityGetNumDroppedRecords;

  absl::Status Check(CUptiResult result, std::string_view call) const {
    if (result == CUPTI_SUCCESS) return absl::OkStatus();
    const char* name = nullptr;
    GetResultString(result, &name);
    return absl::UnavailableError(
        fmt::format("{}: {}", call, name != nullptr ? name : std::to_string(static_cast<int>(result))));
  }
};

// Of the process, as CUPTI is: its callbacks are given nothing else, and come from threads of its own too.
struct Records {
  std::mutex mutex;
  Cupti cupti;
  bool loaded = false;
  std::vector<Interval> timed;
  int64_t kernels = 0, copies = 0, untimed = 0;
  absl::Status status;

  template <typename Record>
  void Add(const CUpti_Activity* activity, int64_t& count) {
    const auto* record = reinterpret_cast<const Record*>(activity);
    ++count;
    if (record->start == 0 || record->end < record->start) {
      ++untimed;
    } else {
      timed.push_back({record->start, record->end});
    }
  }
};

Records& Global() {
  static auto* records = new Records;  // never destroyed: buffers may come until the process ends
  return *records;
}

void CUPTIAPI RequestBuffer(uint8_t** buffer, size_t* bytes, size_t* most_records) {
  *buffer = new uint8_t[kBufferBytes];  // aligned for any record
  *bytes = kBufferBytes;
  *most_records = 0;
}

void CUPTIAPI TakeBuffer(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t valid_bytes) {
  Records& records = Global();
  const std::lock_guard lock(records.mutex);
  CUpti_Activity* record = nullptr;
  CUptiResult result = CUPTI_SUCCESS;
  while ((result = records.cupti.ActivityGetNextRecord(buffer, valid_bytes, &record)) == CUPTI_SUCCESS) {
    if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
      records.Add<CUpti_ActivityKernel10>(record, records.kernels);
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
      records.Add<CUpti_ActivityMemcpy6>(record, records.copies);
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
      records.Add<CUpti_ActivityMemset4>(record, records.copies);
    }
  }
  if (result != CUPTI_ERROR_MAX_LIMIT_REACHED)
    records.status.Update(records.cupti.Check(result, "cuptiActivityGetNextRecord"));
  delete[] buffer;
}

absl::Status Load(Records& records) {
  if (records.loaded) return absl::OkStatus();
  auto library = Library::Load(fmt::format("libcupti.so.{}", CUDA_VERSION / 1000));
  if (!library.ok()) return absl::UnavailableError(library.status().message());
  Cupti& c = records.cupti;
  library->Find(c.GetResultString, "cuptiGetResultString");
  library->Find(c.ActivityRegisterCallbacks, "cuptiActivityRegisterCallbacks");
  library->Find(c.ActivityEnable, "cuptiActivityEnable");
  library->Find(c.ActivityDisable, "cuptiActivityDisable");
  library->Find(c.ActivityFlushAll, "cuptiActivityFlushAll");
  library->Find(c.ActivityGetNextRecord, "cuptiActivityGetNextRecord");
  library->Find(c.ActivityGetNumDroppedRecords, "cuptiActivityGetNumDroppedRecords");
  if (auto s = library->status(); !s.ok()) return absl::UnavailableError(s.message());
  const CUptiResult registered = c.ActivityRegisterCallbacks(RequestBuffer, TakeBuffer);
  if (auto s = c.Check(registered, "cuptiActivityRegisterCallbacks"); !s.ok()) return s;
  records.loaded = true;
  return absl::OkStatus();
}

// Records as long as it lives.
class Recording {
 public:
  explicit Recording(const Cupti& cupti) : cupti_(cupti) {}
  ~Recording() {
    for (CUpti_ActivityKind kind : kKinds) cupti_.ActivityDisable(kind);
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  absl::Status Start() {
    for (CUpti_ActivityKind kind : kKinds) {
      if (auto s = cupti_.Check(cupti_.ActivityEnable(kind), "cuptiActivityEnable"); !s.ok()) return s;
    }
    return absl::OkStatus();
  }

 private:
  const Cupti& cupti_;
};

// The records of `work`. Those from before, of work that failed, are thrown away.
absl::StatusOr<Occupation> RecordsOf(absl::FunctionRef<absl::Status()> work, Records& records) {
  const Cupti& cupti = records.cupti;
  size_t dropped = 0;  // since the last flush
  const auto flush = [&] {
    // Forced: what is not complete then has no times, and is seen.
    const CUptiResult flushed = cupti.ActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
    if (auto s = cupti.Check(flushed, "cuptiActivityFlushAll"); !s.ok()) return s;
    const CUptiResult counted = cupti.ActivityGetNumDroppedRecords(nullptr, 0, &dropped);
    return cupti.Check(counted, "cuptiActivityGetNumDroppedRecords");
  };
  if (auto s = flush(); !s.ok()) return s;
  {
    const std::lock_guard lock(records.mutex);
    records.timed.clear();
    records.kernels = records.copies = records.untimed = 0;
    records.status = absl::OkStatus();
  }
  if (auto s = work(); !s.ok()) return s;
  if (auto s = flush(); !s.ok()) return s;
  if (dropped > 0) return absl::UnavailableError(fmt::format("CUPTI dropped {} records", dropped));
  const std::lock_guard lock(records.mutex);
  if (!records.status.ok()) return records.status;
  if (records.untimed > 0) {
    return absl::UnavailableError(
        fmt::format("CUPTI has no times for {} of {} records", records.untimed, records.kernels + records.copies));
  }
  if (records.timed.empty()) return absl::UnavailableError("CUPTI recorded nothing");
  const Cover cover = CoverOf(records.timed);
  return Occupation{.span_seconds = 1e-9 * static_cast<double>(cover.span),
                    .busy_seconds = 1e-9 * static_cast<double>(cover.busy),
                    .kernels = records.kernels,
                    .copies = records.copies};
}

}  // namespace

absl::StatusOr<Occupation> Observe(absl::FunctionRef<absl::Status()> work) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  Records& records = Global();
  if (auto s = Load(records); !s.ok()) return s;
  Recording recording(records.cupti);
  if (auto s = recording.Start(); !s.ok()) return s;
  if (auto first = RecordsOf(work, records); !first.ok()) return first;
  return RecordsOf(work, records);
}

}  // namespace mathnas::kernels::cuda
