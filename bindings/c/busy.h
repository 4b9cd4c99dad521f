// One call at a time on a handle: the second is told so, instead of spoiling the first.
#ifndef MATHNAS_BINDINGS_C_BUSY_H_
#define MATHNAS_BINDINGS_C_BUSY_H_

#include <atomic>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace mathnas::c {

class Use {
 public:
  explicit Use(std::atomic<bool>& busy) : busy_(busy), first_(!busy.exchange(true, std::memory_order_acquire)) {}
  ~Use() {
    if (first_) busy_.store(false, std::memory_order_release);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  bool ok() const { return first_; }
  absl::Status status(const char* name) const {
    if (first_) return absl::OkStatus();
    return absl::AbortedError(fmt::format("{}: in use by another thread, expected one thread at a time", name));
  }

 private:
  std::atomic<bool>& busy_;
  bool first_;
};

}  // namespace mathnas::c

#endif  // MATHNAS_BINDINGS_C_BUSY_H_
