// Long work that Ctrl-C ends.
#ifndef MATHNAS_BINDINGS_PYTHON_INTERRUPT_H_
#define MATHNAS_BINDINGS_PYTHON_INTERRUPT_H_

#include <nanobind/nanobind.h>

#include <atomic>
#include <chrono>
#include <future>
#include <utility>

namespace mathnas::python {

// Releases the GIL while `work` runs.
template <typename Work>
auto WithoutGil(Work work) {
  const nanobind::gil_scoped_release released;
  return work();
}

// Runs `work` on a thread of its own, without the GIL, while this one lets Python handle signals: it alone can, and
// only between calls. An exception of a handler (KeyboardInterrupt) sets `cancel`, waits until `work` has seen it, and
// goes on. The thread costs some 20 us: for work that can take seconds.
template <typename Work>
auto Interruptibly(std::atomic<bool>& cancel, Work work) {
  constexpr std::chrono::milliseconds kPatience{50};
  std::future<decltype(work())> result = std::async(std::launch::async, std::move(work));
  while (WithoutGil([&] { return result.wait_for(kPatience); }) != std::future_status::ready) {
    if (PyErr_CheckSignals() == 0) continue;
    nanobind::python_error raised;  // takes the exception
    cancel = true;
    WithoutGil([&] {
      result.wait();
      return 0;
    });
    throw raised;
  }
  return result.get();
}

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_INTERRUPT_H_
