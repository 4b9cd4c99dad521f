// A flag that ends what takes long.
#ifndef MATHNAS_BINDINGS_C_CANCEL_H_
#define MATHNAS_BINDINGS_C_CANCEL_H_

#include <atomic>
#include <optional>

#include "bindings/c/handles.h"
#include "bindings/c/mathnas.h"

namespace mathnas::c {

struct CancelHandle : Object {
  static constexpr Kind kKind = Kind::kCancel;
  static constexpr const char* kName = "cancel";
  CancelHandle() : Object(kKind) {}
  std::atomic<bool> cancelled{false};
};

// The flag that a call was given, alive while it runs; or none.
class CancelFlag {
 public:
  explicit CancelFlag(mathnas_cancel handle) {
    if (handle != nullptr) pinned_.emplace(handle);
  }
  absl::Status status() const { return pinned_ ? pinned_->status() : absl::OkStatus(); }
  const std::atomic<bool>* flag() const { return pinned_ ? &(*pinned_)->cancelled : nullptr; }

 private:
  std::optional<Pinned<CancelHandle>> pinned_;
};

}  // namespace mathnas::c

#endif  // MATHNAS_BINDINGS_C_CANCEL_H_
