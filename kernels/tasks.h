// Work on threads of somebody else's.
#ifndef MATHNAS_KERNELS_TASKS_H_
#define MATHNAS_KERNELS_TASKS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace mathnas::kernels {

// Calls task(argument, i) once for every i of 0 .. count-1, on any threads and in any order, and returns when all are
// done; throws nothing. Empty: one after the other, on the thread that calls.
using TaskRunner = std::function<void(int64_t count, void (*task)(void* argument, int64_t index), void* argument)>;

// How many parts work may be cut into, and who runs them.
struct Division {
  int parts = 1;
  TaskRunner parallel_for = {};
};

// At most `most` tasks at a time, whose memory is there before they run: a run allocates nothing. One run at a time.
class Tasks {
 public:
  explicit Tasks(int64_t most) : tasks_(static_cast<size_t>(most)) {}

  // body(i) for every i of 0 .. count-1, count at most `most`; a single one runs on the thread that calls, without
  // `parallel_for`. The first error by number, of those that were run. Internal: body threw, which goes through
  // nobody's threads. FailedPrecondition: parallel_for returned too early; tasks that were running then are waited for,
  // others are never run. Calls that it makes too often, or with other numbers, do nothing.
  absl::Status Run(const TaskRunner& parallel_for, int64_t count, absl::FunctionRef<absl::Status(int64_t)> body);

 private:
  enum State : int { kIdle, kWaiting, kRunning, kDone };
  struct Task {
    std::atomic<int> state{kIdle};
    absl::Status status;
  };
  static void Call(void* tasks, int64_t index);
  // Whether it was done before.
  static bool Close(Task& task);

  std::vector<Task> tasks_;
  const absl::FunctionRef<absl::Status(int64_t)>* body_ = nullptr;  // of the present run
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_TASKS_H_
