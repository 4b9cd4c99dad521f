// A stand-in for the CUDA driver, cuDNN, cuBLASLt and CUPTI: one library with the entry points that the backend asks
// for, which computes on the host. Work is done when somebody waits for it and not before, and the host cannot touch
// memory of the device in between: what forgets to copy or to wait fails here too. Found by MATHNAS_CUDA_LIBRARIES.
#ifndef MATHNAS_KERNELS_CUDA_EMULATION_EMULATION_H_
#define MATHNAS_KERNELS_CUDA_EMULATION_EMULATION_H_

#include <cuda.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace mathnas::kernels::cuda::emulation {

// What tests may set, in the environment variable MATHNAS_CUDA_EMULATION ("driver=12080,devices=0") or through the
// function below, of which every process has one.
struct Settings {
  int driver = CUDA_VERSION;        // driver=
  int devices = 1;                  // devices=
  int capability = 90;              // capability=
  size_t memory = size_t{8} << 30;  // memory=: bytes of the device
  int64_t failing_launch = -1;      // failing_launch=: the launch, counted from 0, that loses the device
  int cudnn = 0;                    // cudnn=: the version to claim; 0: that of the headers
  int cudnn_engines = 1;            // cudnn_engines=: 0: cuDNN has none for any graph
  int cupti_error = 0;              // cupti_error=: what cuptiActivityEnable answers
  int64_t cupti_room = INT64_MAX;   // cupti_room=: records that are kept, in all; the others are dropped
  int64_t cupti_untimed = 0;        // cupti_untimed=: records from now on that have no times
  int64_t idle_us = 0;              // idle_us=: in which the device does nothing before each kernel, copy or memset
};

// What happened so far.
struct Counters {
  int64_t launches = 0;        // of own kernels, those in graphs included
  int64_t graph_launches = 0;  // of whole graphs
  int64_t captures = 0;
  int64_t waits = 0;  // of the host
  size_t bytes = 0;   // of the device that are allocated now
};

enum class Activity : uint8_t { kNone, kKernel, kCopy, kSet };

// Work of a stream; recorded instead where the stream is being captured.
void Enqueue(CUstream stream, std::function<void()> work, Activity activity = Activity::kKernel);

// For CUPTI: something that the device did. Called with the mutex of the driver held.
void AddActivity(Activity activity, std::chrono::steady_clock::time_point start,
                 std::chrono::steady_clock::time_point end);

}  // namespace mathnas::kernels::cuda::emulation

// For tests: dlsym'ed from the library.
extern "C" mathnas::kernels::cuda::emulation::Settings* mathnas_cuda_emulation_settings();
extern "C" mathnas::kernels::cuda::emulation::Counters* mathnas_cuda_emulation_counters();

#endif  // MATHNAS_KERNELS_CUDA_EMULATION_EMULATION_H_
