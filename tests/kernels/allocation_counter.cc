#include "tests/kernels/allocation_counter.h"

#include <dlfcn.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace {

std::atomic<int64_t> own_count, library_count, live_count;
std::atomic<int> executing;  // calls of the library below in progress; its worker threads count as it

void Allocated(const void* p) {
  if (p == nullptr) return;
  (executing.load() > 0 ? library_count : own_count).fetch_add(1);
  live_count.fetch_add(1);
}

}  // namespace

// glibc's allocator under the names that it keeps for this purpose.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t bytes) {
  void* p = __libc_malloc(bytes);
  Allocated(p);
  return p;
}
void* calloc(size_t count, size_t bytes) {
  void* p = __libc_calloc(count, bytes);
  Allocated(p);
  return p;
}
void* realloc(void* old, size_t bytes) {
  void* p = __libc_realloc(old, bytes);
  if (old != nullptr && (p != nullptr || bytes == 0)) live_count.fetch_sub(1);
  Allocated(p);
  return p;
}
void* memalign(size_t alignment, size_t bytes) {
  void* p = __libc_memalign(alignment, bytes);
  Allocated(p);
  return p;
}
void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** result, size_t alignment, size_t bytes) {
  *result = memalign(alignment, bytes);
  return *result == nullptr ? ENOMEM : 0;
}
void free(void* p) {
  if (p != nullptr) live_count.fetch_sub(1);
  __libc_free(p);
}

// These take the place of the library's functions of their names: calls from the project come here first.
int dnnl_primitive_execute(const void* primitive, void* stream, int count, const void* arguments) {
  using Function = int (*)(const void*, void*, int, const void*);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "dnnl_primitive_execute"));
  executing.fetch_add(1);
  const int status = next(primitive, stream, count, arguments);
  executing.fetch_sub(1);
  return status;
}
// Some builds of the library only do now what was asked for before.
int dnnl_stream_wait(void* stream) {
  using Function = int (*)(void*);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "dnnl_stream_wait"));
  executing.fetch_add(1);
  const int status = next(stream);
  executing.fetch_sub(1);
  return status;
}
}

namespace mathnas::kernels::testing {

Allocations CountAllocations() { return {own_count.load(), library_count.load(), live_count.load()}; }

}  // namespace mathnas::kernels::testing
