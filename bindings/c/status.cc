#include "bindings/c/status.h"

#include <algorithm>
#include <cstring>

#include "fmt/format.h"
#include "kernels/status.h"

namespace mathnas::c {
namespace {

// Without a destructor: one would keep the library loaded as long as the thread lives.
constexpr size_t kMessageBytes = 2048;
thread_local char message[kMessageBytes];

mathnas_status CodeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return MATHNAS_OK;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAlreadyExists:
      return MATHNAS_INVALID_ARGUMENT;
    case absl::StatusCode::kNotFound:
      return MATHNAS_NOT_FOUND;
    case absl::StatusCode::kPermissionDenied:
      return MATHNAS_PERMISSION_DENIED;
    case absl::StatusCode::kResourceExhausted:
      return MATHNAS_RESOURCE_EXHAUSTED;
    case absl::StatusCode::kUnimplemented:
      return MATHNAS_UNIMPLEMENTED;
    case absl::StatusCode::kFailedPrecondition:
      return MATHNAS_FAILED_PRECONDITION;
    case absl::StatusCode::kCancelled:
      return MATHNAS_CANCELLED;
    case absl::StatusCode::kUnauthenticated:
      return MATHNAS_BAD_HANDLE;  // BadHandle
    case absl::StatusCode::kAborted:
      return MATHNAS_BUSY;  // InUse
    default:
      return MATHNAS_INTERNAL;
  }
}

}  // namespace

mathnas_status Report(mathnas_status code, std::string_view text) {
  // Ends before a character of several bytes that does not fit.
  size_t length = std::min(text.size(), kMessageBytes - 1);
  while (length < text.size() && length > 0 && (static_cast<uint8_t>(text[length]) & 0xc0) == 0x80) --length;
  std::memcpy(message, text.data(), length);
  message[length] = '\0';
  return code;
}

mathnas_status Report(const absl::Status& status) {
  if (status.ok()) {
    message[0] = '\0';
    return MATHNAS_OK;
  }
  return Report(CodeOf(status.code()), kernels::Message(status));
}

absl::Status Null(std::string_view name, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("{}: null, expected {}", name, what));
}

}  // namespace mathnas::c

const char* mathnas_last_error(void) { return mathnas::c::message; }

const char* mathnas_status_name(mathnas_status status) {
  switch (status) {
    case MATHNAS_OK:
      return "MATHNAS_OK";
    case MATHNAS_INVALID_ARGUMENT:
      return "MATHNAS_INVALID_ARGUMENT";
    case MATHNAS_NOT_FOUND:
      return "MATHNAS_NOT_FOUND";
    case MATHNAS_PERMISSION_DENIED:
      return "MATHNAS_PERMISSION_DENIED";
    case MATHNAS_RESOURCE_EXHAUSTED:
      return "MATHNAS_RESOURCE_EXHAUSTED";
    case MATHNAS_UNIMPLEMENTED:
      return "MATHNAS_UNIMPLEMENTED";
    case MATHNAS_FAILED_PRECONDITION:
      return "MATHNAS_FAILED_PRECONDITION";
    case MATHNAS_CANCELLED:
      return "MATHNAS_CANCELLED";
    case MATHNAS_INTERNAL:
      return "MATHNAS_INTERNAL";
    case MATHNAS_BAD_HANDLE:
      return "MATHNAS_BAD_HANDLE";
    case MATHNAS_BUSY:
      return "MATHNAS_BUSY";
    default:
      return "unknown status";
  }
}
