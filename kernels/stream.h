// What a device with memory of its own adds to a context: that memory, a queue of work, and copies between both sides.
#ifndef MATHNAS_KERNELS_STREAM_H_
#define MATHNAS_KERNELS_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace mathnas::kernels {

class BoundKernel;

// Bytes that are the same on both sides before or after a run.
struct Transfer {
  void* host;
  void* device;
  size_t bytes;
};

// A context's work, over and over: what it reads is copied to the device, the kernels run in order, what it gives is
// copied back. Addresses stay the same, so a device may record it once. Not thread-safe.
class Execution {
 public:
  virtual ~Execution() = default;
  // Enqueues a run: the host goes on, and leaves what is copied alone until Wait. Updates of the device come after it.
  virtual absl::Status Start() = 0;
  // Until the run that was started is done; nothing where none was.
  virtual absl::Status Wait() = 0;
  // Seconds of the last run by the clock of the device, from its first copy to its last; 0 before the first run.
  virtual double last_seconds() const = 0;
  // A run, waited for, that adds the time of each kernel in seconds to seconds[kernel].
  virtual absl::Status RunTimed(absl::Span<double> seconds) = 0;
};

// Memory and order of contexts that run one after the other (Workspace, plan.h). Not thread-safe.
class Stream {
 public:
  virtual ~Stream() = default;
  // At least so many bytes of the device, and of host memory that it copies from and to, 256-byte aligned. They grow:
  // addresses from before are invalid then. ResourceExhausted says how much was wanted and how much there is.
  virtual absl::StatusOr<std::byte*> Reserve(size_t bytes) = 0;
  virtual absl::StatusOr<std::byte*> ReserveHost(size_t bytes) = 0;
  // Of the device that are reserved.
  virtual size_t bytes() const = 0;
  // How often they have moved: executions from before are valid as long as this stays the same.
  virtual uint64_t moves() const = 0;
  // The kernels were bound to this stream and outlive the execution.
  virtual absl::StatusOr<std::unique_ptr<Execution>> Prepare(std::vector<Transfer> before,
                                                             absl::Span<const std::unique_ptr<BoundKernel>> kernels,
                                                             std::vector<Transfer> after) = 0;
  // Enqueues a copy of rows of the device's memory that lie strides apart; all in bytes.
  virtual absl::Status CopyRows(void* to, size_t to_stride, const void* from, size_t from_stride, size_t row_bytes,
                                size_t rows) = 0;
  // Until everything enqueued so far is done; the first error of it, if there was one.
  virtual absl::Status Wait() = 0;
};

}  // namespace mathnas::kernels

#endif  // MATHNAS_KERNELS_STREAM_H_
