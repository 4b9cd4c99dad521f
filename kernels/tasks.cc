#include "kernels/tasks.h"

#include <exception>
#include <string>

#include "fmt/format.h"

namespace mathnas::kernels {
namespace {

absl::Status Guarded(absl::FunctionRef<absl::Status(int64_t)> body, int64_t index) {
  try {
    return body(index);
  } catch (const std::exception& e) {
    return absl::InternalError(fmt::format("task {}: {}", index, e.what()));
  }
}

}  // namespace

void Tasks::Call(void* tasks, int64_t index) {
  auto& all = *static_cast<Tasks*>(tasks);
  if (index < 0 || index >= std::ssize(all.tasks_)) return;
  Task& task = all.tasks_[static_cast<size_t>(index)];
  int expected = kWaiting;
  if (!task.state.compare_exchange_strong(expected, kRunning)) return;
  task.status = Guarded(*all.body_, index);
  task.state.store(kDone);
  task.state.notify_one();
}

bool Tasks::Close(Task& task) {
  int found = kWaiting;
  if (task.state.compare_exchange_strong(found, kIdle)) return false;
  task.state.wait(kRunning);
  task.state.store(kIdle);
  return found == kDone;
}

absl::Status Tasks::Run(const TaskRunner& parallel_for, int64_t count, absl::FunctionRef<absl::Status(int64_t)> body) {
  if (count == 1) return Guarded(body, 0);
  body_ = &body;
  for (int64_t i = 0; i < count; ++i) tasks_[static_cast<size_t>(i)].state.store(kWaiting);
  std::string thrown;
  if (!parallel_for) {
    for (int64_t i = 0; i < count; ++i) Call(this, i);
  } else {
    try {
      parallel_for(count, &Tasks::Call, this);
    } catch (const std::exception& e) {
      thrown = fmt::format("parallel_for threw: {}", e.what());
    }
  }
  int64_t unfinished = -1;
  const Task* failed = nullptr;
  for (int64_t i = count; i-- > 0;) {
    Task& task = tasks_[static_cast<size_t>(i)];
    if (!Close(task)) {
      unfinished = i;
    } else if (!task.status.ok()) {
      failed = &task;
    }
  }
  if (!thrown.empty()) return absl::InternalError(thrown);
  if (unfinished >= 0) {
    return absl::FailedPreconditionError(
        fmt::format("parallel_for returned before task {} of {} was done", unfinished, count));
  }
  return failed == nullptr ? absl::OkStatus() : failed->status;
}

}  // namespace mathnas::kernels
