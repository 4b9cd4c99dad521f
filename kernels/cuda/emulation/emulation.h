// A stand-in for the CUDA driver, cuDNN and cuBLASLt: one library with the entry points that libraries.h asks for,
// which computes on the host. Work is done when somebody waits for it and not before, and the host cannot touch memory
// of the device in between: what forgets to copy or to wait fails here too. Found by MATHNAS_CUDA_LIBRARIES.
#ifndef MATHNAS_KERNELS_CUDA_EMULATION_EMULATION_H_
#define MATHNAS_KERNELS_CUDA_EMULATION_EMULATION_H_

#include <cuda.h>

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
};

// What happened so far.
struct Counters {
  int64_t launches = 0;        // of own kernels, those in graphs included
  int64_t graph_launches = 0;  // of whole graphs
  int64_t captures = 0;
  int64_t waits = 0;  // of the host
  size_t bytes = 0;   // of the device that are allocated now
};

// Work of a stream; recorded instead where the stream is being captured.
void Enqueue(CUstream stream, std::function<void()> work);

}  // namespace mathnas::kernels::cuda::emulation

// For tests: dlsym'ed from the library.
extern "C" mathnas::kernels::cuda::emulation::Settings* mathnas_cuda_emulation_settings();
extern "C" mathnas::kernels::cuda::emulation::Counters* mathnas_cuda_emulation_counters();

#endif  // MATHNAS_KERNELS_CUDA_EMULATION_EMULATION_H_
