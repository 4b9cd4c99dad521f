#include "kernels/cuda/cuda_stream.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace mathnas::kernels::cuda {
namespace {

// Copies from and to memory that is not page-locked are no part of the graph: what a driver lets be recorded of them is
// its own business, and it may wait in them.
struct Transfers {
  std::vector<Transfer> recorded, not_recorded;
};

class CudaExecution : public Execution {
 public:
  CudaExecution(Queue& queue, Updates& updates, Transfers before,
                absl::Span<const std::unique_ptr<BoundKernel>> kernels, Transfers after)
      : queue_(queue), updates_(updates), before_(std::move(before)), kernels_(kernels), after_(std::move(after)) {}

  ~CudaExecution() override {
    const bool here = queue_.gpu().Enter().ok();
    if (here && started_) (void)queue_.Wait();  // kernels and tensors go after this
    for (const Course* course : {&plain_, &timed_}) {
      if (here && course->graph != nullptr) driver().GraphExecDestroy(course->graph);
    }
    events_.insert(events_.end(), {begin_, end_});
    for (CUevent event : events_) {
      if (event != nullptr) driver().EventDestroy(event);
    }
  }

  absl::Status Start() override { return Start(plain_); }
  absl::Status Wait() override {
    if (!started_) return absl::OkStatus();
    started_ = false;
    if (auto s = queue_.gpu().Enter(); !s.ok()) return s;
    if (auto s = queue_.Wait(); !s.ok()) return s;
    float milliseconds = 0;
    const CUresult result = driver().EventElapsedTime(&milliseconds, begin_, end_);
    last_seconds_ = 1e-3 * milliseconds;
    return queue_.gpu().Check(result, "cuEventElapsedTime");
  }
  double last_seconds() const override { return last_seconds_; }

  // The events are part of a graph too: kernels that the host enqueues one by one wait for it when they are short.
  absl::Status RunTimed(absl::Span<double> seconds) override {
    if (auto s = queue_.gpu().Enter(); !s.ok()) return s;
    events_.resize(kernels_.size() + 1);
    for (CUevent& event : events_) {
      if (auto s = Make(event); !s.ok()) return s;
    }
    if (auto s = Start(timed_); !s.ok()) return s;
    if (auto s = Wait(); !s.ok()) return s;
    for (size_t k = 0; k < std::min(kernels_.size(), seconds.size()); ++k) {
      float milliseconds = 0;
      const CUresult result = driver().EventElapsedTime(&milliseconds, events_[k], events_[k + 1]);
      if (auto s = queue_.gpu().Check(result, "cuEventElapsedTime"); !s.ok()) return s;
      seconds[k] += 1e-3 * milliseconds;
    }
    return absl::OkStatus();
  }

 private:
  // The same work with or without events.
  struct Course {
    bool timed;
    int runs = 0;
    CUgraphExec graph = nullptr;
  };

  const Driver& driver() const { return queue_.libraries().driver; }

  absl::Status Start(Course& course) {
    if (auto s = queue_.gpu().Enter(); !s.ok()) return s;
    if (auto s = updates_.Precede(queue_.stream()); !s.ok()) return s;
    // The first run lets libraries load their kernels, which must not happen while a graph is recorded. A network that
    // runs once, as in the training of a supernet, is never recorded.
    if (course.graph == nullptr && course.runs++ == 1) {
      if (auto s = Record(course); !s.ok()) return s;
    }
    if (auto s = Mark(begin_); !s.ok()) return s;
    if (auto s = Copy(before_.not_recorded, true); !s.ok()) return s;
    if (course.graph != nullptr) {
      const CUresult result = driver().GraphLaunch(course.graph, queue_.stream());
      if (auto s = queue_.gpu().Check(result, "cuGraphLaunch"); !s.ok()) return s;
    } else if (auto s = EnqueueRecorded(course.timed, CU_EVENT_RECORD_DEFAULT); !s.ok()) {
      return s;
    }
    if (auto s = Copy(after_.not_recorded, false); !s.ok()) return s;
    if (auto s = Mark(end_); !s.ok()) return s;
    started_ = true;
    return updates_.Follow(end_);
  }

  absl::Status Record(Course& course) {
    Gpu& gpu = queue_.gpu();
    const CUresult begun = driver().StreamBeginCapture(queue_.stream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    if (auto s = gpu.Check(begun, "cuStreamBeginCapture"); !s.ok()) return s;
    const absl::Status enqueued = EnqueueRecorded(course.timed, CU_EVENT_RECORD_EXTERNAL);
    CUgraph graph = nullptr;
    const CUresult ended = driver().StreamEndCapture(queue_.stream(), &graph);
    if (!enqueued.ok()) {
      if (graph != nullptr) driver().GraphDestroy(graph);
      return enqueued;
    }
    if (auto s = gpu.Check(ended, "cuStreamEndCapture"); !s.ok()) return s;
    const CUresult made = driver().GraphInstantiate(&course.graph, graph, 0);
    driver().GraphDestroy(graph);
    return gpu.Check(made, "cuGraphInstantiate");
  }

  absl::Status EnqueueRecorded(bool timed, unsigned event_flags) {
    if (auto s = Copy(before_.recorded, true); !s.ok()) return s;
    const auto enqueue_event = [&](size_t i) {
      if (!timed) return absl::OkStatus();
      const CUresult result = driver().EventRecordWithFlags(events_[i], queue_.stream(), event_flags);
      return queue_.gpu().Check(result, "cuEventRecordWithFlags");
    };
    if (auto s = enqueue_event(0); !s.ok()) return s;
    for (size_t k = 0; k < kernels_.size(); ++k) {
      if (auto s = kernels_[k]->Run(); !s.ok()) return s;
      if (auto s = enqueue_event(k + 1); !s.ok()) return s;
    }
    return Copy(after_.recorded, false);
  }

  absl::Status Copy(const std::vector<Transfer>& transfers, bool to_device) {
    for (const Transfer& t : transfers) {
      auto s = to_device ? queue_.Copy(t.device, t.host, t.bytes) : queue_.Copy(t.host, t.device, t.bytes);
      if (!s.ok()) return s;
    }
    return absl::OkStatus();
  }

  absl::Status Make(CUevent& event) {
    if (event != nullptr) return absl::OkStatus();
    return queue_.gpu().Check(driver().EventCreate(&event, CU_EVENT_DEFAULT), "cuEventCreate");
  }
  // The instant at which the stream comes here.
  absl::Status Mark(CUevent& event) {
    if (auto s = Make(event); !s.ok()) return s;
    return queue_.gpu().Check(driver().EventRecord(event, queue_.stream()), "cuEventRecord");
  }

  Queue& queue_;
  Updates& updates_;
  Transfers before_;
  absl::Span<const std::unique_ptr<BoundKernel>> kernels_;
  Transfers after_;
  Course plain_ = {.timed = false}, timed_ = {.timed = true};
  CUevent begin_ = nullptr, end_ = nullptr;
  bool started_ = false;  // and not waited for
  double last_seconds_ = 0;
  std::vector<CUevent> events_;  // before the first kernel, and after each
};

}  // namespace

absl::StatusOr<std::unique_ptr<Updates>> Updates::Create(const std::shared_ptr<Gpu>& gpu) {
  auto queue = Queue::Create(gpu);
  if (!queue.ok()) return queue.status();
  std::unique_ptr<Updates> updates(new Updates);
  updates->queue_ = *std::move(queue);
  const CUresult result = gpu->driver().EventCreate(&updates->done_, CU_EVENT_DISABLE_TIMING);
  if (auto s = gpu->Check(result, "cuEventCreate"); !s.ok()) return s;
  return updates;
}

Updates::~Updates() {
  if (done_ != nullptr && queue_->gpu().Enter().ok()) queue_->libraries().driver.EventDestroy(done_);
}

absl::Status Updates::Record() {
  return queue_->gpu().Check(queue_->libraries().driver.EventRecord(done_, queue_->stream()), "cuEventRecord");
}

absl::Status Updates::Precede(CUstream stream) {
  const std::lock_guard lock(mutex_);
  if (!pending_) return absl::OkStatus();
  return queue_->gpu().Check(queue_->libraries().driver.StreamWaitEvent(stream, done_, 0), "cuStreamWaitEvent");
}

absl::Status Updates::Follow(CUevent event) {
  const std::lock_guard lock(mutex_);
  return queue_->gpu().Check(queue_->libraries().driver.StreamWaitEvent(queue_->stream(), event, 0),
                             "cuStreamWaitEvent");
}

absl::Status Updates::Wait() {
  const std::lock_guard lock(mutex_);
  if (auto s = queue_->gpu().Enter(); !s.ok() || !pending_) return s;
  if (auto s = queue_->Wait(); !s.ok()) return s;
  pending_ = false;
  return absl::OkStatus();
}

CudaStream::~CudaStream() {
  // Memory must not be freed under work that is still enqueued.
  if (queue_->gpu().Enter().ok()) (void)queue_->Wait();
}

absl::StatusOr<std::byte*> CudaStream::Grow(Arena& arena, Gpu::Memory kind, size_t bytes) {
  if (bytes > arena.bytes) {
    if (auto s = queue_->gpu().Enter(); !s.ok()) return s;
    if (auto s = queue_->Wait(); !s.ok()) return s;
    ++moves_;
    arena = {};  // first, so that both are never held
    auto memory = queue_->gpu().Allocate(kind, bytes);
    if (!memory.ok()) return memory.status();
    arena = {*std::move(memory), bytes};
  }
  return static_cast<std::byte*>(arena.memory.get());
}

absl::StatusOr<std::byte*> CudaStream::Reserve(size_t bytes) { return Grow(device_, Gpu::Memory::kDevice, bytes); }
absl::StatusOr<std::byte*> CudaStream::ReserveHost(size_t bytes) { return Grow(host_, Gpu::Memory::kHost, bytes); }

absl::StatusOr<std::unique_ptr<Execution>> CudaStream::Prepare(std::vector<Transfer> before,
                                                               absl::Span<const std::unique_ptr<BoundKernel>> kernels,
                                                               std::vector<Transfer> after) {
  const auto sorted = [this](const std::vector<Transfer>& transfers) {
    const auto* begin = static_cast<const std::byte*>(host_.memory.get());
    Transfers t;
    for (const Transfer& transfer : transfers) {
      const auto* host = static_cast<const std::byte*>(transfer.host);
      const bool page_locked = std::less_equal<>()(begin, host) && std::less<>()(host, begin + host_.bytes);
      (page_locked ? t.recorded : t.not_recorded).push_back(transfer);
    }
    return t;
  };
  return std::make_unique<CudaExecution>(*queue_, *updates_, sorted(before), kernels, sorted(after));
}

Queue& QueueOf(Stream& stream) { return static_cast<CudaStream&>(stream).queue(); }

}  // namespace mathnas::kernels::cuda
