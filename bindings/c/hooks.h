// Threads of the caller.
#ifndef MATHNAS_BINDINGS_C_HOOKS_H_
#define MATHNAS_BINDINGS_C_HOOKS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "bindings/c/mathnas.h"
#include "fmt/format.h"
#include "kernels/tasks.h"

namespace mathnas::c {

inline absl::Status CheckThreads(int32_t threads) {
  constexpr int32_t kMost = 4096;
  if (threads >= 1 && threads <= kMost) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("threads: {}, expected 1 to {}", threads, kMost));
}

// At most `threads` parts that parallel_for runs; without it nothing is divided.
inline kernels::Division DivisionOf(int32_t threads, mathnas_parallel_for parallel_for, void* user) {
  if (parallel_for == nullptr) return {};
  return {threads, [parallel_for, user](int64_t count, mathnas_task task, void* argument) {
            parallel_for(user, count, task, argument);
          }};
}
inline kernels::Division DivisionOf(const mathnas_model_options& options) {
  return DivisionOf(options.threads, options.parallel_for, options.parallel_user);
}

}  // namespace mathnas::c

#endif  // MATHNAS_BINDINGS_C_HOOKS_H_
