// Handles that can be trusted: numbers that name a slot of a table and the time at which it was given, never an
// address. One that was destroyed, is of another type or was made up is recognised, at the price of two atomic
// operations.
#ifndef MATHNAS_BINDINGS_C_HANDLES_H_
#define MATHNAS_BINDINGS_C_HANDLES_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mathnas::c {

enum class Kind : uint8_t { kModel = 1, kPlan, kContext, kTable, kPredictor, kResult, kCancel, kTranslator, kServer };

// What a handle names. A derived T has `static constexpr Kind kKind` and `static constexpr const char* kName`.
class Object {
 public:
  explicit Object(Kind kind) : kind_(kind) {}
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

// ResourceExhausted when there are kMaxHandles.
inline constexpr uint32_t kMaxHandles = 65536;
absl::StatusOr<uint64_t> AddHandle(std::unique_ptr<Object> object);
// Keeps the object of a handle alive; null when the handle is no good. Every Pin that is not null needs its Unpin.
Object* Pin(uint64_t handle, Kind kind);
void Unpin(uint64_t handle);
// Ends the handle; the object goes with its last pin. False when the handle is no good.
bool RemoveHandle(uint64_t handle, Kind kind);
uint32_t LiveHandles();

// The status of a handle that is no good; `name` is what the caller calls it.
absl::Status BadHandle(const char* name, const void* handle);

// The object of a handle for the duration of a call.
template <typename T>
class Pinned {
 public:
  explicit Pinned(const void* handle) : handle_(reinterpret_cast<uint64_t>(handle)), object_(Pin(handle_, T::kKind)) {}
  ~Pinned() {
    if (object_ != nullptr) Unpin(handle_);
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

  bool ok() const { return object_ != nullptr; }
  absl::Status status() const {
    return ok() ? absl::OkStatus() : BadHandle(T::kName, reinterpret_cast<const void*>(handle_));
  }
  T* operator->() const { return static_cast<T*>(object_); }
  T& operator*() const { return *static_cast<T*>(object_); }

 private:
  uint64_t handle_;
  Object* object_;
};

// Gives the caller a handle.
template <typename Handle, typename T>
absl::Status HandOut(std::unique_ptr<T> object, Handle* handle) {
  const absl::StatusOr<uint64_t> number = AddHandle(std::move(object));
  if (!number.ok()) return number.status();
  *handle = reinterpret_cast<Handle>(*number);
  return absl::OkStatus();
}

template <typename T>
absl::Status Destroy(const void* handle) {
  if (handle == nullptr || RemoveHandle(reinterpret_cast<uint64_t>(handle), T::kKind)) return absl::OkStatus();
  return BadHandle(T::kName, handle);
}

}  // namespace mathnas::c

#endif  // MATHNAS_BINDINGS_C_HANDLES_H_
