#include "bindings/c/cancel.h"

#include <memory>

#include "bindings/c/status.h"

using namespace mathnas::c;  // NOLINT: what follows is the interface, and nothing else

mathnas_status mathnas_cancel_create(mathnas_cancel* cancel) {
  return Call([&]() -> absl::Status {
    if (cancel == nullptr) return Null("cancel", "the address of a handle");
    *cancel = nullptr;
    return HandOut(std::make_unique<CancelHandle>(), cancel);
  });
}

mathnas_status mathnas_cancel_set(mathnas_cancel cancel, int32_t cancelled) {
  return Call([&]() -> absl::Status {
    const Pinned<CancelHandle> pinned(cancel);
    if (!pinned.ok()) return pinned.status();
    pinned->cancelled.store(cancelled != 0);
    return absl::OkStatus();
  });
}

mathnas_status mathnas_cancel_destroy(mathnas_cancel cancel) {
  return Call([&] { return Destroy<CancelHandle>(cancel); });
}
