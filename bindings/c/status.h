// The border: everything that a function of the interface does happens inside of Call, which no exception leaves and
// where an absl::Status becomes a code and a text of the thread.
#ifndef MATHNAS_BINDINGS_C_STATUS_H_
#define MATHNAS_BINDINGS_C_STATUS_H_

#include <cxxabi.h>

#include <exception>
#include <new>
#include <string_view>

#include "absl/status/status.h"
#include "bindings/c/mathnas.h"

namespace mathnas::c {

// Keeps the text for mathnas_last_error.
mathnas_status Report(const absl::Status& status);
mathnas_status Report(mathnas_status code, std::string_view text);

// Runs `body`, which returns an absl::Status. A thread that is cancelled (pthread_cancel) unwinds through here, as the
// C library demands.
template <typename Body>
mathnas_status Call(const Body& body) {
  try {
    return Report(body());
  } catch (const std::bad_alloc&) {
    return Report(MATHNAS_RESOURCE_EXHAUSTED, "not enough memory");
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (const std::exception& e) {
    return Report(MATHNAS_INTERNAL, e.what());
  } catch (...) {
    return Report(MATHNAS_INTERNAL, "an exception of unknown type");
  }
}

// InvalidArgument "NAME: null, expected WHAT".
absl::Status Null(std::string_view name, std::string_view what);

}  // namespace mathnas::c

#endif  // MATHNAS_BINDINGS_C_STATUS_H_
