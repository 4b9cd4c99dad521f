// The entry points of the CUDA driver.
#include <dlfcn.h>
#include <sys/mman.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/cuda/emulation/emulation.h"
#include "kernels/cuda/emulation/threads.h"

namespace {

using mathnas::kernels::cuda::emulation::Activity;
using mathnas::kernels::cuda::emulation::Counters;
using mathnas::kernels::cuda::emulation::Settings;
using Clock = std::chrono::steady_clock;

struct Work {
  std::function<void()> run;
  Activity activity;
};

}  // namespace

// What the opaque handles of the driver are here.
struct CUstream_st {
  std::deque<Work> pending;
  std::vector<Work>* captured = nullptr;  // what is recorded, while something is
  bool draining = false;
};
struct CUevent_st {
  struct State {
    CUstream stream = nullptr;
    int64_t recorded = 0, reached = 0;  // how often; those that graphs record count when they are replayed
    Clock::time_point when = {};
    bool done() const { return reached == recorded; }
  };
  // Events may go before the work that waits for them.
  std::shared_ptr<State> state = std::make_shared<State>();
};
struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};
struct CUfunc_st {
  void (*run)(const void*);
  unsigned argument_bytes;
};
struct CUmod_st {};

namespace {

struct Allocation {
  size_t bytes;
  bool device;  // the host must not touch it
};

// All of the stand-in. One mutex: a driver is thread-safe, and nothing here is about speed.
struct State {
  std::recursive_mutex mutex;
  Settings settings;
  Counters counters;
  CUresult lost = CUDA_SUCCESS;  // what every call answers once the device is lost
  std::map<uintptr_t, Allocation> allocations;
  std::map<uintptr_t, size_t> page_locked;  // memory of the host
  std::map<std::string, std::unique_ptr<CUfunc_st>> functions;
  int drains = 0;  // nested

  State() {
    const char* text = std::getenv("MATHNAS_CUDA_EMULATION");
    if (text != nullptr) Parse(text);
  }

  void Parse(std::string_view text) {
    while (!text.empty()) {
      const size_t comma = std::min(text.find(','), text.size()), equals = text.find('=');
      const std::string_view key = text.substr(0, equals);
      const std::string value(text.substr(std::min(equals + 1, comma), comma - std::min(equals + 1, comma)));
      const long long number = std::atoll(value.c_str());
      if (key == "driver") {
        settings.driver = static_cast<int>(number);
      } else if (key == "devices") {
        settings.devices = static_cast<int>(number);
      } else if (key == "capability") {
        settings.capability = static_cast<int>(number);
      } else if (key == "memory") {
        settings.memory = static_cast<size_t>(number);
      } else if (key == "failing_launch") {
        settings.failing_launch = number;
      } else if (key == "cudnn") {
        settings.cudnn = static_cast<int>(number);
      } else if (key == "cudnn_engines") {
        settings.cudnn_engines = static_cast<int>(number);
      } else if (key == "cupti_error") {
        settings.cupti_error = static_cast<int>(number);
      } else if (key == "cupti_room") {
        settings.cupti_room = number;
      } else if (key == "cupti_untimed") {
        settings.cupti_untimed = number;
      } else if (key == "idle_us") {
        settings.idle_us = number;
      } else {
        std::fprintf(stderr, "MATHNAS_CUDA_EMULATION: unknown setting in \"%s\"\n", std::string(text).c_str());
        std::abort();
      }
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
  }

  void Protect(int protection) {
    for (const auto& [address, allocation] : allocations) {
      if (allocation.device) mprotect(reinterpret_cast<void*>(address), allocation.bytes, protection);
    }
  }

  // Whether the driver allocated it: a copy of other memory may have to wait, which it must not while it is recorded.
  bool Knows(CUdeviceptr address) const {
    const auto contains = [address](const auto& map, const auto& bytes_of) {
      auto after = map.upper_bound(address);
      return after != map.begin() && address < std::prev(after)->first + bytes_of(std::prev(after)->second);
    };
    return contains(allocations, [](const Allocation& a) { return a.bytes; }) ||
           contains(page_locked, [](size_t bytes) { return bytes; });
  }

  void Do(const Work& work) {
    if (work.activity == Activity::kNone) return work.run();
    if (settings.idle_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(settings.idle_us));
    const Clock::time_point start = Clock::now();
    work.run();
    mathnas::kernels::cuda::emulation::AddActivity(work.activity, start, Clock::now());
  }

  void Drain(CUstream stream) {
    DrainUntil(stream, [] { return false; });
  }

  // Does work of a stream, in its order, until reached() or there is none.
  template <typename Reached>
  void DrainUntil(CUstream stream, const Reached& reached) {
    if (stream->draining) {
      std::fprintf(stderr, "emulated CUDA: a stream waits for work that comes after it\n");
      std::abort();
    }
    stream->draining = true;
    if (drains++ == 0) Protect(PROT_READ | PROT_WRITE);
    while (!stream->pending.empty() && !reached()) {
      const Work work = std::move(stream->pending.front());
      stream->pending.pop_front();
      if (lost == CUDA_SUCCESS) Do(work);
    }
    if (--drains == 0) Protect(PROT_NONE);
    stream->draining = false;
  }
};

State& Global() {
  static State* state = new State;  // never destroyed: streams may outlive static objects
  return *state;
}

// Work that ends a lost device's calls, or runs f.
template <typename F>
CUresult Call(const F& f) {
  State& state = Global();
  const std::lock_guard lock(state.mutex);
  if (state.lost != CUDA_SUCCESS) return state.lost;
  return f(state);
}

size_t Pages(size_t bytes) { return (bytes + 4095) / 4096 * 4096; }

CUresult Allocate(CUdeviceptr* address, size_t bytes, bool device) {
  return Call([&](State& state) {
    bytes = Pages(bytes);
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    if (state.counters.bytes + bytes > state.settings.memory) return CUDA_ERROR_OUT_OF_MEMORY;
    void* memory =
        mmap(nullptr, bytes, device ? PROT_NONE : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    state.counters.bytes += bytes;
    *address = reinterpret_cast<CUdeviceptr>(memory);
    state.allocations[*address] = {bytes, device};
    // As memory of a GPU, which holds what was there before.
    if (device) {
      mprotect(memory, bytes, PROT_READ | PROT_WRITE);
      std::memset(memory, 0xFF, bytes);
      mprotect(memory, bytes, PROT_NONE);
    }
    return CUDA_SUCCESS;
  });
}

}  // namespace

namespace mathnas::kernels::cuda::emulation {

void Enqueue(CUstream stream, std::function<void()> work, Activity activity) {
  const std::lock_guard lock(Global().mutex);
  Work entry = {std::move(work), activity};
  if (stream->captured != nullptr) {
    stream->captured->push_back(std::move(entry));
  } else {
    stream->pending.push_back(std::move(entry));
  }
}

}  // namespace mathnas::kernels::cuda::emulation

using mathnas::kernels::cuda::emulation::Enqueue;

extern "C" {

mathnas::kernels::cuda::emulation::Settings* mathnas_cuda_emulation_settings() { return &Global().settings; }
mathnas::kernels::cuda::emulation::Counters* mathnas_cuda_emulation_counters() { return &Global().counters; }

CUresult cuInit(unsigned) { return Global().settings.devices > 0 ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE; }
CUresult cuDriverGetVersion(int* version) {
  *version = Global().settings.driver;
  return CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_OUT_OF_MEMORY   ? "CUDA_ERROR_OUT_OF_MEMORY"
          : error == CUDA_ERROR_LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED"
                                              : "CUDA_ERROR";
  return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_OUT_OF_MEMORY   ? "out of memory"
          : error == CUDA_ERROR_LAUNCH_FAILED ? "unspecified launch failure"
                                              : "error of the emulation";
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int* count) {
  *count = Global().settings.devices;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  *device = ordinal;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char* name, int size, CUdevice) {
  std::snprintf(name, static_cast<size_t>(size), "emulated GPU");
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  const int capability = Global().settings.capability;
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      *value = capability / 10;
      return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      *value = capability % 10;
      return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      *value = 1;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}
CUresult cuDeviceGetPCIBusId(char* id, int size, CUdevice) {
  std::snprintf(id, static_cast<size_t>(size), "0000:00:00.0");
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
  *context = reinterpret_cast<CUcontext>(&Global());
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return CUDA_SUCCESS; }
CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  return Call([&](State& state) {
    *total = state.settings.memory;
    *free = *total - std::min(*total, state.counters.bytes);
    return CUDA_SUCCESS;
  });
}
CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) { return Allocate(address, bytes, true); }
CUresult cuMemAllocManaged(CUdeviceptr* address, size_t bytes, unsigned) { return Allocate(address, bytes, false); }
CUresult cuMemPrefetchAsync_v2(CUdeviceptr, size_t, CUmemLocation, unsigned, CUstream) { return CUDA_SUCCESS; }
CUresult cuMemFree_v2(CUdeviceptr address) {
  State& state = Global();
  const std::lock_guard lock(state.mutex);
  const auto found = state.allocations.find(address);
  if (found == state.allocations.end()) return CUDA_ERROR_INVALID_VALUE;
  munmap(reinterpret_cast<void*>(address), found->second.bytes);
  state.counters.bytes -= found->second.bytes;
  state.allocations.erase(found);
  return CUDA_SUCCESS;
}
CUresult cuMemAllocHost_v2(void** memory, size_t bytes) {
  *memory = std::aligned_alloc(4096, Pages(bytes));
  if (*memory == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  std::memset(*memory, 0xFF, bytes);
  State& state = Global();
  const std::lock_guard lock(state.mutex);
  state.page_locked[reinterpret_cast<uintptr_t>(*memory)] = bytes;
  return CUDA_SUCCESS;
}
CUresult cuMemFreeHost(void* memory) {
  State& state = Global();
  const std::lock_guard lock(state.mutex);
  state.page_locked.erase(reinterpret_cast<uintptr_t>(memory));
  std::free(memory);
  return CUDA_SUCCESS;
}
CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  return Call([&](State& state) {
    state.Protect(PROT_READ | PROT_WRITE);
    state.Do({[&] { std::memcpy(reinterpret_cast<void*>(to), from, bytes); }, Activity::kCopy});
    if (state.drains == 0) state.Protect(PROT_NONE);
    return CUDA_SUCCESS;
  });
}
CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return Call([&](State& state) {
    const bool recorded = stream->captured != nullptr;
    if (recorded && !(state.Knows(to) && state.Knows(from))) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    Enqueue(
        stream, [=] { std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes); },
        Activity::kCopy);
    return CUDA_SUCCESS;
  });
}
CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* copy, CUstream stream) {
  return Call([&](State&) {
    if (copy->WidthInBytes > copy->srcPitch || copy->WidthInBytes > copy->dstPitch) return CUDA_ERROR_INVALID_VALUE;
    Enqueue(
        stream,
        [c = *copy] {
          for (size_t r = 0; r < c.Height; ++r) {
            std::memcpy(reinterpret_cast<char*>(c.dstDevice) + r * c.dstPitch,
                        reinterpret_cast<const char*>(c.srcDevice) + r * c.srcPitch, c.WidthInBytes);
          }
        },
        Activity::kCopy);
    return CUDA_SUCCESS;
  });
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream) {
  return Call([&](State&) {
    Enqueue(
        stream, [=] { std::memset(reinterpret_cast<void*>(to), value, bytes); }, Activity::kSet);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamCreate(CUstream* stream, unsigned) {
  return Call([&](State&) {
    *stream = new CUstream_st;
    return CUDA_SUCCESS;
  });
}
CUresult cuStreamDestroy_v2(CUstream stream) {
  return Call([&](State& state) {
    state.Drain(stream);
    delete stream;
    return state.lost;
  });
}
CUresult cuStreamSynchronize(CUstream stream) {
  return Call([&](State& state) {
    if (stream->captured != nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    ++state.counters.waits;
    state.Drain(stream);
    return state.lost;
  });
}
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  return Call([&](State&) {
    Enqueue(
        stream,
        [event = event->state, recorded = event->state->recorded] {
          const auto reached = [&] { return event->reached >= recorded; };
          if (!reached()) Global().DrainUntil(event->stream, reached);
        },
        Activity::kNone);
    return CUDA_SUCCESS;
  });
}
CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode) {
  return Call([&](State& state) {
    if (stream->captured != nullptr) return CUDA_ERROR_ILLEGAL_STATE;
    stream->captured = new std::vector<Work>;
    ++state.counters.captures;
    return CUDA_SUCCESS;
  });
}
CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  return Call([&](State&) {
    if (stream->captured == nullptr) return CUDA_ERROR_ILLEGAL_STATE;
    *graph = new CUgraph_st{std::move(*stream->captured)};
    delete std::exchange(stream->captured, nullptr);
    return CUDA_SUCCESS;
  });
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph, unsigned long long) {
  *exec = new CUgraphExec_st{graph->work};
  return CUDA_SUCCESS;
}
CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  return Call([&](State& state) {
    ++state.counters.graph_launches;
    for (const Work& work : exec->work) Enqueue(stream, work.run, work.activity);
    return CUDA_SUCCESS;
  });
}
CUresult cuGraphDestroy(CUgraph graph) {
  delete graph;
  return CUDA_SUCCESS;
}
CUresult cuGraphExecDestroy(CUgraphExec exec) {
  delete exec;
  return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent* event, unsigned) {
  *event = new CUevent_st;
  return CUDA_SUCCESS;
}
// While work is recorded an event is one that replays set, or nothing that anybody could ask for.
CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  return Call([&](State&) {
    const bool recorded = stream->captured != nullptr, external = flags == CU_EVENT_RECORD_EXTERNAL;
    if (recorded != external) return recorded ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_ERROR_INVALID_VALUE;
    event->state->stream = stream;
    if (!recorded) ++event->state->recorded;
    Enqueue(
        stream,
        [event = event->state, recorded] {
          if (recorded) ++event->recorded;
          ++event->reached;
          event->when = Clock::now();
        },
        Activity::kNone);
    return CUDA_SUCCESS;
  });
}
CUresult cuEventRecord(CUevent event, CUstream stream) {
  return cuEventRecordWithFlags(event, stream, CU_EVENT_RECORD_DEFAULT);
}
CUresult cuEventSynchronize(CUevent event) {
  return Call([&](State& state) {
    const CUevent_st::State& e = *event->state;
    if (!e.done()) state.DrainUntil(e.stream, [&] { return e.done(); });
    return state.lost;
  });
}
CUresult cuEventElapsedTime_v2(float* milliseconds, CUevent begin, CUevent end) {
  return Call([&](State&) {
    if (!begin->state->done() || !end->state->done()) return CUDA_ERROR_NOT_READY;
    *milliseconds = std::chrono::duration<float, std::milli>(end->state->when - begin->state->when).count();
    return CUDA_SUCCESS;
  });
}
CUresult cuEventDestroy_v2(CUevent event) {
  delete event;
  return CUDA_SUCCESS;
}

CUresult cuModuleLoadData(CUmodule* module, const void*) {
  return Call([&](State& state) {
    if (state.settings.capability > 121) return CUDA_ERROR_NO_BINARY_FOR_GPU;
    *module = new CUmod_st;
    return CUDA_SUCCESS;
  });
}
CUresult cuModuleUnload(CUmodule module) {
  delete module;
  return CUDA_SUCCESS;
}
// Own kernels are compiled into this library, with C linkage.
CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
  return Call([&](State& state) {
    auto& known = state.functions[name];
    if (known == nullptr) {
      Dl_info self = {};
      dladdr(reinterpret_cast<void*>(&mathnas_cuda_emulation_settings), &self);
      void* library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
      void* symbol = dlsym(library, name);
      const void* bytes = dlsym(library, (std::string(name) + "_bytes").c_str());
      dlclose(library);
      if (symbol == nullptr || bytes == nullptr) {
        state.functions.erase(name);
        return CUDA_ERROR_NOT_FOUND;
      }
      known.reset(new CUfunc_st{reinterpret_cast<void (*)(const void*)>(symbol), *static_cast<const unsigned*>(bytes)});
    }
    *function = known.get();
    return CUDA_SUCCESS;
  });
}
CUresult cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                        unsigned bz, unsigned shared_bytes, CUstream stream, void** parameters, void**) {
  return Call([&](State&) {
    // What the hardware takes.
    if (gx == 0 || gy == 0 || gz == 0 || bx * by * bz == 0 || bx * by * bz > 1024 || gy > 65535 || gz > 65535 ||
        gx > 2147483647U || shared_bytes > 48 << 10) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    // Arguments are copied at the launch.
    const char* begin = static_cast<const char*>(parameters[0]);
    auto arguments = std::make_shared<std::vector<char>>(begin, begin + function->argument_bytes);
    Enqueue(stream, [=] {
      State& state = Global();
      if (state.settings.failing_launch == state.counters.launches++) {
        state.lost = CUDA_ERROR_LAUNCH_FAILED;
        return;
      }
      mathnas::kernels::cuda::emulation::RunGrid({gx, gy, gz}, {bx, by, bz}, shared_bytes,
                                                 [&] { function->run(arguments->data()); });
    });
    return CUDA_SUCCESS;
  });
}

}  // extern "C"
