// Progress of long work, told to Python from the thread that works.
#ifndef MATHNAS_BINDINGS_PYTHON_TELLING_H_
#define MATHNAS_BINDINGS_PYTHON_TELLING_H_

#include <nanobind/nanobind.h>

#include <atomic>
#include <exception>
#include <utility>

namespace mathnas::python {

// A callback, or None. What it raises ends the work, by `cancel`, and is raised again where the work was asked for.
template <typename... Progress>
class Telling {
 public:
  Telling(nanobind::object callback, std::atomic<bool>& cancel) : callback_(std::move(callback)), cancel_(cancel) {}

  // Without the GIL, which it takes.
  void Tell(const Progress&... progress) {
    if (callback_.is_none()) return;
    const nanobind::gil_scoped_acquire acquired;
    if (raised_) return;
    try {
      callback_(progress...);
    } catch (nanobind::python_error&) {
      raised_ = std::current_exception();
      cancel_ = true;
    }
  }
  void RaiseAgain() const {
    if (raised_) std::rethrow_exception(raised_);
  }

 private:
  nanobind::object callback_;
  std::atomic<bool>& cancel_;
  std::exception_ptr raised_;
};

}  // namespace mathnas::python

#endif  // MATHNAS_BINDINGS_PYTHON_TELLING_H_
